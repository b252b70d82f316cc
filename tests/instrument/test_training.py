"""Trials on tables whose truth is known: what can be learned, what cannot, what was planted."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, make_blobs

from rethink.errors import InputError
from rethink.instrument import splits, training
from rethink.instrument.budget import DECIBELS
from rethink.intervals import mean_interval
from tests.instrument.plans import planned


@pytest.fixture(scope="module")
def digits():
    found = load_digits()
    return found.data[:500].astype(np.uint8), found.target[:500]


@pytest.fixture(scope="module")
def swept(digits):
    made = planned(*digits, epochs=40)
    return made, training.sweep(*digits, made)


def same(a, b, names):
    for name in names:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_sweep_learns_stores_and_has_its_null(digits, swept):
    found = swept[1]
    assert found.sizes == ((64, 10), (64, 4, 10), (64, 32, 10))
    np.testing.assert_array_equal(found.bits, [650, 65 * 4 + 4, 65 * 32 + 32])
    assert found.train.shape == found.shuffled_test.shape == (3, 3)
    assert found.test[-1].min() > 0.85 > 0.2 > found.guess.max()
    # True labels are stored to the last; shuffled ones the better, the larger the network.
    assert (found.train[-1] == 1).all()
    assert (np.diff(found.shuffled_train[1:], axis=0) > 0.2).all()
    assert found.train_information[-1] * found.train_rows == pytest.approx(found.label_bits)
    assert (found.shuffled_train_information[1] * found.train_rows < found.bits[1]).all()
    # The null: 3 networks, 3 seeds, 100 test rows each; rows of a class share their answers.
    gap = found.shuffled_test - found.shuffled_chance
    assert abs(gap.mean()) < 0.06
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_same_bits_again(digits, swept):
    made, found = swept
    again = training.sweep(*digits, made)
    same(found, again, ("train", "test", "shuffled_train", "shuffled_test", "test_information"))
    for part in ("resilience", "learning_curve"):
        a, b = (getattr(training, part)(*digits, made, found) for _ in range(2))
        same(a, b, ("accuracy", "half_db") if part == "resilience" else ("test",))
    quick = replace(made, learners=("forest", "boosting"))
    same(*(training.learners(*digits, quick) for _ in range(2)), ("train", "test", "bits"))
    same(*(training.doubtful_labels(*digits, made) for _ in range(2)), ("rows", "issues", "recall"))


def test_noise_takes_what_is_known(digits, swept):
    made, found = swept
    noisy = training.resilience(*digits, made, found)
    assert noisy.decibels.tolist() == list(DECIBELS) and noisy.accuracy.shape == (10, 3)
    np.testing.assert_allclose(noisy.accuracy[0], noisy.clean, atol=0.02)
    assert noisy.accuracy[-1].max() < 0.35
    assert ((noisy.half_db < 5) & (noisy.half_db > -20)).all()
    assert abs((noisy.shuffled - noisy.shuffled_chance).mean()) < 0.06


def test_a_curve_rises_and_ends_in_the_sweeps_network(digits, swept):
    made, found = swept
    curve = training.learning_curve(*digits, made, found)
    assert curve.rows.tolist() == [40, 80, 160, 280, 400]
    np.testing.assert_array_equal(curve.test[-1], found.test[-1])
    assert curve.test[0].mean() < curve.test[-1].mean() - 0.05


def test_labels_altered_on_purpose_are_found():
    x, y = make_blobs(300, 5, centers=3, cluster_std=1, random_state=0)
    clean = training.doubtful_labels(x, y, planned(x, y))
    assert clean.judged == 300 and clean.planted == 6
    assert not clean.flagged.any() and not len(clean.rows) and (clean.accuracy == 1).all()
    assert clean.recall.mean() > 0.8 and (clean.precision == 1).all()
    wrong = y.copy()
    wrong[:3] = (y[:3] + 1) % 3
    found = training.doubtful_labels(x, wrong, planned(x, y))
    assert (found.flagged == 3).all() and sorted(found.rows.tolist()) == [0, 1, 2]
    np.testing.assert_array_equal(found.suggested, y[found.rows])
    assert (found.quality < 0.2).all()
    # The three count against the precision, as nobody altered them in the control.
    assert (found.precision <= 6 / 9).mean() > 0.5


def test_contradictory_labels_are_never_stored():
    """Each row is there twice, with both labels: half right is the most that can be."""
    x = np.repeat(np.random.default_rng(0).normal(size=(60, 4)), 2, axis=0)
    y = np.tile([0, 1], 60)
    made = planned(x, y, hidden=(0, 64), epochs=200)
    found = training.sweep(x, y, made)
    for rows, share in zip(splits.split_table(y, made).train, found.train[-1], strict=True):
        pairs = np.bincount(rows // 2, minlength=60)
        assert share <= ((pairs == 2).sum() + (pairs == 1).sum()) / made.train_rows
    assert found.test.mean() < 0.55


def test_noise_alone_teaches_nothing():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(300, 10)), rng.integers(0, 3, 300)
    made = planned(x, y, seeds=5)
    found = training.sweep(x, y, made)
    for accuracy in found.test:
        gap = mean_interval(accuracy - 1 / 3, 0.999)
        assert gap.low < 0 < gap.high
    others = training.learners(x, y, made)
    assert abs(others.test.mean() - 1 / 3) < 0.06
    assert (others.train[others.names.index("tree")] == 1).all()


def test_other_learners_learn_the_same_splits(digits):
    x, y = digits
    wide = np.kron(x.reshape(-1, 8, 8), np.ones((2, 2), np.uint8)).reshape(len(x), 256)
    made = planned(wide, y, seeds=2, shape=(16, 16), convolution_epochs=12)
    found = training.learners(wide, y, made)
    assert found.names == made.learners and found.names[-1] == "convolution"
    worst = dict(zip(found.names, found.test.min(axis=1), strict=True))
    assert all(score > 0.5 for score in worst.values()) and worst["forest"] > 0.85
    bits = dict(zip(found.names, found.bits[:, 0], strict=True))
    assert bits["logistic"] == 257 * 10 and bits["neighbours"] == pytest.approx(400 * np.log2(10))
    assert (found.train[found.names.index("tree")] == 1).all() and (found.seconds > 0).all()


SILENT = """
import sys, warnings
from dataclasses import replace
from sklearn.datasets import load_iris
from rethink.instrument import training
from tests.instrument.plans import planned

x, y = load_iris(return_X_y=True)
plan = replace(planned(x.astype("float32"), y), learners=("boosting",))
print(training.learners(x.astype("float32"), y, plan).names)
"""


def test_a_container_that_does_not_tell_of_its_processors_is_passed_over_in_silence(tmp_path):
    silent = tmp_path / "lscpu"
    silent.write_text("#!/bin/sh\n")
    silent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", SILENT],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("('boosting',)\n", "")


def test_a_deadline_leaves_units_out_and_says_so(digits, swept, monkeypatch):
    made, found = swept
    past = time.monotonic()
    assert training.doubtful_labels(*digits, made, past) is None
    assert training.sweep(*digits, made, past) is None
    assert training.learners(*digits, made, past) is None
    assert training.resilience(*digits, made, found, past) is None
    assert training.learning_curve(*digits, made, found, past) is None

    def after(units):
        """A clock that is past the deadline after so many looks at it."""
        ticks = iter(range(100))
        monkeypatch.setattr(training.time, "monotonic", lambda: next(ticks))
        return units

    quick = replace(made, epochs=2)
    part = training.sweep(*digits, quick, after(2))
    assert part.left_out == ("32 hidden units",) and part.sizes[-1] == (64, 4, 10)
    assert part.train.shape == (2, 3) and part.networks.recipe.hidden == (4,)
    few = training.learners(*digits, quick, after(1))
    assert few.names == ("logistic",) and few.left_out == made.learners[1:]
    doubts = training.doubtful_labels(*digits, quick, after(2))
    assert doubts.left_out == ("seed 2",) and doubts.recall.shape == (2,)
    noisy = training.resilience(*digits, quick, part, after(3))
    assert noisy.left_out[0] == "15 dB" and noisy.accuracy.shape == (3, 3)
    curve = training.learning_curve(*digits, quick, part, after(1))
    assert curve.shares.tolist() == [0.7, 1] and curve.left_out[0] == "40% of the rows"


def test_the_smallest_table_and_a_class_of_one_row():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 2)) * 1e300, np.array([0] * 10 + [1] * 9 + [2])
    made = planned(x, y)
    swept = training.sweep(x, y, made)
    assert swept.test.shape == (3, 3)
    for part in (training.resilience, training.learning_curve):
        assert part(x, y, made, swept) is not None
    for part in (training.doubtful_labels, training.learners):
        json.dumps(part(x, y, made).to_dict(), allow_nan=False)


def test_a_real_table_of_floats():
    table = load_breast_cancer()
    made = planned(table.data, table.target, seeds=2, learners=("logistic", "forest"))
    assert training.sweep(table.data, table.target, made).test[-1].min() > 0.92
    assert training.learners(table.data, table.target, made).test.min() > 0.92


def test_another_table_than_planned_is_refused(digits):
    x, y = digits
    made = planned(x, y)
    for wrong in ((x[:-1], y), (x, y[:-1]), (x, y + 1), (x[:, 1:], y)):
        with pytest.raises(InputError, match="plan anew"):
            training.sweep(*wrong, made)
    with pytest.raises(InputError, match="same features"):
        training.sweep(np.ones_like(x), y, made)
