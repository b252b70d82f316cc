"""What tables take in memory to be read and measured, against what is said beforehand."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from rethink.instrument import class_orders
from rethink.tables import memory

CHILD = """
import json, sys
from rethink.instrument import entry
from rethink.tables import large_tables, memory, read


def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


entry.measure("iris").to_dict()  # imports, threads and tables of a few rows
before, asked = peak(), []
require = memory.require
memory.require = lambda what, size: (asked.append(size), require(what, size))
found = entry.measure(sys.argv[1])
json.dumps(found.to_dict(), indent=1), str(found)
print(json.dumps([peak() - before, max(asked)]))
"""


def text(rows, columns):
    digits = np.random.default_rng(0).integers(0, 10, (rows, columns)).astype(str)
    return "".join(",".join(line) + "\n" for line in digits)


def words(rows):
    return "a,b\n" + "".join(f"word{k % 999},{k % 2}\n" for k in range(rows))


def frame(rows, columns):
    values = np.random.default_rng(0).normal(size=(rows, columns))
    return pl.DataFrame(values).with_columns(y=pl.Series(np.arange(rows) % 3))


def numbers(shape, kind):
    return (np.random.default_rng(0).normal(size=shape) * 50).astype(kind)


CASES = {
    "two fields.csv": lambda: text(1_000_000, 2),
    "words.csv": lambda: words(600_000),
    "a hundred fields.csv": lambda: text(20_000, 100),
    "wide.csv": lambda: text(100, 5_000),
    "tall.parquet": lambda: frame(1_000_000, 2),
    "wide.parquet": lambda: frame(50, 10_000),
    "bytes tall.npz": lambda: numbers((2_000_000, 2), "u1"),
    "tall.npz": lambda: numbers((1_000_000, 4), "f8"),
    "floats.npz": lambda: numbers((30_000, 300), "f4"),
    "bytes.npz": lambda: numbers((30_000, 300), "u1"),
    "pictures.npz": lambda: numbers((30_000, 28, 28), "u1"),
    "columns.npz": lambda: numbers((2, 400_000), "u1"),
    "wide.npz": lambda: numbers((40, 100_000), "f8"),
}


@pytest.mark.parametrize("name", CASES)
def test_tables_take_about_what_is_said_before_they_are_read(tmp_path, name):
    path, made = tmp_path / name, CASES[name]()
    if isinstance(made, str):
        path.write_text(made)
    elif isinstance(made, pl.DataFrame):
        made.write_parquet(path)
    else:
        np.savez(path, X=made, y=np.arange(len(made)) % 2)
    command = [sys.executable, "-c", CHILD, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, said = json.loads(done.stdout)
    # What is taken of small tables is in part what is taken once, such as tables of blocks.
    assert taken < said / memory.SHARE + (64 << 20), (taken / said, taken, said)
    assert said < 4 * taken, (taken / said, taken, said)


def test_the_rows_that_are_compared_are_those_of_the_instrument():
    assert max(class_orders.NEIGHBOUR_ROWS, class_orders.LINE_ROWS) == memory.COMPARED_ROWS
    assert memory.COMPARED_CELLS == class_orders.COLUMN_CELLS
