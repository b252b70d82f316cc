"""The memorization experiment on small data: what it counts, and what whitening does and keeps."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from rethink import information, mec
from rethink.experiments import memorize
from rethink.questions.networks import Networks, Recipe

TASK = {
    "part": "fill",
    "hidden": (64, 32),
    "n": 40,
    "labels": "random",
    "coordinates": "whitened",
    "epochs": 80,
    "batch": 10,
    "members": 2,
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def filled(small):
    return memorize.run(small, **TASK)


def test_tasks_are_plain_values_within_the_budget():
    found = memorize.tasks(5)
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(memorize.tasks(5)))
    assert len({json.dumps(task) for task in found}) == len(found)
    assert sum(map(memorize.seconds, found)) < 300
    assert {task["members"] for task in memorize.tasks(1)} == {1}


def test_random_labels_are_stored_and_counted(filled):
    complete = filled["complete"]
    assert (complete > 0).all() and filled["n"] == 40
    assert filled["running"].shape == filled["correct"].shape == (2, 80)
    for member in range(2):
        assert filled["correct"][member, complete[member] - 1] == 40
        assert (filled["correct"][member, : complete[member] - 1] < 40).all()
    # Training ends when the last member is complete.
    last = complete.max()
    assert np.isfinite(filled["running"][:, :last]).all()
    assert np.isnan(filled["running"][:, last:]).all()
    assert (filled["correct"][:, last:] == -1).all()
    assert filled["test"].shape == (2,) and (filled["test"] < 0.5).all()


def test_bits_stored_are_the_labels_entropy_where_all_are_right(filled):
    for member in range(2):
        labels = memorize._answers(np.zeros(1001, np.uint8), "random", int(member))
        rows = memorize.split(1001, int(member)).train[:40]
        entropy = information.entropy_bits(np.bincount(labels[rows]))
        assert filled["label_bits"][member] == pytest.approx(40 * entropy)
        assert filled["bits"][member] == pytest.approx(40 * entropy)
    assert filled["mec_bits"] == mec.perceptron_mec((784, 64, 32, 10), "four-rules").bits


def test_the_same_task_gives_the_same_bits(small):
    task = TASK | {"epochs": 2, "n": 5_000, "batch": 100}
    found, again = memorize.run(small, **task), memorize.run(small, **task)
    for name, values in found.items():
        np.testing.assert_array_equal(values, again[name])
    assert found["n"] == 801  # what the split leaves of 1001 rows
    assert (found["complete"] == -1).all()
    assert (found["correct"][:, 1] >= 0).all()  # always counted in the last epoch


def test_one_member_is_trained_beside_another(small):
    found = memorize.run(small, **TASK | {"epochs": 1, "members": 1})
    assert found["bits"].shape == (2,)


def test_true_labels_need_fewer_epochs_than_random_ones(small, filled):
    found = memorize.run(small, **TASK | {"labels": "true"})
    assert (found["complete"] > 0).all()
    assert found["complete"].mean() < filled["complete"].mean()
    assert found["test"].min() > 0.2 > filled["test"].max()


def test_a_falling_rate_is_measured_beside_a_constant_one(small):
    task = TASK | {
        "part": "decay",
        "labels": "true",
        "coordinates": "pixels",
        "n": 800,
        "batch": 40,
    }
    found = memorize.run(small, **task | {"epochs": 4})
    assert found["at"].tolist() == [2, 4] and found["extra"] == memorize.EXTRA
    assert found["before"].shape == found["after"].shape == (2, 2)
    np.testing.assert_array_equal(found["before"], found["correct"][:, [1, 3]])
    assert (found["after"] > found["before"]).all() and "complete" not in found


def test_settling_leaves_the_networks_as_they_were(small):
    networks = Networks(Recipe((8,), batch=16), 784, 10, range(2))
    kept = [p.detach().clone() for p in networks.parameters]
    rows = np.stack([np.arange(100), np.arange(100, 200)])
    answers = np.stack([small.train_labels] * 2)
    settled = memorize.settle(networks, small.train_images, answers, rows, 2, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(kept, networks.parameters, strict=True))
    moved = [not torch.equal(a, b) for a, b in zip(kept, settled.parameters, strict=True)]
    assert all(moved)


def test_whitened_images_have_the_covariance_that_is_said(small):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (400, 6)).astype(np.uint8)
    images[:, 1] = images[:, 0] // 2 + images[:, 2] // 3
    images[:, 5] = 7  # a pixel that never varies
    (white,) = memorize.whiten(images, images)
    values, vectors = np.linalg.eigh(np.cov((images / 255).T, bias=True))
    expected = vectors @ np.diag(values / (values + memorize.SOFT)) @ vectors.T
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(white.T, bias=True), expected, atol=1e-3)
    # An affine map that can be undone: five varying columns and one constant remain told apart.
    assert np.linalg.matrix_rank(white - white.mean(axis=0), tol=1e-2) == 5
    one, two = memorize.whiten(small.train_images, small.train_images, small.test_images)
    assert one.shape == (1001, 784) and two.shape == (203, 784) and one.dtype == np.float32


@pytest.mark.parametrize("name", ["part", "labels", "coordinates"])
def test_unknown_words_are_named(small, name):
    with pytest.raises(ValueError, match=f"{name} must be one of .*'odd'"):
        memorize.run(dataclasses.replace(small), **TASK | {name: "odd"})
