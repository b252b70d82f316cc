"""What `rethink measure` and `rethink card` do, from their arguments to their results."""

import math
from dataclasses import asdict
from typing import Any

from rich.text import Text

from rethink.errors import InputError, printable
from rethink.instrument import entry
from rethink.instrument.measurement import Measurement
from rethink.progress import console
from rethink.tables import read as tables
from rethink.tables.sources import Files
from rethink.tables.table import Choices, Table


def options(
    header: bool | None,
    missing: str,
    missing_values: list[str] | None,
    kinds: list[str] | None,
    order: str,
    constant: str,
    fractions: str,
    decimal: str,
    delimiter: str | None,
    encoding: str | None,
) -> dict[str, Any]:
    """Return what was chosen otherwise than usual, as `read` takes it and JSON can hold it.

    Raises:
        InputError: if a kind is not written as COLUMN=KIND.
    """
    named = {}
    for each in kinds or []:
        column, equals, kind = each.rpartition("=")
        if not equals:
            raise InputError(f"--kind must be COLUMN=KIND, but {each!r} was passed")
        named[column] = kind
    usual = asdict(Choices())
    chosen: dict[str, Any] = {
        "missing": missing,
        "order": order,
        "constant": constant,
        "fractions": fractions,
        "decimal": decimal,
        "delimiter": {"\\t": "\t"}.get(delimiter or "", delimiter),
        "encoding": encoding,
        "kinds": named,
    }
    if missing_values:
        chosen["missing_values"] = [*usual["missing_values"], *missing_values]
    found = {name: value for name, value in chosen.items() if value != usual[name]}
    return found if header is None else found | {"header": header}


def read_table(source: str | Files, target: str | None, options: dict[str, Any]) -> Table:
    """Read a table as the command line was told to.

    Raises:
        InputError: as `tables.read`.
    """
    rest = dict(options)
    header = rest.pop("header", None)
    return tables.read(source, target, header, Choices(**rest))


def measure(
    source: str,
    target: str | None,
    options: dict[str, Any],
    digits: int | None = None,
    seed: int = 0,
) -> Measurement:
    """Measure a source; tables larger than memory are counted from the disk.

    Raises:
        InputError: if it cannot be measured.
    """
    rest = dict(options)
    header = rest.pop("header", None)
    with console.status(reading_status(source)) as status:

        def tell(words: str) -> None:
            status.update(Text(f"{printable(source)}: {words}"))

        return entry.measure(source, None, target, header, Choices(**rest), digits, seed, tell)


def reading_status(source: str) -> Text:
    """Return what is said while a source is read."""
    # As text: brackets in a name are no markup.
    return Text(f"reading {printable(source)}")


def limits(given: list[str], option: str = "--fail-under") -> dict[str, float]:
    """Read NAME=VALUE pairs of an option; a mere number stands for separation.

    Raises:
        InputError: if one is neither.
    """
    found = {}
    for each in given:
        name, _, value = each.rpartition("=")
        try:
            found[name or "separation"] = float(value)
        except ValueError:
            found[""] = math.nan
        if not all(map(math.isfinite, found.values())):
            raise InputError(f"{option} must be NAME=VALUE or a number, but {each!r} was passed")
    return found


def missed(measured: dict[str, Any], limits: dict[str, float], over: bool = False) -> list[str]:
    """Say which measures are under their limits, or over them.

    Args:
        measured: what `Measurement.to_dict` returns.
        limits: value by name, a part of a part as ``null.z``.
        over: whether the limits are upper ones.

    Raises:
        InputError: if there is no such number.
    """
    said, option = [], "--fail-over" if over else "--fail-under"
    for name, limit in limits.items():
        value: Any = measured
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                known = ", ".join(k for k, v in measured.items() if isinstance(v, int | float))
                raise InputError(f"{option}: there is no measure {name!r}; there are {known}")
            value = value[part]
        if value is None:
            said.append(f"{name} has no value here, and {limit:g} was asked for")
        elif isinstance(value, dict | list | str):
            raise InputError(f"{option}: {name!r} is no number")
        elif value > limit if over else value < limit:
            said.append(f"{name} is {value:g}, {'over' if over else 'under'} {limit:g}")
    return said
