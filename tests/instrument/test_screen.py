import polars as pl
import pytest
from rich.cells import cell_len

from rethink.instrument import measurement
from rethink.tables import read
from tests.instrument.tables import blobs


@pytest.mark.parametrize(
    "name",
    ["猫" * 90, "x" * 300, "1" * 18, "\x1b[31mred\x07\u202e\x9b31m", ""],
    ids=["wide", "long", "digits", "escapes", "none"],
)
def test_any_names_make_one_screen_and_steer_no_terminal(name):
    x, y = blobs()
    frame = pl.DataFrame(x, [f"{name}{k}" for k in "abcd"])
    # Forty columns that are worth a note.
    notes = {f"{name} {k}": pl.Series([f"{k}-{i}" for i in range(len(x))]) for k in range(40)}
    frame = frame.with_columns(**notes, y=pl.Series([f"{name}{k + i}" for i, k in enumerate(y)]))
    text = repr(measurement.measure(read.from_arrays(frame, target="y")))
    widths = [cell_len(line) for line in text.splitlines()]
    assert max(widths) <= 100 and len(widths) <= 50
    assert all(line.isprintable() for line in text.split("\n"))
    assert "more notes" in text
