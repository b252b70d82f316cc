"""The line of Algorithm 1 where it is longer than memory: sorted on disk, counted in ranges.

A row is a key, an integer that stands for its sum, and a code, that of its label. Keys are the
sums themselves in units of their last decimal (`row_sums.decimal_sums`), or else those of the
nearest float64 (`float_keys`).

1. Runs of about `ROWS` rows are sorted by their keys and written to a temporary file (`Spill`).
2. Every so many keys of each sorted run mark off ranges of about `ROWS` rows. A range is read from
   all runs, sorted and counted on its own (`count_range`). Equal keys are never in two ranges, and
   a key that has a range's worth of rows is a range of its own, which is counted without being held
   in memory.
3. Ranges are joined in the order of the line (`Line`). Counts inside a range are final. Where two
   meet, the expected count needs the last tie of the one and the first of the other, and the
   extremes the classes in which a best line can have ended so far.

All of 1 and 2 is independent by run and by range, and on a cluster it would be a worker for each:
runs where the files are, ranges where the keys are sent. Only 3 goes in one order, and takes a few
numbers from each range. The cost is that of sorting all rows twice, and of the 9 or 10 bytes a row
that are written and sent once.

Why a sort of our own: the bounds set for one of a library were twice the time and 4 GB of memory,
and neither of two kept both. With the rest of the pipeline as it is and 200 million rows on two
cores, one column of floats without ties took 40.3 s and 0.59 GB here, 51.7 s and 4.5 GB by the
stable streaming sort of Polars 2.1, 94.3 s and 2.6 GB by the ORDER BY of DuckDB 2.0.1 (key, row
number); ten columns of hundredths, with ties, took 77.0 s and 0.93 GB, 84.8 s and 4.5 GB, and
143.3 s and 3.0 GB. All counts were equal; the machine was busy with other work, so that ratios
matter. Told to spill from 1.5 GB on (POLARS_OOC_MEMORY_BUDGET_MB), Polars took 41.4 s and 3.5 GB
for the floats where this module took 20.1 s, and 120.2 s and 5.2 GB for twice as many rows, this
module 55.4 s and 0.61 GB: its memory grows with the rows, as that of this module does not.
"""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from rethink import ties
from rethink.errors import InputError
from rethink.ties import Ties

Ints = NDArray[np.intp]
Keys = NDArray[np.int64]
Codes = NDArray[np.uint8] | NDArray[np.uint16]
_T = TypeVar("_T")

ROWS = 1 << 21  # rows sorted at once; some 100 bytes of memory for each, in each thread
_SPACING = 4096  # keys of a run of `ROWS` that are kept as marks


def float_keys(sums: NDArray[np.float64]) -> Keys:
    """Return integers that ascend as sums do."""
    bits = (sums + 0.0).view(np.int64)  # adding zero turns -0.0 into 0.0
    # As integers, negative floats come in reverse.
    return bits ^ ((bits >> 63) & np.iinfo(np.int64).max)


def in_turn(
    pool: ThreadPoolExecutor,
    function: Callable[..., _T],
    calls: Iterator[tuple[Any, ...]],
    ahead: int,
) -> Iterator[_T]:
    """Yield what calls return, in their order, with no more than `ahead` of them under way."""
    waiting: deque[Future[_T]] = deque()
    for arguments in calls:
        waiting.append(pool.submit(function, *arguments))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _order(keys: Keys) -> Ints:
    """Return the order in which keys ascend, and equal ones stay as they are.

    Plain integers sort several times as fast as an order is found: each is the leading bits of a
    key, followed by its place. What these bits leave open is put right afterwards.
    """
    n, low = len(keys), keys.min()
    bits = (n - 1).bit_length()
    shift = max(0, (int(keys.max()) - int(low)).bit_length() + bits - 64)
    # Differences modulo 2^64 are right where those of int64 would overflow.
    packed = (keys.view(np.uint64) - low.view(np.uint64)) >> np.uint64(shift)
    packed <<= np.uint64(bits)
    packed |= np.arange(n, dtype=np.uint64)
    packed.sort()
    order = (packed & np.uint64((1 << bits) - 1)).view(np.int64)
    if shift:
        ordered = keys[order]
        wrong = ordered[1:] < ordered[:-1]
        if wrong.any():
            packed >>= np.uint64(bits)
            group = np.append(0, np.cumsum(packed[1:] != packed[:-1]))
            mixed = np.zeros(group[-1] + 1, np.bool_)
            mixed[group[1:][wrong]] = True
            rows = np.flatnonzero(mixed[group])
            order[rows] = order[rows[np.argsort(ordered[rows], kind="stable")]]
    return np.asarray(order)


def sort(keys: Keys, codes: Codes, decimals: int | None) -> tuple[Keys, Codes, int | None]:
    """Return keys in ascending order and their codes, equal ones as they came, and the decimals."""
    order = _order(keys)
    return keys[order], codes[order], decimals


class _Run(NamedTuple):
    rows: int
    keys_at: int  # bytes before it in the file of keys
    codes_at: int
    kind: np.dtype[Any]  # of its codes
    decimals: int | None
    marks: Keys  # some of its keys, evenly spaced

    def scale(self, decimals: int | None) -> int:
        """What its keys must be multiplied by if the table has more decimals than it."""
        return int(10 ** ((decimals or 0) - (self.decimals or 0)))


class Spill:
    """Sorted runs on disk.

    Keys are integers that order the rows, or with `decimals` decimals, in units of 10^-decimals.
    """

    def __init__(self, runs: Iterator[tuple[Keys, Codes, int | None]]) -> None:
        """Write what `sort` returns of each run; raises InputError where that cannot be done."""
        # Files without names, which vanish with the process.
        self._keys, self._codes = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self.runs: list[_Run] = []
        try:
            for keys, codes, decimals in runs:
                marks = keys[:: max(1, ROWS // _SPACING)].copy()
                at = self._keys.tell(), self._codes.tell()
                self.runs.append(_Run(len(keys), *at, codes.dtype, decimals, marks))
                self._keys.write(keys.data)
                self._codes.write(codes.data)
            self._keys.flush()
            self._codes.flush()
        except OSError as error:
            self.__exit__()
            raise InputError(f"{tempfile.gettempdir()} cannot be written: {error}") from error
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> "Spill":
        """Return itself, to be closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files, which ends them."""
        self._keys.close()
        self._codes.close()

    def bounds(self, decimals: int | None) -> Ints:
        """Return where in each run each range begins, and the last ends, shape (runs, ranges + 1).

        Every other range, from the second on, is a single sum.
        """
        marks = np.sort(np.concatenate([run.marks * run.scale(decimals) for run in self.runs]))
        step = max(1, ROWS // max(1, ROWS // _SPACING))
        cuts = np.unique(marks[step::step])
        bounds = np.zeros((len(self.runs), 2 * len(cuts) + 2), np.intp)
        for run, row in zip(self.runs, bounds, strict=True):
            scale = run.scale(decimals)
            keys = np.memmap(self._keys, np.int64, "r", run.keys_at, (run.rows,))
            row[1:-1:2] = np.searchsorted(keys, -(-cuts // scale), "left")
            row[2:-1:2] = np.searchsorted(keys, cuts // scale, "right")
            row[-1] = run.rows
        return bounds

    def keys(self, run: _Run, start: int, stop: int) -> Keys:
        """Read keys of a run."""
        data = os.pread(self._keys.fileno(), 8 * (stop - start), run.keys_at + 8 * start)
        return np.frombuffer(data, np.int64)

    def codes(self, run: _Run, start: int, stop: int) -> Codes:
        """Read codes of a run."""
        size = run.kind.itemsize
        at = run.codes_at + size * start
        return np.frombuffer(os.pread(self._codes.fileno(), size * (stop - start), at), run.kind)


class Part(NamedTuple):
    """What one range says about the line; all counts are by class, shape (c,).

    Neighbouring ties of a single class each, which are most where sums are fractions, are counted
    as they stand in every order. `tied` has the others with their neighbours, and the first and the
    last tie of the range. Ties that do not meet may stand side by side there: what they seem to
    count is taken off `apart`. From its first tie of a single class on, what `tied` counts does not
    depend on the line before: that is `rest`, which shares this tie with what is left in `tied`.
    """

    first: int  # class of the first row, in the order of the files
    last: int
    in_order: Ints  # changes, in the order of the files
    apart: Ints
    tied: Ties
    rest: "Line | None" = None


def count_range(
    spill: Spill, bounds: Ints, j: int, classes: Ints, decimals: int | None
) -> Part | None:
    """Read and count a range; None if it is empty. `classes` has the class of each code."""
    pieces = [
        (run, int(start), int(stop))
        for run, start, stop in zip(spill.runs, bounds[:, j], bounds[:, j + 1], strict=True)
        if start < stop
    ]
    if not pieces:
        return None
    c = int(classes.max()) + 1
    if j % 2:
        return _single(((spill.codes(*piece) for piece in pieces)), classes, c)
    keys = np.concatenate([spill.keys(*p) * p[0].scale(decimals) for p in pieces])
    codes = np.concatenate([spill.codes(*piece) for piece in pieces])
    order = _order(keys)
    keys = keys[order]
    return _between(keys[1:] != keys[:-1], classes[codes[order]], c)


def _single(pieces: Iterator[Codes], classes: Ints, c: int) -> Part:
    """Count a tie, piece by piece."""
    rows, in_order = np.zeros((2, c), np.intp)
    first = last = -1
    for codes in pieces:
        line = classes[codes]
        first = int(line[0]) if first < 0 else first
        changes = line[np.flatnonzero(np.diff(line, prepend=last if last >= 0 else line[0]))]
        in_order += np.bincount(changes, minlength=c)
        rows += np.bincount(line, minlength=c)
        last = int(line[-1])
    label = np.flatnonzero(rows)
    tie = Ties(label, np.zeros_like(label), rows[label], rows.sum(keepdims=True))
    return Part(first, last, in_order, np.zeros(c, np.intp), tie)


def _between(new: NDArray[np.bool_], line: Ints, c: int) -> Part:
    """Count a sorted range; `new` says where a neighbour, shape (n - 1,), begins another tie."""
    change = line[1:] != line[:-1]
    in_order = np.bincount(line[1:][change], minlength=c)
    starts = np.append(0, np.flatnonzero(new) + 1)
    several = np.zeros(len(starts), np.bool_)  # ties of several classes
    several[np.searchsorted(starts, np.flatnonzero(change & ~new), "right") - 1] = True
    kept = several.copy()
    kept[1:] |= several[:-1]
    kept[:-1] |= several[1:]
    kept[[0, -1]] = True
    label = line[starts]
    apart = _plain(label, several, c) - _plain(label[kept], several[kept], c)
    sizes = np.diff(starts, append=len(line))
    rows = np.repeat(kept, sizes)
    number = np.repeat(np.arange(int(kept.sum())), sizes[kept])
    tied = ties.tabulate(number * c + line[rows], c)
    first, last, rest = int(line[0]), int(line[-1]), None
    single = np.flatnonzero(np.bincount(tied.tie) == 1)
    if len(single):
        rest = Line(c)
        rest.extend(_within(tied, int(single[0]), len(tied.size)))
        tied = _within(tied, 0, int(single[0]) + 1)
    return Part(first, last, in_order, apart, tied, rest)


def _within(tied: Ties, start: int, stop: int) -> Ties:
    """Take the ties from `start` to `stop`."""
    entries = (tied.tie >= start) & (tied.tie < stop)
    return Ties(
        tied.label[entries],
        tied.tie[entries] - start,
        tied.rows[entries],
        tied.size[start:stop],
    )


def _plain(label: Ints, several: NDArray[np.bool_], c: int) -> Ints:
    """Count changes between neighbouring ties of one class each."""
    change = (label[1:] != label[:-1]) & ~several[1:] & ~several[:-1]
    return np.bincount(label[1:][change], minlength=c)


class Line:
    """The line so far, to which ranges are added at its end.

    The state of the extremes is that of `ties.extremes`: the best total, and the classes in which a
    line of that total can end. For the next range this state is a tie at its beginning: one row of
    each such class, if the fewest are counted. A line of the most ends in one certain class, or in
    any that the next tie needs.
    """

    def __init__(self, classes: int) -> None:
        """Begin a line of no rows yet."""
        self.expected = np.zeros(classes)
        self.in_order = np.zeros(classes, np.intp)
        self.least = self.most = 0
        self._last = -1  # class of the last row in the order of the files
        self._tie: tuple[Ints, Ints] | None = None  # classes and rows of the last tie
        self._least_ends = np.empty(0, np.intp)
        self._most_end = -1  # -1 for any

    def add(self, part: Part | None) -> None:
        """Add the next range of the line."""
        if part is None:
            return
        self.in_order += part.in_order
        if self._last >= 0:
            self.in_order[part.first] += part.first != self._last
        self._last = part.last
        self.expected += part.apart
        self.least += int(part.apart.sum())
        self.most += int(part.apart.sum())
        self.extend(part.tied)
        if part.rest:
            self.expected += part.rest.expected
            self.least += part.rest.least
            self.most += part.rest.most
            self._tie = part.rest._tie
            self._least_ends, self._most_end = part.rest._least_ends, part.rest._most_end

    def extend(self, tied: Ties) -> None:
        """Add these ties to the expected count and the extremes."""
        c, one = len(self.expected), np.ones(1, np.intp)
        least = most = tied
        if self._tie is None:
            self.expected += ties.expected(tied, c)
        else:
            label, rows = self._tie
            self.expected += ties.expected(_ahead(label, rows, tied), c)
            self.expected[label] -= rows * (1 - rows / rows.sum())  # inside the tie: counted before
            least = _ahead(self._least_ends, np.ones_like(self._least_ends), tied)
            self.least -= len(self._least_ends) - 1
            if self._most_end >= 0:
                most = _ahead(self._most_end * one, one, tied)
            else:
                self.most += 1
        self.least += ties._fewest(least)
        self.most += ties._most(most)
        last = tied.tie == len(tied.size) - 1
        self._tie = tied.label[last], tied.rows[last]
        self._least_ends, self._most_end = _least_ends(least), _most_end(most)


def _ahead(label: Ints, rows: Ints, tied: Ties) -> Ties:
    """Put a tie of these classes, ascending, with these rows before all others."""
    at = np.searchsorted(tied.label, label)
    return Ties(
        np.insert(tied.label, at, label),
        np.insert(tied.tie + 1, at, 0),
        np.insert(tied.rows, at, rows),
        np.insert(tied.size, 0, rows.sum()),
    )


def _least_ends(tied: Ties) -> Ints:
    """Return the classes in which a line of the fewest thresholds can end, ascending."""
    again = np.flatnonzero(ties._again(tied))
    present = np.bincount(tied.tie)
    shared = np.bincount(tied.tie[again], minlength=len(present))
    # It can end in any class of a tie that has one, or that it could begin with two classes.
    certain = np.flatnonzero((present == 1) | (shared == 0) | (shared > 2))[-1]
    entries = np.flatnonzero(tied.tie >= certain)
    entries = entries[np.argsort(tied.tie[entries], kind="stable")]
    label, cuts = tied.label[entries].tolist(), np.cumsum(present[certain:]).tolist()
    ends = set(label[: cuts[0]])
    for start, stop in pairwise(cuts):
        here = set(label[start:stop])
        begins = ends & here
        ends = here - begins if len(begins) == 1 else here
    return np.array(sorted(ends), np.intp)


def _most_end(tied: Ties) -> int:
    """Return the class in which every line of the most thresholds ends, -1 if there is none."""
    beyond = 2 * tied.rows - tied.size[tied.tie]
    forced = np.flatnonzero(beyond > 0)
    if not len(forced):
        return -1
    last = forced[np.argmax(tied.tie[forced])]
    tie, label = tied.tie[last], tied.label[last]
    handed = (tied.tie > tie) & (tied.label == label) & (beyond == 0)
    return int(label) if handed.sum() == len(tied.size) - 1 - tie else -1
