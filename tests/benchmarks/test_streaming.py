"""The benchmark of streamed tables on few rows: contenders count alike; no time is judged."""

import json
from unittest import mock

import numpy as np
import polars as pl
import pytest

from benchmarks import streaming
from rethink import mec


def test_contenders_count_alike_and_say_what_they_took(monkeypatch):
    monkeypatch.setattr(streaming, "_WRITTEN", 300)
    found = streaming.measure(1000, ("fractions", "csv"))
    assert json.loads(json.dumps(found)) == found
    assert [(entry["table"], entry["contender"]) for entry in found] == [
        ("fractions", "streamed"),
        ("fractions", "polars"),
        ("csv", "streamed"),
    ]
    for entry in found:
        assert (entry["rows"], entry["columns"]) == (1000, 1)
        assert min(entry["seconds"], entry["cpu_seconds"], entry["peak_mb"], entry["bytes"]) > 0
    # The two tables have the same rows in two formats.
    assert len({entry["count"] for entry in found}) == 1


@pytest.mark.parametrize("name", streaming.TABLES)
def test_tables_are_counted_as_in_memory(tmp_path, name):
    streaming.write(tmp_path, name, 1000)
    (path,) = tmp_path.iterdir()
    frame = pl.read_csv(path) if name == "csv" else pl.read_parquet(path)
    x = frame.drop("y").to_numpy()
    sums = np.rint(x * 100).astype(np.int64).sum(axis=1) if name == "ten columns" else x.sum(axis=1)
    expected = mec.thresholds_in_order(sums, frame["y"].to_numpy()).total
    found = streaming.contend("streamed", str(tmp_path))
    assert (found["count"], found["columns"]) == (expected, x.shape[1])


def test_a_wrong_count_is_no_result(monkeypatch):
    counts = iter([7.0, 8.0])
    monkeypatch.setattr(streaming, "_alone", lambda *_: {"count": next(counts)})
    with pytest.raises(AssertionError, match=r"polars counts 8\.0, not 7\.0"):
        streaming.measure(10, ("fractions",))


def test_only_the_whole_benchmark_is_left_for_the_book(tmp_path, monkeypatch, capsys):
    runs = [{"table": "fractions", "seconds": 1.23456789, "count": 7.0}]
    monkeypatch.setattr(streaming, "measure", measure := mock.Mock(return_value=runs))
    monkeypatch.setattr(streaming, "repository", lambda: tmp_path)
    for arguments, asked in (
        (["1000"], (1000, streaming.BOOK)),
        (["200000000", "csv", "integers"], (200_000_000, ("csv", "integers"))),
    ):
        streaming.main(arguments)
        assert measure.call_args.args == asked
        assert json.loads(capsys.readouterr().out) == runs
        assert not (tmp_path / "book").exists()
    streaming.main([])
    assert measure.call_args.args == (200_000_000, streaming.BOOK)
    found = json.loads((tmp_path / "book" / "streaming.json").read_text())
    assert found["runs"] == [{"table": "fractions", "seconds": 1.23457, "count": 7.0}]
    assert found["cores"] >= 1 and found["environment"]["device"] == "cpu"
    monkeypatch.setattr(streaming, "repository", lambda: None)
    with pytest.raises(SystemExit, match="need the repository"):
        streaming.main([])
