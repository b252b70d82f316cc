"""Measures that see the classes, for any table, before anything is trained.

Algorithm 1 puts rows in the order of their sums. Each measure here puts them in an order of its
own, or joins them by a graph, and counts the same: neighbours with different labels, beside what
labels in random order would give. A decision tree cuts at one column, a random forest votes among
near rows (Lin and Jeon, Journal of the American Statistical Association 101, 2006), a network cuts
along lines: so the best column, the nearest neighbours and fitted lines stand for the three.

Who guesses each label to be that of its neighbour and errs with probability s lacks at most
h(s) + s log2(c - 1) bits a label, h being the binary entropy and c the number of classes (Fano,
Transmission of Information, 1961). With independent rows this bounds H(label | features), for
fitted lines, too: their changes, added over classes, are no fewer in expectation. It says how much
of the labels the features leave open, not how large a learner must be. The share comes from a
sample, so the bound is an estimate.

Rows are taken to be independent. Copies, frames of one film or visits of one patient make
neighbours agree without any class being learned.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from rethink import mec, ties
from rethink.intervals import wilson_interval
from rethink.questions import class_separation

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Array = npt.NDArray[np.float64] | npt.NDArray[np.uint8]

NEIGHBOUR_WORK = 1e11  # rows^2 x columns: some two seconds a core
NEIGHBOUR_ROWS = 20_000
TREE_ROWS = 3_000
LINE_ROWS, LINE_COLUMNS = 20_000, 2_000  # of the fitted lines, whose cost grows with columns^2
LINE_CELLS = 2e7  # rows x classes
RANKED_CELLS = 5e6  # rows x columns of the rank test
COLUMN_CELLS = 2e7  # rows x columns of the best column
BLOCK_CELLS = 1 << 19  # rows x columns that are worked on at once
FEWEST = 20  # rows; with less, a count says nothing


@dataclass(frozen=True)
class Order:
    """Neighbours with different labels along one order or graph, and what chance would give.

    Attributes:
        name: of the order.
        rows: on it; fewer than there are where all would take too long.
        changes: neighbouring pairs whose labels differ, expected over ties.
        pairs: neighbouring pairs.
        null: changes expected of the same labels in random order.
        sd: standard deviation of that.
    """

    name: str
    rows: int
    changes: float
    pairs: int
    null: float
    sd: float

    @property
    def share(self) -> float:
        """Share of neighbours that differ."""
        return self.changes / self.pairs

    @property
    def null_share(self) -> float:
        """The same for labels in random order."""
        return self.null / self.pairs

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of `share`, on half as many pairs.

        A row takes part in two pairs, so that one odd label makes two changes. In simulations it
        covers 94 % or more, and 90 % along a column of 100 rows.
        """
        half = self.pairs // 2
        found = wilson_interval(min(round(self.changes / 2), half), half)
        return found.low, found.high

    @property
    def z(self) -> float:
        """Standard deviations from the null to the count; NaN where every order is alike."""
        return (self.changes - self.null) / self.sd if self.sd > 0 else float("nan")


@dataclass(frozen=True)
class LearnerEstimate:
    """What the features leave open of the labels, by the order that stands for a kind of learner.

    Attributes:
        learner: its name.
        order: what stands for it.
        instances: labels in all.
        entropy: bits of a label, by the shares of the classes.
        classes: how many.
        guess: accuracy of naming the commonest class.
    """

    learner: str
    order: Order
    instances: int
    entropy: float
    classes: int
    guess: float

    def bits(self, share: float) -> float:
        """Fano's bound for all labels where a share of neighbours differs."""
        if self.classes < 2:
            return 0.0
        h = -sum(p * math.log2(p) for p in (share, 1 - share) if p > 0)
        each = min(h + share * math.log2(self.classes - 1), self.entropy)
        # From (c - 1) / c on the bound falls again, and beyond chance nothing is known.
        if share >= min(self.order.null_share, 1 - 1 / self.classes):
            each = self.entropy
        # Where all neighbours agree, one label is still to be written down.
        return max(self.instances * each, math.log2(self.classes))

    def to_dict(self) -> dict[str, Any]:
        """The estimates as plain values, each with the interval that the share's gives.

        ``open_bits`` bound what the features leave open of all labels. They are no capacity that a
        learner needs: one that knows every label of its rows has stored them all.

        ``overfit_risk`` is the share over the errors of naming the commonest class. The share of
        nearest neighbours is over the Bayes error, so that where classes are balanced a learner
        that comes to the Bayes error with more and more rows errs no more in the long run. Nothing
        of the kind holds for a learner of fixed size, nor at a given number of rows.
        """
        low, high = self.order.interval
        wrong = 1 - self.guess
        bits = [self.bits(share) for share in (self.order.share, low, high)]
        return {
            "learner": self.learner,
            "order": self.order.name,
            "open_bits": bits[0],
            "open_bits_interval": bits[1:],
            "null_open_bits": self.instances * self.entropy,
            "overfit_risk": _at_most_1(self.order.share, wrong),
            "overfit_risk_interval": [_at_most_1(s, wrong) for s in (low, high)],
        }


def points(features: Array, pictures: bool) -> Array:
    """Make columns comparable: pixels as they are, others with mean 0 and deviation 1.

    Without it the column with the largest numbers would decide which rows are near. Columns that
    never vary become 0. Takes and returns shape (n, d).
    """
    if pictures:
        return features
    x = features.astype(np.float64)
    # In place, some columns after the others, so that there is no second table.
    for part in np.array_split(x, -(-x.size // BLOCK_CELLS), axis=1):
        # By the largest value first: the square of one near the largest float64 would overflow.
        scale = np.abs(part).max(axis=0)
        part /= np.where(scale > 0, scale, 1)
        sd = part.std(axis=0)
        part -= part.mean(axis=0)
        # What is left of a constant column is rounding.
        varies = sd > 1e-12
        part[:, ~varies] = 0
        part[:, varies] /= sd[varies]
    return x


def shuffled(rows: int, seed: int) -> Ints:
    """Return all rows in an order by the seed: that of a file may know the labels."""
    return np.random.default_rng([seed, 31]).permutation(rows)


def nearest(x: Array, labels: Ints) -> Order:
    """Each row and its nearest other row, by Euclidean distance; rows in random order."""
    n = neighbour_rows(*x.shape)
    edges = class_separation.cross_edges(class_separation.nearest_neighbours(x[:n]), labels[:n])
    return _graph("nearest neighbour", n, edges)


def neighbour_rows(rows: int, columns: int) -> int:
    """Return how many rows `nearest` takes."""
    return int(min(rows, NEIGHBOUR_ROWS, max(FEWEST, (NEIGHBOUR_WORK / columns) ** 0.5)))


def growth(x: Array, labels: Ints) -> tuple[list[Order], int]:
    """Nearest neighbours among an eighth, a quarter, half and all of the rows that `nearest` takes.

    Parts of a share are disjoint and counted together, so that all rest on as many rows.

    Returns:
        An order for each share, and how many rows have a neighbour of their class among half of
        the rows but not among all, or the other way round. Half and all share their rows, so that
        these alone tell the two counts apart.
    """
    n, found, turned = neighbour_rows(*x.shape), [], 0
    before = None
    for parts in (8, 4, 2, 1):
        if n // parts < FEWEST:
            continue
        differs, null, variance = np.empty(n, dtype=np.bool_), 0.0, 0.0
        for part in np.array_split(np.arange(n), parts):
            pairs, own = class_separation.nearest_neighbours(x[part]), labels[part]
            edges = class_separation.cross_edges(pairs, own)
            differs[part] = own[pairs[:, 1]] != own
            null, variance = null + edges.expected, variance + edges.sd**2
        turned = 0 if before is None else int((differs != before).sum())
        before, sd = differs, float(np.sqrt(variance))
        found.append(Order("nearest neighbour", n // parts, int(differs.sum()), n, null, sd))
    return found, turned


def tree(x: Array, labels: Ints) -> Order:
    """The minimum spanning tree of the first `TREE_ROWS` rows."""
    n = min(len(x), TREE_ROWS)
    edges = class_separation.cross_edges(class_separation.spanning_tree(x[:n]), labels[:n])
    return _graph("spanning tree", n, edges)


def lines(x: Array, labels: Ints, seed: int) -> Order | None:
    """A line for each class, fitted to other rows; None where that would take too long.

    Each class's line has at least one change in each of its five folds: of few rows with many
    classes that floor can be most of the count.
    """
    n = min(len(x), LINE_ROWS)
    classes = len(np.unique(labels[:n]))
    if x.shape[1] > LINE_COLUMNS or n * classes > LINE_CELLS:
        return None
    found = class_separation.projected_thresholds(x[:n], labels[:n], folds=5, seed=seed)
    return Order("fitted lines", n, found.total, found.pairs, found.null_total, found.null_sd_total)


def best_column(x: Array, labels: Ints) -> tuple[Order, tuple[int, int]]:
    """The column with the fewest thresholds, chosen on one half of the rows, counted on the other.

    Both halves serve for both. The best of many columns looks good by chance, on the rows that it
    was chosen by, but not on others. Rows in random order. Each half chooses for the other, which
    the null's deviation leaves out: of random labels 1 to 3 % have z under -3, and on columns of
    few values z is too small instead.

    Returns:
        The order, and the column chosen on each half.
    """
    n = int(min(len(x), max(FEWEST, COLUMN_CELLS // x.shape[1])))
    halves = np.array_split(np.arange(n), 2)
    chosen, changes, null, variance = [], 0.0, 0.0, 0.0
    for here, there in (halves, halves[::-1]):
        # The first of equals, whichever way they round.
        best = int(np.argmin(np.round(_totals(x[here], labels[here]), 9)))
        counted = mec.thresholds(x[there, best], labels[there])
        chance = mec.null(counted.class_counts)
        chosen.append(best)
        changes += counted.total
        null += chance.total
        variance += chance.sd**2
    order = Order("best column", n, changes, n - 2, null, float(np.sqrt(variance)))
    return order, (chosen[0], chosen[1])


def column_p(x: Array, labels: Ints) -> float:
    """P value that the strongest rank sum of a class along a column is chance, by Bonferroni.

    The rank-sum test (Wilcoxon, Biometrics Bulletin 1, 1945; Mann and Whitney, Annals of
    Mathematical Statistics 18, 1947) in its normal limit, with the exact variance under random
    order, ties included. It is linear in a weak effect, where counts of neighbours are quadratic.
    """
    n = int(min(len(x), max(FEWEST, RANKED_CELLS // x.shape[1])))
    classes, codes = np.unique(labels[:n], return_inverse=True)
    if len(classes) < 2 or len(classes) * n > LINE_CELLS:
        return 1.0
    of = np.eye(len(classes))[codes]
    rows = of.sum(axis=0)[:, None]
    strongest = 0.0
    for _, order, new in _sorted_columns(x[:n]):
        ranks = _ranks(order, new)
        sd = np.sqrt(ranks.var(axis=0) * n / (n - 1) * rows * (n - rows) / n)
        far = np.abs(of.T @ ranks - rows * (n + 1) / 2)
        z = np.divide(far, sd, out=np.zeros_like(far), where=sd > 0)
        strongest = max(strongest, float(z.max()))
    # Of two classes the one's rank sum follows from the other's.
    tests = x.shape[1] * (len(classes) if len(classes) > 2 else 1)
    return float(min(1.0, 2 * special.ndtr(-strongest) * tests))


def _sorted_columns(x: Array) -> Iterator[tuple[slice, Ints, npt.NDArray[np.bool_]]]:
    """Yield many columns at once, sorted: call by call they would take most of the time.

    Yields:
        Which columns they are, the order of their rows, and where a value differs from the one
        before, the latter two of shape (columns, rows).
    """
    n, d = x.shape
    step = max(1, BLOCK_CELLS // n)
    for start in range(0, d, step):
        columns = np.ascontiguousarray(x[:, start : start + step].T)
        # NumPy sorts bytes by their digits; which of equal ones comes first does not count.
        order = np.argsort(columns, axis=1, kind="stable" if x.dtype == np.uint8 else None)
        line = np.take_along_axis(columns, order, axis=1)
        new = np.ones(line.shape, np.bool_)
        new[:, 1:] = line[:, 1:] != line[:, :-1]
        yield slice(start, start + len(columns)), order, new


def _totals(x: Array, labels: Ints) -> Floats:
    """Expected thresholds of each column, shape (d,), which `mec.thresholds` counts one by one.

    The columns are put on one line, end to end, and each has classes of its own there.
    """
    codes = np.unique(labels, return_inverse=True)[1]
    classes = int(codes.max()) + 1
    totals = np.empty(x.shape[1])
    for columns, order, new in _sorted_columns(x):
        among = len(order) * classes
        own = codes[order] + classes * np.arange(len(order))[:, None]
        tie = np.cumsum(new) - 1
        counts = ties.expected(ties.tabulate(tie * among + own.ravel(), among), among)
        totals[columns] = counts.reshape(len(order), classes).sum(axis=1)
        # Into the first tie of the next column there always is a change, of none of them.
        totals[columns][1:] -= 1
    return totals


def _ranks(order: Ints, new: npt.NDArray[np.bool_]) -> Floats:
    """Rank sorted columns from 1 on, shape (rows, columns); ties have the mean of their ranks.

    `scipy.stats.rankdata` does the same, but see `rethink.intervals` for what its import takes.
    """
    starts = np.flatnonzero(new)
    sizes = np.diff(starts, append=new.size)
    means = starts % new.shape[1] + (sizes + 1) / 2
    ranks = np.empty(new.shape)
    np.put_along_axis(ranks, order, np.repeat(means, sizes).reshape(new.shape), axis=1)
    return ranks.T


def _at_most_1(share: float, whole: float) -> float:
    return min(1.0, share / whole) if whole > 0 else math.nan


def _graph(name: str, rows: int, found: class_separation.CrossEdges) -> Order:
    return Order(name, rows, found.crossing, found.edges, found.expected, found.sd)
