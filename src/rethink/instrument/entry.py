"""One way in: `measure`, for whatever has a table in it."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from rethink.errors import InputError
from rethink.instrument import measurement
from rethink.tables import large_tables, row_sums
from rethink.tables.encode import Choices
from rethink.tables.read import from_arrays, read
from rethink.tables.sources import Files, files_of
from rethink.tables.table import Table

_USUAL = Choices()


def measure(
    source: Any,
    y: Any = None,
    target: str | None = None,
    header: bool | None = None,
    choices: Choices = _USUAL,
    digits: int | None = None,
    seed: int = 0,
    tell: Callable[[str], None] | None = None,
) -> measurement.Measurement:
    """Measure labelled data before anything is trained: capacity, nulls, whether it is enough.

    Tables larger than memory are counted from the disk.

    Args:
        source: a path, a pattern or a name, as `tables.read.read` takes it; an array of shape
            (n, d) or a data frame, as `from_arrays` does; or a `Table`.
        y: the labels of an array, shape (n,).
        target: the column of labels of a file or a data frame; the last one if None.
        header: whether a text file's first line has names; found out if None.
        choices: what to do with the table in other ways than usual.
        digits: cut row sums off after so many decimals, towards zero, as nntailoring does.
        seed: decides subsets, halves and folds.
        tell: called with what is under way, in a few words.

    Raises:
        InputError: there is no such table, or it cannot be measured so.

    >>> found = measure([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "a"])
    >>> found.thresholds.total, found.null.total
    (2.0, 1.5)
    """
    say = tell or (lambda words: None)
    row_sums.check_digits(digits)  # before a table is read that may take minutes

    if isinstance(source, str | Path):
        _refuse(f"{source} has its labels itself", y=y)
        files = files_of(source)
        if large_tables.is_large(files):
            return _large(files, target, header, choices, digits, seed, say)
        table = read(files, target, header, choices)
    elif isinstance(source, Table):
        _refuse("the table is read already", y=y, target=target, header=header)
        _refuse("the table is read already", **_unusual(choices))
        table = source
    else:
        _refuse("arrays and data frames have no first line", header=header)
        table = from_arrays(source, y, target, choices)

    say("measuring")
    return measurement.measure(table, digits, seed)


def _large(
    files: Files,
    target: str | None,
    header: bool | None,
    choices: Choices,
    digits: int | None,
    seed: int,
    say: Callable[[str], None],
) -> measurement.Measurement:
    """Measure a table larger than memory: all rows are counted, the rest is seen on a sample."""
    chosen = [*_unusual(choices)]
    if header is False or (header and files.format != "text"):
        chosen.append("header")
    if chosen:
        raise InputError(
            f"{files.name} is larger than is read into memory; of such tables only numbers without "
            f"gaps are counted, and {', '.join(chosen)} cannot be chosen"
        )

    def show(text: str, share: float) -> None:
        say(f"{text}: {share:.0%}")

    say("counting")
    found = large_tables.count(files, target, seed=seed, digits=digits, show=show, header=header)

    say("measuring a random sample of the rows")
    return measurement.extend(
        found.sample, found.thresholds, found.in_order, found.decimals, digits, seed
    )


def _unusual(choices: Choices) -> dict[str, Any]:
    """Return what is chosen otherwise than usual, by its name."""
    chosen = {each.name: getattr(choices, each.name) for each in fields(choices)}
    return {name: value for name, value in chosen.items() if value != getattr(_USUAL, name)}


def _refuse(reason: str, **given: Any) -> None:
    """Refuse arguments that do not apply to what was passed."""
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{reason}, so that {name} does not apply; leave it out")
