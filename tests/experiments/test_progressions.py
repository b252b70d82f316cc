"""The progressions' controls against what defines them, and the experiment on a thousand rows."""

import json

import numpy as np
import pytest

from rethink import mec
from rethink.experiments import progressions
from rethink.questions import class_separation

pytestmark = pytest.mark.usefixtures("one_thread")


NAMES = {"sizes", "repeats", "changes", "pairs", "null", "null_sd", "bayes_low", "bayes_high"}


def test_tasks_are_plain_and_distinct_and_within_the_budget():
    tasks = progressions.tasks(5)
    assert json.loads(json.dumps(tasks)) == [
        task | {"sizes": list(task["sizes"])} for task in tasks
    ]
    assert len({json.dumps(task) for task in tasks}) == len(tasks) == 27
    each = [progressions.seconds(task) for task in tasks]
    assert min(each) > 0 and max(each) < 60 and sum(each) < 150


@pytest.mark.parametrize("rows", progressions.ROWS)
@pytest.mark.parametrize("measure", progressions.LARGEST)
def test_every_task_runs_on_little_data_and_twice_alike(small, rows, measure):
    result = progressions.run(small, rows, measure, (200, 2_000, 5_000), 2)
    again = progressions.run(small, rows, measure, (200,), 2)
    assert set(result) == NAMES
    assert result["sizes"].tolist() == [200, 200, 1001]
    assert result["repeats"].tolist() == [0, 1, 0]
    for name in NAMES:
        assert result[name].shape == (3,)
        np.testing.assert_array_equal(result[name][:2], again[name])
    assert (result["null_sd"] > 0).all() and (result["changes"] <= result["pairs"]).all()
    z = (result["changes"] - result["null"]) / result["null_sd"]
    if rows in ("labels-shuffled", "noise"):
        assert np.abs(z).max() < 4.5
    if rows in ("real", "teacher") and measure in ("ridge", "tree", "neighbour"):
        assert z.max() < -5
    assert (np.isnan(result["bayes_low"]) == (measure not in ("tree", "neighbour"))).all()


def test_subsets_are_those_of_every_other_measure(small):
    sums = progressions.run(small, "real", "sum", (300,), 1)
    neighbours = progressions.run(small, "real", "neighbour", (300,), 1)
    drawn = np.random.default_rng([0, 300, 26]).permutation(1001)[:300]
    images, labels = small.train_images[drawn], small.train_labels[drawn]
    assert sums["changes"][0] == mec.thresholds(images, labels).total
    edges = class_separation.cross_edges(class_separation.nearest_neighbours(images), labels)
    assert neighbours["changes"][0] == edges.crossing
    assert neighbours["bayes_high"][0] == edges.share


@pytest.mark.parametrize(("rows", "measure"), [("reel", "sum"), ("real", "pixel")])
def test_unknown_names_are_named(small, rows, measure):
    with pytest.raises(ValueError, match="must be one of"):
        progressions.run(small, rows, measure, (100,), 1)
