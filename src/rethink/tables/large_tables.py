"""Algorithm 1 on tables larger than memory: Parquet and CSV, read once and sorted on disk.

Rows are read in batches, and all that is kept of a row is the sum of its features and the code of
its label: exact integers where the features are integers or decimals of few places, and else the
nearest float64 as an integer of the same order. `disk_sort` sorts and counts them. Of a sample
of the rows, drawn by a seed, everything is kept.
"""

import contextlib
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rethink import mec
from rethink.errors import InputError
from rethink.tables import disk_sort, memory, row_sums
from rethink.tables.disk_sort import Codes, Ints, Keys
from rethink.tables.encode import Choices, did_you_mean, label_codes, missing_as_null
from rethink.tables.sources import Files, files_of, reading, silence_libraries
from rethink.tables.table import Table, from_frame
from rethink.tables.text_files import HEADER_ROWS, MAX_LINE, either, has_names

__all__ = ["InputError", "LargeCounts", "count", "is_large"]

Show = Callable[[str, float], None]

LARGE = 1 << 30  # bytes of a table as float64, or of a text file, beyond which it is streamed
CLASSES = 1 << 16  # more labels than these are no classes, and would need longer codes
_INFERRED = 10_000  # rows of a CSV by which Polars tells the types of columns
_BATCH = 1 << 27  # bytes of a batch as float64
_DECODED = 1 << 29  # bytes as float64 that Parquet is decoded to at once


@dataclass(frozen=True, eq=False)
class LargeCounts:
    """Algorithm 1 on all rows of a table, and a sample of them."""

    thresholds: mec.Thresholds  # over all orders of ties
    in_order: mec.Thresholds  # tied rows in the order of the files
    columns: tuple[str, ...]  # names of the features, d
    classes: tuple[str, ...]  # names of the labels, c
    decimals: int | None  # decimals that sums were counted in, None for float64
    sample: Table  # rows drawn without replacement, in the order of the files; classes of all rows
    rows: int  # rows in all, n
    seconds: float  # wall time


def is_large(source: str | Path | Files, limit: int = LARGE) -> bool:
    """Tell at the cost of a look at the files whether a table should be streamed.

    A Parquet table is large if its rows times columns of 8 bytes exceed `limit`, a text file if it
    does itself. What is neither is not large.
    """
    try:
        files = files_of(source)
        if files.format == "Parquet":
            with reading(files.name), silence_libraries():
                scan = pl.scan_parquet(list(files.paths), glob=False, hive_partitioning=False)
                width = len(scan.collect_schema())
                return int(scan.select(pl.len()).collect().item()) * width * 8 > limit
        size = sum(path.stat().st_size for path in files.paths)
        return files.format == "text" and size > limit
    except (InputError, OSError):
        return False  # whoever reads it says what is wrong


def count(
    source: str | Path | Files,
    target: str | None = None,
    sample: int = 20_000,
    seed: int = 0,
    digits: int | None = None,
    show: Show | None = None,
    header: bool | None = None,
) -> LargeCounts:
    """Count the thresholds of a table that need not fit in memory.

    Equal to `mec.thresholds` and `mec.thresholds_in_order` of the table's sums and labels, but that
    sums of nothing but integers are exact up to 2^63, and not 2^53 as in `table.Table`. The
    expected counts are sums of as many fractions in another order, and agree to their last digits.

    Classes and report of the sample are those of the whole table, whose classes need not all occur
    in it; what the report says of constant columns and repeated rows is true of the sample alone.

    Memory: under 1 GB on two cores, a few 100 MB more for each further one of at most four; where
    row groups of Parquet are larger than usual, up to some 600 MB more, and the bytes that such a
    group has in its file. Disk: 9 or 10 bytes a row in the folder of temporary files. They have no
    names, so that nothing is left of them, however the process ends.

    Args:
        source: a Parquet or CSV file, or a pattern such as `parts/*.parquet`, whose files are taken
            in the order of their names. A CSV has commas and names in its first line.
        target: the column of labels (integers, booleans or text); the last one if None. All others
            are features: integers, floats or booleans.
        sample: rows to draw uniformly, without replacement; all if there are fewer.
        seed: decides the sample.
        digits: cut row sums off after so many decimals, towards zero, as nntailoring does.
        show: called with what is done and the share that is, a few times a second.
        header: True if the first line of a CSV has names; found out if None.

    Raises:
        InputError: it is no such table, a value is missing, NaN or infinite, or there is no room.
    """
    start = time.perf_counter()
    if sample < 1:
        raise InputError(f"sample must be 1 or more rows, but {sample!r} was passed")
    files = files_of(source)
    table = _open(files, target, header)
    drawn, width = min(sample, table.rows), len(table.columns) + 1
    memory.require(f"a sample of {drawn:,} rows of {files.name}", memory.of_frame(drawn, width))
    progress = _Progress(show)
    try:
        found = _count(table, sample, seed, digits, progress)
    except _WrongTypes:
        # The first rows told the types: all integers are now read as floats, and labels as text.
        found = _count(_open(files, target, header, table), sample, seed, digits, progress)
    progress("counted", 1.0, now=True)
    return replace(found, seconds=time.perf_counter() - start)


class _WrongTypes(Exception):
    """A row of a CSV is not of the types of the first rows."""


class _Progress:
    """Calls `show` a few times a second."""

    def __init__(self, show: Show | None) -> None:
        self._show, self._last = show, -math.inf

    def __call__(self, text: str, share: float, now: bool = False) -> None:
        if self._show and (now or time.monotonic() - self._last > 0.25):
            self._last = time.monotonic()
            self._show(text, min(share, 1.0))


class _Source(NamedTuple):
    name: str
    scan: pl.LazyFrame
    columns: tuple[str, ...]  # features
    target: str
    rows: int
    whole: bool  # whether all features are integers or booleans
    parquet: bool
    inferred: bool  # whether types were told by the first rows of a text


def _open(
    files: Files, target: str | None, header: bool | None, before: _Source | None = None
) -> _Source:
    """Check everything that can be checked before reading; `before` has types that were wrong."""
    paths, name = list(files.paths), files.name
    if files.format not in ("Parquet", "text"):
        raise InputError(f"{name}: tables larger than memory are read from Parquet or from CSV")
    parquet = files.format == "Parquet"
    for path in () if parquet else paths:
        with reading(str(path)), path.open("rb") as file:
            start = file.read(MAX_LINE)
        # Polars would take such a line into memory several times over.
        if b"\0" in start or (len(start) == MAX_LINE and b"\n" not in start):
            raise InputError(
                f"{path} has a null character, or a line of more than {MAX_LINE >> 20} MiB, in its "
                "beginning, so that it can be no table of text"
            )
    types: dict[str, Any] = {}
    if before:
        schema = before.scan.collect_schema()
        types = {c: pl.Float64 for c in before.columns if schema[c].is_integer()}
        types[before.target] = pl.String

    def scan(paths: list[Path]) -> pl.LazyFrame:
        if parquet:
            return pl.scan_parquet(paths, glob=False, hive_partitioning=False)
        return pl.scan_csv(
            paths, glob=False, infer_schema_length=_INFERRED, schema_overrides=types or None
        )

    with reading(name), silence_libraries():
        first = scan(paths[:1]).collect_schema()
        if not (parquet or header):
            _refuse_row(paths[0])
        for path in paths[1:]:
            schema = scan([path]).collect_schema()
            same = schema == first if parquet else schema.names() == first.names()
            if not same:
                raise InputError(
                    f"{path} has other columns or types than {paths[0]}: files read together must "
                    "have the same ones, in the same order"
                )
        whole = scan(paths)
        rows = int(whole.select(pl.len()).collect(engine="streaming").item())
    if len(first) < 2 or rows == 0:
        raise InputError(
            f"{name} must have a label, a feature and a row, but has {len(first)} columns and "
            f"{rows:,} rows{'' if parquet else '; are its fields separated by commas?'}"
        )
    target = first.names()[-1] if target is None else target
    if target not in first:
        raise InputError(
            f"there is no column {target!r} for the labels{did_you_mean(target, [*first])}"
        )
    if not parquet and f"{target}_duplicated_0" in first:  # as Polars calls the second one
        raise InputError(
            f"several columns are called {target!r}; give the labels a name of their own"
        )
    features = tuple(column for column in first if column != target)
    for column in features:
        dtype = first[column]
        if not (dtype.is_integer() or dtype.is_float() or dtype == pl.Boolean):
            raise InputError(
                f"{name}: column {column!r} is of type {dtype}, but {rows:,} rows can only be "
                "counted with features that are integers, floats or booleans; turn it into "
                "numbers, or leave it out of the file"
            )
    if not (first[target].is_integer() or first[target] in (pl.Boolean, pl.String)):
        raise InputError(
            f"{name}: the labels in column {target!r} are of type {first[target]}, but must be "
            "integers, booleans or text; turn them into one of these, or name another column as "
            "target (--target)"
        )
    integers = all(not first[column].is_float() for column in features)
    inferred = not parquet and not before
    return _Source(name, whole, features, target, rows, integers, parquet, inferred)


def _refuse_row(path: Path) -> None:
    """Raise InputError if the first line of a text has no names, or could be a row, and be lost."""
    lines = pl.scan_csv(
        path, glob=False, has_header=False, infer_schema=False, n_rows=HEADER_ROWS + 1
    )
    frame = lines.collect()
    names = has_names(frame)
    if names is None:
        raise InputError(
            f"{either(path, frame)}; say by header (--header) that they are names, or write names "
            "above it"
        )
    if not names:
        line = ", ".join(str(cell or "").strip() for cell in frame.row(0)[:4])
        raise InputError(
            f"{path} must have names in its first line, but it begins with {line}; write names "
            "above it, or say by header (--header) that they are names"
        )


def _count(
    table: _Source, sample: int, seed: int, digits: int | None, progress: _Progress
) -> LargeCounts:
    """Count a table; the caller knows how long it took."""
    room, need = shutil.disk_usage(tempfile.gettempdir()).free, 10 * table.rows
    if need > room:
        raise InputError(
            f"{table.name}: sorting {table.rows:,} rows takes up to {need / 1e9:.1f} GB in "
            f"{tempfile.gettempdir()}, which has {room / 1e9:.1f} GB left; make room, or name "
            "another folder in the environment variable TMPDIR"
        )
    rng = np.random.default_rng([seed, 3])  # 3: a stream of its own beside others of this seed
    drawn = np.sort(rng.choice(table.rows, size=min(sample, table.rows), replace=False))
    import joblib  # late, since tables in memory do without

    threads = min(4, joblib.cpu_count())
    pool = ThreadPoolExecutor(threads)
    try:
        for kind in (*row_sums.KINDS, None):
            rows = _Rows(table, drawn, kind, digits, progress)
            with contextlib.suppress(row_sums.NoDecimals):
                spill = disk_sort.Spill(
                    disk_sort.in_turn(pool, disk_sort.sort, rows.chunks(), threads)
                )
                break
        with spill:
            codes, names, counts, notes = rows.classes()
            line, done = disk_sort.Line(len(names)), 0
            bounds = spill.bounds(rows.decimals)
            parts = ((spill, bounds, j, codes, rows.decimals) for j in range(bounds.shape[1] - 1))
            for j, part in enumerate(
                disk_sort.in_turn(pool, disk_sort.count_range, parts, threads)
            ):
                line.add(part)
                done += int((bounds[:, j + 1] - bounds[:, j]).sum())
                progress("counting", 0.6 + 0.4 * done / table.rows)
    finally:
        pool.shutdown(cancel_futures=True)
    numbers, d = np.arange(len(names)), len(table.columns)
    total = int(line.in_order.sum())
    if len(drawn) < table.rows:
        notes.append(
            f"measured on {len(drawn):,} rows drawn at random by seed {seed}, but for the counts "
            "of Algorithm 1; repeated rows and constant columns were looked for among these only"
        )
    return LargeCounts(
        mec.Thresholds(numbers, counts, d, line.expected, line.least, line.most),
        mec.Thresholds(numbers, counts, d, line.in_order.astype(np.float64), total, total),
        table.columns,
        names,
        rows.decimals,
        _whole(rows.drawn(codes), names, table, notes),
        table.rows,
        0.0,
    )


def _whole(frame: pl.DataFrame, names: tuple[str, ...], table: _Source, notes: list[str]) -> Table:
    """Make a table of the sample, whose labels are indices into `names`, as part of all rows."""
    labels = frame.get_column(table.target)
    # What would be noted of them holds for the sample only, and for mere indices.
    idle: list[str] = []
    label_codes(labels, table.target, Choices(), idle)
    part = from_frame(frame, table.target, Choices(), table.name)
    kept = [note for note in part.report.notes if note not in idle]
    report = replace(part.report, rows=table.rows, kept=table.rows, notes=(*kept, *notes))
    return replace(part, labels=labels.to_numpy(), classes=names, report=report)


class _Rows:
    """The rows of a table as sums and codes of labels, chunk by chunk; keeps those of the sample.

    `kind` is the type that holds the features' decimals, np.float64 or np.float32, None if they are
    to be added up as float64. The decimals that all values have grow with those that are met.
    """

    def __init__(
        self,
        table: _Source,
        drawn: Ints,
        kind: row_sums.Kind | None,
        digits: int | None,
        progress: _Progress,
    ) -> None:
        self._table, self._rows, self._kind, self._digits = table, drawn, kind, digits
        self._progress = progress
        self._found = 0  # decimals of the features so far
        # Decimals that sums are counted in, of those rows that were read; None for float64.
        self.decimals: int | None = None if kind is None and not table.whole else 0
        self._largest = 0.0
        self._codes: dict[Any, int] = {}  # by label, in the order of their first rows
        self._counts = np.zeros(CLASSES, np.intp)
        self._type: Any = None
        self._sample: list[pl.DataFrame] = []

    def chunks(self) -> Iterator[tuple[Keys, Codes, int | None]]:
        """Yield sums, codes and decimals of the sums, about `disk_sort.ROWS` rows at a time."""
        table, seen = self._table, 0
        kept: list[tuple[Keys, Codes]] = []
        held, decimals = 0, self.decimals
        for frame in self._batches():
            pair = self._sums(frame), self._labels(frame.get_column(table.target))
            start, stop = np.searchsorted(self._rows, [seen, seen + frame.height])
            here = self._rows[start:stop] - seen
            label = pl.Series(table.target, pair[1][here].astype(np.intp))
            self._sample.append(frame[here].with_columns(label))
            seen += frame.height
            if kept and (self.decimals != decimals or held + frame.height > disk_sort.ROWS):
                yield (*_joined(kept), decimals)
                kept, held = [], 0
            kept.append(pair)
            held, decimals = held + frame.height, self.decimals
            self._progress("reading and sorting", 0.6 * seen / table.rows)
        if kept:
            yield (*_joined(kept), decimals)
        if seen != table.rows:
            raise InputError(f"{table.name} changed while it was read: {seen:,} rows, then others")

    def drawn(self, codes: Ints) -> pl.DataFrame:
        """Return the rows of the sample; `codes` has the class of each code, for labels."""
        rows = pl.concat(self._sample)
        label = pl.Series(self._table.target, codes[rows.get_column(self._table.target)])
        return rows.with_columns(label)

    def classes(self) -> tuple[Ints, tuple[str, ...], Ints, list[str]]:
        """Return the class of each code, names of the classes, their rows, and notes on them."""
        target, counts = self._table.target, self._counts[: len(self._codes)]
        labels = missing_as_null(pl.Series(target, list(self._codes), dtype=self._type), Choices())
        if labels.null_count():
            unknown = int(counts[labels.is_null().to_numpy()].sum())
            raise InputError(
                f"{self._table.name}: column {target!r} has {unknown:,} rows without a label; fill "
                "them in or take these rows out"
            )
        notes: list[str] = []
        # Each twice, so that it is not noted that most occur once.
        codes, names = label_codes(pl.concat([labels, labels]), target, Choices(), notes)
        codes = codes[: len(labels)]
        return codes, names, np.bincount(codes, weights=counts).astype(np.intp), notes

    def _batches(self) -> Iterator[pl.DataFrame]:
        table = self._table
        width = len(table.columns) + 1
        chunk = max(1, min(disk_sort.ROWS, _BATCH // (8 * width)))
        # Of a row group Polars decodes what a slice needs; but text is read from its beginning.
        step = max(1, _DECODED // (8 * width)) if table.parquet else table.rows
        for start in range(0, table.rows, step):
            # The last one would also have rows that were added meanwhile.
            part = table.scan.slice(start, step if start + step < table.rows else None)
            with reading(table.name):
                batches = part.collect_batches(chunk_size=chunk, lazy=True)
            while True:
                try:
                    with reading(table.name), silence_libraries():
                        frame = next(batches, None)
                except InputError as error:
                    if table.inferred and isinstance(error.__cause__, pl.exceptions.ComputeError):
                        raise _WrongTypes from error
                    raise
                if frame is None:
                    break
                if frame.height:
                    yield frame

    def _labels(self, labels: pl.Series) -> Codes:
        if labels.null_count():
            _refuse(self._table)
        self._type = labels.dtype
        counts = labels.value_counts(name="rows of it")
        found = counts.get_column(labels.name).to_list()
        for label in sorted(set(found) - self._codes.keys()):
            self._codes[label] = len(self._codes)
        if len(self._codes) > CLASSES:
            raise InputError(
                f"{self._table.name}: column {labels.name!r} has over {CLASSES:,} different "
                "labels, too many for classes; name another column as target (--target)"
            )
        codes = [self._codes[label] for label in found]
        self._counts[codes] += counts.get_column("rows of it").to_numpy()
        kind = pl.UInt8 if len(self._codes) <= 256 else pl.UInt16
        return labels.replace_strict(found, codes, return_dtype=kind).to_numpy()

    def _sums(self, frame: pl.DataFrame) -> Keys:
        """Return keys that order the rows as their sums do, and are equal where these are."""
        columns = [frame.get_column(column) for column in self._table.columns]
        if any(column.null_count() for column in columns):
            _refuse(self._table)
        if self._table.whole:
            return self._cut(_whole_sums(columns, self._table.name), 0)
        arrays = [column.cast(pl.Float64).to_numpy() for column in columns]
        if self._kind:
            self._largest = float(np.max([self._largest, *(np.abs(x).max() for x in arrays)]))
            sums, self._found = row_sums.decimal_sums(
                arrays, self._kind, self._found, self._largest
            )
            return self._cut(sums, self._found)
        floats = row_sums.nearest_sums(arrays)
        if not np.isfinite(floats).all():
            _refuse(self._table)
        return disk_sort.float_keys(self._cut(floats, None))

    def _cut(self, sums: NDArray[Any], decimals: int | None) -> NDArray[Any]:
        """Cut sums off as was asked for, and keep the decimals that they then have."""
        kept, self.decimals = row_sums.cut(sums, decimals, self._digits)
        return kept


def _joined(pairs: Sequence[tuple[Keys, Codes]]) -> tuple[Keys, Codes]:
    return np.concatenate([keys for keys, _ in pairs]), np.concatenate([c for _, c in pairs])


def _whole_sums(columns: list[pl.Series], name: str) -> Keys:
    columns = [c.cast(pl.UInt8) if c.dtype == pl.Boolean else c for c in columns]
    extremes = [abs(int(end)) for c in columns for end in (c.min(), c.max())]  # type: ignore[arg-type]
    if sum(map(max, extremes[::2], extremes[1::2])) > np.iinfo(np.int64).max:
        raise InputError(f"{name}: the sum of a row may be too large for 64 bits; rescale it")
    sums = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        sums += column.cast(pl.Int64).to_numpy()
    return sums


def _refuse(table: _Source) -> None:
    """Count what is no number in all rows, and raise InputError about it."""
    schema = table.scan.collect_schema()
    wrong = {
        c: pl.col(c).is_null() | (~pl.col(c).is_finite() if schema[c].is_float() else False)
        for c in (*table.columns, table.target)
    }
    with reading(table.name), silence_libraries():
        counts = table.scan.select(w.sum().alias(c) for c, w in wrong.items())
        found = [(c, n) for c, n in counts.collect(engine="streaming").row(0, named=True).items()]
    bad = [(c, n) for c, n in found if n]
    if not bad:
        raise InputError(f"{table.name}: the sum of a row is too large for float64; rescale it")
    column, rows = bad[0]
    more = f" ({len(bad) - 1:,} other columns have some, too)" if len(bad) > 1 else ""
    raise InputError(
        f"{table.name}: column {column!r} has {rows:,} rows without a value, or with NaN or "
        f"infinity{more}; fill them in or take these rows out"
    )
