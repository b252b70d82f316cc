"""How far the rows of a table stand apart by label, counted along better orders than a sum's.

Algorithm 1 puts the rows on a line by the sum of their features. Here they are put on lines that
were fitted to other rows, on a tree or beside their nearest neighbour. The count stays the same,
neighbours with different labels, and so does the comparison, the same labels in random order.

Sources: the minimum spanning tree, Friedman and Rafsky, Annals of Statistics 7 (1979); the Bayes
error behind a nearest neighbour, Cover and Hart, IEEE Transactions on Information Theory 13 (1967);
behind the tree, Sekeh, Oselio and Hero, arXiv:1811.06419 (2018).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import perm
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from rethink import mec
from rethink.questions import distances

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Array = npt.NDArray[Any]
# Rows that a spanning tree takes: all their distances, four bytes each, are 1.5 GiB.
TREE_ROWS = 20_000
# Rows whose products are added at a time, so that what is less the mean is no second table.
BLOCK = 10_000


@dataclass(frozen=True)
class CrossEdges:
    """Edges of a graph whose two ends differ in label, and what a random order of labels gives.

    The graph is fixed and must be built without the labels; a tie among distances goes to the
    earlier row, so the order of the rows must know nothing of them either.
    """

    edges: int  # edges in all, an edge that is listed twice counting twice
    crossing: int  # those between different labels
    classes: int  # distinct labels
    expected: float  # crossing edges expected of the same labels in random order, exactly
    sd: float  # their standard deviation, exactly

    @property
    def share(self) -> float:
        """Crossing edges / edges; for nearest neighbours the error of 1-NN, leaving one out."""
        return self.crossing / self.edges

    @property
    def z(self) -> float:
        """Standard deviations from the expectation to the count; NaN where all orders agree."""
        return (self.crossing - self.expected) / self.sd if self.sd > 0 else float("nan")

    @property
    def bayes_low(self) -> float:
        """Lower bound on the Bayes error; see `bayes_bounds`."""
        return bayes_bounds(self.share, self.classes)[0]

    @property
    def bayes_high(self) -> float:
        """Upper bound on the Bayes error; see `bayes_bounds`."""
        return bayes_bounds(self.share, self.classes)[1]


@dataclass(frozen=True, eq=False)
class Projected:
    """Changes into each class along the line of that class, added over the folds."""

    classes: Array  # distinct labels, sorted, shape (c,)
    class_counts: Ints  # rows of each class, shape (c,)
    pairs: int  # neighbouring pairs on each line, rows less folds
    expected: Floats  # changes into each class, expected over the orders of ties, shape (c,)
    null_expected: Floats  # the same for labels in random order within each fold, shape (c,)
    null_sd: Floats  # standard deviation of each, the folds taken as independent, shape (c,)
    null_sd_total: float  # that of the sum over classes, from random orders of the labels

    @property
    def total(self) -> float:
        """Changes over all classes."""
        return float(self.expected.sum())

    @property
    def null_total(self) -> float:
        """Changes over all classes expected of labels in random order."""
        return float(self.null_expected.sum())

    @property
    def z(self) -> float:
        """Standard deviations from the null to the total; NaN where all orders agree."""
        sd = self.null_sd_total
        return (self.total - self.null_total) / sd if sd > 0 else float("nan")


def bayes_bounds(share: float, classes: int) -> tuple[float, float]:
    """Lower and upper bound on the Bayes error from the share s of crossing edges.

    With c classes, (c - 1) / c (1 - sqrt(1 - c s / (c - 1))) and s; a share over (c - 1) / c, as
    chance may give, has (c - 1) / c for its lower bound. The shares of crossing edges of a tree and
    of nearest neighbours have one limit, the expectation of 1 - sum_c p(c | x)^2, and there the
    bounds hold, for balanced classes and others, if rows are drawn independently and as often from
    each class as in use. With finitely many rows s mostly is over its limit, all the more in many
    dimensions: the upper bound then is cautious, and the lower one may be too high.

    Raises ValueError if `share` lies outside [0, 1] or `classes` under 1.

    >>> [round(bound, 4) for bound in bayes_bounds(0.18, 2)]
    [0.1, 0.18]
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1], but {share!r} was passed")
    if classes < 1:
        raise ValueError(f"classes must be at least 1, but {classes!r} was passed")
    most = (classes - 1) / classes
    inside = 1 - share / most if most else 1.0
    return most * (1 - max(0.0, inside) ** 0.5), float(share)


def spanning_tree(points: npt.ArrayLike) -> Ints:
    """Minimum spanning tree by Euclidean distance: n - 1 edges as pairs of rows, shape (n - 1, 2).

    Prim's algorithm on all distances, which are kept as float32 where `distances` are not exact
    integers. Rows that are alike are at distance 0. Takes n^2 d operations and 4 n^2 bytes.

    Args:
        points: shape (n, d), finite, n from 1 to `TREE_ROWS`.

    Raises:
        ValueError: `points` are not as described.
    """
    x, squares = distances.prepared(points)
    n = len(x)
    if n > TREE_ROWS:
        raise ValueError(
            f"points must have at most {TREE_ROWS:,} rows, since a tree keeps all distances in "
            f"memory, but {n:,} were passed, which take {4 * n**2 / 2**30:,.1f} GiB"
        )
    table = np.empty((n, n), np.int32 if squares.dtype == np.int32 else np.float32)
    for rows, columns, block in _pairs_of_blocks(x, squares):
        table[rows, columns] = block
        table[columns, rows] = block.T

    far = distances.far(table.dtype)
    outside = np.ones(n, dtype=np.bool_)
    nearest = np.full(n, far)
    parent = np.zeros(n, dtype=np.intp)
    node = 0
    edges = np.empty((n - 1, 2), dtype=np.intp)
    for edge in edges:
        # The row that joined last is now the way in for all the rows that are nearest to it.
        outside[node] = False
        nearest[node] = far
        closer = (table[node] < nearest) & outside
        np.copyto(nearest, table[node], where=closer)
        parent[closer] = node
        node = int(nearest.argmin())
        edge[:] = parent[node], node
    return edges


def nearest_neighbours(points: npt.ArrayLike) -> Ints:
    """Each row and the nearest other row by Euclidean distance, shape (n, 2).

    Each distance is computed once for both ends, in n^2 d operations; of equal ones the earlier row
    is taken. Their precision is that of `distances`.

    Args:
        points: shape (n, d), finite, n at least 2.

    Raises:
        ValueError: `points` are not as described.
    """
    x, squares = distances.prepared(points)
    n = len(x)
    if n < 2:
        raise ValueError(f"points must have at least 2 rows, but {n} was passed")
    far = distances.far(squares.dtype)
    nearest = np.full(n, far)
    neighbour = np.zeros(n, dtype=np.intp)
    for rows, columns, block in _pairs_of_blocks(x, squares):
        if rows == columns:
            np.fill_diagonal(block, far)
        else:
            distances.approach(nearest[columns], neighbour[columns], block.T, rows.start)
        distances.approach(nearest[rows], neighbour[rows], block, columns.start)
    return np.column_stack([np.arange(n), neighbour])


def cross_edges(edges: npt.ArrayLike, labels: npt.ArrayLike) -> CrossEdges:
    """Count the edges between different labels, beside their null over a fixed graph.

    The null gives the same labels to the rows in every order. Its mean and variance are exact for
    any graph and any classes: two edges are the same pair of rows, share one row or share none, and
    each case has its own chance that both cross. A pair listed twice, as where two rows are each
    other's nearest neighbour, crosses both times or neither. For a path it is `mec.null`.

    Args:
        edges: pairs of different rows, integers of shape (m, 2), m at least 1.
        labels: shape (n,), of any type that NumPy can sort.

    Raises:
        ValueError: `edges` or `labels` are not as described, or an edge has no row to end in.
    """
    pairs = np.asarray(edges)
    classes, codes, counts = _classes(labels)
    n = len(codes)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) == 0 or pairs.dtype.kind not in "iu":
        raise ValueError(
            "edges must be integers of shape (m, 2), m at least 1, "
            f"but dtype {pairs.dtype} of shape {pairs.shape} was passed"
        )
    if pairs.min() < 0 or pairs.max() >= n or (pairs[:, 0] == pairs[:, 1]).any():
        raise ValueError(
            f"edges must join two different rows from 0 to {n - 1}, but they do not all do so"
        )
    pairs = np.sort(pairs.astype(np.int64), axis=1)
    crossing = int((codes[pairs[:, 0]] != codes[pairs[:, 1]]).sum())
    times = np.unique(pairs[:, 0] * n + pairs[:, 1], return_counts=True)[1]
    degrees = np.bincount(pairs.ravel())
    m = len(pairs)
    same = int((times**2).sum())  # ordered pairs of edges between the same two rows
    touching = int((degrees**2).sum()) - 2 * same  # which share one row
    one, two, apart = _chances([int(k) for k in counts])
    mean = m * one
    variance = same * one + touching * two + (m**2 - same - touching) * apart - mean**2
    return CrossEdges(m, crossing, len(classes), float(mean), float(variance) ** 0.5)


def projected_thresholds(
    points: npt.ArrayLike,
    labels: npt.ArrayLike,
    folds: int = 5,
    seed: int = 0,
    permutations: int = 200,
) -> Projected:
    """Thresholds into each class along a line of its own, fitted to rows that are not on it.

    For each fold a ridge regression of "is of class c" on the features is fitted to the other
    folds; the fold's rows are sorted by it, and changes into class c are counted as Algorithm 1
    does. With n rows in a fold, n_c of class c, labels in random order give n_c (n - n_c) / n, with
    standard deviation n_c (n - n_c) / (n sqrt(n - 1)). The classes' lines have much in common, so
    the deviation of the sum over classes is that of `permutations` random orders of the labels
    within each fold, on the same lines.

    The penalty is the mean squared length of a row less the mean row. It is the best one where
    weights are drawn independently and half of the indicator's variance is linear in the features:
    noise variance over weight variance. It has no unit to set and needs no search.

    The changes over n are, in the limit of many rows, no less than the limit of a tree's share of
    crossing edges, hence an upper bound on the Bayes error.

    Args:
        points: shape (n, d), finite. Takes (n d + folds d^2) 8 bytes at most.
        labels: shape (n,), of any type that NumPy can sort.
        folds: parts of about equal size, at most n / 2. With 1 the line is fitted to the very rows
            that it is judged on, which shows what this does and has no valid null.
        seed: decides the folds and the random orders.
        permutations: random orders of the labels, at least 2.

    Raises:
        ValueError: an argument is not as described.
    """
    x = distances.checked(points)
    classes, codes, counts = _classes(labels)
    if codes.shape != x.shape[:1]:
        raise ValueError(
            f"labels must have shape {x.shape[:1]}, but shape {codes.shape} was passed"
        )
    if not 1 <= folds <= len(x) / 2:
        raise ValueError(
            f"folds must lie from 1 to half of the {len(x)} rows, but {folds!r} was passed"
        )
    if permutations < 2:
        raise ValueError(f"permutations must be at least 2, but {permutations!r} was passed")
    rng = np.random.default_rng([seed, 21])
    parts = np.array_split(rng.permutation(len(x)), folds)
    n = len(x)
    c = len(classes)
    expected = np.zeros(c)
    null = np.zeros(c)
    variance = np.zeros(c)
    totals = np.zeros(permutations)
    for part, values in zip(parts, _held_out(x, np.eye(c)[codes], parts), strict=True):
        here = codes[part]
        m = len(part)
        for k in range(c):
            expected[k] += mec.thresholds(values[:, k], here == k).expected[-1]
        # All of one class or none of it: `expected` has one entry, which is 0.
        of_class = np.bincount(here, minlength=c)
        null += of_class * (m - of_class) / m
        variance += (of_class * (m - of_class) / m) ** 2 / (m - 1)
        # Rows of a part are in random order, so ties are too.
        order = np.argsort(values, axis=0, kind="stable")
        for i in range(permutations):
            inside = rng.permutation(here)[order] == np.arange(c)
            totals[i] += np.count_nonzero(inside[1:] & ~inside[:-1])
    sd = float(totals.std(ddof=1))
    return Projected(classes, counts, n - folds, expected, null, np.sqrt(variance), sd)


def principal_line(points: npt.ArrayLike) -> Floats:
    """Each row's value on the first principal component, shape (n,), for `mec.thresholds`.

    Its sign makes the component's largest entry positive. The labels are not seen. Raises
    ValueError if `points` are not finite numbers of shape (n, d).
    """
    x = distances.checked(points)
    mean = x.mean(axis=0)
    gram = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK] - mean
        gram += block.T @ block
    vector = linalg.eigh(gram, subset_by_index=[len(gram) - 1] * 2)[1][:, 0]
    vector *= np.sign(vector[np.abs(vector).argmax()])
    values: Floats = x @ vector - mean @ vector
    return values


def _pairs_of_blocks(x: Array, squares: Array) -> Iterator[tuple[slice, slice, Array]]:
    """Yield squared distances between blocks of rows, on and above the diagonal, row by row."""
    parts = list(distances.slices(len(x)))
    for i, rows in enumerate(parts):
        for columns in parts[i:]:
            yield rows, columns, distances.between(x, squares, rows, columns)


def _classes(labels: npt.ArrayLike) -> tuple[Array, Ints, Ints]:
    """Distinct labels, each label as an index into them, and the rows of each."""
    y = np.asarray(labels)
    if y.ndim != 1 or len(y) == 0:
        raise ValueError(f"labels must have shape (n,), n at least 1, but {y.shape} was passed")
    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    return classes, codes, counts


def _chances(counts: list[int]) -> tuple[Fraction, Fraction, Fraction]:
    """Chance that an edge crosses, that two which share a row both do, that two apart both do."""
    n = sum(counts)
    equal = sum(perm(k, 2) for k in counts)
    one = 1 - Fraction(equal, perm(n, 2))
    two = apart = Fraction(0)  # where there are too few rows for such pairs of edges
    if n > 2:
        two = Fraction(sum(k * perm(n - k, 2) for k in counts), perm(n, 3))
    if n > 3:
        twice = equal**2 - sum(perm(k, 2) ** 2 - perm(k, 4) for k in counts)
        apart = 1 - 2 * Fraction(equal, perm(n, 2)) + Fraction(twice, perm(n, 4))
    return one, two, apart


def _held_out(x: Array, targets: Floats, parts: list[Ints]) -> Iterator[Floats]:
    """Values of each part's rows on the lines fitted to all other parts, shape (m, c) each."""
    mean = x.mean(axis=0, dtype=np.float64)
    scaled = [x[part] - mean for part in parts]
    own = []
    for rows, part in zip(scaled, parts, strict=True):
        aimed = targets[part]
        sums = (rows.sum(axis=0), rows.T @ rows, aimed.sum(axis=0), rows.T @ aimed)
        own.append((len(rows), *sums))
    whole = [sum(terms) for terms in zip(*own, strict=True)]
    for rows, mine in zip(scaled, own, strict=True):
        # Sums over the other parts are those over all less one's own.
        rest = [a - b for a, b in zip(whole, mine, strict=True)] if len(parts) > 1 else whole
        n, total, gram, frequency, moment = rest
        gram = gram - np.outer(total, total) / n
        penalty = np.trace(gram) / n
        if penalty <= 1e-12 * np.trace(whole[2]) / len(x):
            yield np.zeros((len(rows), targets.shape[1]))  # rows all alike: no line to fit
            continue
        gram[np.diag_indices(len(gram))] += penalty
        yield rows @ linalg.solve(gram, moment - np.outer(total, frequency) / n, assume_a="pos")
