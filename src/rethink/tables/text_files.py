"""Tables in text files: from bytes to columns of text, with nothing guessed in silence.

The shape is checked first: every line must have as many fields as the first. Polars would fill a
short line up with missing values. What is then left for Polars to parse has one meaning only.
Files with quotes go through Python's strict csv reader, since parsers differ about stray quotes.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rethink.errors import InputError
from rethink.tables import memory

# Fields that stand for a missing value. "None" is not among them: it is a class in many tables.
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?")
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
# So many columns of text take seconds, each on its own; a wider matrix belongs into an NPZ.
MAX_COLUMNS = 20_000
# Bytes of text. As a table it takes more memory: 10 times as much with a hundred numbers a line,
# 33 times with two of one digit each.
MAX_BYTES = 1 << 30
MAX_LINE = 64 << 20  # bytes; a file with a longer one is no table
_CHUNK = 16 << 20  # bytes read or looked at at once
_SAMPLE_ROWS, _SAMPLE_CHARACTERS = 100, 1 << 18
HEADER_ROWS = 1_000  # rows that the first one is compared with, to see whether it has names
_BATCH = 50_000  # rows of Python strings at once
# Fields may be as long as the text. The limit is one for the process: set and reset around each
# reading, it would fail other threads. It is never lowered.
csv.field_size_limit(max(csv.field_size_limit(), MAX_BYTES))
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, eq=False)
class TextTable:
    """Fields as text, missing ones null; `header` says whether the names come from the file."""

    frame: pl.DataFrame
    header: bool
    delimiter: str
    encoding: str
    notes: tuple[str, ...] = ()


def read_text(
    paths: list[Path],
    header: bool | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    missing: tuple[str, ...] = MISSING,
) -> TextTable:
    """Read text files of one shape, one below the other; .gz is decompressed.

    Args:
        paths: files, of which the first decides delimiter and header for all.
        header: whether the first line of each file has the names; found out if None.
        delimiter: one character; found out among comma, semicolon, tab and bar if None.
        encoding: a name that Python knows; UTF-8 (or UTF-16 with its mark) if None.
        missing: fields that stand for a missing value.

    Raises:
        InputError: a file is no such table, or a choice that was left open cannot be made safely,
            or there are more than `MAX_BYTES` of text in all, or `MAX_LINE` in a line.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise InputError(
            "delimiter (--delimiter) must be one character, no quote and no line break, but "
            f"{delimiter!r} was passed"
        )
    frames: list[pl.DataFrame] = []
    names: list[str] = []
    used = ""
    size = lines = fields = 0
    for path in paths:
        what = with_others(path, paths)
        data = _bytes(path, encoding, size, what)
        size += len(data)
        text, used = _text(path, data, encoding)
        del data
        if not text or text.isspace():
            raise InputError(f"{path} is empty")
        delimiter = delimiter or _delimiter(text, path)
        _refuse_counts(text, delimiter, path)
        ends = text.count("\n") + 1
        lines += ends
        fields += ends + text.count(delimiter)
        memory.require(what, memory.of_text(size, lines, fields))
        frame = _fields(text, delimiter, path)
        del text
        if header is None:
            header = has_names(frame, missing)
            if header is None:
                raise InputError(
                    f"{either(path, frame)}; say which by header (--header or --no-header)"
                )
        own = [f or "" for f in frame.row(0)] if header else []
        frame = frame.slice(1) if header else frame
        if frames and (frame.width != frames[0].width or own != names):
            raise InputError(
                f"{path} has other columns than {paths[0]}: files read together must have the same"
                f" ones, in the same order"
            )
        names = own
        frames.append(frame)
    frame = pl.concat(frames)
    if frame.height == 0:
        raise InputError(
            f"{paths[0]} has names of columns but no rows; if its first line is a row, say so by "
            "header (--no-header)"
        )
    frame.columns, notes = unique([name.strip() for name in names], frame.width)
    assert header is not None and delimiter is not None
    return TextTable(frame, header, delimiter, used, notes)


def text_or_null(column: str | pl.Expr, missing: tuple[str, ...]) -> pl.Expr:
    """Return a column of text without surrounding spaces, with null for missing values."""
    stripped = (pl.col(column) if isinstance(column, str) else column).str.strip_chars()
    return pl.when(stripped.is_in(list(missing)).not_()).then(stripped)


def with_others(path: Path, paths: list[Path]) -> str:
    """Return how a file is called where those before it count, too."""
    return str(path) if len(paths) == 1 else f"what {path} and others hold"


@contextmanager
def _decompressed(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file


def _bytes(path: Path, encoding: str | None, before: int, what: str) -> bytes:
    """Return a file's bytes, decompressed; what cannot be a table is refused as it comes.

    `before` is the size of the files before this one, and `what` a name for them and this one.
    """
    chunks: list[bytes] = []
    size = line = 0  # bytes in all, and since the last end of a line
    try:
        with _decompressed(path) as file:
            while chunk := file.read(_CHUNK):
                if not chunks and chunk.startswith(_MARKS):
                    encoding = encoding or "utf-16"
                chunks.append(chunk)
                size += len(chunk)
                if encoding is None and b"\0" in chunk:
                    raise InputError(
                        f"{path} has a null character and is no text; it must be CSV, Parquet or "
                        "NPZ, or be read by another encoding (--encoding)"
                    )
                ends = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
                line = line + len(chunk) if ends < 0 else len(chunk) - ends - 1
                if line > MAX_LINE:
                    raise InputError(
                        f"{path} has a line of more than {_amount(MAX_LINE)}, so that it can be no "
                        "table of text"
                    )
                if before + size > MAX_BYTES:
                    raise InputError(
                        f"{path} is too large to be read at once: more than {_amount(MAX_BYTES)} "
                        "of text in all; take a part of it, or save it as Parquet"
                    )
                memory.require(what, memory.of_text(before + size))
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return b"".join(chunks)


def _amount(size: int) -> str:
    """Return a number of bytes in words."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"


def _text(path: Path, data: bytes, encoding: str | None) -> tuple[str, str]:
    """Return bytes as text, with line feeds for all ends of lines, and the encoding."""
    if encoding is None:
        encoding = "utf-16" if data.startswith(_MARKS) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeError as error:
        where = ""
        if isinstance(error, UnicodeDecodeError):
            line = data.count(b"\n", 0, error.start) + 1
            where = f": line {line} has the byte 0x{data[error.start]:02x}"
        raise InputError(
            f"{path} is not {encoding.removesuffix('-sig').upper()} throughout{where}; name the "
            "encoding (--encoding), such as latin-1, or save the file as UTF-8"
        ) from error
    except (LookupError, ValueError) as error:
        raise InputError(
            f"encoding (--encoding) must be one that Python knows, not {encoding!r}"
        ) from error
    if "\0" in text:
        raise InputError(f"{path} has a null character, read as {encoding}, and is no text")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # a lone surrogate, from encodings such as utf-16
        raise InputError(f"{path} has a character that is none: {error}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n"), encoding.removesuffix("-sig")


def _delimiter(text: str, path: Path) -> str:
    """Return the one delimiter that divides the first lines alike."""
    sample = text.lstrip("\n")
    if len(sample) > _SAMPLE_CHARACTERS:
        end = sample.rfind("\n", 0, _SAMPLE_CHARACTERS)
        end = end if end > 0 else sample.find("\n")
        sample = sample[:end] if end > 0 else sample
    widths = {sep: _widths(sample, sep) for sep in DELIMITERS}
    alike = [sep for sep, found in widths.items() if len(set(found)) == 1 and found[0] > 1]
    if len(alike) == 1:
        return alike[0]
    if alike:
        names = " and ".join(DELIMITERS[sep] for sep in alike)
        raise InputError(
            f"{path} could be divided at each of {names}; say at which by delimiter (--delimiter)"
        )
    # None fits. The most likely one leads to the message that names the first line amiss.
    best = max(DELIMITERS, key=lambda sep: sum(width > 1 for width in widths[sep]))
    if max(widths[best]) == 1:
        raise InputError(
            f"{path} has one column only, if divided at comma, semicolon, tab or bar; a table needs"
            " a label and a feature: name the delimiter (--delimiter) if it is another"
        )
    return best


def _widths(sample: str, delimiter: str) -> list[int]:
    found = []
    try:
        for row in csv.reader(io.StringIO(sample), delimiter=delimiter):
            if row:
                found.append(len(row))
            if len(found) == _SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return found or [1]


def _refuse_counts(text: str, delimiter: str, path: Path) -> None:
    """Refuse scikit-learn's own files: their first line is neither names nor a row.

    It counts rows and features, then names the classes: 150,4,setosa,versicolor,virginica.
    """
    end = text.find("\n")
    counts, classes = text[:end].split(delimiter)[:2], text[:end].split(delimiter)[2:]
    if end < 0 or not classes or not all(count.isdecimal() for count in counts):
        return
    stop = text.find("\n", end + 1)
    second = text[end + 1 : stop if stop > 0 else None].split(delimiter)
    if (
        counts[1] == str(len(second) - 1)
        and second[-1] in map(str, range(len(classes)))
        and counts[0] == str(text.rstrip("\n").count("\n"))
    ):
        raise InputError(
            f"{path} begins with scikit-learn's line of counts and classes "
            f"({text[: min(end, 50)]}), which is neither names nor a row; take it out, or read "
            "the set by its name, such as iris"
        )


def _fields(text: str, delimiter: str, path: Path) -> pl.DataFrame:
    """Divide text into columns of text; raises InputError where lines differ in width."""
    divide = _quoted if '"' in text else _unquoted
    frame = divide(text, delimiter, path)
    if frame.width < 2:
        raise InputError(
            f"{path} has one column only, if divided at {_name(delimiter)}; a table needs a label "
            "and a feature: name the delimiter (--delimiter) if it is another"
        )
    return frame


def _unquoted(text: str, delimiter: str, path: Path) -> pl.DataFrame:
    data = text.encode()
    # A delimiter may take several bytes; only the last tells that it is there, so it is replaced.
    if len(delimiter.encode()) > 1:
        if "\x1f" in text:
            raise InputError(
                f"{path} cannot be divided at {delimiter!r}: it has control characters"
            )
        data, delimiter = data.replace(delimiter.encode(), b"\x1f"), "\x1f"
    width = lines = empty = 0
    for found, filled in _line_widths(data, delimiter):
        if not width and filled.any():
            width = int(found[filled.argmax()])
        amiss = np.flatnonzero(filled & (found != width))
        if amiss.size:
            line = lines + int(amiss[0]) + 1
            raise _ragged(path, line, int(found[amiss[0]]), width, delimiter)
        lines += len(found)
        empty += int((~filled).sum())
    _check_width(width, path)
    if empty:
        data = re.sub(rb"\n+", b"\n", data).strip(b"\n")
    return pl.read_csv(
        data,
        has_header=False,
        separator=delimiter,
        quote_char=None,
        schema={f"{k}": pl.String for k in range(1, width + 1)},
        raise_if_empty=False,
    )


def _line_widths(
    data: bytes, delimiter: str
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Yield, for the lines of one piece after the other, their fields and whether they have any."""
    start = 0
    while start < len(data):
        # A piece ends with a line; the last line may lack its end.
        end = data.rfind(b"\n", start, start + _CHUNK) + 1 or data.find(b"\n", start) + 1
        end = end or len(data)
        content = np.frombuffer(data, np.uint8, end - start, start)
        ends = np.flatnonzero(content == ord("\n"))
        if not len(ends) or ends[-1] != len(content) - 1:
            ends = np.append(ends, len(content))
        marks = np.flatnonzero(content == ord(delimiter))
        yield np.diff(np.searchsorted(marks, ends), prepend=0) + 1, np.diff(ends, prepend=-1) > 1
        start = end


def _quoted(text: str, delimiter: str, path: Path) -> pl.DataFrame:
    frames: list[pl.DataFrame] = []
    rows: list[list[str]] = []
    width = 0

    def flush() -> None:
        schema = {f"{k}": pl.String for k in range(1, width + 1)}
        frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
        rows.clear()

    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if not row:
                continue
            if not width:
                width = len(row)
                _check_width(width, path)
            if len(row) != width:
                raise _ragged(path, reader.line_num, len(row), width, delimiter)
            rows.append(row)
            if len(rows) == _BATCH:
                flush()
    except csv.Error as error:
        raise InputError(
            f"{path} has a quote out of place at or before line {reader.line_num} ({error}); "
            "a quote inside a quoted field must be doubled, and every quote be closed"
        ) from error
    flush()
    return pl.concat(frames)


def _check_width(width: int, path: Path) -> None:
    if width > MAX_COLUMNS:
        raise InputError(
            f"{path} has {width:,} columns, and text may have {MAX_COLUMNS:,}; save the table as "
            "an NPZ with X and y"
        )


def _ragged(path: Path, line: int, found: int, width: int, delimiter: str) -> InputError:
    return InputError(
        f"{path} has {found:,} field{'s' * (found != 1)} in line {line:,}, but {width:,} in its "
        f"first, divided at {_name(delimiter)}; mend the line, or name the delimiter (--delimiter)"
    )


def _name(delimiter: str) -> str:
    return DELIMITERS.get(delimiter, repr(delimiter))


def has_names(frame: pl.DataFrame, missing: tuple[str, ...] = MISSING) -> bool | None:
    """Tell whether the first row of a table of text holds names; None where it could be either.

    A name is no number, above a column of numbers; or all numbers of the row count from 0 or 1. In
    tables of text, names differ from each other and from all that is below them. Both readers go by
    this, that of large tables too.
    """
    head = frame.head(HEADER_ROWS + 1).select(text_or_null(pl.all(), missing))
    body = head.slice(1)
    numbers = head.select(pl.all().cast(pl.Float64, strict=False))
    is_number = [value is not None for value in numbers.row(0)]
    if body.height == 0:
        return not any(is_number)
    counts = body.count().row(0)
    numeric = [
        n > 0 and n == m for n, m in zip(counts, numbers.slice(1).count().row(0), strict=True)
    ]
    first = head.row(0)
    names = [k for k in range(frame.width) if numeric[k] and not is_number[k] and first[k]]
    values = [k for k in range(frame.width) if numeric[k] and is_number[k]]
    cells = [first[k] for k in values]
    counting = any(cells == [str(k + start) for k in range(len(cells))] for start in (0, 1))
    if names:
        # Beside numbers that count there is a label beside pixels; other signs contradict.
        return True if not values or (counting and len(values) > 1) else None
    if values:
        # Text that occurs again below it is no name.
        again = any(
            first[k] and first[k] in body.to_series(k) for k in range(frame.width) if not numeric[k]
        )
        return None if counting and len(values) > 2 and not again else False
    if None in first or len(set(first)) < frame.width:
        return False
    return not any(name in column for name, column in zip(first, body.iter_columns(), strict=True))


def either(path: Path, frame: pl.DataFrame) -> str:
    """Return the beginning of a sentence on a file whose first line could be names or a row."""
    shown = ", ".join(str(cell) for cell in frame.row(0)[:4])
    return f"{path} begins with a line that could be names or a row ({shown}, ...)"


def unique(names: list[str], width: int) -> tuple[list[str], tuple[str, ...]]:
    """Return a name for every column: numbers from 1 where the file has none."""
    if not names:
        return [str(k) for k in range(1, width + 1)], ()
    result: dict[str, None] = {}
    notes = []
    for k, name in enumerate(names, 1):
        unique = name or f"column {k}"
        while unique in result:
            unique = f"{unique} (column {k})"
        if name and unique != name:
            notes.append(f"the name {name!r} occurs again: column {k} is called {unique!r}")
        result[unique] = None
    return list(result), tuple(notes)
