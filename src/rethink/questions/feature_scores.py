"""Which columns tell the classes apart: Algorithm 1 on each column alone, for scikit-learn.

`threshold_scores` is a score function as those of `sklearn.feature_selection` are, so that the
selectors there (`SelectKBest`, `SelectPercentile`, `SelectFdr` and others) work with it:

    SelectKBest(threshold_scores, k=10).fit(X, y)
    SelectFdr(threshold_scores, alpha=0.05).fit(X, y)

Unlike the F test it also sees classes that take turns along a column. It does not see what no
threshold on one column shows: interactions, such as the exclusive or of two columns; of a border
that runs obliquely it sees no more than each column shows alone. Nor does it see that two columns
say the same.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import comb, perm

import numpy as np
import numpy.typing as npt
from scipy.stats import pearson3
from sklearn.utils import check_X_y
from sklearn.utils.multiclass import check_classification_targets

from rethink import mec

Floats = npt.NDArray[np.float64]


def threshold_scores(X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Score each column by how many fewer label changes it shows than a random order would.

    The score is the z of `mec.null` with its sign turned: the standard deviations by which the
    expected thresholds of `mec.thresholds` fall short of the null's mean. The p value is the
    chance of a score as large if column and classes are independent, by a Pearson distribution of
    type III that has the null's mean, variance and skewness, exactly; one change is deducted first,
    since counts go in steps of one, and in steps of two where a class is rare. Where the smaller
    classes are rarely their own neighbours, a normal distribution would give p values a hundred
    times too small; these are cautious. With seven rows or fewer no column reaches 0.05.

    Ties make both more cautious. An expectation over the orders of ties has the null's mean, but
    a narrower spread, the more so the fewer values a column has: with 1,000 rows and two values, a
    twentieth of it. So an informative column of few values scores lower than one of many that is
    as informative, and may not be found where `chi2` would find it.

    Args:
        X: rows and columns, finite numbers, shape (n, d).
        y: classes, shape (n,), of any type that NumPy can sort.

    Returns:
        Scores, larger where classes keep together, and p values, both of shape (d,). For a
        constant column, and where all orders of the classes are alike, they are 0 and 1.

    Raises:
        ValueError: `X` or `y` are not as described; targets of a regression are no classes.
        TypeError: `X` is a sparse matrix.

    >>> y = np.repeat([0, 1], 20)
    >>> scores, p = threshold_scores(np.column_stack([np.arange(40), np.ones(40)]), y)
    >>> scores.round(1), p.round(4)
    (array([6.1, 0. ]), array([0., 1.]))
    """
    x, labels = check_X_y(X, y)
    check_classification_targets(labels)
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    null = mec.null(counts)
    scores = np.zeros(x.shape[1])
    p_values = np.ones(x.shape[1])
    if null.sd > 0:
        # Of a constant column, rounding alone would give a score.
        varied = np.flatnonzero((x != x[0]).any(axis=0))
        for column in varied:
            scores[column] = -null.z(mec.thresholds(x[:, column], codes).total)
        less = scores[varied] - 1 / null.sd
        p_values[varied] = pearson3.sf(less, _skewness(counts.tolist()))
    return scores, p_values


def _skewness(counts: Sequence[int]) -> float:
    """Skewness of the neighbours of one class along a random order, at least 0.

    Factorial moments count sets of one, two and three pairs of neighbours. Pairs that overlap
    make a block of rows, and each set has the chance that all of each block are of one class.
    """
    n = sum(counts)
    two, three, four = ([perm(k, size) for k in counts] for size in (2, 3, 4))
    square = sum(a * a for a in two)
    # Ordered choices of rows in blocks of one class each: 2 + 2, 3 + 2 and 2 + 2 + 2 rows. Two
    # blocks of one class have fewer choices than two of different classes.
    blocks_22 = sum(four) + sum(two) ** 2 - square
    blocks_32 = (
        sum(perm(k, 5) for k in counts)
        + sum(three) * sum(two)
        - sum(a * b for a, b in zip(three, two, strict=True))
    )
    blocks_222 = (
        sum(perm(k, 6) for k in counts)
        + 3 * (sum(four) * sum(two) - sum(a * b for a, b in zip(four, two, strict=True)))
        + sum(two) ** 3 - 3 * square * sum(two) + 2 * sum(a**3 for a in two)
    )  # fmt: skip

    def chance(choices: int, rows: int) -> Fraction:
        return Fraction(choices, perm(n, rows)) if rows <= n else Fraction(0)

    first = (n - 1) * chance(sum(two), 2)
    second = 2 * (
        (n - 2) * chance(sum(three), 3)
        + comb(max(n - 2, 0), 2) * chance(blocks_22, 4)
    )  # fmt: skip
    third = 6 * (
        (n - 3) * chance(sum(four), 4)
        + (n - 3) * (n - 4) * chance(blocks_32, 5)
        + comb(max(n - 3, 0), 3) * chance(blocks_222, 6)
    )
    variance = float(second + first - first**2)
    central = third + 3 * second + first - 3 * first * (second + first) + 2 * first**3
    # A negative one would end the tail early.
    return max(0.0, float(central) / float(variance**1.5))
