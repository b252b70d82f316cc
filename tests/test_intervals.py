"""The intervals against scipy, the textbook formula, published values and simulated coverage."""

import itertools

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


groups = st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=2, max_size=4)


@quick
@given(groups)
def test_choices_out_of_order_are_counted(runs):
    found = intervals.misordering(runs, draws=2)
    rows = list(itertools.product(*runs))
    wrong = [any(a <= b for a, b in itertools.pairwise(row)) for row in rows]
    assert (found.wrong, found.choices) == (sum(wrong), len(rows))
    assert 0 <= found.low <= found.high <= 1
    assert np.isnan(found.chance) == (min(map(len, runs)) == 1)


@quick
@given(st.floats(-3, 3), st.floats(0.02, 1), st.floats(0.02, 1))
def test_two_normal_runs_are_misordered_by_the_closed_form(ahead, first, second):
    apart = np.sqrt([first**2 / 2, first**2 / 2, second**2 / 2, second**2 / 2])
    signs = np.array([1, -1, 1, -1])
    a, b = np.split(apart * signs, 2)
    found = intervals.misordering([ahead + a, b], draws=2)
    assert found.chance == pytest.approx(stats.norm.sf(ahead / np.hypot(first, second)), abs=2e-3)


def test_several_normal_runs_are_misordered_as_in_simulation():
    means, spreads = np.array([1.0, 0.6, 0.5, -0.4]), np.array([0.2, 0.5, 0.1, 0.6])
    # Four runs with just these means and spreads.
    standard = np.array([1.0, -1.0, 1.0, -1.0]) * np.sqrt(3 / 4)
    runs = means[:, None] + spreads[:, None] * standard
    found = intervals.misordering(runs)
    drawn = np.random.default_rng(0).normal(means, spreads, (200_000, 4))
    assert found.chance == pytest.approx((np.diff(drawn) >= 0).any(axis=1).mean(), abs=4e-3)
    assert found.low < found.chance < found.high
    assert intervals.misordering(runs) == found
    # It is at least as likely as for the worst pair, and no more than for all pairs together.
    pairs = [intervals.misordering(pair).chance for pair in itertools.pairwise(runs)]
    assert max(pairs) < found.chance < sum(pairs)


def test_the_chance_of_misordering_is_covered():
    rng = np.random.default_rng(3)
    truth = stats.norm.sf(1 / np.hypot(0.3, 0.8))
    covered = 0
    for seed in range(200):
        runs = [rng.normal(1, 0.3, 5), rng.normal(0, 0.8, 9)]
        found = intervals.misordering(runs, draws=200, seed=seed)
        covered += found.low <= truth <= found.high
    assert 0.92 < covered / 200 < 0.99


def test_more_runs_leave_less_open_and_equal_ones_nothing():
    few = intervals.misordering([[2.0, 2.2, 2.4], [1.0, 1.3, 1.6]])
    many = intervals.misordering([[2.0, 2.2, 2.4] * 8, [1.0, 1.3, 1.6]])
    assert many.high < few.high
    sure = intervals.misordering([[2.0, 2.0], [1.0, 1.0], [0.0, 0.0]])
    assert (sure.wrong, sure.chance, sure.high) == pytest.approx((0, 0, 0), abs=1e-12)
    tied = intervals.misordering([[1.0, 1.0], [1.0, 1.0]])
    assert (tied.wrong, tied.choices) == (4, 4)  # a tie shows no order


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
        (lambda: intervals.misordering([[1, 2]]), "groups must be two or more, but 1"),
        (lambda: intervals.misordering([[1], []]), "groups must have shape"),
        (lambda: intervals.misordering([[1, 2], [0, 1]], 95), "confidence must lie"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
