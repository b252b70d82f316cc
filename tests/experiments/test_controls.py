"""Altered data: each alteration against a slow one, and what is found on a thousand rows."""

import collections

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from rethink import mec
from rethink.experiments import controls
from rethink.protocol import Spec
from rethink.trainer import train

HIDDEN = (16, 8)


@pytest.fixture(scope="module")
def results(small):
    names = ("real", "own permutation", "shuffled labels", "noise")
    return {name: controls.run(small, name, 0, HIDDEN, 2) for name in names}


def altered(data, variant, value=0):
    return controls.VARIANTS[variant](data, value)


def test_tasks_are_every_variant_once():
    tasks = controls.tasks(5)
    assert {task["variant"] for task in tasks} == set(controls.VARIANTS)
    pairs = [(task["variant"], task["value"]) for task in tasks]
    assert len(set(pairs)) == len(pairs) == 13
    assert all(task["hidden"] == (64, 32, 32) and task["seeds"] == 5 for task in tasks)
    assert sum(map(controls.seconds, tasks)) <= 250


def test_what_is_measured_is_the_trainers_and_algorithm_1s(small, results):
    result = results["real"]
    for name in ("test_accuracy", "train_accuracy", "test_information", "train_information"):
        assert result[name].shape == (2,)
    records = train([Spec(HIDDEN, seed, epochs=10) for seed in range(2)], small)
    for member, record in enumerate(records):
        right = (record.test_predictions == small.test_labels).mean()
        assert result["test_accuracy"][member] == pytest.approx(right)
        assert result["train_accuracy"][member] == pytest.approx(record.train[-1])
    line = mec.thresholds(small.train_images, small.train_labels)
    assert float(result["thresholds"]) == line.total
    null = mec.null(np.bincount(small.train_labels))
    assert (float(result["thresholds_null"]), float(result["thresholds_sd"])) == (
        null.total,
        null.sd,
    )
    np.testing.assert_array_equal(result["original_information"], result["test_information"])
    np.testing.assert_array_equal(result["class_counts"], np.bincount(small.train_labels))


def test_own_permutations_cost_the_network_all_and_algorithm_1_nothing(results):
    real, permuted = results["real"], results["own permutation"]
    assert float(permuted["thresholds"]) == float(real["thresholds"])
    assert (permuted["test_accuracy"] < real["test_accuracy"] - 0.2).all()


@pytest.mark.parametrize("variant", ["shuffled labels", "noise"])
def test_nothing_can_be_learned(results, variant):
    result = results[variant]
    # 203 test rows: three standard deviations of a guess are 0.063.
    assert (result["test_accuracy"] < 0.17).all()
    assert abs(result["thresholds"] - result["thresholds_null"]) < 4 * result["thresholds_sd"]


def test_one_permutation_is_the_same_for_all_images(small):
    new = altered(small, "one permutation")
    # A pixel's values over all images, in training and test, are found at one other place.
    old_columns = np.concatenate([small.train_images, small.test_images]).T
    new_columns = np.concatenate([new.train_images, new.test_images]).T
    counts = collections.Counter(map(bytes, old_columns))
    assert counts == collections.Counter(map(bytes, new_columns))
    assert (old_columns != new_columns).any()


def test_own_permutations_keep_each_images_histogram(small):
    new = altered(small, "own permutation")
    for before, after in (
        (small.train_images, new.train_images),
        (small.test_images, new.test_images),
    ):
        assert before.shape == after.shape and (before != after).any()
        np.testing.assert_array_equal(np.sort(before, axis=1), np.sort(after, axis=1))


def test_shuffled_labels_are_the_same_labels(small):
    new = altered(small, "shuffled labels")
    for before, after in (
        (small.train_labels, new.train_labels),
        (small.test_labels, new.test_labels),
    ):
        np.testing.assert_array_equal(np.sort(before), np.sort(after))
        assert (before == after).mean() < 0.2
    assert new.train_images is small.train_images


def test_a_linear_function_tells_the_teachers_labels(small):
    pooled = altered(small, "pooled", 14)  # fewer features than rows, or any labels would do
    new = altered(pooled, "teacher")
    shares = np.bincount(new.train_labels, minlength=10) / len(new.train_labels)
    assert ((shares > 0.08) & (shares < 0.12)).all()
    # One least squares for training and test rows, and for the same labels in random order.
    images = np.concatenate([new.train_images, new.test_images]) / 255
    labels = np.concatenate([new.train_labels, new.test_labels])
    inputs = np.column_stack([images, np.ones(len(images))])
    random = np.random.default_rng(0).permutation(labels)
    both = np.concatenate([np.eye(10)[labels], np.eye(10)[random]], axis=1)
    with threadpool_limits(1):
        fitted = (inputs @ np.linalg.lstsq(inputs, both, rcond=None)[0]).reshape(-1, 2, 10)
    linear, chance = (fitted.argmax(axis=2) == np.stack([labels, random], axis=1)).mean(axis=0)
    assert linear > 0.8 and linear > chance + 0.3
    assert new.train_images is pooled.train_images


def test_noise_is_bytes_and_classes_alone(small):
    new = altered(small, "noise")
    assert new.train_images.shape == small.train_images.shape
    assert new.test_images.shape == small.test_images.shape
    assert new.train_images.dtype == np.uint8 and len(np.unique(new.test_images)) == 256
    assert (new.train_images[:203] != new.test_images).any()
    assert set(new.train_labels) == set(new.test_labels) == set(range(10))


@pytest.mark.parametrize("levels", [2, 8])
def test_levels_are_few_and_near(small, levels):
    new = altered(small, "levels", levels)
    values = np.unique(new.train_images)
    assert len(values) == levels and values[0] == 0 and values[-1] == 255
    distance = np.abs(new.test_images.astype(int) - small.test_images)
    assert distance.max() <= 255 / (levels - 1) / 2 + 1


def test_pooled_is_the_mean_of_a_square(small):
    for side in (14, 7):
        new, block = altered(small, "pooled", side), 28 // side
        assert new.train_images.shape == (1001, side**2) and new.test_images.dtype == np.uint8
        for image in range(3):
            whole, made = (
                images[image].reshape(-1, int(len(images[image]) ** 0.5)).astype(float)
                for images in (small.train_images, new.train_images)
            )
            for i in range(side):
                for j in range(side):
                    square = whole[i * block : (i + 1) * block, j * block : (j + 1) * block]
                    assert abs(made[i, j] - square.mean()) <= 0.5


@pytest.mark.parametrize(
    ("variant", "value", "message"),
    [
        ("mirrored", 0, "variant must be one of real, one permutation, .* but was 'mirrored'"),
        ("levels", 1, "levels must lie between 2 and 256, but 1 was passed"),
        ("pooled", 9, "value must divide the side of 28 pixels, but 9 was passed"),
        ("pooled", 0, "value must divide the side of 28 pixels, but 0 was passed"),
    ],
)
def test_bad_input_is_named(small, variant, value, message):
    with pytest.raises(ValueError, match=message):
        controls.run(small, variant, value, HIDDEN, 2)
