import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from rethink.questions import class_separation, known_truth


def test_shuffling_an_images_pixels_keeps_its_histogram_and_its_sum(small):
    images = small.train_images
    shuffled = known_truth.permuted_pixels(images, 1)
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), np.sort(images, axis=1))
    assert (shuffled != images).mean() > 0.3
    np.testing.assert_array_equal(shuffled, known_truth.permuted_pixels(images, 1))
    order = np.argsort(known_truth.permuted_pixels(np.tile(np.arange(50), (2, 1)), 0), axis=1)
    assert (order[0] != order[1]).any()


def test_one_permutation_keeps_every_distance(small):
    images = small.train_images[:200]
    shuffled = known_truth.one_permutation(images, 1)
    assert (shuffled != images).any()
    edges = class_separation.nearest_neighbours(images)
    np.testing.assert_array_equal(class_separation.nearest_neighbours(shuffled), edges)
    assert shuffled.sum(axis=1).tolist() == images.sum(axis=1).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_a_teachers_labels_are_balanced_and_linear(small, seed):
    labels = known_truth.teacher(small.train_images, 10, seed)
    counts = np.bincount(labels, minlength=10)
    assert counts.min() > 85 and counts.max() < 115
    # A linear classifier with hardly any penalty learns more of its own rows than of noise.
    points = np.random.default_rng(seed).normal(size=(600, 5))
    own = known_truth.teacher(points, 3, seed)
    learner = LogisticRegression(C=1e6, max_iter=2_000).fit(points, own)
    assert learner.score(points, own) > 0.99
    assert (known_truth.teacher(small.train_images, 10, seed) == labels).all()
    assert (known_truth.teacher(small.train_images, 10, seed + 1) != labels).any()


def test_noise_is_even_and_its_labels_balanced():
    images, labels = known_truth.noise(1000, 30, 10, 0)
    assert images.dtype == np.uint8 and images.shape == (1000, 30)
    assert images.mean() == pytest.approx(127.5, abs=2) and images.min() == 0
    assert np.bincount(labels).tolist() == [100] * 10
    assert (np.diff(labels) != 0).mean() == pytest.approx(0.9, abs=0.05)
