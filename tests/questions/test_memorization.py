"""Cover's count, separability, yardsticks and half points against slow or independent oracles."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rethink.questions import memorization

quick = settings(deadline=None, max_examples=40)


def recursive_count(n, d):
    """Cover's own recursion: a new point either is cut by the separating planes or is not."""
    if n == 1 or d == 1:
        return 2
    return recursive_count(n - 1, d) + recursive_count(n - 1, d - 1)


@quick
@given(st.integers(1, 12), st.integers(1, 12))
def test_cover_follows_the_recursion(n, d):
    assert memorization.cover_count(n, d) == recursive_count(n, d)
    share = memorization.cover_probability(n, d)
    assert share == pytest.approx(recursive_count(n, d) / 2**n)
    assert memorization.cover_probability(n + 1, d) <= share
    assert memorization.cover_probability(n, d + 1) >= share


@pytest.mark.parametrize("d", [1, 2, 9, 17, 785])
def test_all_up_to_d_and_half_at_twice_d(d):
    assert memorization.cover_probability(d, d) == 1
    assert memorization.cover_count(d + 1, d) == 2 ** (d + 1) - 2
    assert memorization.cover_probability(2 * d, d) == 0.5  # exact, with integers of any size


@pytest.mark.parametrize(("n", "inputs"), [(5, 1), (6, 2), (7, 2), (6, 3)])
def test_cover_counts_what_the_linear_program_separates(n, inputs):
    # Every labeling of one set of points: the count does not depend on which points they are.
    points = np.random.default_rng(n).standard_normal((n, inputs))
    stored = [
        memorization.separable(points, labels) for labels in itertools.product([0, 1], repeat=n)
    ]
    assert sum(stored) == memorization.cover_count(n, inputs + 1)


@pytest.mark.parametrize(("n", "d"), [(0, 1), (1, 0), (2.5, 1), (-3, 2)])
def test_cover_needs_positive_integers(n, d):
    with pytest.raises(ValueError, match="must be a positive integer"):
        memorization.cover_count(n, d)


def test_exclusive_or_is_not_separable():
    corners = [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert not memorization.separable(corners, ["a", "b", "b", "a"])
    assert memorization.separable(corners, ["a", "b", "b", "b"])
    assert memorization.separable(corners, [3, 3, 3, 3])
    # The same point with two labels, and a point in the middle of others.
    assert not memorization.separable([[1.0], [1.0]], [0, 1])
    assert not memorization.separable([[0, 0], [2, 0], [0, 2], [0.5, 0.5]], [0, 0, 0, 1])


@quick
@given(st.integers(0, 10**6), st.integers(2, 9))
def test_on_a_line_separable_means_one_change(seed, n):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal(n), rng.integers(0, 2, n)
    changes = int((np.diff(y[np.argsort(x)]) != 0).sum())
    assert memorization.separable(x[:, None], y) == (changes <= 1)
    # Neither names of labels nor shift and scale matter.
    assert memorization.separable(100 * x[:, None] + 7, 1 - y) == (changes <= 1)


@pytest.mark.parametrize(
    ("points", "labels", "message"),
    [
        ([1.0, 2.0], [0, 1], "points must have shape"),
        ([[1.0], [2.0]], [0], "labels shape"),
        ([[1.0], [np.nan]], [0, 1], "points must be finite"),
        ([[1.0], [2.0], [3.0]], [0, 1, 2], "at most two kinds"),
    ],
)
def test_separable_names_bad_input(points, labels, message):
    with pytest.raises(ValueError, match=message):
        memorization.separable(points, labels)


def test_yardsticks_of_one_neuron_are_covers_points():
    one = memorization.yardsticks((16, 1))
    assert (one.parameters, one.twice, one.four_rules) == (17, 34, 17)
    assert memorization.cover_probability(one.parameters, 17) == 1
    assert memorization.cover_probability(one.twice, 17) == 0.5


@pytest.mark.parametrize("k", [1, 2, 16])
def test_yardsticks_of_a_hidden_layer(k):
    found = memorization.yardsticks((16, k, 1))
    assert found.parameters == 17 * k + k + 1
    assert found.four_rules == 17 * k + min(k, k + 1)
    assert found.twice == 2 * found.parameters


@pytest.mark.parametrize(
    ("sizes", "message"), [((16, 4, 10), "end in one output"), ((16,), "two or more")]
)
def test_yardsticks_need_one_output(sizes, message):
    with pytest.raises(ValueError, match=message):
        memorization.yardsticks(sizes)


def log_likelihood(n, successes, trials, half, width):
    total = 0.0
    for m, s in zip(n, successes, strict=True):
        p = 1 / (1 + math.exp((m - half) / width))
        total += s * math.log(p) + (trials - s) * math.log1p(-p)
    return total


def test_half_point_is_the_best_of_a_fine_table():
    n, successes, trials = [20, 30, 40, 50, 60], [40, 33, 17, 6, 1], 40
    found = memorization.half_point(n, successes, trials)
    middles, widths = np.arange(30, 50, 0.1), np.arange(3, 14, 0.1)
    table = np.array(
        [[log_likelihood(n, successes, trials, h, w) for w in widths] for h in middles]
    )
    i, j = np.unravel_index(table.argmax(), table.shape)
    assert found.half == pytest.approx(middles[i], abs=0.11)
    assert found.width == pytest.approx(widths[j], abs=0.11)
    within = middles[table.max(axis=1) > table.max() - stats.chi2.ppf(0.95, 1) / 2]
    assert found.low == pytest.approx(within[0], abs=0.15)
    assert found.high == pytest.approx(within[-1], abs=0.15)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10**6), st.floats(30, 70), st.floats(0.5, 15))
def test_half_point_lies_in_its_interval_and_scales_with_n(seed, half, width):
    rng = np.random.default_rng(seed)
    n = np.arange(10, 95, 12)
    successes = rng.binomial(25, 1 / (1 + np.exp((n - half) / width)))
    found = memorization.half_point(n, successes, 25)
    wide = memorization.half_point(n, successes, 25, confidence=0.99)
    tenfold = memorization.half_point(10 * n, successes, 25)
    if math.isfinite(found.half):
        assert found.low <= found.half <= found.high
        assert tenfold.half == pytest.approx(10 * found.half, rel=2e-3)
        assert tenfold.high == pytest.approx(10 * found.high, rel=2e-3)
    assert wide.low <= found.low + 1e-6 and found.high <= wide.high + 1e-6


def test_half_point_interval_keeps_its_word():
    rng = np.random.default_rng(1)
    n, half, width = np.arange(10, 91, 10), 47.0, 8.0
    covered = 0
    for _ in range(60):
        successes = rng.binomial(20, 1 / (1 + np.exp((n - half) / width)))
        found = memorization.half_point(n, successes, 20)
        covered += found.low <= half <= found.high
    # Sixty intervals of 95 %: fewer than 51 have a chance of 0.1 %.
    assert covered >= 51


def test_a_step_has_its_half_point_in_the_gap():
    found = memorization.half_point([10, 20, 30, 40], [8, 8, 0, 0], 8)
    assert 20 < found.half < 30 and found.low < 20.5 and found.high > 29.5
    assert found.half == pytest.approx(25, abs=0.5)


def test_what_does_not_fall_has_no_half_point():
    all_stored = memorization.half_point([10, 20], [8, 8], 8)
    assert math.isnan(all_stored.half) and all_stored.low > 15 and all_stored.high == math.inf
    none_stored = memorization.half_point([10, 20], [0, 0], 8)
    assert math.isnan(none_stored.half) and none_stored.low == 0 and none_stored.high < 15
    flat = memorization.half_point([10, 20, 30], [4, 4, 4], 8)
    assert flat.low == 0 and flat.high == math.inf and math.isnan(flat.half)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([10], [1], 2), "two different n"),
        (([10, 10], [1, 1], 2), "two different n"),
        (([10, 20], [1], 2), "one shape"),
        (([10, 20], [1, 3], 2), "between 0 and trials"),
        (([10, 20], [1, -1], 2), "between 0 and trials"),
        (([10, 20], [1, 1], 2, 1.0), "confidence"),
    ],
)
def test_half_point_names_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        memorization.half_point(*arguments)


def test_half_point_prints():
    found = memorization.half_point([10, 20, 30], [20, 10, 0], 20)
    assert str(found) == f"20.0 [{found.low:.1f}, {found.high:.1f}]"
