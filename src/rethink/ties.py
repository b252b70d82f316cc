"""Rows that tie: what Algorithm 1 counts over all the orders that they could stand in.

The closed form and the extremes are checked against all orders of small examples in the tests.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


class Ties(NamedTuple):
    """The sorted line as a sparse table: an entry per class and tie it occurs in, in this order.

    With the ties of a class side by side, what a class had in the tie before is one entry back.
    """

    label: Ints  # which class
    tie: Ints  # which group of equal sums, from 0
    rows: Ints  # how many of that class are in that tie
    size: Ints  # how many are in that tie in all, one value per tie


def tabulate(keys: npt.NDArray[np.int64], classes: int) -> Ties:
    """Tabulate rows in any order, each given as sum times `classes` plus class, shape (n,)."""
    keys, rows = np.unique(keys, return_counts=True)
    sums, label = np.divmod(keys, classes)
    new_tie = np.append(True, sums[1:] != sums[:-1])
    tie = np.cumsum(new_tie) - 1
    size = np.add.reduceat(rows, np.flatnonzero(new_tie))
    # NumPy sorts integers of up to 16 bits by their digits, ten times as fast.
    order = np.argsort(label.astype(np.min_scalar_type(classes)), kind="stable")
    return Ties(label[order], tie[order], rows[order], size)


def entries(ties: Ties) -> Ints:
    """Return which entry of the table each row of the sorted line is in, shape (n,)."""
    order = np.lexsort((ties.label, ties.tie))
    return np.repeat(order, ties.rows[order])


def subset(ties: Ties, rows: Ints) -> Ties:
    """Tabulate fewer rows, given as the entry in the table that each is in, in any order."""
    count = np.bincount(rows, minlength=len(ties.rows))
    kept = np.flatnonzero(count > 0)
    label, tie, count = ties.label[kept], ties.tie[kept], count[kept]
    size = np.bincount(tie, weights=count, minlength=len(ties.size)).astype(np.intp)
    number = np.cumsum(size > 0) - 1
    size = size[np.flatnonzero(size > 0)]  # four times as fast as by the mask itself
    return Ties(label, number[tie], count, size)


def expected(ties: Ties, classes: int) -> Floats:
    """Return the expected thresholds into each class, shape (c,), over random orders of ties."""
    share = ties.rows / ties.size[ties.tie]
    # n rows have n - 1 neighbouring pairs, each (other, c) with chance (n - n_c) n_c / (n (n - 1)).
    inside = ties.rows * (1 - share)
    # The last row of a tie and the first of the next are independent draws.
    share_before = np.where(_again(ties), np.roll(share, 1), 0.0)
    between = np.where(ties.tie > 0, share * (1 - share_before), 0.0)
    counts = np.bincount(ties.label, weights=inside + between, minlength=classes)
    return counts.astype(np.float64)


def extremes(ties: Ties) -> tuple[int, int]:
    """Fewest and most thresholds over all orders of the ties.

    A dynamic programme over the ties whose state is the class in which the line ends. Where it
    ends is worth at most one threshold at the next boundary, so a line that is behind by one never
    gets ahead: the best total suffices, with the classes in which a line of that total can end.
    """
    return _fewest(ties), _most(ties)


def _fewest(ties: Ties) -> int:
    # A block per class, beginning with a class that the line ended in. So the line ends in any
    # class of the tie but the one it had to begin with: barred, -1 where it could begin with two.
    again = np.flatnonzero(_again(ties))
    tie, label = ties.tie[again], ties.label[again]
    present = np.bincount(ties.tie)
    shared = np.bincount(tie, minlength=len(present))
    first, last, barred = np.full((3, len(present)), -1)
    last[tie] = label  # classes ascend, and the last one written stays
    first[tie[::-1]] = label[::-1]
    # One class is barred in the tie before, so of three shared ones two are left to begin with.
    narrow = np.flatnonzero((present > 1) & (shared > 0) & (shared < 3))
    bars: dict[int, int] = {}
    ends = zip(narrow.tolist(), first[narrow].tolist(), last[narrow].tolist(), strict=True)
    for t, one, other in ends:
        left = {one, other} - {bars.get(t - 1, -1)}
        if len(left) == 1:
            bars[t] = left.pop()
    barred[list(bars)] = list(bars.values())
    lost = (shared == 0) | ((shared == 1) & (first == np.roll(barred, 1)))
    return len(ties.rows) - len(present) + int(lost[1:].sum())


def _most(ties: Ties) -> int:
    # All pairs change but where a class has more than half of a tie: it then stands at both ends,
    # every other row parting two of its own, and what it has beyond half is lost.
    beyond = 2 * ties.rows - ties.size[ties.tie]
    major = np.full(len(ties.size), -1)
    major[ties.tie[beyond > 0]] = ties.label[beyond > 0]
    forced = major >= 0
    # Where a line of the most thresholds ends in one class only, that is the class of the last
    # forced tie, handed on by ties that have exactly half of it: it cannot begin, so it must end.
    number = np.arange(len(major))
    source = np.maximum.accumulate(np.where(forced, number, -1))
    hands_on = (beyond == 0) & (ties.label == major[source][ties.tie])
    free = ~forced
    free[ties.tie[hands_on]] = False
    fixed = np.maximum.accumulate(np.where(free, number, -1)) < source
    end = np.where(fixed, major[source], -1)
    entered = forced & (major != np.append(-1, end[:-1]))
    return int(ties.size.sum() - 1 - beyond[beyond > 0].sum() + entered.sum())


def _again(ties: Ties) -> Bools:
    """Whether the class of each entry is in the tie before as well."""
    same = (ties.label[1:] == ties.label[:-1]) & (ties.tie[1:] == ties.tie[:-1] + 1)
    return np.append(False, same)
