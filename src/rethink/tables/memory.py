"""What a table takes in memory, estimated before it is read, and what the machine has of it.

The figures are peaks of reading and measuring together, copies counted, as they were found with
`tests/instrument/test_memory.py` and larger tables. Where values differ from most, such as text
that never repeats, a table takes up to a fifth more, which is why not all memory is promised.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rethink.errors import InputError

SHARE = 0.75  # of the available memory that a table may take
FIELD = 50  # bytes of a field of a text or a data frame: as it was read, as a number, and copies
CHARACTER = 6  # bytes of a byte of text, which is read, decoded, divided, and held as categories
ROW = 100  # bytes of a row: labels, sums, keys by which equal ones are found, and orders of them
COLUMN = 1_300  # bytes of a column: its name, and what is said of it, also as JSON
FRAME_COLUMN = 6_000  # of one of a data frame, which is looked at by itself
TEXT_COLUMN = 30_000  # of one of a text, which is more so
# Bytes of a value: while it is read, and as one that is compared by distance.
_READ = {"pictures": 3, "bytes": 4, "numbers": 20}
_COMPARED = {"pictures": 12, "bytes": 30, "numbers": 32}
# Rows that are compared by distance, or as many cells; `instrument.class_orders` has the same.
COMPARED_ROWS, COMPARED_CELLS = 20_000, 2e7
_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def available() -> int:
    """Return the bytes that can be taken now: as Linux says, or as a control group leaves."""
    return min([_of_the_machine(), *_of_the_groups()])


def require(what: str, size: float) -> None:
    """Raise InputError if something takes more bytes than `SHARE` of those available."""
    there = available()
    if size > SHARE * there:
        raise InputError(
            f"{what} would take some {_gib(size)} of memory to be read and measured, and may take "
            f"{SHARE:.0%} of the {_gib(there)} that are available here; take a part of it, or a "
            "machine with more"
        )


def of_frame(rows: int, columns: int, text: int = 0) -> int:
    """Return the bytes that columns of a data frame take, `text` of which are text."""
    return CHARACTER * text + FIELD * rows * columns + ROW * rows + FRAME_COLUMN * columns


def of_text(size: int, lines: int = 0, fields: int = 0) -> int:
    """Return the bytes that a text of this size takes, with so many fields in all lines."""
    columns = -(-fields // max(lines, 1))
    return of_frame(lines, columns, size) + TEXT_COLUMN * columns


def of_array(shape: tuple[int, ...], dtype: npt.DTypeLike) -> int:
    """Return the bytes that an array of features takes, whose first axis is of rows."""
    rows, columns = shape[0] if shape else 1, math.prod(shape[1:])
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf":
        return of_frame(rows, columns, math.prod(shape) * dtype.itemsize)
    single = dtype == np.uint8  # all others become float64
    kind = ("pictures" if len(shape) > 2 else "bytes") if single else "numbers"
    compared = min(rows * columns, max(COMPARED_ROWS * columns, COMPARED_CELLS))
    # What is read is let go, but for the features, before rows are compared.
    measured = (1 if single else 8) * rows * columns + _COMPARED[kind] * compared
    return int(max(_READ[kind] * rows * columns, measured)) + ROW * rows + COLUMN * columns


def _gib(size: float) -> str:
    return f"{size / 2**30:,.3g} GiB"


def _of_the_machine() -> int:
    try:
        lines = (_PROC / "meminfo").read_text().splitlines()
        (found,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return int(found) << 10
    except (OSError, ValueError):  # no Linux, or one of before 2014
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_the_groups() -> Iterator[int]:
    """Yield what each control group that the process is in leaves of its limit."""
    try:
        lines = (_PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            root, names = _GROUPS, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = _GROUPS / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        own = root / path.lstrip("/")
        for group in (own, *own.parents):
            if group.is_relative_to(root):
                yield from _left(group, *names)


def _left(group: Path, limit: str, usage: str, inactive: str) -> Iterator[int]:
    try:
        most, used = (int((group / name).read_text()) for name in (limit, usage))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # not seen from here, or no limit, which reads "max"
        return
    # Pages of files that nobody has used of late are counted, but given up on demand.
    yield max(0, most - used + int(stat.get(inactive, 0)))
