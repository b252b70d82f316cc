"""Temperatures and the costs of labels, against closed forms and a plain search."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink.questions.calibration import COLDEST, HOTTEST, fit_temperature, label_costs


def drawn(seed, rows=2_000, classes=4, sharpness=1.0):
    """Logits, and labels drawn by the probabilities that they give at a temperature."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.standard_normal((rows, classes))
    noise = generator.gumbel(size=logits.shape)
    return logits, (sharpness * logits + noise).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature):
    logits, labels = drawn(0, 20_000, sharpness=1 / temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.2, 5))
def test_no_temperature_of_a_grid_is_better(seed, sharpness):
    logits, labels = drawn(seed, 200, sharpness=sharpness)

    def cost(temperature):
        scores = logits / temperature
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return -logs[np.arange(len(labels)), labels].mean()

    best = cost(fit_temperature(logits, labels))
    assert all(best <= cost(t) + 1e-6 for t in np.geomspace(COLDEST, HOTTEST, 60))


def test_multiplied_logits_ask_for_a_multiplied_temperature():
    logits, labels = drawn(1)
    once = fit_temperature(logits, labels)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3 * once, rel=1e-3)


def test_answers_that_are_all_right_are_taken_as_sure_as_can_be():
    logits = 5 * np.eye(3)
    assert fit_temperature(logits, [0, 1, 2]) == pytest.approx(COLDEST, rel=1e-2)
    assert fit_temperature(logits, [1, 2, 0]) == pytest.approx(HOTTEST, rel=1e-2)


def test_costs_by_hand():
    # Sure at 8 to 1 of the first class, on the test right half of the time.
    logits = [[math.log(8), 0.0]] * 2
    held_out = ([[math.log(8), 0.0]] * 3, [0, 0, 1])
    costs = label_costs(held_out, (logits, [0, 1]), uniform=0.1)
    assert costs.plain == pytest.approx((math.log2(9 / 8) + math.log2(9)) / 2)
    mixed = [0.9 * p + 0.05 for p in (8 / 9, 1 / 9)]
    assert costs.mixed == pytest.approx(-np.log2(mixed).mean())
    # Two in three right ask for a temperature at which the first class has two thirds.
    assert costs.temperature == pytest.approx(3, rel=1e-4)
    assert costs.tempered == pytest.approx(-np.log2([2 / 3, 1 / 3]).mean(), rel=1e-4)


def test_an_overconfident_classifier_is_mended():
    logits, labels = drawn(2, 4_000)
    sure = 6 * logits
    costs = label_costs((sure[:2_000], labels[:2_000]), (sure[2_000:], labels[2_000:]), 0.01)
    honest = label_costs((logits[:2_000], labels[:2_000]), (logits[2_000:], labels[2_000:]), 0.01)
    assert costs.plain > costs.mixed > costs.tempered
    assert costs.tempered == pytest.approx(honest.tempered, rel=1e-3)
    assert honest.tempered == pytest.approx(honest.plain, rel=0.01)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="labels must lie from 0 to 1, but 2 was passed"):
        fit_temperature([[0.0, 1.0]], [2])
    with pytest.raises(ValueError, match="must have shape"):
        fit_temperature([[0.0, 1.0]], [0, 1])
