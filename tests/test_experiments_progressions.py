"""The progressions' controls against what defines them, and the experiment on a thousand rows."""

import json

import numpy as np
import pytest
import threadpoolctl
from sklearn.linear_model import LogisticRegression

from rethink import mec, separation
from rethink.experiments import progressions


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As experiments run; threads that wait for each other make small products slow."""
    with threadpoolctl.threadpool_limits(1):
        yield


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
    edges = separation.cross_edges(separation.nearest_neighbours(images), labels)
    assert neighbours["changes"][0] == edges.crossing
    assert neighbours["bayes_high"][0] == edges.share


def test_shuffling_an_images_pixels_keeps_its_histogram_and_its_sum(small):
    images = small.train_images
    shuffled = progressions.permuted_pixels(images, 1)
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), np.sort(images, axis=1))
    assert (shuffled != images).mean() > 0.3
    np.testing.assert_array_equal(shuffled, progressions.permuted_pixels(images, 1))
    order = np.argsort(progressions.permuted_pixels(np.tile(np.arange(50), (2, 1)), 0), axis=1)
    assert (order[0] != order[1]).any()


def test_one_permutation_keeps_every_distance(small):
    images = small.train_images[:200]
    shuffled = progressions.one_permutation(images, 1)
    assert (shuffled != images).any()
    edges = separation.nearest_neighbours(images)
    np.testing.assert_array_equal(separation.nearest_neighbours(shuffled), edges)
    assert shuffled.sum(axis=1).tolist() == images.sum(axis=1).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_a_teachers_labels_are_balanced_and_linear(small, seed):
    labels = progressions.teacher(small.train_images, 10, seed)
    counts = np.bincount(labels, minlength=10)
    assert counts.min() > 85 and counts.max() < 115
    # A linear classifier with hardly any penalty learns more of its own rows than of noise.
    points = np.random.default_rng(seed).normal(size=(600, 5))
    own = progressions.teacher(points, 3, seed)
    learner = LogisticRegression(C=1e6, max_iter=2_000).fit(points, own)
    assert learner.score(points, own) > 0.99
    assert (progressions.teacher(small.train_images, 10, seed) == labels).all()
    assert (progressions.teacher(small.train_images, 10, seed + 1) != labels).any()


def test_noise_is_even_and_its_labels_balanced():
    images, labels = progressions.noise(1000, 30, 10, 0)
    assert images.dtype == np.uint8 and images.shape == (1000, 30)
    assert images.mean() == pytest.approx(127.5, abs=2) and images.min() == 0
    assert np.bincount(labels).tolist() == [100] * 10
    assert (np.diff(labels) != 0).mean() == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(("rows", "measure"), [("reel", "sum"), ("real", "pixel")])
def test_unknown_names_are_named(small, rows, measure):
    with pytest.raises(ValueError, match="must be one of"):
        progressions.run(small, rows, measure, (100,), 1)
