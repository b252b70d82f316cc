"""Experiments of a tiny package: their tasks, keys and results."""

import json
import re
from dataclasses import fields, replace

import pytest

from rethink.protocol import Spec
from rethink.runs import tasks as tasking
from rethink.runs.tasks import Task, about, groups, key, run, seconds, tasks, text_of
from tests.runs.examples import OTHER_SPEC, SPEC, SPECS, task_of


def test_tasks_are_those_of_the_experiment(experiment):
    found = tasks("tiny", seeds=2)
    assert found == [Task("tiny", (("seed", seed), ("kind", "sum"))) for seed in range(2)]
    assert [task.seconds for task in found] == [2.0, 3.0]
    assert str(found[0]) == "tiny(seed=0, kind='sum')"
    assert found[0].label == "tiny 0"
    assert json.loads(found[1].text) == ["tiny", {"seed": 1, "kind": "sum"}]


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("other", {"seeds": 5}, "experiment must be one of tiny, but was 'other'"),
        ("tiny", {"seeds": 0}, "seeds must be a whole number from 1 on, but 0 was passed"),
        ("tiny", {"seeds": True}, "seeds must be .* but True was passed"),
        ("tiny", {"seeds": 2.0}, "seeds must be .* but 2.0 was passed"),
        ("tiny", {"seeds": 2, "epochs": "3"}, "epochs must be .* but '3' was passed"),
        ("tiny", {"seeds": 2, "depth": 1}, "tiny takes other parameters: .*'depth'"),
        ("tiny", {}, "tiny takes other parameters: .*'seeds'"),
    ],
)
def test_what_there_is_not_is_an_error(experiment, name, parameters, words):
    with pytest.raises(ValueError, match=words):
        tasks(name, **parameters)


def test_a_key_sees_task_data_and_code_and_no_words(experiment):
    one, two = tasks("tiny", seeds=2)
    plain = key(one, "data")
    assert re.fullmatch("[0-9a-f]{20}", plain)
    assert key(one, "data") == plain
    assert len({plain, key(two, "data"), key(one, "other")}) == 3
    experiment('"""Words."""\n' + experiment.code + "# more\n")
    assert key(one, "data") == plain
    experiment(experiment.code.replace("seed + 1", "seed + 2"))
    assert key(one, "data") != plain
    # How long a task takes, and which there are, decide no result.
    experiment(experiment.code.replace("2.0 + task", "3.0 + task"))
    assert key(one, "data") == plain


def test_a_key_depends_on_all_of_a_specification(monkeypatch):
    changed = [replace(SPEC, **{f.name: getattr(OTHER_SPEC, f.name)}) for f in fields(Spec)]
    names = [key(task_of(spec), "data") for spec in (SPEC, *changed)]
    assert len(set(names)) == len(names) == 1 + len(fields(Spec))
    assert key(task_of(replace(OTHER_SPEC, **vars(SPEC))), "data") == names[0]
    monkeypatch.setattr(tasking, "fingerprint", lambda experiment: "other code")
    assert key(task_of(SPEC), "data") not in names


def test_a_task_is_done_and_says_of_what_it_is(experiment, small):
    (task,) = tasks("tiny", seeds=1)
    (result,) = run([task], small)
    assert result["total"] == small.train_images.sum(dtype=int)
    said = about(result)
    assert said["task"] == ["tiny", {"seed": 0, "kind": "sum"}]
    assert said["environment"]["device"] == "cpu"
    assert seconds(result) == said["seconds"] >= 0
    assert text_of(result) == task.text


def test_networks_are_done_together_and_the_long_ones_first(experiment):
    trained = [task_of(spec) for spec in SPECS]
    monkeyed = groups([*tasks("tiny", seeds=3), *trained])
    texts = [task.text for group in monkeyed for task in group]
    assert sorted(texts) == sorted(task.text for task in [*tasks("tiny", seeds=3), *trained])
    assert all(len(group) == 1 for group in monkeyed if group[0].experiment == "tiny")
    of_networks = [group for group in monkeyed if group[0].experiment == "training_runs"]
    assert max(map(len, of_networks)) == 5
    for group in of_networks:
        shared = {(dict(t.arguments)["hidden"], dict(t.arguments)["share"]) for t in group}
        assert len(shared) == 1
    lengths = [sum(task.seconds for task in group) for group in monkeyed]
    assert lengths == sorted(lengths, reverse=True)
