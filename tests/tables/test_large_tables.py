"""Streamed counts against those in memory and against exact fractions, in ranges of a few rows."""

import itertools
import math
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink import mec
from rethink.errors import InputError
from rethink.tables import disk_sort, large_tables, read, row_sums


def limits(rows, spacing=4096):
    """Sort and count so few rows at once."""
    return mock.patch.multiple(disk_sort, ROWS=rows, _SPACING=spacing)


def same(found, expected):
    np.testing.assert_array_equal(found.class_counts, expected.class_counts)
    np.testing.assert_allclose(found.expected, expected.expected, rtol=1e-12, atol=1e-9)
    assert (found.minimum, found.maximum) == (expected.minimum, expected.maximum)
    assert found.features == expected.features


def ranks_of_exact_sums(frame):
    """Sums of what is written, as fractions, by their ranks."""
    rows = frame.drop("y").rows()
    sums = [sum((Fraction(str(float(v))) for v in row), Fraction(0)) for row in rows]
    place = {value: k for k, value in enumerate(sorted(set(sums)))}
    return np.array([place[value] for value in sums])


def check(frame, found, sums):
    d, labels = frame.width - 1, frame["y"].to_numpy()
    same(found.thresholds, mec.thresholds(sums, labels, features=d))
    same(found.in_order, mec.thresholds_in_order(sums, labels, features=d))
    assert found.rows == frame.height
    assert found.columns == tuple(frame.columns[:-1])
    assert found.classes == tuple(str(label) for label in sorted(set(labels.tolist())))


def written(folder, frame, parts, form):
    """Write a table as so many files, in the order of their names."""
    cuts = np.linspace(0, frame.height, parts + 1).astype(int)
    for k, (start, stop) in enumerate(itertools.pairwise(cuts.tolist())):
        path = Path(folder) / f"{k:03d}.{form}"
        part = frame[start:stop]
        part.write_csv(path) if form == "csv" else part.write_parquet(path, row_group_size=7)
    return Path(folder) / f"*.{form}"


features = {
    "few integers": st.integers(-2, 2),
    "integers": st.integers(-(2**40), 2**40),
    "tenths": st.integers(-20, 20).map(lambda k: k / 10),
    "places": st.sampled_from([0.1, 0.2, 0.3, 0.25, 1.0, -0.005]),
    "floats": st.sampled_from([1 / 3, 2 / 3, -1 / 3, 0.1, -0.0, 0.0, 1e-300]),
    "booleans": st.booleans(),
}


@settings(deadline=None, max_examples=70)
@given(st.data())
def test_counts_are_those_in_memory(data):
    kinds = data.draw(st.lists(st.sampled_from(sorted(features)), min_size=1, max_size=4))
    n = data.draw(st.integers(1, 60))
    columns = {
        f"x{k}": data.draw(st.lists(features[kind], min_size=n, max_size=n))
        for k, kind in enumerate(kinds)
    }
    labels = data.draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n))
    frame = pl.DataFrame({**columns, "y": labels})
    rows, spacing = data.draw(st.integers(1, 30)), data.draw(st.sampled_from([2, 5, 4096]))
    form = data.draw(st.sampled_from(["parquet", "csv"]))
    with tempfile.TemporaryDirectory() as folder:
        source = written(folder, frame, data.draw(st.integers(1, min(n, 4))), form)
        # Slices and batches of a few rows, too.
        size = {"_DECODED": 8 * 13 * data.draw(st.sampled_from([1, 10, 10**6])), "_BATCH": 8 * 13}
        with limits(rows, spacing), mock.patch.multiple(large_tables, **size):
            found = large_tables.count(source)
            digits = data.draw(st.sampled_from([0, 1, 2, 3, 20, 308]))
            short = large_tables.count(source, digits=digits)
    if found.decimals is None:
        assert any(kind in ("floats", "places") for kind in kinds)
        sums = np.array([math.fsum(row) for row in frame.drop("y").rows()])
    else:
        sums = ranks_of_exact_sums(frame)
    check(frame, found, sums)
    exact, decimals = read.from_arrays(frame.drop("y").to_numpy(), labels).sums()
    assert found.decimals == decimals
    same(found.thresholds, mec.thresholds(exact, labels, features=len(columns)))
    cut, decimals = row_sums.cut(exact, decimals, digits)
    assert short.decimals == decimals
    check(frame, short, cut)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_hundred_thousand_rows_with_ties(tmp_path, form):
    rng = np.random.default_rng(0)
    n = 100_000
    frame = pl.DataFrame(
        {
            "a": rng.integers(0, 3000, n) / 100,
            "b": rng.integers(-50, 50, n, dtype=np.int16),
            "c": rng.random(n) < 0.5,
            "y": rng.choice(5, n, p=[0.6, 0.2, 0.1, 0.06, 0.04]),
        }
    )
    with limits(3000, 100):
        found = large_tables.count(written(tmp_path, frame, 3, form))
    assert found.decimals == 2
    table = read.from_arrays(frame.drop("y").to_numpy(), frame["y"].to_numpy())
    sums, decimals = table.sums()
    assert decimals == 2
    check(frame, found, sums)
    assert found.thresholds.minimum < found.in_order.total < found.thresholds.maximum


def test_a_column_with_one_value_is_one_tie_in_little_memory(tmp_path):
    n = 50_000
    labels = np.random.default_rng(0).integers(0, 2, n)
    pl.DataFrame({"x": np.zeros(n), "y": labels}).write_parquet(tmp_path / "t.parquet")
    with limits(500), mock.patch.object(disk_sort, "_order", wraps=disk_sort._order) as order:
        found = large_tables.count(tmp_path / "t.parquet")
    same(found.thresholds, mec.thresholds(np.zeros(n), labels, features=1))
    same(found.in_order, mec.thresholds_in_order(np.zeros(n), labels, features=1))
    assert max(len(call.args[0]) for call in order.call_args_list) <= 1000


def test_ranges_are_small_whatever_the_order_and_the_values(tmp_path):
    rng = np.random.default_rng(0)
    n = 40_000
    for values in (np.arange(n), -np.arange(n), rng.geometric(1e-4, n), rng.integers(0, 3, n)):
        pl.DataFrame({"x": values, "y": values % 2}).write_parquet(tmp_path / "t.parquet")
        with (
            limits(1000, 20),
            mock.patch.object(disk_sort, "_between", wraps=disk_sort._between) as between,
        ):
            large_tables.count(tmp_path / "t.parquet")
        # A range has as many rows as asked for, and what may lie between the marks of 40 runs.
        assert all(len(call.args[1]) <= 1000 + 41 * 50 for call in between.call_args_list)


def test_sums_that_grow_in_places_are_counted_in_the_last(tmp_path):
    frame = pl.DataFrame(
        {"a": [0.3, 3.0, 0.1, 0.25] * 9, "b": [0.1, 1, 0.3, 0.15] * 9, "y": [*range(4)] * 9}
    )
    frame = frame.sort(pl.col("a") * 10 % 1)  # whole numbers and tenths first
    with limits(4):
        found = large_tables.count(written(tmp_path, frame, 1, "parquet"))
    assert found.decimals == 2
    check(frame, found, ranks_of_exact_sums(frame))


def test_sums_are_cut_off_towards_zero_before_they_are_sorted(tmp_path):
    # Cut to tenths, the sums of early rows, in tenths, tie with those of late ones, in thousandths.
    early = [0.1, -0.1, 0.2, -0.2, 0.0]
    late = [0.199, -0.199, 0.201, -0.201, 0.099, -0.099, 0.1, -0.1]
    frame = pl.DataFrame({"x": early * 20 + late * 20, "y": [0, 1, 1, 0] * 65})
    tenths = {0.199: 1, 0.201: 2, 0.099: 0, 0.1: 1, 0.2: 2, 0.0: 0}
    sums = np.array([math.copysign(tenths[abs(x)], x) for x in frame["x"]])
    for rows, spacing in ((4, 4), (30, 5), (1000, 4096)):
        with limits(rows, spacing):
            found = large_tables.count(written(tmp_path, frame, 2, "parquet"), digits=1)
        assert found.decimals == 1
        check(frame, found, sums)
    assert large_tables.count(tmp_path / "*.parquet", digits=0).thresholds.maximum == 259
    for digits, decimals in ((2, 2), (3, 3), (400, 3)):
        assert large_tables.count(tmp_path / "*.parquet", digits=digits).decimals == decimals
    with pytest.raises(InputError, match="digits must be 0 or more, but -1 was passed"):
        large_tables.count(tmp_path / "*.parquet", digits=-1)


@pytest.mark.parametrize("last", [0.5, 1 / 3])
def test_decimals_of_32_bits_are_decimals(tmp_path, last):
    rng = np.random.default_rng(0)
    x = np.append(rng.integers(-900, 900, (500, 3)) / 100, [[0.1, 0.2, last]], axis=0)
    y = rng.integers(0, 3, 501)
    frame = pl.DataFrame({**dict(zip("abc", x.T.astype(np.float32), strict=True)), "y": y})
    with limits(40):
        found = large_tables.count(written(tmp_path, frame, 2, "parquet"))
    sums, decimals = read.from_arrays(x.astype(np.float32), y).sums()
    assert found.decimals == decimals == (2 if last == 0.5 else None)
    check(frame, found, sums)


def test_integers_are_exact_to_64_bits(tmp_path):
    big = [2**62, 2**62 + 1, 2**62 - 1, 2**62]
    frame = pl.DataFrame({"x": big, "y": [0, 1, 0, 1]})
    frame.write_parquet(tmp_path / "t.parquet")
    found = large_tables.count(tmp_path / "t.parquet")
    assert found.decimals == 0
    check(frame, found, np.array(big))
    frame.with_columns(z=pl.col("x"), y=pl.col("y")).select("x", "z", "y").write_parquet(
        tmp_path / "t.parquet"
    )
    with pytest.raises(InputError, match="may be too large for 64 bits"):
        large_tables.count(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a", "a", "c"], ("a", "b", "c")),
        (["10", "9", "9", "10"], ("9", "10")),
        ([True, False, True, True], ("False", "True")),
        ([300, -5, 300, 7], ("-5", "7", "300")),
    ],
)
def test_labels_are_named_and_ordered_as_in_memory(tmp_path, labels, classes):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"y": labels, "x": [1, 2, 2, 3]}).write_parquet(path)
    found, table = large_tables.count(path, "y"), read.read(path, "y")
    assert found.classes == table.classes == classes
    same(found.thresholds, mec.thresholds(table.features, table.labels))
    assert found.columns == ("x",)


def test_more_labels_than_a_byte_can_code(tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.integers(0, 100, 3000), "y": rng.integers(0, 500, 3000)})
    frame.write_parquet(tmp_path / "t.parquet")
    with limits(100):
        check(frame, large_tables.count(tmp_path / "t.parquet"), frame["x"].to_numpy())
    with (
        mock.patch.object(large_tables, "CLASSES", 100),
        pytest.raises(InputError, match="over 100 different labels"),
    ):
        large_tables.count(tmp_path / "t.parquet")


def test_sample_is_drawn_by_the_seed_alone(tmp_path):
    n = 1000
    frame = pl.DataFrame({"x": np.arange(n) / 2, "y": np.arange(n) % 3})
    source = written(tmp_path, frame, 3, "parquet")
    samples = []
    for rows in (10, 77, 5000):
        with limits(rows):
            samples.append(large_tables.count(source, sample=200, seed=1).sample)
    other = large_tables.count(source, sample=200, seed=2).sample
    for sample in samples:
        np.testing.assert_array_equal(sample.features, samples[0].features)
        np.testing.assert_array_equal(sample.labels, samples[0].labels)
    drawn = samples[0].features[:, 0]
    assert len(np.unique(drawn)) == 200 and (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(samples[0].labels, drawn * 2 % 3)
    assert not np.array_equal(other.features, samples[0].features)
    assert len(large_tables.count(source, sample=5000).sample.labels) == n


def test_sample_is_told_as_part_of_the_whole(tmp_path):
    # The classes "2" and "b" are not in the sample, in which all labels are numbers.
    labels = ["10", "9", " 9", "2"] * 2 + ["10"] * 990 + ["b", "a"]
    pl.DataFrame({"x": [7] * 1000, "z": np.arange(1000), "y": labels}).write_parquet(
        tmp_path / "t.parquet"
    )
    rng, real = mock.Mock(), np.random.default_rng
    rng.choice.return_value = np.array([2, 0, 1, 999, 20])
    with (
        mock.patch("numpy.random.default_rng", lambda seed: rng if seed == [3, 3] else real(seed)),
        limits(100),
    ):
        found = large_tables.count(tmp_path / "t.parquet", sample=5, seed=3)
    part, report = found.sample, found.sample.report
    assert part.classes == found.classes == ("10", "2", "9", "a", "b")
    assert [part.classes[k] for k in part.labels] == ["10", "9", "9", "10", "a"]
    assert part.features.tolist() == [[7, 0], [7, 1], [7, 2], [7, 20], [7, 999]]
    assert (report.source, report.target) == (str(tmp_path / "t.parquet"), "y")
    assert report.rows == report.kept == found.rows == 1000
    assert report.notes == (
        "constant columns: 1 ('x'), kept, and counted among the features",
        "measured on 5 rows drawn at random by seed 3, but for the counts of Algorithm 1; "
        "repeated rows and constant columns were looked for among these only",
    )


@pytest.mark.parametrize("labels", [["a", "b"] * 20, ["a"] * 40, ["A", "a"] * 20])
def test_a_sample_of_all_rows_is_the_table_in_memory(tmp_path, labels):
    frame = pl.DataFrame({"x": np.arange(40) // 3, "y": labels})
    frame.write_parquet(tmp_path / "t.parquet")
    part, whole = large_tables.count(tmp_path / "t.parquet").sample, read.from_arrays(frame)
    np.testing.assert_array_equal(part.features, whole.features)
    np.testing.assert_array_equal(part.labels, whole.labels)
    named = replace(whole.report, source=str(tmp_path / "t.parquet"))
    assert set(part.report.notes) == set(named.notes)
    assert replace(part.report, notes=named.notes) == named


def test_one_class_in_the_sample_is_not_said_of_the_whole(tmp_path):
    pl.DataFrame({"x": range(500), "y": [0] * 499 + [1]}).write_parquet(tmp_path / "t.parquet")
    found = large_tables.count(tmp_path / "t.parquet", sample=3).sample
    assert found.labels.tolist() == [0, 0, 0] and found.classes == ("0", "1")
    assert len(found.report.notes) == 1


def test_sample_is_uniform(tmp_path):
    frame = pl.DataFrame({"x": np.arange(40), "y": np.arange(40) % 2})
    frame.write_parquet(tmp_path / "t.parquet")
    seen = np.zeros(40)
    for seed in range(120):
        seen[large_tables.count(tmp_path / "t.parquet", sample=10, seed=seed).sample.features] += 1
    # 30 of 120 each, with a standard deviation of 4.7.
    assert seen.min() > 10 and seen.max() < 50 and seen.sum() == 1200


BAD = {
    "a": ({"x": [1.0, None, None], "y": [0, 1, 1]}, "'x' has 2 rows without a value"),
    "b": ({"x": [1.0, math.nan, 2.0], "y": [0, 1, 1]}, "'x' has 1 rows without a value"),
    "c": ({"x": [1.0, math.inf, -math.inf], "y": [0, 1, 1]}, "'x' has 2 rows"),
    "d": ({"x": [1, 2, 3], "y": [0, None, None]}, "'y' has 2 rows without a value"),
    "e": ({"x": [1, 2, 3], "y": ["a", "NA", ""]}, "'y' has 2 rows without a label"),
    "f": ({"x": [1, 2, 3], "y": [0.5, 1.5, 0.5]}, "labels in column 'y' are of type Float64"),
    "g": ({"x": ["a", "b", "b"], "y": [0, 1, 1]}, "'x' is of type String"),
    "h": ({"y": [0, 1, 1]}, "must have a label, a feature and a row"),
    "i": ({"x": [], "y": []}, "but has 2 columns and 0 rows"),
    "j": ({"x": [1e308, 1e308], "z": [1e308, 1e-9], "y": [0, 1]}, "too large for float64"),
    "k": ({"x": [None, 1], "z": [None, None], "y": [0, 1]}, "other columns have some"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_counted_is_refused_in_a_sentence(tmp_path, name):
    columns, message = BAD[name]
    schema = {"z": pl.Float64} if name == "k" else None
    frame = pl.DataFrame(columns, schema_overrides=schema)
    frame.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=message) as error, limits(1):
        large_tables.count(tmp_path / "t.parquet")
    assert "\n" not in str(error.value)


def test_sources_that_are_none(tmp_path):
    frame = pl.DataFrame({"size": [1, 2], "y": [0, 1]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_csv(tmp_path / "a.csv")
    frame.rename({"size": "other"}).write_parquet(tmp_path / "b.parquet")
    frame.select("y", "size").write_csv(tmp_path / "b.csv")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    (tmp_path / "semicolons.csv").write_text("a;b\n1;2\n")
    for source, message in {
        "nothing.parquet": "there is no",
        ".": "from Parquet or from CSV",
        "a.*": "files of several formats: Parquet, text",
        "[ab].parquet": "has other columns or types than",
        "[ab].csv": "has other columns or types than",
        "cut.parquet": "cannot be read",
        "semicolons.csv": "separated by commas",
    }.items():
        with pytest.raises(InputError, match=message):
            large_tables.count(tmp_path / source)
    with pytest.raises(InputError, match="no column 'sise' for the labels; did you mean 'size'"):
        large_tables.count(tmp_path / "a.csv", "sise")
    with pytest.raises(InputError, match="sample must be 1 or more"):
        large_tables.count(tmp_path / "a.csv", sample=0)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("5.1,3.5,1.4,0.2,setosa", "5.1, 3.5, 1.4, 0.2"),
        ("-1,.5,2.,1e-3,7", "-1, .5, 2., 1e-3"),
        ("0,0,1,1,0", "0, 0, 1, 1"),  # what Polars calls by other names is a row, too
        ("1,1,2,2,3", "1, 1, 2, 2"),
        ("0,7", "0, 7"),
        ("1, 3", "1, 3"),
        ("a,b,4", "a, b, 4"),
        ("0,y", "0, y"),
        ("1,2,4", "1, 2, 4"),
        ("2,3,4", "2, 3, 4"),
    ],
)
def test_a_text_without_names_is_refused(tmp_path, line, shown):
    path = tmp_path / "t.csv"
    path.write_text(f"{line}\n" * 3)
    with pytest.raises(InputError) as error:
        large_tables.count(path)
    assert str(error.value) == (
        f"{path} must have names in its first line, but it begins with {shown}; "
        "write names above it, or say by header (--header) that they are names"
    )


@pytest.mark.parametrize("line", ["0,1,2", "1,2,3", "2019,2020,y"])
def test_a_first_line_that_could_be_either_is_asked_about(tmp_path, line):
    """As `tables.read` asks, by the same rule."""
    path = tmp_path / "t.csv"
    path.write_text(f"{line}\n1,2,0\n3,4,1\n3,1,1\n3,0,0\n")
    for reader in (large_tables.count, read.read):
        with pytest.raises(InputError, match=r"could be names or a row .* say .*--header"):
            reader(path)
    assert large_tables.count(path, header=True).rows == 4
    assert read.read(path, header=True).report.rows == 4


@pytest.mark.parametrize("line", ["y,0,1", "1,2,y", "x1,2x,y", "1-2,v1.0,e5", "x,x,y"])
def test_names_of_a_text_may_count_the_columns(tmp_path, line):
    (tmp_path / "t.csv").write_text(f"{line}\n1,2,0\n3,4,1\n3,1,1\n3,0,0\n")
    found = large_tables.count(tmp_path / "t.csv")
    assert found.rows == 4 and found.classes == ("0", "1")
    # Sums 3, 7, 4, 3: both orders of the tied rows.
    same(found.thresholds, mec.thresholds(np.array([3, 7, 4, 3]), np.array([0, 1, 1, 0]), 2))


def test_labels_with_the_name_of_another_column_are_refused(tmp_path):
    frame = pl.DataFrame({"y": [1, 2], "y_duplicated_0": [0, 1], "x": [0, 1]})
    (tmp_path / "t.csv").write_text("y,y,x\n1,0,0\n2,1,1\n")
    with pytest.raises(InputError, match="several columns are called 'y'"):
        large_tables.count(tmp_path / "t.csv", "y")
    assert large_tables.count(tmp_path / "t.csv", "x").rows == 2
    frame.write_parquet(tmp_path / "t.parquet")  # which has the names that it says
    assert large_tables.count(tmp_path / "t.parquet", "y").classes == ("1", "2")


def test_damaged_files_are_refused_in_a_sentence(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": rng.random(300), "y": ["a", "b", "c"] * 100}).write_parquet(path)
    whole, refused = path.read_bytes(), 0
    for at in rng.integers(len(whole) - 700, len(whole) - 8, 80):  # where it says what it holds
        path.write_bytes(whole[:at] + b"\x7f" + whole[at + 1 :])
        assert large_tables.is_large(path) is False
        try:
            large_tables.count(path)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused


@pytest.mark.parametrize("method", ["collect", "collect_batches"])
def test_what_a_library_says_of_its_panic_is_not_heard(tmp_path, monkeypatch, capfd, method):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": [1, 2], "y": [0, 1]}).write_parquet(path)

    def panic(*_, **__):
        os.write(2, b"thread 'async-executor-0' panicked at crates/polars-parquet/src\n")
        raise pl.exceptions.PanicException("index out of bounds")

    def batches(*_, **__):
        yield panic()

    monkeypatch.setattr(pl.LazyFrame, method, panic if method == "collect" else batches)
    assert not large_tables.is_large(path)
    with pytest.raises(InputError, match="cannot be read: index out of bounds"):
        large_tables.count(path)
    assert capfd.readouterr().err == ""


def test_types_that_first_rows_of_text_do_not_show(tmp_path):
    lines = ["x,y", *["1,3"] * 20_000, "2.5,7", "0.5,b"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    found = large_tables.count(tmp_path / "t.csv")
    assert (found.rows, found.decimals, found.classes) == (20_002, 1, ("3", "7", "b"))
    assert found.thresholds.class_counts.tolist() == [20_000, 1, 1]
    (tmp_path / "t.csv").write_text("\n".join([*lines, "word,3"]) + "\n")
    with pytest.raises(InputError, match="cannot be read: could not parse `word`"):
        large_tables.count(tmp_path / "t.csv")


def test_no_room_is_said_beforehand(tmp_path, monkeypatch):
    pl.DataFrame({"x": [1, 2], "y": [0, 1]}).write_parquet(tmp_path / "t.parquet")
    usage = mock.Mock(free=5)
    monkeypatch.setattr(large_tables.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="TMPDIR"):
        large_tables.count(tmp_path / "t.parquet")


def test_progress_ends_at_all(tmp_path):
    pl.DataFrame({"x": range(500), "y": [0, 1] * 250}).write_parquet(tmp_path / "t.parquet")
    calls = []
    with limits(10), mock.patch.object(large_tables.time, "monotonic", itertools.count().__next__):
        large_tables.count(tmp_path / "t.parquet", show=lambda *call: calls.append(call))
    shares = [share for _, share in calls]
    assert shares == sorted(shares) and shares[-1] == 1 and len(calls) > 50
    assert {text for text, _ in calls} == {"reading and sorting", "counting", "counted"}


def test_nothing_is_left_of_temporary_files(tmp_path):
    frame = pl.DataFrame({"x": np.arange(200_000) / 7, "y": np.arange(200_000) % 3})
    frame.write_parquet(tmp_path / "t.parquet")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    code = (
        "import os, signal\n"
        "from rethink.tables import disk_sort, large_tables\n"
        "disk_sort.ROWS = 2000\n"
        "def show(text, share):\n"
        "    if text == 'counting': os.kill(os.getpid(), signal.{})\n"
        "large_tables._Progress.__call__ = lambda self, text, share, now=False: show(text, share)\n"
        f"large_tables.count({str(tmp_path / 't.parquet')!r}, show=show)"
    )
    for name in ("SIGINT", "SIGKILL"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(name)],
            env=os.environ | {"TMPDIR": str(scratch)},
            capture_output=True,
            timeout=60,
        )
        assert done.returncode in (-getattr(signal, name), 130)
        assert list(scratch.iterdir()) == []


def test_large_is_told_by_rows_and_columns(tmp_path):
    pl.DataFrame({"x": np.zeros(1000), "y": np.zeros(1000)}).write_parquet(tmp_path / "t.parquet")
    path = tmp_path / "t.parquet"
    assert path.stat().st_size < 8000
    assert not large_tables.is_large(path, 16_000)
    assert large_tables.is_large(path, 15_999)
    assert large_tables.is_large(tmp_path / "*.parquet", 15_999)
    (tmp_path / "t.csv").write_text("x,y\n" + "1,2\n" * 100)
    assert large_tables.is_large(tmp_path / "t.csv", 403)
    assert not large_tables.is_large(tmp_path / "t.csv", 404)
    for source in ("fashion-mnist", tmp_path, tmp_path / "none.csv", "a\0b"):
        assert not large_tables.is_large(source, 0)
