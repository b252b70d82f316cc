"""Pairs of classes: against slow counts and random orders, and on tables whose truth is known."""

import dataclasses
import json

import numpy as np
import pytest

from rethink import mec
from rethink.experiments import class_pairs
from rethink.tables import read

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pictures(small):
    return class_pairs.run(small, "fashion")


def test_there_is_a_task_for_each_table_and_all_take_less_than_a_minute():
    tasks = class_pairs.tasks()
    assert json.loads(json.dumps(tasks)) == tasks
    assert len({task["name"] for task in tasks}) == len(tasks) == 5
    assert 0 < sum(map(class_pairs.seconds, tasks)) < 60


def test_the_whole_comes_first_and_then_every_pair_once(small, pictures):
    assert pictures["pairs"].shape == (46, 2)
    assert pictures["pairs"][0].tolist() == [-1, -1]
    assert len({tuple(sorted(pair)) for pair in pictures["pairs"][1:].tolist()}) == 45
    counts = np.bincount(small.train_labels)
    for pair, rows, classes in zip(
        pictures["pairs"][1:], pictures["rows"][1:], pictures["classes"][1:], strict=True
    ):
        assert (rows, classes) == (counts[pair].sum(), 2)
    assert (pictures["rows"][0], pictures["classes"][0]) == (1001, 10)
    assert (pictures["judged"] == pictures["rows"]).all()


@pytest.mark.parametrize("case", [0, 1, 30])
def test_thresholds_are_algorithm_1s_and_the_null_that_of_random_orders(small, pictures, case):
    pair = pictures["pairs"][case]
    chosen = np.isin(small.train_labels, pair) if case else np.full(1001, True)
    images, labels = small.train_images[chosen], small.train_labels[chosen]
    assert pictures["thresholds"][case] == mec.thresholds(images, labels).total
    generator = np.random.default_rng(0)
    orders = [generator.permutation(labels) for _ in range(2_000)]
    changes = [(order[1:] != order[:-1]).sum() for order in orders]
    sd = pictures["thresholds_sd"][case]
    assert abs(np.mean(changes) - pictures["thresholds_null"][case]) < 4 * sd / 2_000**0.5
    assert np.std(changes) == pytest.approx(sd, rel=0.08)


def test_wrong_are_those_whose_nearest_other_row_has_another_label(small, pictures):
    chosen = np.isin(small.train_labels, pictures["pairs"][7])
    images, labels = small.train_images[chosen].astype(float), small.train_labels[chosen]
    distances = ((images[:, None] - images[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    assert pictures["wrong"][7] == (labels[distances.argmin(axis=1)] != labels).sum()


def test_no_more_rows_are_judged_than_said(small, monkeypatch):
    monkeypatch.setattr(class_pairs, "ROWS", 60)
    found = class_pairs.run(small, "fashion")
    assert (found["judged"] == 60).all()
    assert found["rows"][0] == 1001
    assert (found["wrong_null"] < 60).all()


def test_labels_in_random_order_are_as_many_thresholds_and_errors_as_by_chance(small):
    shuffled = np.random.default_rng(0).permutation(small.train_labels)
    found = class_pairs.run(dataclasses.replace(small, train_labels=shuffled), "fashion")
    for count in ("thresholds", "wrong"):
        z = (found[count] - found[f"{count}_null"]) / found[f"{count}_sd"]
        assert np.abs(z).max() < 4.5
        assert abs(z.mean()) < 0.7


def test_what_the_sum_tells_is_seen_and_what_only_the_place_tells_is_not(small):
    """Two classes by brightness, and two that differ only in which half is bright."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 200).astype(np.uint8)
    images = np.zeros((600, 784), np.uint8)
    images[:200, :392] = 100 + generator.integers(0, 20, (200, 392))
    images[200:400, 392:] = 100 + generator.integers(0, 20, (200, 392))
    images[400:, :392] = 200 + generator.integers(0, 20, (200, 392))
    made = dataclasses.replace(small, train_images=images, train_labels=labels)
    found = class_pairs.run(made, "fashion")
    places = [tuple(pair) for pair in found["pairs"].tolist()]
    sides, bright = places.index((0, 1)), places.index((0, 2))
    share = found["thresholds"] / found["thresholds_null"]
    assert share[sides] > 0.8
    assert share[bright] < 0.02
    assert found["wrong"][sides] == found["wrong"][bright] == 0


@pytest.mark.parametrize(("name", "cases"), [("iris", 4), ("wine", 4), ("breast-cancer", 1)])
def test_tables_are_those_of_scikit_learn(small, name, cases):
    found = class_pairs.run(small, name)
    table = read.read(name)
    assert all(len(array) == cases for array in found.values())
    assert found["rows"][0] == len(table.labels)
    assert found["thresholds"][0] == mec.thresholds(table.sums()[0], table.labels).total
    # Each of them is easy for the nearest neighbour.
    assert found["wrong"][0] < 0.2 * found["wrong_null"][0]


def test_units_of_columns_do_not_decide_who_is_near(small):
    """Proline has the largest numbers in wine; by it alone a third of the neighbours differ."""
    assert class_pairs.run(small, "wine")["wrong"][0] < 0.08 * 178


def test_an_unknown_table_is_refused(small):
    with pytest.raises(ValueError, match="name must be one of"):
        class_pairs.run(small, "mnist")
