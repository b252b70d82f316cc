from dataclasses import replace

import numpy as np
import pytest

from rethink.protocol import Spec
from rethink.runs.training_results import record
from rethink.trainer import train
from tests.runs.examples import OTHER_SPEC, SPEC, bits, made, result_of, runs_of


@pytest.fixture(scope="module")
def few(small):
    specs = [Spec((8, 4), seed, epochs=2) for seed in range(3)] + [Spec((5,), 0, epochs=2)]
    return runs_of(train(specs[:3], small) + train(specs[3:], small))


def test_what_was_kept_gives_back_every_bit():
    for spec in (SPEC, OTHER_SPEC):
        again = record(result_of(made(spec=spec)))
        assert bits(again) == bits(made(spec=spec))
        assert again.seconds == 12.345
        assert hash(again.spec) == hash(spec)


def test_where_selects_members(few):
    assert len(few) == 4
    assert [r.spec.seed for r in few.where(hidden=(8, 4)).records] == [0, 1, 2]
    assert len(few.where(hidden=(8, 4), seed=1)) == 1
    with pytest.raises(ValueError, match="values must fit a task"):
        few.where(hidden=(9,))


def test_accuracy_after_an_epoch(few):
    group = few.where(hidden=(8, 4))
    assert (group.accuracy("test") == group.curve("test")[:, -1]).all()
    assert (group.accuracy("validation", 1) == group.curve("validation")[:, 0]).all()
    assert (group.accuracy("train", 2) == [r.train[-1] for r in group.records]).all()
    for part, epoch in (("train", 3), ("test", 0), ("nonsense", 1), ("seconds", 1)):
        with pytest.raises(ValueError, match=f"{part}.* was not measured after epoch {epoch}"):
            group.accuracy(part, epoch)


def test_confusions_count_every_test_row(few, small):
    tables = few.confusions(small.test_labels)
    assert tables.shape == (4, 10, 10)
    assert (tables.sum(axis=(1, 2)) == len(small.test_labels)).all()
    right = np.trace(tables, axis1=1, axis2=2) / len(small.test_labels)
    np.testing.assert_allclose(right, few.accuracy("test"))


def test_a_network_with_one_answer_is_dead(few):
    constant = replace(few.records[0], test_predictions=np.full(203, 7, np.uint8))
    both = runs_of([few.records[0], constant])
    assert list(both.dead()) == [False, True]
    assert both.living().keys == ("0",)


def test_bits_saved_of_a_test_label_are_what_is_left_of_log2_c(few):
    costs = np.array([[3.0, 2.0], [4.0, 1.0], [2.5, 0.5]])
    results = tuple(
        result | {"label_costs.plain": cost, "label_costs.temperature": 10 * cost}
        for result, cost in zip(few.results[:3], costs, strict=True)
    )
    milestones = few.records[0].milestones
    assert len(milestones) == 2
    runs = replace(few, tasks=few.tasks[:3], results=results, keys=few.keys[:3])
    last = np.log2(10) - costs[:, 1]
    np.testing.assert_allclose(runs.label_bits_saved("plain"), last)
    np.testing.assert_allclose(runs.label_bits_saved("plain", int(milestones[1])), last)
    np.testing.assert_allclose(
        runs.label_bits_saved("plain", int(milestones[0])), np.log2(10) - costs[:, 0]
    )
    np.testing.assert_allclose(runs.at_milestone("label_costs.temperature"), 10 * costs[:, 1])
    with pytest.raises(ValueError, match="was not measured after epoch 999"):
        runs.label_bits_saved("plain", 999)
