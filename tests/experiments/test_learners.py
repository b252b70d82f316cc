import dataclasses
import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from rethink import data
from rethink.experiments import learners


@pytest.fixture(scope="module")
def tiny(small):
    return dataclasses.replace(
        small,
        train_images=small.train_images[:500],
        train_labels=small.train_labels[:500],
        digest="tiny",
    )


@pytest.fixture(scope="module")
def results(tiny):
    return {task["learner"]: learners.run(tiny, **task) for task in learners.tasks(1)}


def test_there_is_a_task_for_each_learner_and_seed():
    tasks = learners.tasks(5)
    assert len(tasks) == len(learners.LEARNERS) * 5 and json.loads(json.dumps(tasks)) == tasks
    assert sum(map(learners.seconds, tasks)) < 480


@pytest.mark.parametrize("name", learners.LEARNERS)
def test_every_learner_learns_and_is_counted(results, tiny, name):
    result = results[name]
    table = result["confusion"]
    assert table.shape == (10, 10)
    assert table.sum(axis=1).tolist() == np.bincount(tiny.test_labels, minlength=10).tolist()
    assert result["accuracy"] == pytest.approx(np.trace(table) / 203)
    assert result["accuracy"] > 0.35  # four times as much as guessing
    assert result["accuracy"] <= result["train_accuracy"] + 0.1 <= 1.1
    assert result["train_rows"] == 400
    assert all(value.ndim == 0 for key, value in result.items() if key != "confusion")
    assert np.isnan(result["converged"]) == (name != "logistic")


@pytest.mark.parametrize("name", ["tree", "neighbours", "convolution"])
def test_the_same_task_gives_the_same_bits_and_draws_from_no_global_state(results, tiny, name):
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again = learners.run(tiny, learner=name, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    for key, value in results[name].items():
        np.testing.assert_array_equal(again[key], value)
    other = learners.run(tiny, learner=name, seed=1)
    assert (other["confusion"] != results[name]["confusion"]).any()


def test_bits_are_those_of_the_rules(results):
    assert results["logistic"]["bits"] == 785 * 10
    assert results["neighbours"]["bits"] == pytest.approx(400 * np.log2(10))
    assert results["boosting"]["bits"] == 6 * 10 * 31
    # 3x3 weights and a bias for each of 16 channels; the 13x13x16 and 5x5x32 numbers that reach
    # the later layers bound these, where they are fewer than the weights.
    assert results["convolution"]["bits"] == 160 + min(2704, 32 * 145) + min(800, 8010)
    assert results["tree"]["train_accuracy"] == 1  # so at least a leaf for each change of label
    assert 10 * np.log2(10) <= results["tree"]["bits"] <= 400 * np.log2(10)
    assert results["forest"]["bits"] > 50 * 10 * np.log2(10)


def test_a_learner_that_stops_early_says_so_and_warns_nobody(tiny, monkeypatch):
    kind = type(learners.LEARNERS["logistic"])
    short = LogisticRegression(max_iter=3)
    monkeypatch.setattr(kind, "for_pictures", lambda self, seed: short)
    assert learners.run(tiny, learner="logistic", seed=0)["converged"] == 0
    easy = LogisticRegression(C=1e-4, max_iter=500)
    monkeypatch.setattr(kind, "for_pictures", lambda self, seed: easy)
    assert learners.run(tiny, learner="logistic", seed=0)["converged"] == 1


def test_a_learner_sees_the_rows_of_its_split_only(tiny, monkeypatch):
    class Spy:
        def __init__(self, seed):
            self.seed = seed

        def fit(self, inputs, labels):
            rows = data.split(500, self.seed).train
            np.testing.assert_array_equal(inputs, tiny.train_images[rows] / np.float32(255))
            np.testing.assert_array_equal(labels, tiny.train_labels[rows])

        def predict(self, inputs):
            return np.full(len(inputs), 3)

    kind = type(learners.LEARNERS["tree"])
    monkeypatch.setattr(kind, "for_pictures", lambda self, seed: Spy(seed))
    monkeypatch.setattr(kind, "bits", lambda *_: 1.0)
    result = learners.run(tiny, learner="tree", seed=4)
    assert result["accuracy"] == pytest.approx((tiny.test_labels == 3).mean())
    rows = data.split(500, 4).train
    assert result["train_accuracy"] == pytest.approx((tiny.train_labels[rows] == 3).mean())


def test_bad_input_is_named(tiny):
    with pytest.raises(ValueError, match=r"learner must be one of logistic, .* but was 'svm'"):
        learners.run(tiny, learner="svm", seed=0)
