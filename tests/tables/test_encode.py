"""Columns and labels as numbers."""

import csv
import io
import math
import struct
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rethink.errors import InputError
from rethink.tables.read import Choices, from_arrays
from tests.tables.reading import FUZZ, check, load, refused


@FUZZ
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
@example([0.1, 5e-324, -0.0, 2.0**53 + 2])
def test_numbers_are_the_nearest_float64(values):
    assume(abs(sum(values)) < 1e308)
    forms = [repr, "{:.30e}".format, "{:+.17G}".format]
    text = "".join(f"{forms[k % 3](v)},x\n" for k, v in enumerate(values))
    expected = np.array([[float(row[0])] for row in csv.reader(io.StringIO(text))])
    assert (load(text, header=False).features == expected).all()


def test_what_looks_like_a_number_elsewhere_is_none_here():
    for word in ("0x10", "1_000", "1f", "١", "1d5", "--1"):
        table = load(f"a,b\n1,x\n2,y\n{word},x\n", header=True)
        assert any("2 numbers and 1 other" in note for note in table.report.notes), word


def test_kinds_of_columns():
    text = "n,b,d,t,c,y\n1,True,2020-01-02,2020-01-01T12:00,red,0\n"
    text += "300,false,1969-12-31,1970-01-01T06:00,blue,1\n"
    table = load(text)
    assert [c.kind for c in table.report.columns] == [
        "number", "boolean", "date", "date", "category"
    ]  # fmt: skip
    days = 18262 + 0.5  # 50 years, of which 12 are leap years
    assert table.features.tolist() == [[1, 1, 18263, days, 1], [300, 0, -1, 0.25, 0]]


def test_time_zones_are_brought_to_one():
    text = "t,y\n2020-01-01T01:00:00+01:00,0\n2020-01-01T00:00:00Z,1\n"
    table = load(text)
    assert table.report.columns[0].kind == "date"
    assert table.features[0, 0] == table.features[1, 0] == 18262


def test_order_of_codes():
    text = "c,y\nb,0\nc,1\nc,0\na,1\nb,0\nc,0\n"
    assert load(text).features[:, 0].tolist() == [1, 2, 2, 0, 1, 2]
    assert load(text, order="frequency").features[:, 0].tolist() == [1, 0, 0, 2, 1, 0]


def test_missing_values_can_be_named():
    text = "a,b\n-99,x\n3,y\n5,x\n"
    assert load(text, missing_values=("", "-99")).features[:, 0].tolist() == [3, 3, 5]


def test_commas_in_numbers_are_asked_about():
    refused('a,b\n"1,234",x\n567,y\n', "1,234", "decimal")
    text = "a;b\n1,5;x\n2;y\n"
    refused(text, "1,5", delimiter=";")
    assert load(text, delimiter=";", decimal=",").features[:, 0].tolist() == [1.5, 2]
    refused("a;b\n1.234,5;x\n2;y\n", "1.234,5", delimiter=";", decimal=",")
    refused("a;b\n1.234;x\n2;y\n", "1.234", delimiter=";", decimal=",")


def test_integers_that_float64_cannot_tell_apart_are_reported():
    table = load(f"a,b\n{2**53 + 1},x\n{2**53},y\n")
    assert any("1 different values became equal" in note for note in table.report.notes)
    quiet = load(f"a,b\n{2**53 - 1},x\n{2**53 - 2},y\n")
    assert not any("2^53" in note for note in quiet.report.notes)


def test_kinds_can_be_chosen():
    text = "a,b,y\n10,1,x\n9,x,y\n"
    assert load(text, kinds={"a": "category"}).features[:, 0].tolist() == [0, 1]
    assert load(text, kinds={"b": "drop"}).columns == ("a",)
    refused(text, "'b'", "number", kinds={"b": "number"})
    refused(text, "no column 'c'", kinds={"c": "number"})
    refused(text, "kind", kinds={"a": "colour"})
    refused(text, "missing (--missing) must be", missing="guess")
    refused("a,y\n1,x\n2,y\n", "no feature", kinds={"a": "drop"})


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["1.0", "2.0", "1"], ("1", "2")),
        (["0.5", "1.5", "0.5"], ("0.5", "1.5")),
        (["007", "7", "07"], ("007", "07", "7")),
        (["b", "a", "10"], ("10", "a", "b")),
        (["True", "False", "True"], ("False", "True")),
        (["None", "x", "x"], ("None", "x")),
        ([str(2**53), str(2**53 + 1), "0"], ("0", str(2**53), str(2**53 + 1))),
        ([str(2**70), str(2**70 + 1), "0"], ("0", str(2**70), str(2**70 + 1))),
    ],
)
def test_labels(labels, classes):
    table = load("v,label\n" + "".join(f"{k}.5,{label}\n" for k, label in enumerate(labels)))
    check(table)
    assert table.classes == classes
    for label, code in zip(labels, table.labels, strict=True):
        name = table.classes[code]
        assert name == label or float(name) == float(label)


hours = [timedelta(hours=1), timedelta(hours=2), None]
TYPES = {  # values of each type, and what they are as a feature, as a category and as labels
    "Duration": (pl.Series(hours), None, None, None),
    "List": (pl.Series([[1], [2], None]), None, None, None),
    "Array": (pl.Series([[1], [2], None], dtype=pl.Array(pl.Int64, 1)), None, None, None),
    "Struct": (pl.Series([{"a": 1}, {"a": 2}, None]), None, None, None),
    "Binary": (pl.Series([b"a", b"\xff", None]), None, None, None),
    "Object": (pl.Series([{1}, {2}, None], dtype=pl.Object), None, None, None),
    "Time": (pl.Series([time(1), time(2), None]), None, [0, 1, 2], ("01:00:00", "02:00:00")),
    "Date": (
        pl.Series([date(1970, 1, 2), date(1970, 1, 3), None]),
        [1, 2, 1],
        [0, 1, 2],
        ("1970-01-02", "1970-01-03"),
    ),
    "Datetime": (
        pl.Series([datetime(1970, 1, 2, 12), datetime(1970, 1, 3), None], dtype=pl.Datetime("ms")),
        [1.5, 2, 1.5],
        [0, 1, 2],
        ("1970-01-02 12:00:00.000", "1970-01-03 00:00:00.000"),
    ),
    "Categorical": (
        pl.Series(["a", "b", None], dtype=pl.Categorical),
        *[[0, 1, 2]] * 2,
        ("a", "b"),
    ),
    "UInt64": (pl.Series([1, 2, None], dtype=pl.UInt64), [1, 2, 1], [0, 1, 2], ("1", "2")),
}


@pytest.mark.parametrize("name", TYPES)
def test_columns_of_every_type_are_read_or_refused(name):
    column, feature, category, classes = TYPES[name]
    other = pl.Series("other", [1, 2, 3])
    before = pl.DataFrame([column.alias("c"), other])
    after = pl.DataFrame([other, column.alias("c")])

    for kinds, expected in (({}, feature), ({"c": "category"}, category)):
        if expected is None:
            with pytest.raises(InputError, match=f"'c' is of type {name}.*; make it numbers"):
                from_arrays(before, choices=Choices(kinds=kinds))
        else:
            table = from_arrays(before, choices=Choices(kinds=kinds))
            assert table.features[:, 0].tolist() == expected
        if classes is None:
            with pytest.raises(InputError, match=f"'c' is of type {name}.*cannot be a label; make"):
                from_arrays(after, choices=Choices(kinds=kinds))
        else:
            assert from_arrays(after, choices=Choices(kinds=kinds)).classes == classes


@pytest.mark.parametrize("dtype", ["timedelta64[h]", object])
def test_durations_of_numpy_are_no_text(dtype):
    durations = np.array([1, 2, 1], "timedelta64[h]").astype("timedelta64[us]").astype(dtype)
    with pytest.raises(InputError, match=r"'y' is of type Duration.*cannot be a label"):
        from_arrays([[1], [2], [3]], durations)
    with pytest.raises(InputError, match=r"X must be real numbers|'1' is of type Duration"):
        from_arrays(durations[:, None], [1, 2, 1])


def test_a_measured_quantity_is_no_class():
    text = "a,b\n" + "".join(f"{k},{k / 7}\n" for k in range(30))
    refused(text, "'b'", "fractions", "--target")
    assert len(load(text, fractions="classes").classes) == 30


def test_random_bits_as_floats_survive_a_file():
    rng = np.random.default_rng(0)
    values = [struct.unpack("d", rng.bytes(8))[0] for _ in range(20_000)]
    values = [v for v in values if math.isfinite(v) and abs(v) < 1e300]
    table = load("".join(f"{v!r},x\n" for v in values), header=False)
    assert (table.features[:, 0] == values).all()
