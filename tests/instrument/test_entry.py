import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from rethink.errors import InputError
from rethink.instrument import entry, measurement
from rethink.tables import large_tables
from rethink.tables.encode import Choices
from rethink.tables.read import from_arrays

X = np.random.default_rng(0).normal(size=(60, 3)).round(2)
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
FRAME = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": Y})


def said(found):
    """All that was measured, without where the table is from."""
    measured = found.to_dict()
    for name in ("source", "table", "notes", "best_columns"):
        del measured[name]
    return json.dumps(measured)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.csv"
    FRAME.write_csv(path)
    return path


@pytest.mark.parametrize("kind", ["path", "text", "table", "arrays", "frame"])
def test_whatever_has_a_table_is_measured_alike(file, kind):
    given = {
        "path": (file,),
        "text": (str(file),),
        "table": (from_arrays(X, Y),),
        "arrays": (X, Y),
        "frame": (FRAME,),
    }
    expected = measurement.measure(from_arrays(X, Y), digits=1, seed=3)
    assert said(entry.measure(*given[kind], digits=1, seed=3)) == said(expected)


def test_names_are_sources():
    assert entry.measure("iris").instances == 150


def test_target_header_and_choices_reach_the_reader(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("no;1,5;x\nyes;2,5;\nno;3,5;y\n" * 3, encoding="utf-8")
    choices = Choices(missing="drop", decimal=",", delimiter=";")
    found = entry.measure(path, target="1", header=False, choices=choices)
    assert found.classes == ("no",)
    assert entry.measure(FRAME, target="a", choices=Choices(fractions="classes")).features == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (((FRAME.drop("y")), None, "z"), "z"),
        (("iris", Y), "iris has its labels itself, so that y does not apply"),
        ((X,), "y must have the labels"),
        ((X, Y, "y"), "target names a column of labels"),
        ((X, Y, None, True), "no first line, so that header does not apply"),
        ((from_arrays(X, Y), Y), "read already, so that y does not apply"),
        ((from_arrays(X, Y), None, "y"), "read already, so that target does not apply"),
        ((from_arrays(X, Y), None, None, True), "read already, so that header does not apply"),
        ((from_arrays(X, Y), None, None, None, Choices(missing="drop")), "that missing does not"),
        (("nowhere.csv",), "there is no 'nowhere.csv'"),
        ((X, Y, None, None, Choices(), -1), "digits must be 0 or more, but -1"),
        (("nowhere.csv", None, None, None, Choices(), -1), "digits must be 0 or more, but -1"),
    ],
)
def test_what_does_not_apply_is_refused(given, words):
    with pytest.raises(InputError, match=words):
        entry.measure(*given)


def test_large_tables_are_counted_and_what_is_done_is_told(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 5_000)
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": y + rng.integers(0, 30, 5_000) / 10, "y": y}).write_parquet(path)
    told = []
    usual = entry.measure(path, tell=told.append)
    assert told == ["measuring"]

    monkeypatch.setattr(large_tables, "is_large", lambda source: True)
    large = entry.measure(path, tell=told.append)
    assert large.instances == usual.instances == 5_000
    assert large.thresholds.total == pytest.approx(usual.thresholds.total)
    assert told[1] == "counting"
    assert "counted: 100%" in told
    assert told[-1] == "measuring a random sample of the rows"

    text = tmp_path / "t.csv"
    pl.read_parquet(path).write_csv(text)
    assert entry.measure(text, header=True).instances == 5_000
    for source, header in ((text, False), (path, True)):
        with pytest.raises(InputError, match="order, header cannot be chosen"):
            entry.measure(source, None, None, header, replace(Choices(), order="frequency"))
