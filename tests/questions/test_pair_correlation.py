"""Correlation over pairs of classes, in simulations where its interval and its null are known."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from rethink.questions.pair_correlation import pair_correlation

PAIRS = np.array(list(combinations(range(10), 2)))


def of_classes(generator, own):
    """A measurement on pairs: something of each class, and something of the pair."""
    each = generator.normal(size=10)
    return own * each[PAIRS].sum(axis=1) + generator.normal(size=45)


def test_it_is_spearmans_whatever_the_classes_are_called():
    generator = np.random.default_rng(0)
    x, y = (of_classes(generator, 1) for _ in range(2))
    found = pair_correlation(x, y, PAIRS, permutations=200)
    assert found.rank == pytest.approx(stats.spearmanr(x, y).statistic)
    names = np.array(list("jihgfedcba"))[PAIRS][:, ::-1]
    renamed = pair_correlation(x, y, names, permutations=200)
    assert (renamed.rank, renamed.low, renamed.high) == pytest.approx(
        (found.rank, found.low, found.high)
    )
    assert -1 <= found.low < found.rank < found.high <= 1


def test_the_order_of_the_pairs_does_not_matter():
    generator = np.random.default_rng(1)
    x, y = (of_classes(generator, 1) for _ in range(2))
    order = generator.permutation(45)
    moved = pair_correlation(x[order], y[order], PAIRS[order])
    assert vars(moved) == pytest.approx(vars(pair_correlation(x, y, PAIRS)))


@pytest.mark.parametrize("own", [0, 2])
def test_measurements_that_know_nothing_of_each_other_are_found_so(own):
    """Pairs that share classes make far correlations frequent; the null knows that."""
    generator = np.random.default_rng(2)
    found = [
        pair_correlation(of_classes(generator, own), of_classes(generator, own), PAIRS, 200, seed)
        for seed in range(200)
    ]
    p = np.array([each.p for each in found])
    assert 0.01 <= (p <= 0.05).mean() <= 0.1
    covered = np.mean([each.low <= 0 <= each.high for each in found])
    assert covered >= 0.9
    naive = np.array([each.rank for each in found])
    if own:
        assert (np.abs(naive) > 0.294).mean() > 0.15  # 5 % if 45 pairs were independent


@pytest.mark.parametrize(
    ("first", "pairs", "permutations", "message"),
    [
        (np.arange(44.0), PAIRS, 100, "a value for each of 45 pairs"),
        (np.arange(45.0), PAIRS[:-1], 100, "all pairs of five classes or more, each once, but 44"),
        (np.arange(45.0), np.r_[PAIRS[:-1], PAIRS[:1]], 100, "each once"),
        (np.arange(6.0), PAIRS[[0, 1, 2, 9, 10, 17]], 100, "6 pairs of 4 classes"),
        (np.arange(45.0), PAIRS, 99, "permutations must be at least 100"),
        (np.zeros(45), PAIRS, 100, "vary over the pairs"),
        ((PAIRS == 3).any(axis=1), PAIRS, 100, "without any one class"),
        (np.r_[np.nan, np.arange(44.0)], PAIRS, 100, "must be finite"),
    ],
)
def test_bad_input_is_named(first, pairs, permutations, message):
    with pytest.raises(ValueError, match=message):
        pair_correlation(first, np.arange(45.0), pairs, permutations)
