"""Any table is read or refused."""

import contextlib
import csv
import io
import itertools
import os
import socket
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rethink.errors import InputError
from rethink.tables.read import Choices, from_arrays, read
from tests.tables.reading import FUZZ, check, load


def test_several_files_are_one_table(tmp_path):
    (tmp_path / "1.csv").write_text("c,y\nb,0\n3,1\n")
    (tmp_path / "2.csv").write_text("c,y\na,0\n")
    table = read(tmp_path / "*.csv")
    assert table.features[:, 0].tolist() == [2, 0, 1]
    (tmp_path / "3.csv").write_text("c,z\na,0\n")
    with pytest.raises(InputError, match="other columns"):
        read(str(tmp_path / "*.csv"))
    (tmp_path / "3.csv").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="several formats"):
        read(str(tmp_path / "*.csv"))


def test_sources_that_are_not_there(tmp_path):
    (tmp_path / "iris.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"did you mean .*iris\.csv"):
        read(tmp_path / "irsi.csv")
    with pytest.raises(InputError, match="did you mean 'fashion-mnist'"):
        read("fashion-mnits")
    with pytest.raises(InputError, match="nor a folder"):
        read(tmp_path / "none" / "a.csv")
    for name in ("a\0b", "x" * 10_000, "", "**[", "~nobody"):
        with pytest.raises(InputError):
            read(tmp_path / name if name == "" else name)
    with pytest.raises(InputError, match="is empty; name a file"):
        read("")  # else a path to the folder that one is in
    with pytest.raises(InputError) as long:
        read("x" * 10_000)
    assert len(str(long.value)) < 200
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="regular file"):
        read(tmp_path / "pipe")


_cell = st.one_of(
    st.sampled_from(
        ["", "NA", "?", "1", "0.5", "-3", "1e400", "inf", "nan", "a", "b", " a ", "007", "true",
         "2020-01-01", "2020-02-30", "1,5", '"', '""', '"x', "\r", "\n", "\0", "é", "\ud7ff", "0",
         "99999999999999999999", "-0.0", "1_0", "\x1f", "\u2028", "1e-5"]
    ),
    st.text(max_size=4),
    st.floats().map(repr),
)  # fmt: skip


@settings(FUZZ, max_examples=500)
@given(
    rows=st.integers(1, 5).flatmap(
        lambda d: st.lists(st.lists(_cell, min_size=d, max_size=d), max_size=8)
    ),
    sep=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r", ""]),
    quoted=st.booleans(),
    choices=st.builds(
        Choices,
        missing=st.sampled_from(["fill", "drop", "error"]),
        order=st.sampled_from(["alphabetical", "frequency"]),
        constant=st.sampled_from(["keep", "drop"]),
        decimal=st.sampled_from([".", ","]),
        delimiter=st.sampled_from([None, ",", "§"]),
    ),
    header=st.sampled_from([None, True, False]),
)
def test_any_table_is_read_or_refused(tmp_path, rows, sep, end, quoted, choices, header):
    out = io.StringIO(newline="")
    if quoted:
        csv.writer(out, delimiter=sep, lineterminator=end or "\n").writerows(rows)
    else:
        out.write(end.join(sep.join(row) for row in rows))
    path = tmp_path / "table.csv"
    path.write_bytes(out.getvalue().encode(errors="surrogatepass"))
    try:
        table = read(path, None, header, choices)
    except InputError as error:
        assert len(str(error)) > 10
        return
    check(table)


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path, data):
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        check(read(path))


def test_algorithm_1_takes_the_result():
    from rethink import mec

    table = load("a,b,y\n1,1,x\n2,3,y\n0,1,x\n")
    assert mec.thresholds(table.features, table.labels).total == 1


def test_choices_that_do_not_apply_are_refused(tmp_path):
    pl.DataFrame({"a": [1], "y": [0]}).write_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", X=[[1]], y=[0])
    (tmp_path / "images" / "cat").mkdir(parents=True)
    Image.new("L", (2, 2)).save(tmp_path / "images" / "cat" / "1.png")
    for name in (tmp_path / "t.parquet", tmp_path / "t.npz", tmp_path / "images", "iris"):
        for option, value in {"delimiter": ",", "encoding": "utf-8", "decimal": ","}.items():
            with pytest.raises(InputError, match=rf"{option} \(--{option}\) applies to text"):
                read(name, choices=Choices(**{option: value}))
        with pytest.raises(InputError, match=r"header \(--header\) applies to text"):
            read(name, header=False)
    for name in (tmp_path / "t.npz", tmp_path / "images", "iris"):
        with pytest.raises(InputError, match="labels apart: target"):
            read(name, "y")
        with pytest.raises(InputError, match="kinds"):
            read(name, choices=Choices(kinds={"a": "drop"}))
    with pytest.raises(InputError, match="delimiter"):
        from_arrays([[1]], [0], choices=Choices(delimiter=","))
    with pytest.raises(InputError, match="there is no"):  # that first
        read("none.csv", header=True)
    with pytest.raises(InputError, match="several texts"):
        Choices(missing_values="NA")


def test_files_that_cannot_be_opened(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")

    def denied(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)  # permissions do not stop root
    with pytest.raises(InputError, match=r"cannot be read: .*Permission denied"):
        read(path)
    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(InputError, match=r"cannot be read: .*Permission denied"):
        read(tmp_path)
    monkeypatch.undo()
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # the path of a socket must be short
        server.bind("door")
        with pytest.raises(InputError, match="no regular file"):
            read("door")
    with pytest.raises(InputError, match=r"none; name files of tables by a pattern"):
        read(tmp_path)


def test_the_order_of_columns_does_not_matter(tmp_path):
    """Columns with gaps, categories and dates in any order have the same sums."""
    parts = {"n": "1.5,,3,4", "c": "u,v,,u", "d": "2020-01-01,2021-01-01,,2020-06-01",
             "b": "true,false,true,", "y": "0,1,0,1"}  # fmt: skip
    found = set()
    for order in itertools.permutations("ncdb"):
        rows = zip(*(parts[name].split(",") for name in (*order, "y")), strict=True)
        text = "\n".join(map(",".join, [(*order, "y"), *rows]))
        sums, places = load(text).sums()
        found.add((*sums.tolist(), places))
    assert len(found) == 1
