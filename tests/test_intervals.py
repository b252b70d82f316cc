"""The intervals against scipy, the textbook formula, published values and simulated coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rethink import intervals

quick = settings(deadline=None, max_examples=60)
numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


@quick
@given(st.lists(numbers, min_size=2, max_size=9, unique=True), st.sampled_from([0.5, 0.9, 0.99]))
def test_mean_interval_is_scipys(samples, confidence):
    interval = intervals.mean_interval(samples, confidence)
    expected = stats.ttest_1samp(samples, 0).confidence_interval(confidence)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert interval.n == len(samples) and interval.confidence == confidence
    assert interval.mean == pytest.approx(np.mean(samples), abs=1e-9)
    assert interval.sd == pytest.approx(np.std(samples, ddof=1))


def test_five_seeds_have_the_table_value_of_t():
    samples = [0.881, 0.883, 0.885, 0.887, 0.889]
    interval = intervals.mean_interval(samples)
    reach = 2.776 * np.std(samples, ddof=1) / 5**0.5
    assert interval.high - interval.mean == pytest.approx(reach, rel=1e-3)
    assert str(interval) == "0.8850 [0.8811, 0.8889], n = 5"


def test_equal_samples_have_no_width():
    interval = intervals.mean_interval([0.5, 0.5, 0.5])
    assert (interval.low, interval.mean, interval.high, interval.sd) == (0.5, 0.5, 0.5, 0.0)


def test_one_seed_excludes_nothing():
    interval = intervals.mean_interval([0.5])
    assert interval.mean == 0.5
    assert np.isnan(interval.sd)
    assert (interval.low, interval.high) == (-np.inf, np.inf)
    assert intervals.prediction_interval([0.5]) == (-np.inf, np.inf)


def test_the_range_of_one_more_share_ends_at_nought_and_one():
    for samples, expected in (([0.97, 0.99, 1.0], 1.0), ([0.03, 0.01, 0.0], 0.0)):
        free = intervals.prediction_interval(samples)
        cut = intervals.prediction_interval(samples, shares=True)
        end = 1 if expected else 0
        assert not 0 <= free[end] <= 1
        assert cut[end] == expected
        assert cut[1 - end] == free[1 - end]
    assert intervals.prediction_interval([0.5], shares=True) == (0.0, 1.0)


def test_five_seeds_cover_what_they_claim():
    draws = np.random.default_rng(0).normal(size=(2000, 5))
    found = [intervals.mean_interval(row) for row in draws]
    covered = np.mean([i.low <= 0 <= i.high for i in found])
    assert covered == pytest.approx(0.95, abs=0.02)


def test_paired_difference_is_scipys_and_removes_what_seeds_share():
    rng = np.random.default_rng(1)
    seeds = rng.normal(0, 10, 5)  # what a seed does to both of its runs
    a, b = seeds + 1 + rng.normal(0, 0.1, 5), seeds + rng.normal(0, 0.1, 5)
    difference = intervals.paired_difference(a, b)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx((expected.low, expected.high))
    assert 0 < difference.low < 1 < difference.high < 2
    back = intervals.paired_difference(b, a)
    assert (back.low, back.high) == pytest.approx((-difference.high, -difference.low))


def wilson_by_hand(k, n, confidence):
    z = stats.norm.ppf((1 + confidence) / 2)
    middle = (k + z**2 / 2) / (n + z**2)
    reach = z / (n + z**2) * (k * (n - k) / n + z**2 / 4) ** 0.5
    return middle - reach, middle + reach


@quick
@given(st.integers(1, 10_000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_the_formula(trials, share, confidence):
    successes = round(share * trials)
    interval = intervals.wilson_interval(successes, trials, confidence)
    expected = wilson_by_hand(successes, trials, confidence)
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-9)
    assert 0 <= interval.low <= interval.share <= interval.high <= 1


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0.5, 0.999))
def test_wilson_is_scipys_to_the_bit(trials, share, confidence):
    successes = round(share * trials)
    found = intervals.wilson_interval(successes, trials, confidence)
    expected = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert (found.low, found.high) == (expected.low, expected.high)


def test_published_wilson_intervals():
    # 49 of 50 labels agreed with: the report's check of the annotation.
    labels = intervals.wilson_interval(49, 50)
    assert str(labels) == "0.9800 [0.8950, 0.9965], 49 of 50"
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    for successes, trials, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        interval = intervals.wilson_interval(successes, trials)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: intervals.mean_interval([]), "samples must have shape"),
        (lambda: intervals.mean_interval([[1.0, 2.0]]), "samples must have shape"),
        (lambda: intervals.mean_interval([1.0, np.nan]), "samples must be finite"),
        (lambda: intervals.mean_interval([1, 2], 95), "confidence must lie between 0 and 1.*95"),
        (lambda: intervals.paired_difference([1, 2], [1, 2, 3]), "b must have the shape of a"),
        (lambda: intervals.wilson_interval(3, 2), "successes must be an integer from 0 to 2"),
        (lambda: intervals.wilson_interval(0.5, 2), "successes must be an integer"),
        (lambda: intervals.wilson_interval(0, 0), "trials must be an integer of at least 1"),
        (lambda: intervals.wilson_interval(1, 2, 0.0), "confidence must lie"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
