"""Columns as numbers: what each holds, and how it is coded.

Algorithm 1 adds up the features of a row, so every column becomes numbers:

- Numbers stay as they are, each the float64 nearest to what is written.
- Dates become days since 1970-01-01; only ISO 8601 is read, since 1/2/2020 has two meanings.
- Text becomes codes in alphabetical order. That depends neither on the order of rows nor on how
  often a value occurs, so that parts and copies of a table have the same codes, unlike an order by
  frequency, and its ties need no second rule. (Indicator columns are no way out: those of one
  variable sum to 1 in every row, and Algorithm 1 would not see it.)
"""

import contextlib
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rethink.errors import InputError
from rethink.tables import text_files
from rethink.tables.text_files import text_or_null

Kind = Literal["number", "boolean", "date", "category", "drop"]
_MAX_FRACTIONS = 20  # more labels with fractions than these are taken for a measured quantity
EXACT = 2.0**53  # integers beyond it are not all float64
_DATES = ("%Y-%m-%d",)
_TIMES = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
_FIRST = 1_000  # rows that are tried before all
_COMMAS = r"^[+-]?(\d+,\d+|\d{1,3}(,\d{3})+(\.\d*)?)$"


@dataclass(frozen=True)
class Choices:
    """What may be decided otherwise about a table.

    Messages name each with its option on the command line, as in "missing (--missing)".
    """

    missing: Literal["fill", "drop", "error"] = "fill"  # features only: without a label, no row
    order: Literal["alphabetical", "frequency"] = "alphabetical"  # of the codes of a category
    constant: Literal["keep", "drop"] = "keep"
    fractions: Literal["error", "classes"] = "error"  # many labels that are fractions
    kinds: Mapping[str, Kind] = field(default_factory=dict)  # by column, in place of what is found
    missing_values: tuple[str, ...] = text_files.MISSING
    decimal: Literal[".", ","] = "."
    delimiter: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        """Raise InputError for what is not among the choices."""
        allowed = {
            "missing": ("fill", "drop", "error"),
            "order": ("alphabetical", "frequency"),
            "constant": ("keep", "drop"),
            "fractions": ("error", "classes"),
            "decimal": (".", ","),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise InputError(
                    f"{name} (--{name}) must be {' or '.join(map(repr, values))}, but "
                    f"{getattr(self, name)!r} was passed"
                )
        if isinstance(self.missing_values, str):
            raise InputError(
                "missing_values (--missing-value) must be several texts, but the one "
                f"{self.missing_values!r} was passed"
            )
        for column, kind in self.kinds.items():
            if kind not in get_args(Kind):
                raise InputError(
                    f"the kind (--kind) of column {column!r} must be "
                    f"{' or '.join(map(repr, get_args(Kind)))}, but {kind!r} was passed"
                )


@dataclass(frozen=True, slots=True)  # there may be millions
class Column:
    """What became of one column; `missing` counts its missing values."""

    name: str
    kind: Kind
    done: str
    missing: int = 0


def did_you_mean(name: str, names: list[str]) -> str:
    """Return the names nearest to one, as the end of a sentence."""
    folded = {n.casefold(): n for n in reversed(names)}
    likely = [folded[f] for f in difflib.get_close_matches(name.casefold(), folded, 3, 0.6)]
    if likely:
        return f"; did you mean {' or '.join(map(repr, likely))}?"
    more = ", ..." if len(names) > 6 else ""
    return f"; there are {', '.join(map(repr, names[:6]))}{more}"


def _has_text(dtype: pl.DataType) -> bool:
    """Tell whether values of a type are numbers, or have one text each that names them.

    Durations have several, bytes an encoding that nobody names, and nested values are no value.
    """
    texts = pl.Boolean, pl.String, pl.Categorical, pl.Enum
    return dtype.is_numeric() or dtype in (*texts, pl.Date, pl.Datetime, pl.Time)


def missing_as_null(series: pl.Series, choices: Choices) -> pl.Series:
    """Return a column with null for what is missing, text without surrounding spaces."""
    if series.dtype == pl.String:
        frame = series.to_frame()
        return frame.select(text_or_null(pl.col(series.name), choices.missing_values)).to_series()
    if series.dtype.is_float():
        return series.fill_nan(None)
    return series


def as_bytes(frame: pl.DataFrame, choices: Choices) -> pl.DataFrame | None:
    """Return a table as uint8 if each value is written as an integer from 0 to 255, else None.

    Such a table comes out as from `type_columns`, in a fraction of the time and an eighth of the
    memory.
    """
    if any(name in choices.kinds for name in frame.columns) or not _is_plain(choices):
        return None
    if not all(dtype == pl.String or dtype.is_integer() for dtype in frame.dtypes):
        return None
    for rows in (frame.head(_FIRST), frame):  # most tables that are others show it early
        found = rows.select(pl.all().cast(pl.UInt8, strict=False))
        if any(found.null_count().row(0)):
            return None
    return found


def _is_plain(choices: Choices) -> bool:
    """Tell whether numbers are read as they are written, and all of them are numbers."""
    # One that stands for a missing value, such as -99, must be taken out before.
    marks = pl.Series(choices.missing_values, dtype=pl.String).cast(pl.Float64, strict=False)
    return choices.decimal == "." and not marks.is_finite().any()


def type_columns(
    frame: pl.DataFrame, choices: Choices, notes: list[str]
) -> tuple[pl.DataFrame, list[Kind]]:
    """Return numbers, booleans, dates and categories as float64, Boolean, float64 days and text."""
    # Most tables are numbers throughout, and all columns at once are many times as fast as each.
    quick = frame.select(pl.col(pl.String).cast(pl.Float64, strict=False))
    fast = {column.name: column for column in quick.iter_columns()}
    plain = _is_plain(choices)
    columns: list[pl.Series] = []
    kinds: list[Kind] = []
    for column in frame.iter_columns():
        name = column.name
        wanted = choices.kinds.get(name)
        if wanted is None and column.dtype == pl.String and plain:
            numbers = fast[name]
            if len(column) > numbers.null_count() == column.null_count():
                columns.append(_numbers(numbers, column, notes))
                kinds.append("number")
                continue
        column, kind = _typed_one(missing_as_null(column, choices), wanted, choices, notes)
        columns.append(column)
        kinds.append(kind)
    return pl.DataFrame(columns), kinds


def _numbers(numbers: pl.Series, original: pl.Series, notes: list[str]) -> pl.Series:
    """Return numbers as float64 with null for NaN; notes what float64 cannot tell apart."""
    result = numbers.cast(pl.Float64).fill_nan(None)
    largest = result.abs().max()
    if isinstance(largest, float) and EXACT <= largest < float("inf"):
        whole = original.cast(pl.Int128, strict=False).drop_nulls()
        lost = whole.n_unique() - whole.cast(pl.Float64).n_unique()
        if len(whole):
            notes.append(
                f"column {original.name!r} has integers beyond 2^53, rounded to the nearest float64"
                + (f": {lost:,} different values became equal to others" if lost else "")
            )
    return result


def _typed_one(
    column: pl.Series, wanted: Kind | None, choices: Choices, notes: list[str]
) -> tuple[pl.Series, Kind]:
    name, dtype = column.name, column.dtype
    if not (_has_text(dtype) or dtype == pl.Null):
        raise InputError(
            f"column {name!r} is of type {dtype}; make it numbers or text, or leave it out "
            "(--kind drop)"
        )
    if wanted == "category":
        return (column if dtype == pl.Enum else column.cast(pl.String)), "category"
    found: tuple[pl.Series, Kind]
    if dtype == pl.Null:
        found = column.cast(pl.Float64), "number"
    elif dtype == pl.Boolean:
        found = column, "boolean"
    elif dtype.is_decimal():
        found = _numbers(column.cast(pl.String).cast(pl.Float64), column, notes), "number"
    elif dtype.is_numeric():
        found = _numbers(column, column, notes), "number"
    elif dtype == pl.Date:
        found = column.cast(pl.Int32).cast(pl.Float64), "date"
    elif dtype == pl.Datetime:
        found = column.dt.timestamp("us") / 86_400e6, "date"
    elif dtype == pl.Enum:
        found = column, "category"
    elif dtype in (pl.String, pl.Categorical):
        found = _typed_text(column.cast(pl.String), wanted, choices, notes)
    else:
        raise InputError(
            f"column {name!r} is of type {dtype}; make it numbers, choose the kind category "
            "(--kind), or leave it out (--kind drop)"
        )
    if wanted in (None, found[1]) or (wanted == "number" and found[1] == "boolean"):
        return found
    known_values = column.drop_nulls()
    example = f", such as {str(known_values[0])[:40]!r}" if len(known_values) else ""
    raise InputError(f"column {name!r} is to be a {wanted} (--kind), but has other values{example}")


def _typed_text(
    column: pl.Series, wanted: Kind | None, choices: Choices, notes: list[str]
) -> tuple[pl.Series, Kind]:
    name, count = column.name, column.count()
    decimal = column
    if choices.decimal == ",":
        # A point would mark thousands there; such a number is refused below rather than guessed.
        comma = column.str.contains(r"^[^.]*$")
        decimal = (
            column.to_frame()
            .select(pl.when(comma).then(pl.col(name).str.replace(",", ".", literal=True)))
            .to_series()
        )
    numbers = decimal.cast(pl.Float64, strict=False)
    if numbers.count() == count:  # a column without any value among them
        return _numbers(numbers, decimal, notes), "number"
    lower = column.str.to_lowercase()
    if lower.is_in(["true", "false", None]).fill_null(True).all():
        return lower == "true", "boolean"
    # Most text is no date, and seven formats take time.
    like_a_date = column.str.contains(r"^\d{4}-\d\d-\d\d").fill_null(True).all()
    for formats, zone in ((_DATES, None), (_TIMES, None), (_ZONED, "UTC")):
        for form in formats if like_a_date else ():
            with contextlib.suppress(pl.exceptions.PolarsError):
                dates = column.str.to_datetime(
                    form, strict=False, time_unit="us", time_zone=zone, exact=True
                )
                if dates.count() == count:
                    return dates.dt.timestamp("us") / 86_400e6, "date"
    others = column.filter(numbers.is_null() & column.is_not_null())
    if wanted is None and (choices.decimal == "," or others.str.contains(_COMMAS).all()):
        pattern = _COMMAS if choices.decimal == "." else r"^[+-]?[\d.]+(,\d+)?$"
        if others.str.contains(pattern).all():
            raise InputError(
                f"column {name!r} has numbers such as {others[0]!r}; say by decimal (--decimal) "
                "which sign divides off fractions, take out those that group thousands, or choose "
                "the kind category (--kind)"
            )
    if wanted not in (None, "category"):
        raise InputError(
            f"column {name!r} is to be a {wanted} (--kind), but has other values, such as "
            f"{others[0][:40]!r}; add them to missing_values (--missing-value), or choose the kind "
            "category"
        )
    if numbers.count():
        notes.append(
            f"column {name!r} has {numbers.count():,} numbers and {len(others):,} other values, "
            f"such as {others[0][:40]!r}: all are taken as categories"
        )
    elif column.n_unique() == len(column) > 20:
        notes.append(f"column {name!r} is different in every row: is it a name of the row?")
    return column, "category"


def encode(column: pl.Series, kind: Kind, choices: Choices) -> tuple[NDArray[np.float64], str]:
    """Return a column as numbers, NaN for missing ones, and what was done."""
    if kind != "category":
        done = {"number": "as it is", "boolean": "false 0, true 1"}.get(
            kind, "days since 1970-01-01"
        )
        return column.cast(pl.Float64).to_numpy(), done
    if isinstance(column.dtype, pl.Enum):
        order, done = column.dtype.categories.to_list(), "declared order"
    elif choices.order == "alphabetical":
        order, done = column.drop_nulls().unique().sort().to_list(), "alphabetical"
    else:
        table = column.drop_nulls().value_counts(name="rows of it")
        table = table.sort("rows of it", column.name, descending=[True, False])
        order, done = table.get_column(column.name).to_list(), "most frequent first"
    codes = column.cast(pl.Enum(order)).to_physical().cast(pl.Float64)
    done = f"{len(order):,} codes from 0, {done}"
    if column.null_count():
        done += f"; {column.null_count():,} missing, code {len(order):,}"
    return codes.fill_null(float(len(order))).to_numpy(), done


def label_codes(
    column: pl.Series, target: str, choices: Choices, notes: list[str]
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return codes and class names: in numerical order if all labels are numbers, else sorted."""
    wanted = choices.kinds.get(target)
    if wanted not in (None, "category", "number"):
        raise InputError(
            f"column {target!r} has the labels: its kind (--kind) cannot be {wanted!r}"
        )
    dtype = column.dtype
    if not _has_text(dtype):
        raise InputError(
            f"column {target!r} is of type {dtype}, which cannot be a label; make it numbers or "
            "text, or name another column as target (--target)"
        )
    if dtype.is_decimal():
        column = column.cast(pl.String)
    text = column.dtype == pl.String and wanted != "category"
    # 007 and 7 are two names, though one number.
    if text and not column.str.contains(r"^[+-]?0\d").any():
        whole, numbers = (column.cast(t, strict=False) for t in (pl.Int64, pl.Float64))
        if whole.null_count() == 0:
            column = whole
        elif numbers.null_count() == 0 and (numbers.abs() < EXACT).all():
            column = numbers
    if column.dtype.is_float():
        if column.is_infinite().any():
            raise InputError(
                f"column {target!r} has an infinite label; mend it, or take out the row"
            )
        if (column.abs() >= EXACT).any():
            raise InputError(
                f"column {target!r} has labels beyond 2^53 as floating point, which cannot be told "
                "apart safely; pass them as integers or text"
            )
        if (column == column.round()).all():
            column = column.cast(pl.Int64)
        elif column.n_unique() > _MAX_FRACTIONS and choices.fractions == "error":
            raise InputError(
                f"column {target!r} has {column.n_unique():,} different numbers with fractions, "
                f"such as {column[0]!r}: that is a quantity, not a class; name another column as "
                "target (--target), or choose classes for fractions (--fractions)"
            )
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Enum, pl.String)):
        column = column.cast(pl.String)
    distinct = column.unique().sort()
    # Every value is found: rank counts the distinct ones below.
    codes = (column.rank("dense") - 1).to_numpy().astype(np.intp)
    if column.dtype == pl.Enum:
        codes = np.unique(column.to_physical().to_numpy(), return_inverse=True)[1].astype(np.intp)
    classes = tuple(str(value) for value in distinct.to_list())
    if len(classes) == 1:
        notes.append(f"there is one class only, {classes[0]!r}: nothing is to be learned")
    elif 2 * len(classes) > len(column) > 20:
        notes.append(
            f"{len(classes):,} classes in {len(column):,} rows: most occur once; is {target!r} the "
            "column of labels?"
        )
    if len({name.casefold() for name in classes}) < len(classes):
        notes.append("some classes differ in upper and lower case only")
    return codes, classes


def fill_missing(values: NDArray[Any], column: Column) -> Column:
    """Set missing values to the median in place, the lower of two: a value that occurs."""
    gaps = np.isnan(values)
    seen = np.sort(values[~gaps])
    median = float(seen[(len(seen) - 1) // 2]) if len(seen) else 0.0
    values[gaps] = median
    how = f"the median {median:g}" if len(seen) else "0, since none is known"
    done = f"{column.done}; {int(gaps.sum()):,} missing, set to {how}"
    return Column(column.name, column.kind, done, int(gaps.sum()))
