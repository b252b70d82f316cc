"""Bits stored of random labels, on a few hundred rows."""

import math
from itertools import pairwise

import numpy as np
import pytest

from rethink import information
from rethink.experiments import saturation
from rethink.experiments.training_runs import SEVEN


def fill(data, n, rows="noise", epochs=150, members=2, network=(8, 4), **changes):
    settings = {"batch": 32, "learning_rate": 5e-3} | changes
    return saturation.run(data, network, rows, n, epochs, members=members, **settings)


def test_few_labels_are_stored_whole_and_of_many_a_limited_number_of_bits(small):
    few, many = fill(small, 60, network=(32, 16)), fill(small, 6_000, epochs=4)
    assert few["right"].tolist() == [60, 60]
    assert float(few["label_bits"]) == pytest.approx(60 * math.log2(10))
    np.testing.assert_allclose(few["by_probabilities"], 60 * math.log2(10), rtol=0.02)
    # 6,374 parameters cannot hold 19,932 bits in four epochs, and chance is no bit stored.
    for name in ("by_answers", "by_probabilities"):
        assert (many[name] < 0.3 * many["label_bits"]).all()
    assert int(many["parameters"]) == 785 * 8 + 9 * 4 + 5 * 10
    assert int(many["mec_bits"]) == 785 * 8 + 8 + 4


def test_labels_that_were_never_seen_are_not_stored(small):
    result = fill(small, 400, epochs=60)
    # By chance alone 81 degrees of freedom vary by 9 / ln 2 bits.
    assert (abs(result["null"]) < 5 * math.sqrt(2 * 81) / (2 * math.log(2))).all()
    assert (result["by_answers"] > 10 * abs(result["null"]).max()).all()


def test_pictures_are_whitened_and_need_not_be_training_pictures(small):
    every = len(small.train_images) + len(small.test_images)
    result = fill(small, every, rows="pictures", epochs=2)
    assert float(result["label_bits"]) == pytest.approx(every * math.log2(10))
    with pytest.raises(ValueError, match=f"n must be at most {every} pictures, but {every + 1}"):
        fill(small, every + 1, rows="pictures")
    with pytest.raises(ValueError, match="rows must be pictures or noise, but 'words' was passed"):
        fill(small, 10, rows="words")


def test_the_same_again_whatever_the_number_of_members(small):
    two, three = fill(small, 100, epochs=3), fill(small, 100, epochs=3, members=3)
    one = fill(small, 100, epochs=3, members=1)
    assert one["right"].shape == (1,)
    for name in ("right", "by_answers", "by_probabilities", "null"):
        np.testing.assert_array_equal(two[name], three[name][:2])
        np.testing.assert_array_equal(one[name], two[name][:1])


def test_a_convolution_stores_labels_too(small):
    result = fill(small, 60, rows="pictures", network="convolution", members=1, epochs=40)
    assert result["right"].shape == (1,) and float(result["right"][0]) > 50
    assert int(result["parameters"]) == 160 + 4_640 + 8_010
    assert int(result["mec_bits"]) == 3_664


def test_counts_by_hand():
    labels = np.array([0, 0, 1, 1])
    certain = np.where(np.eye(2)[labels] > 0, 50.0, -50.0)
    found = saturation.counted(certain, labels, np.array([0, 1, 0, 1]))
    assert found["right"] == 4
    assert found["by_probabilities"] == pytest.approx(4)
    # All of the four bits, and Miller's 1 / (2 ln 2) for a table of two cells.
    assert found["by_answers"] == pytest.approx(4 + 1 / (2 * math.log(2)))
    assert found["null"] == pytest.approx(-1 / (2 * math.log(2)))
    # A network that says nothing of any row stores nothing.
    silent = saturation.counted(np.zeros((4, 2)), labels, labels)
    assert silent["by_probabilities"] == pytest.approx(0)
    assert silent["by_answers"] == pytest.approx(0)


def test_the_count_by_answers_is_without_bias():
    generator = np.random.default_rng(0)
    pairs = generator.integers(0, 10, (400, 2, 3_000))
    found = [information.shared_bits(information.confusion(*pair, 10)) for pair in pairs]
    error = np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * error < 2


def test_every_network_gets_more_labels_than_it_has_parameters_for():
    tasks = saturation.tasks(5)
    for network in SEVEN:
        chosen = [task for task in tasks if task["network"] == network]
        assert len({task["n"] for task in chosen}) >= 2
        sizes = (784, *network, 10)
        parameters = sum((i + 1) * o for i, o in pairwise(sizes))
        assert max(task["n"] for task in chosen) * math.log2(10) > 1.8 * parameters
    assert sum(map(saturation.seconds, tasks)) < 30 * 60
    assert {task["members"] for task in saturation.tasks(1)} == {1}


def test_the_most_that_a_network_stores_leaves_controls_out():
    tasks = [task for task in saturation.tasks(2) if task["network"] == (16, 8, 8)]
    assert [saturation.is_control(task) for task in tasks] == [False] * 5 + [True] * 2
    results = [{"by_probabilities": np.array([n, n + 2.0])} for n in (1, 5, 4, 3, 2, 9, 9)]
    assert saturation.most_stored(tasks, results) == {(16, 8, 8): results[1]}
