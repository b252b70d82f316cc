"""Tables as numbers: gaps, constants, sums, repeated rows."""

import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink.errors import InputError
from rethink.tables import table as columns
from rethink.tables.read import Choices, from_arrays
from tests.tables.reading import FUZZ, check, load, refused


def test_an_index_that_pandas_wrote_is_left_out():
    table = load(",v,t\n0,5,a\n1,5.5,b\n2,7,a\n")
    assert table.columns == ("v",) and any("counts the rows" in n for n in table.report.notes)
    assert load("k,v,t\n0,5,a\n1,5.5,b\n").columns == ("k", "v")


def test_a_missing_target_gets_near_names():
    refused("Species,size\nx,1\ny,2\n", "'specis'", "did you mean 'Species'", target="specis")
    refused("a,b\n1,2\n", "there are 'a', 'b'", target="zzz")


def test_missing_values():
    text = "n,c,b,y\n1,u,true,0\n,v,false,1\n4,?,NA,0\n6,u,true,\n"
    table = load(text)
    # The row without label goes; then the lower median of 1 and 4, and of false and true.
    assert table.features.tolist() == [[1, 0, 1], [1, 1, 0], [4, 2, 0]]
    assert [c.missing for c in table.report.columns] == [1, 1, 1]
    assert any("3 missing" in note for note in table.report.notes)
    assert any("1 rows without a label" in note for note in table.report.notes)
    assert load(text, missing="drop").features.tolist() == [[1, 0, 1]]
    refused(text, "column 'n'", "1 missing", missing="error")
    refused("a,b\n1,\n2,\n", "all labels are missing")


def test_nan_is_missing_and_infinity_is_refused():
    assert load("a,b\n1,x\nnan,y\n-NaN,x\n").features[:, 0].tolist() == [1, 1, 1]
    for word in ("inf", "-Infinity", "1e400"):
        refused(f"a,b\n1,x\n{word},y\n", "'a'", "infinite", "row 2")
    refused("a,b,c\n1e308,1e308,x\n1,2,y\n", "sum of a row")


def test_constant_columns():
    text = "a,b,y\n1,5,x\n2,5,y\n"
    assert load(text).columns == ("a", "b")
    assert any("constant" in note for note in load(text).report.notes)
    assert load(text, constant="drop").columns == ("a",)
    refused("a,y\n1,x\n1,y\n", "constant", constant="drop")


def outcome(text, choices):
    """All that a table is, but for the name of its file; nothing if it is refused."""
    try:
        found = load(text, header=False, **choices)
    except InputError:
        return None
    features = found.features.dtype, found.features.tolist()
    return features, found.columns, found.report.columns, found.report.notes


FIELDS = ["0", "7", "+7", "007", "255", "256", "-0", "-1", " 5", "5.0", "1e1", "0x1", "", "NA"]


@FUZZ
@given(
    st.lists(st.tuples(*[st.sampled_from(FIELDS)] * 2), min_size=1, max_size=6),
    st.sampled_from(
        [{}, {"missing_values": ("7",)}, {"decimal": ","}, {"kinds": {"1": "category"}}]
    ),
)
def test_bytes_read_at_once_are_what_is_read_column_by_column(rows, choices):
    text = "".join(f"3,{a},{b},x\n" for a, b in rows)
    found = outcome(text, choices)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "as_bytes", lambda *_: None)
        assert found == outcome(text, choices)


@pytest.mark.parametrize("kind", [pl.String, pl.Int64, pl.UInt8])
def test_a_table_of_bytes_takes_no_more_than_bytes(kind, monkeypatch):
    monkeypatch.setattr(columns, "type_columns", lambda *_: pytest.fail("all as float64"))
    frame = pl.DataFrame({"a": [0, 255], "b": [3, 3], "y": [1, 0]}).cast(kind)
    table = from_arrays(frame)
    assert table.features.dtype == np.uint8
    assert table.features.tolist() == [[0, 3], [255, 3]]
    check(table)


@pytest.mark.parametrize("width", [1, 7, 8, 9, 17])
def test_rows_of_bytes_have_keys_of_their_own(width):
    rows = np.random.default_rng(0).integers(0, 256, (50, width), np.uint8)
    keys = columns._keys(np.concatenate([rows, rows]))
    assert (keys[:50] == keys[50:]).all()
    assert len(np.unique(keys)) == len(np.unique(rows, axis=0))


def test_bytes_stay_bytes():
    assert load("a,b\n0,x\n255,y\n").features.dtype == np.uint8
    for value in ("256", "-1", "0.5"):
        assert load(f"a,b\n{value},x\n1,y\n").features.dtype == np.float64


def test_a_million_classes():
    n = 1_000_000
    table = from_arrays(np.arange(n)[:, None] % 100, np.arange(n)[::-1])
    assert len(table.classes) == n and table.labels[0] == n - 1
    assert any("most occur once" in note for note in table.report.notes)


def test_one_class_one_row_and_equal_rows():
    table = load("a,b\n1,x\n2,x\n")
    assert table.classes == ("x",) and any("one class" in n for n in table.report.notes)
    check(load("1,2,a\n"))
    table = load("a,b,y\n1,2,x\n1,2,y\n1,2,x\n3,3,x\n")
    assert any("repeated rows: 2" in n and "3 with those" in n for n in table.report.notes)
    assert (table.report.duplicates, table.report.contradictions) == (2, 3)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_order_of_rows_does_not_matter(data):
    """Codes, classes and fillings come from the set of rows, so shuffling shuffles the result."""
    cell = st.sampled_from(["1", "2.5", "", "7"])
    rows = data.draw(
        st.lists(st.tuples(cell, st.sampled_from("pqr?"), st.sampled_from("uvw")), min_size=2)
    )
    order = data.draw(st.permutations(range(len(rows))))
    one = load("".join(",".join(r) + "\n" for r in rows), header=False)
    two = load("".join(",".join(rows[k]) + "\n" for k in order), header=False)
    assert (two.features == one.features[list(order)]).all()
    assert (two.labels == one.labels[list(order)]).all() and two.classes == one.classes


@FUZZ
@given(
    st.integers(0, 4),
    st.lists(
        st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=3), min_size=1, max_size=6
    ),
)
def test_sums_of_decimals_are_exact(places, rows):
    from fractions import Fraction

    text = [[f"{v // 10**places}.{v % 10**places:0{places}d}" if places else str(v)
             for v in map(abs, row)] for row in rows]  # fmt: skip
    table = load("".join(",".join([*row, "x"]) + "\n" for row in text), header=False)
    sums, decimals = table.sums()
    exact = [sum(map(Fraction, row)) for row in text]
    assert decimals is not None
    assert [Fraction(int(s), 10**decimals) for s in sums] == exact


_any_number = st.one_of(
    st.integers(-300, 300).map(float),
    st.integers(-(10**6), 10**6).map(lambda v: v / 100),
    st.floats(-1e18, 1e18),
    st.sampled_from([1 / 3, 0.1, 1e16, -1e16, 5e-324, 0.5]),
)
_matrices = st.integers(1, 6).flatmap(
    lambda d: st.lists(st.lists(_any_number, min_size=d, max_size=d), min_size=1, max_size=6)
)


@FUZZ
@given(_matrices, st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_the_order_of_columns(rows, random):
    from fractions import Fraction

    order = list(range(len(rows[0])))
    random.shuffle(order)
    x = np.array(rows)
    (one, places), (two, again) = (
        from_arrays(a, np.arange(len(x))).sums() for a in (x, x[:, order])
    )
    assert places == again and one.dtype == two.dtype and (one == two).all()
    if places is None:  # the float64 nearest to the sum
        assert one.tolist() == [float(sum(map(Fraction, row))) for row in rows]


def test_sums_of_float32_are_those_of_their_decimals():
    x = np.array([[0.1, 0.2, 1.25], [0.3, 1.25, 0.0], [12.5, 3, 0.05]])
    single, double = (from_arrays(x.astype(t), [0, 1, 1]).sums() for t in ("f4", "f8"))
    assert single[1] == double[1] == 2
    assert single[0].tolist() == double[0].tolist() == [155, 155, 1555]
    # Eight digits are more than float32 tells apart, and thirds are no decimals.
    for values in ([[0.12345678, 9, 1]], [[1 / 3, 2, 3]]):
        sums, places = from_arrays(np.array(values, "f4"), [0]).sums()
        assert places is None and sums[0] == math.fsum(np.array(values[0], "f4").tolist())


def test_sums_that_are_no_decimals_are_floats():
    table = from_arrays(np.array([[1 / 3, 2.0], [1e300, 1]]), [0, 1])
    sums, decimals = table.sums()
    assert decimals is None and sums.tolist() == [1 / 3 + 2, 1e300]


def test_few_long_rows_are_not_added_up_column_by_column(monkeypatch):
    """Of a million columns these calls would take most of the time."""
    monkeypatch.setattr(columns.row_sums, "nearest_sums", None)
    x = np.random.default_rng(0).normal(size=(30, 1_000))
    found, decimals = from_arrays(x, np.arange(30) % 2).sums()
    assert decimals is None and found.tolist() == [math.fsum(row) for row in x.tolist()]


def counted_slowly(rows, labels):
    """Duplicates and contradictions, by comparing every row with every other."""
    later = sum(any(row == other for other in rows[:k]) for k, row in enumerate(rows))
    torn = sum(
        any(row == other and a != b for other, b in zip(rows, labels, strict=True))
        for row, a in zip(rows, labels, strict=True)
    )
    return later, torn


@FUZZ
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, -0.0, 1.0, 255.0, -1.0, 0.1]),
                  st.sampled_from([0.0, 2.0, -2.0]), st.integers(0, 2)),
        min_size=1, max_size=12,
    ),
    st.booleans(),
)  # fmt: skip
def test_duplicates_and_contradictions(rows, one_key):
    features, labels = [row[:2] for row in rows], [row[2] for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        if one_key:  # all rows share it, so that they have to be compared
            patch.setattr(columns, "_keys", lambda matrix: np.zeros(len(matrix), np.uint64))
        report = from_arrays(np.array(features), labels).report
    assert (report.duplicates, report.contradictions) == counted_slowly(features, labels)


@pytest.mark.parametrize("few", [0, 3])  # rows added up column by column, and one by one
def test_repeated_rows_are_found_in_many_blocks(monkeypatch, few):
    monkeypatch.setattr(columns, "_BLOCK", 6)
    monkeypatch.setattr(columns, "_FEW", few)
    rng = np.random.default_rng(0)
    rows, labels = rng.integers(0, 3, (60, 3)), rng.integers(0, 2, 60)
    for x in (rows, rows / 7):
        table = from_arrays(x, labels)
        assert (table.report.duplicates, table.report.contradictions) == counted_slowly(
            x.tolist(), labels.tolist()
        )
        assert table.sums()[0].tolist() == [math.fsum(row) for row in x.tolist()]


def test_a_report_and_a_table_can_be_shown():
    table = load("a,b,y\n1,p,x\n2,,x\n1,p,z\n")
    report = table.report.to_dict()
    assert json.loads(json.dumps(report)) == report
    assert report["columns"][0] == {"name": "a", "kind": "number", "done": "as it is", "missing": 0}
    assert (report["duplicates"], report["contradictions"], report["target"]) == (1, 2, "y")
    text = f"Table: 3 rows, 2 features, 2 classes, from {table.report.source}"
    assert repr(table) == str(table) == text
    one = repr(from_arrays(np.ones((1, 2, 3)), [0]))
    assert one == "Table: 1 row, 6 features, 1 class, images of 2 x 3, from array"


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        ((5,), None), ((5, 7), None), ((5, 7, 9), (7, 9)), ((5, 7, 9, 3), (7, 9, 3)),
        ((5, 7, 9, 1), (7, 9)), ((5, 3, 7, 9), None), ((5, 2, 2, 2, 2), None),
    ],
)  # fmt: skip
def test_rows_that_are_images(shape, image):
    x = np.arange(math.prod(shape)).reshape(shape) % 7
    assert from_arrays(x, np.arange(5)).shape == image
    assert from_arrays(np.zeros(shape) + 2, np.arange(5)).shape == image


def test_images_without_their_constant_pixels_are_none():
    x = np.zeros((2, 2, 2))
    x[0, 0, 0] = 1
    assert from_arrays(x, [0, 1], choices=Choices(constant="drop")).shape is None
