"""Columns and labels as numbers."""

import csv
import io
import math
import struct

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

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
