import math
import re
import shutil
from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink.experiments import training_runs
from rethink.experiments.training_runs import (
    CACHED_WEIGHTS,
    LARGE,
    SEVEN,
    STUDIES,
    cost,
    parameters,
    run,
    run_together,
    stacks,
    tasks,
)
from rethink.mlp import StackedMLP
from rethink.protocol import Spec
from rethink.runs import fingerprints
from rethink.runs.fingerprints import slice_digest
from rethink.runs.store import result_digest
from rethink.trainer import train


def specifications(study, seeds, epochs):
    return [Spec(**task) for task in tasks(study, seeds, epochs)]


# Studies


@pytest.mark.parametrize("name", ["capacity", "shares", "random-labels"])
def test_more_seeds_only_add_members(name):
    few, many = (specifications(name, seeds, epochs=80) for seeds in (2, 5))
    assert len(set(many)) == len(many) == len(few) / 2 * 5
    assert set(few) == {spec for spec in many if spec.seed < 2}
    assert {spec.seed for spec in many} == set(range(5))


def test_thirty_seeds_of_the_small_networks_begin_with_those_of_figure_8():
    many = specifications("many-seeds", 5, 80)
    assert {spec.hidden: spec.seed for spec in many} == dict.fromkeys(SEVEN[3:], 29)
    assert len(set(many)) == 4 * 30
    first = {spec for spec in specifications("capacity", 5, 80) if spec.hidden in SEVEN[3:]}
    assert first == {spec for spec in many if spec.seed < 5}


def test_every_network_has_its_null():
    null = specifications("shuffled", 5, 80)
    assert {spec.random_labels for spec in null} == {1.0}
    assert [(spec.hidden, spec.seed) for spec in null] == [
        (hidden, seed) for hidden in SEVEN for seed in (0, 1)
    ]


@pytest.mark.parametrize("name", STUDIES)
def test_fewer_epochs_shorten_every_member(name):
    assert {spec.epochs for spec in specifications(name, 2, 5)} == {5}
    assert all(spec.epochs <= 12 for spec in specifications(name, 2, 12))


def test_a_study_that_there_is_not_is_an_error():
    words = "study must be one of capacity, .*, shuffled, but 'depth' was passed"
    with pytest.raises(ValueError, match=words):
        tasks("depth", 5, 80)


# Cost


@pytest.mark.parametrize("hidden", [*SEVEN, (7,)])
def test_parameters_are_those_of_the_network(hidden):
    for features, classes in ((784, 10), (5, 3)):
        network = StackedMLP((features, *hidden, classes), [0, 1]).member(0)
        counted = sum(tensor.numel() for tensor in network.parameters())
        assert parameters(Spec(hidden, 0), features, classes) == counted


def test_cost_grows_with_the_work():
    spec = Spec(LARGE, 0, epochs=10)
    assert cost(spec) == pytest.approx(10 * cost(replace(spec, epochs=1)))
    assert cost(spec, rows=600) == pytest.approx(cost(spec) / 100)
    networks = [cost(Spec(hidden, 0)) for hidden in SEVEN]
    assert networks == sorted(networks, reverse=True)
    none, some, more = (cost(replace(spec, share=share)) for share in (1e-9, 0.2, 0.4))
    assert more - some == pytest.approx(some - none)
    assert 0 < none < some  # without any training rows, the evaluations remain
    for changes in ({"seed": 9}, {"random_labels": 0.5}):
        assert cost(replace(spec, **changes)) == cost(spec)


# Stacks

some_specs = st.lists(
    st.builds(
        Spec,
        hidden=st.sampled_from([LARGE, (128, 64, 64), (64, 32, 32), (8, 4, 4), (7,)]),
        seed=st.integers(0, 12),
        epochs=st.sampled_from([1, 80]),
        share=st.sampled_from([0.3, 1.0]),
        random_labels=st.sampled_from([0.0, 0.5]),
    ),
    max_size=60,
)
# Long runs of one network, which need several stacks.
many_seeds = st.builds(
    lambda hidden, seeds: [Spec(hidden, seed) for seed in range(seeds)],
    st.sampled_from(SEVEN),
    st.integers(1, 40),
)


@settings(deadline=None, max_examples=150)
@given(some_specs | many_seeds)
def test_stacks_hold_every_member_once_with_its_like(specs):
    result = stacks(iter(specs))
    assert Counter(spec for stack in result for spec in stack) == Counter(specs)
    members = Counter(spec.stack_key() for spec in specs)
    sizes = {}
    for stack in result:
        (shared,) = {spec.stack_key() for spec in stack}
        sizes.setdefault(shared, []).append(len(stack))
        assert len(stack) >= 2 or members[shared] == 1
        assert len(stack) <= 3 or (
            len(stack) <= 15 and len(stack) * parameters(stack[0]) <= CACHED_WEIGHTS
        )
    for shared, each in sizes.items():
        assert max(each) - min(each) <= 1
        # No more stacks than needed: with one less, one would be too long.
        longest = -(-members[shared] // (len(each) - 1)) if len(each) > 1 else 16
        weights = parameters(Spec(shared[0], 0))
        assert longest > 15 or (longest > 3 and longest * weights > CACHED_WEIGHTS)
    costs = [sum(map(cost, stack)) for stack in result]
    assert costs == sorted(costs, reverse=True)


def test_stacks_of_nothing_and_of_the_report():
    assert stacks([]) == []
    result = stacks(specifications("capacity", 5, 80))
    of_each = {hidden: [len(s) for s in result if s[0].hidden == hidden] for hidden in SEVEN}
    assert of_each == {LARGE: [3, 2], SEVEN[1]: [3, 2], **{small: [5] for small in SEVEN[2:]}}
    assert result[0][0].hidden == LARGE


def test_groups_are_stacks_of_dictionaries():
    wanted = tasks("capacity", 2, 1)
    found = training_runs.groups(wanted)
    assert sorted(map(str, (task for group in found for task in group))) == sorted(map(str, wanted))
    assert all(len({task["hidden"] for task in group}) == 1 for group in found)


# Training


def test_networks_are_trained_together_as_the_trainer_does(small):
    specs = [Spec((8, 4), seed, epochs=2) for seed in range(3)]
    told = []
    found = run_together(small, [asdict(spec) for spec in specs], tell=told.append)
    expected = [record.to_arrays() for record in train(specs, small)]
    for measured, wanted in zip(found, expected, strict=True):
        own = {name: values for name, values in measured.items() if name in wanted}
        assert result_digest([own]) == result_digest([wanted])
    assert told == [0.5, 1.0]
    assert result_digest([run(small, **asdict(specs[1]))]) == result_digest([found[1]])


def test_what_test_labels_cost_is_told_at_each_milestone(small):
    specs = [Spec((8, 4), seed, epochs=12) for seed in range(2)]
    for result in run_together(small, [asdict(spec) for spec in specs]):
        assert result["milestones"].tolist() == [1, 10, 12]
        at = result["milestones"] - 1
        plain = result["curves.test_loss"][at] / np.log(2)
        np.testing.assert_allclose(result["label_costs.plain"], plain, rtol=1e-5)
        # A share of 1 % of the uniform distribution costs a label that much at most.
        added = result["label_costs.mixed"] - result["label_costs.plain"]
        assert (added <= -np.log2(0.99) + 1e-9).all()
        assert (result["label_costs.tempered"] < math.log2(10)).all()
        assert (result["label_costs.temperature"] > 0).all()


# The fingerprint of the code


@pytest.fixture
def fingerprint_with(tmp_path, monkeypatch):
    """Return a function: the fingerprint of a copy of the code after an edit of one module."""
    package = tmp_path / "package"
    shutil.copytree(
        fingerprints.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "*.csv")
    )
    monkeypatch.setattr(fingerprints, "PACKAGE", package)

    def compute(module=None, edit=None):
        if module is None:
            return slice_digest("experiments.training_runs", "run")
        path = package / f"{module}.py"
        text = path.read_text(encoding="utf-8")
        changed = edit(text)
        assert changed != text, f"{module}.py has nothing to edit"
        path.write_text(changed, encoding="utf-8")
        found = slice_digest("experiments.training_runs", "run")
        path.write_text(text, encoding="utf-8")
        return found

    return compute


def comments(text):
    return re.sub(r"^( *)(def|class|return|for) ", r"\1# A note.\n\n\1\2 ", text, flags=re.M)


def docstrings(text):
    return re.sub(r'^( *)"""(?=[A-Z])', r'\1"""Said anew. ', text, flags=re.M)


def no_docstrings(text):
    # Only where something else follows, without which there would be no body.
    return re.sub(r'^( +)"""[A-Z][^"]*"""\n\n?(?=\1\S)', "", text, flags=re.M)


def of(old, new):
    return lambda text: text.replace(old, new, 1)


def another_function(text):
    return text + "\n\nEXTRA = 1\n\n\ndef another():\n    return EXTRA\n"


@pytest.mark.parametrize("module", ["trainer", "mlp", "data", "protocol"])
@pytest.mark.parametrize("edit", [comments, docstrings, no_docstrings, another_function])
def test_the_fingerprint_does_not_see_words_and_other_code(fingerprint_with, module, edit):
    assert fingerprint_with(module, edit) == fingerprint_with()


DECISIVE = [
    ("trainer", of("MILESTONES = (1, 10,", "MILESTONES = (1, 11,")),
    ("trainer", of("EVALUATION_ROWS = 1_000", "EVALUATION_ROWS = 2_000")),
    ("trainer", of("div_(255)", "div_(256)")),
    ("mlp", of("ALIGNMENT = 16", "ALIGNMENT = 32")),
    ("mlp", of("2 * uniform - 1", "3 * uniform - 1")),
    ("data", of("[seed, 1]", "[seed, 2]")),
    ("data", of("validation: float = 0.2", "validation: float = 0.3")),
    ("data", of("[seed, 3]", "[seed, 4]")),
    ("data", of("round(share * len(labels))", "int(share * len(labels))")),
    ("questions/calibration", of("COLDEST, HOTTEST = 0.05", "COLDEST, HOTTEST = 0.06")),
]


def test_the_fingerprint_sees_what_decides_a_result(fingerprint_with):
    seen = {fingerprint_with(), *(fingerprint_with(*change) for change in DECISIVE)}
    assert len(seen) == len(DECISIVE) + 1


INDIFFERENT = [
    ("data", of("T-shirt/top", "T-shirt")),
    ("data", of("def _read(", "def _read_it(")),
    ("questions/damage", another_function),
    ("runs/store", another_function),
    ("runs/study", another_function),
]


@pytest.mark.parametrize("change", INDIFFERENT, ids=lambda change: change[0])
def test_the_fingerprint_does_not_see_what_decides_nothing(fingerprint_with, change):
    assert fingerprint_with(*change) == fingerprint_with()
