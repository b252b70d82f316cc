"""Tables as numbers: features and labels for the measurements, and what was done to get them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rethink.errors import InputError
from rethink.tables import row_sums
from rethink.tables.encode import (
    EXACT,
    Choices,
    Column,
    Kind,
    as_bytes,
    did_you_mean,
    encode,
    fill_missing,
    label_codes,
    missing_as_null,
    type_columns,
)

__all__ = ["Choices", "Column", "InputError", "Kind", "Report", "Table"]

Features = NDArray[np.float64] | NDArray[np.uint8]
_BLOCK = 1 << 22  # values looked at at once
_FEW = 40  # rows that are faster added up one by one than all at once, column by column


@dataclass(frozen=True)
class Report:
    """What was done to a table; `notes` are what its owner should look at.

    Rows are equal if all their features are, as numbers, after missing values were filled in;
    labels do not count. `duplicates` are rows that equal an earlier one, so that `kept` less
    `duplicates` rows differ from each other. `contradictions` are rows that equal, in features, at
    least one row with another label: no rule on these features is right about all of them.
    """

    source: str
    rows: int  # rows that were read
    kept: int  # rows that have a label, and are complete if that was asked for
    target: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...]
    duplicates: int
    contradictions: int

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values, as JSON has them."""
        # `asdict` would copy each value, too.
        names = [field.name for field in fields(Column)]
        columns = [{name: getattr(column, name) for name in names} for column in self.columns]
        return {**vars(self), "columns": columns, "notes": list(self.notes)}

    def __str__(self) -> str:
        """A line for each run of columns that were treated alike, then the notes."""
        lines = [f"{self.source}: {self.kept:,} of {self.rows:,} rows, labels from {self.target!r}"]
        for (kind, done), group in groupby(self.columns, key=lambda c: (c.kind, c.done)):
            names = [column.name for column in group]
            many = f"{names[0]} to {names[-1]} ({len(names):,})" if len(names) > 1 else names[0]
            lines.append(f"  {many}: {kind}, {done}")
        return "\n".join([*lines, *(f"  Note: {note}" for note in self.notes)])


@dataclass(frozen=True, eq=False)
class Table:
    """A table as numbers: n rows, d features, c classes.

    `features` has shape (n, d), all finite, uint8 if every value is an integer from 0 to 255, else
    float64; `labels` has shape (n,), indices into `classes`, each of which occurs; `columns` names
    the features. `shape` is (height, width) or (height, width, channels) where rows are images,
    pixel by pixel from the top left, else None.
    """

    features: Features
    labels: NDArray[np.intp]
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    report: Report
    shape: tuple[int, ...] | None = None

    def __repr__(self) -> str:
        """Say in one line how large the table is, and where it is from."""
        n, d = self.features.shape
        words = ((n, "row", "rows"), (d, "feature", "features"))
        parts = [f"{k:,} {one if k == 1 else many}" for k, one, many in words]
        c = len(self.classes)
        parts.append(f"{c:,} {'class' if c == 1 else 'classes'}")
        if self.shape:
            parts.append(f"images of {' x '.join(map(str, self.shape))}")
        return f"Table: {', '.join(parts)}, from {self.report.source}"

    def sums(self) -> tuple[NDArray[np.int64] | NDArray[np.float64], int | None]:
        """Return the sum of each row, shape (n,), and the decimals it was counted in.

        They are exact integers in units of the last decimal where there is one, else the nearest
        float64, and the number of decimals is None; see `row_sums`.
        """
        if self.features.dtype == np.uint8:
            return self.features.sum(axis=1, dtype=np.int64), 0
        x = self.features.astype(np.float64, copy=False)
        largest = float(np.abs(x).max())
        for kind in row_sums.KINDS:
            for decimals in row_sums.decimals_to_try(kind, largest, x.shape[1]):
                sums = _decimal_sums(x, decimals, kind)
                if sums is not None:
                    return sums, decimals
        if min(len(x), _BLOCK // x.shape[1]) < _FEW:
            # Row by row, since calls for each column would take most of the time.
            return np.array([math.fsum(row.tolist()) for row in x]), None
        # Column by column, each in one piece of memory.
        columns = (list(np.ascontiguousarray(block.T)) for block in _blocks(x))
        return np.concatenate([row_sums.nearest_sums(each) for each in columns]), None


def _decimal_sums(
    x: NDArray[np.float64], decimals: int, kind: row_sums.Kind
) -> NDArray[np.int64] | None:
    """Return the sum of each row in units of 10^-decimals, None if a value is no such decimal."""
    sums = []
    for block in _blocks(x):
        units = row_sums.in_units(block, decimals, kind)
        if units is None:
            return None
        sums.append(units.sum(axis=1))
    return np.concatenate(sums)


def _blocks(matrix: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the rows of a matrix in blocks of so few that copies of them are small."""
    step = max(1, _BLOCK // matrix.shape[1])
    return (matrix[k : k + step] for k in range(0, len(matrix), step))


def from_frame(
    frame: pl.DataFrame,
    target: str | None,
    choices: Choices,
    source: str,
    notes: tuple[str, ...] = (),
    header: bool = False,
) -> Table:
    """Take features and labels from a data frame; `header` says that its names are from a file."""
    if frame.width < 2:
        raise InputError(f"{source} must have a label and a feature, but has {frame.width} columns")
    if frame.height == 0:
        raise InputError(f"{source} has no rows")
    target = _target(target, frame.columns)
    for name in choices.kinds:
        if name not in frame.columns:
            raise InputError(f"there is no column {name!r}{did_you_mean(name, frame.columns)}")
    found = list(notes)
    rows = frame.height
    coded = missing_as_null(frame.get_column(target), choices)
    frame = frame.drop(
        target, *(n for n, kind in choices.kinds.items() if kind == "drop" and n != target)
    )
    unnamed = frame.columns[:1] if header else []
    if unnamed and unnamed[0] in ("column 1", "Unnamed: 0") and frame.width > 1:
        numbers = frame.to_series(0).cast(pl.Int64, strict=False)
        if numbers.equals(pl.Series(range(rows)), null_equal=False, check_names=False):
            frame = frame.drop(unnamed)
            found.append("the first column has no name and counts the rows: left out")
    if frame.width == 0:
        raise InputError(f"{source} has no feature left besides the labels {target!r}")
    small = as_bytes(frame, choices)
    typed, kinds = (small, []) if small is not None else type_columns(frame, choices, found)
    keep = coded.is_not_null()
    if choices.missing == "drop":
        keep &= typed.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    elif choices.missing == "error":
        for column in typed.filter(keep).iter_columns():
            if column.null_count():
                raise InputError(
                    f"column {column.name!r} has {column.null_count():,} missing values; choose "
                    "fill or drop for missing (--missing), or leave the column out (--kind drop)"
                )
    unlabelled = coded.null_count()
    if unlabelled:
        found.append(f"{unlabelled:,} rows without a label were left out")
    if not keep.any():
        why = "all labels are missing" if unlabelled == rows else "no row is complete"
        raise InputError(f"{source}, column {target!r}: no rows are left, since {why}")
    if not keep.all():
        typed, coded = typed.filter(keep), coded.filter(keep)
    labels, classes = label_codes(coded, target, choices, found)
    if small is not None:
        matrix: Features = typed.to_numpy(order="c")
        columns = [Column(name, "number", "as it is") for name in typed.columns]
    else:
        matrix, columns = _encoded(typed, kinds, choices)
    return _finish(matrix, labels, classes, columns, choices, source, target, rows, found)


def _encoded(
    typed: pl.DataFrame, kinds: list[Kind], choices: Choices
) -> tuple[NDArray[np.float64], list[Column]]:
    """Return columns that have their types as one matrix, and what was done to each."""
    matrix = np.empty((typed.height, typed.width))
    columns = []
    for k, column in enumerate(typed.iter_columns()):
        matrix[:, k], done = encode(column, kinds[k], choices)
        columns.append(Column(column.name, kinds[k], done, column.null_count()))
    return matrix, columns


def image_shape(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return (height, width) or (height, width, channels) of a row of this shape, None for others.

    Channels come last and are at most four, so that rows of (channels, height, width) are not
    taken for images of another size.
    """
    if len(shape) == 3 and shape[2] == 1:
        return shape[:2]
    return shape if len(shape) == 2 or (len(shape) == 3 and shape[2] <= 4) else None


def from_matrix(
    x: NDArray[Any],
    y: pl.Series,
    choices: Choices,
    source: str,
    names: Sequence[str] = (),
    notes: Sequence[str] = (),
    columns: Sequence[str] = (),
    shape: tuple[int, ...] | None = None,
) -> Table:
    """Take features of shape (n, ...) and labels.

    `names` are of the labels 0, 1, ..., `columns` of the features, which count from 1 else. `shape`
    is that of a row; found out by `image_shape` if None.
    """
    if x.ndim == 0 or x.size == 0:
        raise InputError(f"{source}: X must have rows and columns, but has shape {x.shape}")
    if choices.kinds:
        raise InputError(
            f"{source}: kinds (--kind) are chosen for columns of tables, which this is not"
        )
    if x.dtype.kind not in "biuf":
        raise InputError(f"{source}: X must be real numbers, but is {x.dtype}")
    if x.dtype.kind == "f" and x.dtype.itemsize > 8:
        raise InputError(f"{source}: X is {x.dtype}, which float64 cannot hold exactly")
    shape = shape or image_shape(x.shape[1:])
    x = x.reshape(len(x), -1)
    if len(y) != len(x):
        raise InputError(f"{source}: X has {len(x):,} rows, but y has {len(y):,} labels")
    found = list(notes)
    if (
        x.dtype.kind in "iu"
        and x.dtype.itemsize == 8
        and int(np.abs(x.astype(float)).max()) > EXACT
    ):
        found.append("integers beyond 2^53 were rounded to the nearest float64")
    matrix: Features = x if x.dtype == np.uint8 else x.astype(np.float64)
    coded = missing_as_null(y, choices)
    keep = coded.is_not_null().to_numpy()
    if not keep.all():
        found.append(f"{int((~keep).sum()):,} rows without a label were left out")
    unknown = np.zeros(len(x), np.bool_)
    if matrix.dtype != np.uint8:
        unknown |= np.isnan(matrix).any(axis=1)
    if choices.missing == "error" and unknown[keep].any():
        row = int(np.flatnonzero(unknown & keep)[0]) + 1
        raise InputError(
            f"{source}: row {row:,} of X has NaN; choose fill or drop for missing (--missing)"
        )
    if choices.missing == "drop":
        keep &= ~unknown
    if not keep.any():
        raise InputError(f"{source}: no rows are left, since a label or a value misses in each")
    if not keep.all():
        matrix, coded = matrix[keep], coded.filter(pl.Series(keep))
    codes, classes = label_codes(coded, "y", choices, found)
    if names:
        classes = tuple(names[int(c)] for c in classes)
    width = matrix.shape[1]
    gaps = np.zeros(width, int) if matrix.dtype == np.uint8 else np.isnan(matrix).sum(axis=0)
    named = columns or [str(k + 1) for k in range(width)]
    done = [
        Column(name, "number", "as it is", int(gap)) for name, gap in zip(named, gaps, strict=True)
    ]
    return _finish(matrix, codes, classes, done, choices, source, "y", len(x), found, shape)


def _target(target: str | None, columns: list[str]) -> str:
    if target is None:
        return columns[-1]
    if target not in columns:
        raise InputError(
            f"there is no column {target!r} for the labels{did_you_mean(target, columns)}"
        )
    if any(name.startswith(f"{target} (column ") for name in columns):
        raise InputError(
            f"several columns are called {target!r}; give the labels a name of their own"
        )
    return target


def _finish(
    matrix: Features,
    labels: NDArray[np.intp],
    classes: tuple[str, ...],
    columns: list[Column],
    choices: Choices,
    source: str,
    target: str,
    rows: int,
    notes: list[str],
    shape: tuple[int, ...] | None = None,
) -> Table:
    """Fill gaps, refuse infinity, leave out constants if asked, and report what the table is."""
    if matrix.dtype != np.uint8:
        for k in np.flatnonzero(np.isinf(matrix).any(axis=0)):
            row = int(np.flatnonzero(np.isinf(matrix[:, k]))[0]) + 1
            raise InputError(
                f"column {columns[k].name!r} is infinite, or beyond float64, in row {row:,} of "
                "those kept; mend it, name it among missing_values (--missing-value), or leave the "
                "column out (--kind drop)"
            )
        for k in np.flatnonzero(np.isnan(matrix).any(axis=0)):
            columns[k] = fill_missing(matrix[:, k], columns[k])
        with np.errstate(over="ignore"):
            if not all(np.isfinite(np.abs(b).sum(axis=1)).all() for b in _blocks(matrix)):
                raise InputError(f"{source}: the sum of a row is too large for float64; rescale it")
    filled = sum(column.missing for column in columns)
    if filled and choices.missing == "fill":
        share = filled / matrix.size
        notes.append(f"{filled:,} missing values ({share:.2%} of all) were filled in")
    constant = (matrix == matrix[0]).all(axis=0)
    if constant.any() and len(matrix) > 1:
        names = ", ".join(repr(columns[k].name) for k in np.flatnonzero(constant)[:5])
        more = ", ..." if constant.sum() > 5 else ""
        fate = "left out" if choices.constant == "drop" else "kept, and counted among the features"
        notes.append(f"constant columns: {int(constant.sum()):,} ({names}{more}), {fate}")
        if choices.constant == "drop":
            if constant.all():
                raise InputError(f"{source} has no feature left: all columns are constant")
            matrix, shape = matrix[:, ~constant], None
            columns = [
                Column(c.name, "drop", "constant, left out", c.missing) if constant[k] else c
                for k, c in enumerate(columns)
            ]
    if matrix.dtype != np.uint8 and matrix.min() >= 0 and matrix.max() <= 255:
        small = matrix.astype(np.uint8)
        matrix = small if (small == matrix).all() else matrix
    same, torn = _repeats(matrix, labels)
    if same:
        notes.append(
            f"repeated rows: {same:,} with the features of an earlier one"
            + (f", {torn:,} with those of a row of another class" if torn else "")
        )
    used = tuple(c.name for c in columns if c.kind != "drop")
    report = Report(source, rows, len(matrix), target, tuple(columns), tuple(notes), same, torn)
    return Table(matrix, labels, classes, used, report, shape)


def _repeats(matrix: Features, labels: NDArray[np.intp]) -> tuple[int, int]:
    """Count duplicates and contradictions, as `Report` defines them.

    Equal rows have equal keys, so only rows that share a key are compared: each with the first row
    of its key. Where one differs, which takes luck or intent, all rows are sorted instead.
    """
    order, starts, sizes = _groups(_keys(matrix))
    shared = np.flatnonzero(np.repeat(sizes, sizes) > 1)
    if not _equal(matrix, order[shared], order[np.repeat(starts, sizes)[shared]]):
        order, starts, sizes = _groups(np.unique(matrix, axis=0, return_inverse=True)[1])
    low, high = (f.reduceat(labels[order], starts) for f in (np.minimum, np.maximum))
    return len(matrix) - len(starts), int(sizes[low != high].sum())


def _groups(keys: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return an order that brings equal keys together, where each begins, how many they are."""
    order = np.argsort(keys)
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return order, starts, np.diff(starts, append=len(keys))


def _keys(matrix: Features) -> NDArray[np.uint64]:
    """Return a 64-bit key for each row, the same for equal rows, shape (n,)."""
    half = np.uint64(32)
    width = matrix.shape[1]
    words = -(-width // 8) if matrix.dtype == np.uint8 else width
    odd = np.random.default_rng(0).integers(0, 1 << 63, words, np.uint64) * 2 + 1
    keys = []
    for block in _blocks(matrix):
        if block.dtype == np.uint8:
            # Eight bytes at a time are one number.
            padded = np.zeros((len(block), 8 * words), np.uint8)
            padded[:, :width] = block
            bits = padded.view(np.uint64)
        else:
            # Adding zero turns -0.0 into 0.0. Short numbers differ in their upper bits only.
            bits = (block + 0.0).view(np.uint64)
            bits ^= bits >> half
        bits *= odd  # modulo 2^64, as the sum
        bits ^= bits >> half
        keys.append(bits.sum(axis=1))
    return np.concatenate(keys)


def _equal(matrix: Features, one: NDArray[np.intp], other: NDArray[np.intp]) -> bool:
    """Tell whether the rows `one` equal the rows `other`, each its own."""
    step = max(1, _BLOCK // matrix.shape[1])
    pairs = ((one[k : k + step], other[k : k + step]) for k in range(0, len(one), step))
    return all((matrix[a] == matrix[b]).all() for a, b in pairs)
