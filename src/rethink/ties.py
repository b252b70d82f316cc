"""Rows that tie: what Algorithm 1 counts over all the orders that they could stand in.

The closed form and the extremes are checked against all orders of small examples in the tests.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


class Ties(NamedTuple):
    """The sorted line as a sparse table: an entry per tie and class that occurs in it, in order."""

    tie: Ints  # which group of equal sums, from 0
    label: Ints  # which class
    rows: Ints  # how many of that class are in that tie
    size: Ints  # how many are in that tie in all, one value per tie


def tabulate(sums: npt.NDArray[Any], codes: Ints) -> Ties:
    """Tabulate rows, sorted by sum and then by class code, both of shape (n,)."""
    new_tie = np.append(True, sums[1:] != sums[:-1])
    starts = np.flatnonzero(new_tie | np.append(True, codes[1:] != codes[:-1]))
    tie = np.cumsum(new_tie)[starts] - 1
    count = np.diff(np.append(starts, len(codes)))
    size = np.diff(np.append(np.flatnonzero(new_tie), len(codes)))
    return Ties(tie, codes[starts], count, size)


def expected(ties: Ties, classes: int) -> Floats:
    """Return the expected thresholds into each class, shape (c,), over random orders of ties."""
    share = ties.rows / ties.size[ties.tie]
    # n rows have n - 1 neighbouring pairs, each (other, c) with chance (n - n_c) n_c / (n (n - 1)).
    inside = ties.rows * (1 - share)
    # The last row of a tie and the first of the next are independent draws. Keys ascend, so the
    # same class in the tie before, where it occurs, is found by bisection.
    key = ties.tie * classes + ties.label
    at = np.searchsorted(key, key - classes)
    share_before = np.where(key[at] == key - classes, share[at], 0.0)
    between = np.where(ties.tie > 0, share * (1 - share_before), 0.0)
    counts = np.bincount(ties.label, weights=inside + between, minlength=classes)
    return counts.astype(np.float64)


def extremes(ties: Ties) -> tuple[int, int]:
    """Fewest and most thresholds over all orders of the ties.

    A dynamic programme over the ties whose state is the class in which the line ends. Where it
    ends is worth at most one threshold at the next boundary, so a line that is behind by one never
    gets ahead: the best total suffices, with the classes in which a line of that total can end.
    """
    fewest = most = -1  # nothing stands before the first tie, so entering it is no threshold
    ends: set[int] = set()  # last classes of the lines with the fewest thresholds
    only_end = -1  # last class of every line with the most thresholds; -1 where there are several
    label, count = ties.label.tolist(), ties.rows.tolist()
    stops = np.cumsum(np.bincount(ties.tie)).tolist()
    for start, stop, n in zip([0, *stops[:-1]], stops, ties.size.tolist(), strict=True):
        # Fewest: a block per class, beginning with the class that the line ended in, if it can.
        present = set(label[start:stop])
        shared = ends & present
        fewest += len(present) - 1 + (not shared)
        ends = present - shared if len(shared) == 1 < len(present) else present
        # Most: equal neighbours are forced only by a class with more than half of the tie, which
        # then stands at both ends, every other row parting two of its own.
        largest = max(count[start:stop])
        commonest = label[count.index(largest, start, stop)]
        if 2 * largest > n:
            most += 2 * (n - largest) + (commonest != only_end)
            only_end = commonest
        else:
            # All n - 1 pairs and the boundary change. The end is fixed only where the line came in
            # on a class with exactly half of the tie: that class cannot begin, so it must end.
            most += n
            kept = only_end in present and 2 * count[label.index(only_end, start, stop)] == n
            only_end = only_end if kept else -1
    return fewest, most
