"""Layers cut to bits, on a thousand rows; the codes against slow loops."""

import collections
import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink.data import split
from rethink.experiments import binarised
from rethink.experiments.training_runs import SEVEN
from rethink.protocol import Spec
from rethink.trainer import train


@pytest.fixture(scope="module")
def results(small):
    return {hidden: binarised.run(small, hidden, 2) for hidden in ((32, 16), (16, 4), (16, 2))}


def test_tasks_are_some_of_the_seven():
    tasks = binarised.tasks(5)
    assert {task["hidden"] for task in tasks} <= set(SEVEN)
    assert sum(map(binarised.seconds, tasks)) < 200


@pytest.mark.parametrize("hidden", [(32, 16), (16, 4), (16, 2)])
def test_shapes_and_ranges(results, hidden):
    result, narrow = results[hidden], hidden[-1] <= 8
    for name in ("accuracy", "train_accuracy", "information"):
        assert result[name].shape == (2,) and (result[name] >= 0).all()
    for name, values in result.items():
        if name not in ("accuracy", "train_accuracy", "information", "bound"):
            assert values.shape == (2, 2), name
            expected = name.startswith(("lookup", "code_")) and not narrow
            assert np.isnan(values).all() if expected else (values >= 0).all(), name
    assert (result["codes"] <= 2.0 ** result["live_units"]).all()
    assert (result["live_units"] <= hidden[-1]).all()
    assert float(result["bound"]) == min(1, 2 ** hidden[-1] / 10)
    if narrow:
        assert (result["code_information"] <= np.log2(result["codes"]) + 1e-9).all()
        # No function of the code tells more of the label than the code.
        assert (result["refit_information"] <= result["code_information_test"] + 1e-9).all()


def test_two_units_make_four_codes(results):
    result = results[16, 2]
    assert (result["codes"] <= 4).all() and (result["lookup_accuracy"] < 0.5).all()


def test_sixteen_bits_keep_most_of_what_sixteen_units_know(results):
    result = results[32, 16]
    assert (result["accuracy"] > 0.5).all() and (result["refit_accuracy"] > 0.4).all()


def test_the_network_is_the_trainers(small, results):
    records = train([Spec((16, 4), seed, epochs=10) for seed in range(2)], small)
    ours = results[16, 4]
    for member, record in enumerate(records):
        # A single member's products are rounded in another order than a stack's.
        expected = (record.test_predictions == small.test_labels).mean()
        assert ours["accuracy"][member] == pytest.approx(expected, abs=0.011)
        assert ours["train_accuracy"][member] == pytest.approx(record.train[-1], abs=0.003)


def test_one_member_is_the_first_of_two(small, results):
    alone = binarised.run(small, (16, 4), 1)
    for name, values in alone.items():
        expected = results[16, 4][name]
        np.testing.assert_allclose(values, expected[:1] if values.ndim else expected, atol=0.011)


def test_units_and_predictions_are_the_networks(small):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(784, 5), torch.nn.ReLU(), torch.nn.Linear(5, 10)]
    network = torch.nn.Sequential(*layers)
    units, predicted = binarised._evaluate(network, small.train_images)
    weight, bias, out, last = (p.detach().numpy().astype(float) for p in network.parameters())
    expected = np.maximum(small.train_images / 255 @ weight.T + bias, 0)
    np.testing.assert_allclose(units, expected, atol=1e-5)
    assert (predicted == (expected @ out.T + last).argmax(axis=1)).mean() > 0.999


def slow_codes(inside, answers, outside, labels):
    seen = collections.defaultdict(collections.Counter)
    for bits, label in zip(inside.tolist(), answers.tolist(), strict=True):
        seen[tuple(bits)][label] += 1
    every = collections.Counter(answers.tolist())
    right = 0
    for bits, label in zip(outside.tolist(), labels.tolist(), strict=True):
        counts = seen.get(tuple(bits), every)
        best = max(counts.values())
        right += label == min(c for c in counts if counts[c] == best)
    information, n = 0.0, len(answers)
    for counts in seen.values():
        for label, count in counts.items():
            ratio = count * n / (sum(counts.values()) * every[label])
            information += count / n * math.log2(ratio)
    return len(seen), right / len(labels), information


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 60), st.integers(1, 30))
def test_codes_are_those_of_a_slow_loop(seed, units, rows, tested):
    rng = np.random.default_rng(seed)
    inside, outside = (rng.random((n, units)) < 0.3 for n in (rows, tested))
    answers, labels = (rng.integers(3, size=n).astype(np.uint8) for n in (rows, tested))
    found = binarised._codes(inside, answers, outside, labels, 3)
    codes, accuracy, information = slow_codes(inside, answers, outside, labels)
    assert found["codes"] == codes
    assert found["lookup_accuracy"] == pytest.approx(accuracy)
    assert found["code_information"] == pytest.approx(information, abs=1e-9)
    swapped = slow_codes(outside, labels, inside, answers)[2]
    assert found["code_information_test"] == pytest.approx(swapped, abs=1e-9)
    assert found["live_units"] == sum(len(set(column)) > 1 for column in inside.T.tolist())


def test_wide_codes_are_counted_beyond_a_byte():
    inside = np.zeros((4, 20), dtype=bool)
    inside[1, 0] = inside[2, 19] = inside[3, 19] = True
    labels = np.zeros(4, np.uint8)
    found = binarised._codes(inside, labels, inside, labels, 2)
    assert found["codes"] == 3 and found["live_units"] == 2 and math.isnan(found["lookup_accuracy"])


def test_an_output_layer_learns_what_bits_say():
    """Each label has a bit of its own in one member; in the other its bits say nothing."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=1200).astype(np.uint8)
    bits = [np.eye(4, dtype=bool)[labels], rng.random((1200, 4)) < 0.5]
    found = binarised._refit(bits, [labels, labels], bits, labels, 4)
    assert found["refit_accuracy"][0] == found["refit_train_accuracy"][0] == 1
    assert found["refit_information"][0] == pytest.approx(2, abs=0.01)
    assert found["refit_accuracy"][1] < 0.35 and found["refit_information"][1] < 0.05


def test_held_out_rows_are_not_trained_on(small):
    """The rows of a member are those of its split, and no other labels are looked at."""
    changed = small.train_labels.copy()
    held = split(1001, 0).validation
    changed[held] = (changed[held] + 1) % 10
    other = dataclasses.replace(small, train_labels=changed)
    ours, theirs = (binarised.run(data, (8, 2), 1) for data in (small, other))
    for name, values in ours.items():
        np.testing.assert_array_equal(theirs[name], values)
