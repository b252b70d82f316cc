"""Text files of every shape, read or refused in one sentence."""

import gzip
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rethink.errors import InputError
from rethink.tables import text_files
from rethink.tables.read import Choices, read
from tests.tables.reading import FUZZ, check, load, refused


def test_the_last_column_is_the_label_and_the_header_is_found():
    table = load("height,width,kind\n1.5,2,cat\n0.25,4,dog\n3,5,cat\n")
    check(table)
    assert table.columns == ("height", "width")
    assert table.features.tolist() == [[1.5, 2], [0.25, 4], [3, 5]]
    assert table.classes == ("cat", "dog") and table.labels.tolist() == [0, 1, 0]


def test_a_table_without_names_numbers_its_columns_from_1():
    table = load("a,1,2\nb,3,4\n", target="1")
    assert table.columns == ("2", "3") and table.classes == ("a", "b")


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("x,y\n1,2\n3,4\n", True),
        ("1,2\n3,4\n", False),
        ("5.1,3.5,setosa\n4.9,3,setosa\n", False),
        ("label,0,1,2\n7,0,0,0\n2,0,0,0\n", True),  # pixels by number
        ("label,1,2\n7,0,0\n", True),
        ("colour,taste\nred,good\ngreen,bad\n", True),
        ("red,good\ngreen,bad\nblue,good\n", False),  # the first label occurs below
        ("p,x,p,x\ne,b,s,y\n", False),  # names would differ from each other
        ("a,b\nNA,x\n2,y\n", True),
        ("1,2,a\n", False),
        ("1,2,3,a\n4,5,6,b\n7,8,9,a\n", False),  # the label occurs below
    ],
)
def test_header_is_found(content, header):
    assert ("no names" not in load(content).report.source) == header
    rows = content.count("\n") - header
    assert load(content).report.rows == rows


@pytest.mark.parametrize(
    "content",
    [
        "0,1,2,3,4\n4,5,6,7,8\n",
        "1,2,3,4,5\n4,5,6,7,8\n",
        "1,2,3,y\n4,5,6,a\n7,8,9,b\n",
        "x,5\n1,2\n3,4\n",
    ],
)
def test_a_first_line_that_could_be_either_is_asked_about(content):
    refused(content, "--header", "--no-header")
    assert load(content, header=True).report.rows == content.count("\n") - 1
    assert load(content, header=False).report.rows == content.count("\n")


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
def test_delimiters_are_found(sep):
    table = load(f"a{sep}b\n1{sep}x\n2{sep}y\n")
    assert table.features.tolist() == [[1], [2]] and table.classes == ("x", "y")


@pytest.mark.parametrize("sep", [" ", "~", "§"])
def test_other_delimiters_can_be_named(sep):
    table = load(f"a{sep}b\n1{sep}x\n2{sep}y\n", delimiter=sep)
    assert table.features.tolist() == [[1], [2]]


def test_a_wrong_delimiter_is_named():
    refused("a,b\n1,2\n", "one column", "semicolon", delimiter=";")
    refused("a b\n1 2\n", "one column", "--delimiter")
    refused("1;2,5;a\n2;3,5;b\n", "comma and semicolon")
    refused("a,b\n1,2\n", "one character", delimiter=", ")


def test_lines_of_another_width_are_named_by_their_line():
    assert "line 4" in refused("a,b\n1,2\n\n3\n", "1 field ", "2 in its first")
    assert "line 3" in refused('a,b\n"1",2\n3,4,5\n', "3 fields")
    assert "line 3" in refused('a,b\n"1",2\n3\n', "1 field ")


def test_quotes_and_ends_of_lines():
    table = load('a,b\r\n"1","x, ""y""\nz"\r\n\r\n2,w\r\n')
    assert table.features.tolist() == [[1], [2]] and table.classes == ("w", 'x, "y"\nz')
    assert load("a,b\r1,x\r2,y\r").features.tolist() == [[1], [2]]
    refused('a,b\n"1,x\n2,y\n', "quote")
    refused('a,b\n"1"2,x\n', "quote")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"  \n"])
def test_an_empty_file_is_named(content):
    refused(content, "is empty")


def test_a_header_without_rows_is_named():
    refused("a,b\n", "no rows")


def test_encodings():
    text = "größe,b\n1,é\n2,x\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        table = load(text.encode(encoding))
        assert table.columns == ("größe",) and table.classes == ("x", "é")
    refused(text.encode("latin-1"), "UTF-8", "line 1", "0xf6", "--encoding")
    assert load(text.encode("latin-1"), encoding="latin-1").classes == ("x", "é")
    mixed = b"a,b\n1,\xc3\xa9\n2,\xe9\n"
    refused(mixed, "line 3")
    refused("a,b\n1,2\n", "encoding", encoding="no-such")
    refused(b"a,b\n1\x00,2\n", "null character")


def test_a_very_long_field_and_a_very_wide_table():
    word = "x" * 2_000_000
    assert load(f"a,b\n1,{word}\n2,y\n").classes == (word, "y")
    assert load(f'a,b\n1,"{word}"\n2,y\n').classes == (word, "y")
    wide = ",".join("7" * 5_000) + ",a\n"
    assert load(wide, header=False).features.shape == (1, 5_000)
    refused("," * text_files.MAX_COLUMNS, "columns", "NPZ")


def test_long_fields_are_read_by_several_threads_at_once():
    """The limit is one for the process: reset by one thread, it would fail another."""
    text = "a,b\n" + f'1,"{"x" * 200_000}"\n2,y\n' * 10
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(load, [text] * 40))
    assert all(len(table.labels) == 20 for table in tables)


def test_a_higher_limit_of_others_is_kept():
    code = (
        "import csv; csv.field_size_limit(2**31 - 1); from rethink.tables import text_files; "
        "print(csv.field_size_limit())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert int(done.stdout) == 2**31 - 1


def test_names_that_repeat_or_are_missing():
    table = load("x,x,,t\n1,2,3,a\n4,5,6,b\n")
    assert table.columns == ("x", "x (column 2)", "column 3")
    assert any("occurs again" in note for note in table.report.notes)
    refused("x,x,t\n1,2,a\n", "several columns", target="x")


def test_gzip(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n1,x\n2,y\n"))
    assert read(tmp_path / "t.csv.gz").classes == ("x", "y")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n1,x\n2,y\n")[:-9])
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("first", ["2,2,cat,dog", "2,2,cat", "2,2,cat,dog,cow"])
@pytest.mark.parametrize("header", [None, True, False])
def test_the_first_line_of_scikit_learns_files_is_refused(first, header):
    message = refused(f"{first}\n1.5,2,0\n3,4,0\n", "scikit-learn", first, header=header)
    assert "neither names nor a row" in message


def test_lines_that_only_look_like_scikit_learns_are_rows():
    for text in ("2,2,cat\n1,5,cat\n3,4,dog\n", "9,2,cat\n1,5,0\n3,4,0\n"):
        assert "neither" not in str(load(text, header=False).report)
        assert load(text, header=False).report.rows == 3


def test_scikit_learns_own_files():
    import sklearn.datasets

    folder = Path(sklearn.datasets.__file__).parent / "data"
    for name in ("iris", "wine_data", "breast_cancer"):
        with pytest.raises(InputError, match="scikit-learn's line"):
            read(folder / f"{name}.csv")
    digits = read(folder / "digits.csv.gz")
    assert digits.features.shape == (1797, 64) and len(digits.classes) == 10


def test_a_line_without_end_is_refused_soon(tmp_path, monkeypatch):
    path = tmp_path / "endless.csv"
    with path.open("wb") as file:
        file.truncate(3 << 30)  # null characters, which take no room on the disk
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="null character"):
            read(path)
        with pytest.raises(InputError, match="a line of more than 64 MiB"):
            read(path, choices=Choices(encoding="latin-1"))
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
    monkeypatch.setattr(text_files, "MAX_LINE", 1000)
    monkeypatch.setattr(text_files, "_CHUNK", 300)
    for end in (b"\n", b"\r"):
        path.write_bytes((b"a,b" + end) * 900 + b"x" * 990 + b",2" + end + b"3,4")
        assert read(path).report.rows == 902
    path.write_bytes(b"a,b\n" + b"x" * 1001)
    with pytest.raises(InputError, match="a line of more than 1000 bytes"):
        read(path)


@pytest.mark.parametrize("packed", [False, True])
def test_more_text_than_fits_is_refused(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(text_files, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(text_files, "_CHUNK", 1 << 16)
    text = b"1,2\n" * (1 << 18)
    for name, content in (("1.csv", text), ("2.csv", text + b"1,2\n")):
        (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    assert read(tmp_path / "1.csv").report.kept == 1 << 18
    for source in ("2.csv", "*.csv"):
        with pytest.raises(InputError, match="too large to be read at once: more than 1 MiB"):
            read(tmp_path / source)


@FUZZ
@given(st.lists(st.sampled_from(["1", "2,3", ",", "", "4,5,6"]), max_size=12), st.integers(1, 9))
def test_lines_are_measured_in_pieces_as_in_one(lines, size):
    """Pieces of any size find the fields of each line, and the lines that are empty."""
    data = "\n".join(lines).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "_CHUNK", size)
        found = list(text_files._line_widths(data, ","))
    pieces = [pair for widths, filled in found for pair in zip(widths, filled, strict=True)]
    expected = data.decode().removesuffix("\n").split("\n") if data else []
    assert [int(w) for w, _ in pieces] == [line.count(",") + 1 for line in expected]
    assert [bool(f) for _, f in pieces] == [line != "" for line in expected]


def test_messages_cannot_steer_a_terminal(tmp_path):
    file = tmp_path / "\x1b[31mred\x9b\u202e é.csv"
    file.write_text("a\n1\n")
    with pytest.raises(InputError) as error:
        read(file)
    assert r"\x1b[31mred\x9b\u202e é.csv has one column only" in str(error.value)
