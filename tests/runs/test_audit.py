from dataclasses import replace

import numpy as np
import pytest

from rethink.experiments import training_runs
from rethink.protocol import Spec
from rethink.runs.audit import compare, compare_all, sample
from rethink.runs.carry_out import do_missing
from rethink.runs.store import Store
from rethink.runs.tasks import about, key, module, run, tasks
from rethink.runs.workers import Workers
from tests.runs.examples import made, result_of, task_of

ONE = Workers(1)
SPEC = Spec((8, 4), seed=0, epochs=2)


def record(**changes):
    curves = {name: curve[:2] for name, curve in made().curves.items()}
    return made(**({"spec": SPEC, "curves": curves} | changes))


def held(old, new):
    return compare(task_of(new.spec), result_of(old), result_of(new))


def test_compare_sees_what_differs():
    old = record(spec=replace(SPEC, hidden=(32, 8)))
    assert held(old, replace(old, seconds=9.0)).equal
    assert held(old, replace(old, seconds=9.0)).passed
    shorter = replace(old, spec=replace(old.spec, epochs=1))
    shorter = replace(shorter, curves={n: c[:1] for n, c in old.curves.items()})
    assert held(old, shorter).equal
    test = old.curves["test"] + np.array([0.0, 0.01])
    other = replace(old, curves=old.curves | {"test": test})
    audit = held(old, other)
    assert audit.furthest.name == "curves.test"
    assert audit.furthest.difference == pytest.approx(0.01)
    assert not audit.equal
    assert not audit.passed
    # Equal curves are not enough when a run was trained whole.
    assert not held(old, replace(old, train_confusion=old.train_confusion[::-1])).equal


def test_another_type_of_machine_may_round_differently():
    old = record(spec=replace(SPEC, hidden=(32, 8)))
    elsewhere = {"processor": "another"}
    for far, passed in ((0.01, True), (0.06, False)):
        moved = old.curves | {"test": old.curves["test"] + far}
        assert held(old, replace(old, curves=moved, environment=elsewhere)).passed == passed
        assert not held(old, replace(old, curves=moved)).passed
        # A narrow network may go another way there.
        narrow = replace(old, spec=SPEC)
        assert held(narrow, replace(narrow, curves=moved, environment=elsewhere)).passed
    # What the old one does not say of its machine, it does not ask of a new one.
    more = replace(old, environment=old.environment | {"sklearn": "1"})
    assert held(old, more).same_machine
    assert not held(more, old).same_machine


SAID = b'{"task": ["tiny", {"seed": 0, "kind": "sum"}], "environment": {}, "seconds": 9}'
ELSEWHERE = {"about": np.frombuffer(SAID, np.uint8)}


def test_results_without_training_agree_but_for_rounding_on_another_machine(experiment, small):
    (task,) = tasks("tiny", seeds=1)
    (old,) = run([task], small)
    assert compare(task, old, old).passed
    for share, passed in ((1e-12, True), (1e-3, False)):
        altered = old | {"total": old["total"] * (1 + share)}
        assert not compare(task, old, altered).passed
        audit = compare(task, old, altered | ELSEWHERE)
        assert not audit.equal
        assert audit.passed == passed
        assert audit.furthest.name == "total"


def test_an_experiment_says_what_is_judged_on_another_machine(experiment, small, monkeypatch):
    (task,) = tasks("tiny", seeds=1)
    (old,) = run([task], small)
    allowed = {}
    monkeypatch.setattr(module("tiny"), "elsewhere", lambda task: allowed, raising=False)
    altered = old | {"total": old["total"] + 2} | ELSEWHERE
    assert compare(task, old, altered).passed
    assert compare(task, old, altered).furthest is None
    for limit, passed in ((2.5, True), (1.5, False)):
        allowed["total"] = limit
        assert compare(task, old, altered).passed == passed
    assert str(compare(task, old, altered).furthest) == "total by 2 (1.5 is allowed)"


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ([1.0, np.nan, np.inf], [1.5, np.nan, np.inf], 0.5),
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([np.inf], [-np.inf], np.inf),
        ([1.0], [1.0, 2.0], np.inf),
        (["a"], ["a"], 0.0),
        (["a"], ["b"], np.inf),
        ([True], [False], 1.0),
        (np.array([3], np.uint8), np.array([4], np.uint8), 1.0),
        ([], [], 0.0),
    ],
)
def test_arrays_are_compared_number_by_number(experiment, old, new, difference):
    (task,) = tasks("tiny", seeds=1)
    pair = ({"x": np.array(each)} | ELSEWHERE for each in (old, new))
    assert compare(task, *pair).furthest.difference == difference


def test_every_experiment_judges_what_it_returns():
    """A name that no result has would be judged of none."""
    results = Store.here().published.values()
    judged = {}
    for result in results:
        name, arguments = about(result)["task"]
        if hasattr(module(name), "elsewhere"):
            found = judged.setdefault(name, {})
            for each in module(name).elsewhere(arguments):
                found[each] = found.get(each, False) or each in result
    assert all(all(found.values()) for found in judged.values()), judged
    trained = {"training_runs", "learners", "controls", "memorize", "labels", "variations"}
    assert trained <= judged.keys()


def test_a_sample_takes_about_its_time(experiment):
    wanted = tasks("tiny", seeds=3)
    every = sample(wanted, seconds=60, seed=1)
    assert {task for task, _ in every} == set(wanted)
    assert all(task is again for task, again in every)
    assert sample(wanted, seconds=7.0, seed=1)
    assert sum(task.seconds for task, _ in sample(wanted, seconds=7.0, seed=1)) <= 7.0
    assert sample(wanted, seconds=3.0, seed=1) == []
    # One that takes long is cut short where it can be.
    long = task_of(Spec((256, 128, 128), 0))
    for seconds in (10.0, 30.0, 90.0):
        ((task, again),) = sample([long], seconds)
        assert task is long
        assert 1 <= dict(again.arguments)["epochs"] < 80
        assert dict(again.arguments)["hidden"] == (256, 128, 128)
    seeds = [sample(wanted, seconds=9.0, seed=seed) for seed in range(20)]
    assert len({str(each) for each in seeds}) > 1


def test_a_shorter_training_is_the_beginning_of_a_longer_one(small, tmp_path):
    store = Store(tmp_path, None)
    long, other = (task_of(Spec((5,), seed, epochs=3)) for seed in (0, 1))
    short = task_of(Spec((5,), 0, epochs=1))
    do_missing([long, other, short], small, store, ONE)
    old, new, wrong = (store.get(key(task, small.digest)) for task in (long, short, other))
    assert compare(short, old, new).equal
    assert not compare(short, wrong, new).passed


def test_all_is_compared_whatever_the_keys_are(experiment, small):
    wanted = tasks("tiny", seeds=3)
    results = {task.text: run([task], small)[0] for task in wanted}
    found = compare_all(wanted, results.values(), results)
    assert found.whole
    assert [audit.task for audit in found.audits] == wanted
    assert all(audit.equal for audit in found.audits)
    first, *rest = results.values()
    assert compare_all(wanted, rest, results).new == wanted[:1]
    assert compare_all(wanted[1:], results.values(), results).left == [wanted[0].text]
    assert not compare_all(wanted, rest, results).whole
    assert not compare_all(wanted, [], results).whole
    altered = [first | {"total": first["total"] + 1}, *rest]
    assert [audit.equal for audit in compare_all(wanted, altered, results).audits] == [
        *(False, True, True)
    ]


def test_what_training_runs_say_of_their_results():
    specification = dict(task_of(replace(SPEC, random_labels=0.75)).arguments)
    limits = training_runs.elsewhere(specification | {"hidden": (16, 8)})
    assert limits == dict.fromkeys(("curves.validation", "curves.test"), training_runs.TOLERANCE)
    assert training_runs.elsewhere(specification | {"hidden": (16, 7)}) == {}
    alone = specification | {"hidden": (16, 8), "random_labels": 1.0}
    assert training_runs.elsewhere(alone) == {}
    shorter = training_runs.shorten(specification | {"epochs": 80}, 1e-9)
    assert shorter == specification | {"epochs": 1}
    assert training_runs.shorten(specification, 1e9) == specification
