from dataclasses import replace

import numpy as np
import pytest

from rethink.experiments.training_runs import SEVEN
from rethink.protocol import Record, Spec
from rethink.runs.seven_networks import TRAINED, Seven
from tests.runs.examples import runs_of


def record(hidden, seed, dead):
    """A run of two epochs whose accuracies tell network and seed."""
    place = SEVEN.index(hidden)
    curve = np.array([0.5, 0.9 - place / 20 - seed / 100])
    names = ("running", "loss", "validation", "validation_loss", "test", "test_loss")
    answers = np.zeros(100, np.uint8) if dead else np.arange(100, dtype=np.uint8) % 10
    return Record(
        spec=Spec(hidden, seed, epochs=2),
        curves=dict.fromkeys(names, curve),
        milestones=np.array([1, 2]),
        train=curve,
        leaking=curve,
        # All right, or all answered with class 0.
        train_confusion=np.tile([30] + [0] * 9, (10, 1))
        if dead
        else np.eye(10, dtype=np.int64) * 30,
        validation_confusion=np.eye(10, dtype=np.int64),
        test_predictions=answers,
    )


@pytest.fixture
def seven():
    gone = {(SEVEN[5], 1), (SEVEN[6], 0), (SEVEN[6], 1)}
    pairs = [(hidden, seed) for seed in range(2) for hidden in reversed(SEVEN)]
    return Seven.of(runs_of([record(*pair, pair in gone) for pair in pairs]))


def test_networks_come_in_the_order_of_the_report(seven):
    assert [group.records[0].spec.hidden for group in seven.groups] == list(SEVEN)
    assert seven.bits.tolist() == [201482, 100746, 50378, 25194, 12602, 6306, 3160]


def test_dead_runs_are_counted_and_kept_out(seven):
    assert seven.dead.sum(axis=1).tolist() == [0, 0, 0, 0, 0, 1, 2]
    assert [len(group) for group in seven.alive] == [2, 2, 2, 2, 2, 1, 0]
    assert seven.accuracy("test").shape == (7, 2)
    assert [len(x) for x in seven.living("test")] == [2, 2, 2, 2, 2, 1, 0]
    means = seven.means("test")
    assert means[:6] == pytest.approx([0.895, 0.845, 0.795, 0.745, 0.695, 0.65])
    assert np.isnan(means[6])


def test_generalization_is_right_answers_over_bits(seven):
    g = seven.generalization()
    assert g[0, 1] == pytest.approx(0.89 * TRAINED / 201482)
    assert seven.generalization(60_000) == pytest.approx(g * 60_000 / TRAINED)


def test_a_dead_network_tells_nothing(seven):
    told = seven.information(np.arange(100) % 10)
    assert told.shape == (7, 2)
    assert told[0] == pytest.approx(np.log2(10))
    assert told[6] == pytest.approx(0)


def test_bits_of_the_labels_are_counted(seven):
    each = np.log2(10)
    assert seven.stored()[0] == pytest.approx(300 * each)
    assert seven.stored()[6] == pytest.approx(0)
    g = seven.generalization_bits()
    assert g[0] == pytest.approx(300 * each / 201482)
    # A constant answer gets bits of the labels right, though it tells nothing of them.
    assert g[6] == pytest.approx(30 * each / 3160)


def test_bits_saved_of_a_test_label_come_network_by_network(seven):
    groups = []
    for place, group in enumerate(seven.groups):
        results = tuple(
            result | {"label_costs.plain": np.array([3.0, place + seed / 10])}
            for seed, result in enumerate(group.results)
        )
        groups.append(replace(group, results=results))
    saved = replace(seven, groups=tuple(groups)).label_bits_saved("plain")
    assert saved.shape == (7, 2)
    assert saved[:, 0] == pytest.approx(np.log2(10) - np.arange(7))
    assert saved[:, 1] == pytest.approx(saved[:, 0] - 0.1)
    early = replace(seven, groups=tuple(groups)).label_bits_saved("plain", 1)
    assert early == pytest.approx(np.full((7, 2), np.log2(10) - 3))
