"""The benchmark of the estimator on tiny data: its contenders count alike; no time is judged."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import estimator
from rethink import data, mec


@pytest.fixture
def tiny():
    """Many ties, and fewer rows in the smallest subsets than there are classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 4, (60, 5), dtype=np.uint8)
    labels = rng.integers(0, 5, 60, dtype=np.uint8)
    return data.Dataset("tiny", images, labels, images, labels, tuple("abcde"), "tiny")


def test_contenders_count_alike_and_say_what_they_took(tiny):
    result = estimator.algorithm(tiny, repeats=4)
    assert json.loads(json.dumps(result)) == result
    assert (result["rows"], result["features"]) == (60, 5)
    contenders = result["contenders"]
    in_order = mec.thresholds_in_order(tiny.train_images, tiny.train_labels).total
    assert contenders["sum and argsort"]["count"] is None
    total = mec.thresholds(tiny.train_images, tiny.train_labels).total
    assert contenders["thresholds"]["count"] == total != in_order
    for name in ("thresholds in order", "pandas loop", "csv loop"):
        assert contenders[name]["count"] == in_order
    for name, contender in contenders.items():
        assert len(contender["seconds"]) == (3 if name == "csv loop" else 4)
        assert min(contender["seconds"]) > 0
        assert 0 < contender["loaded_mb"] <= contender["peak_mb"]


def test_memory_is_that_of_the_contender_alone(tiny, tmp_path):
    estimator._write(tmp_path, tiny.train_images, tiny.train_labels)
    ballast = np.ones(40_000_000)  # 320 MB in this process, which are not the contender's
    assert estimator._memory("thresholds", tmp_path)["peak_mb"] < ballast.nbytes / 1e6


def test_a_wrong_count_is_no_result(tiny, monkeypatch):
    load, _ = estimator._CONTENDERS["thresholds in order"]
    wrong = {"thresholds in order": (load, lambda table: 7.0)}
    monkeypatch.setattr(estimator, "_CONTENDERS", wrong)
    with pytest.raises(AssertionError, match=r"thresholds in order must count .* counts 7"):
        estimator.algorithm(tiny, repeats=1)


def test_progression_counts_the_same_subsets(tiny, monkeypatch):
    result = estimator.progression(tiny, repeats=2)
    assert json.loads(json.dumps(result)) == result
    assert (result["rows"], result["subsets"], len(result["shares"])) == (60, 20, 11)
    assert result["shares"][:2] == [0.05, 0.1] and result["shares"][-1] == 1
    assert set(result["contenders"]) == {"progression", "a sort each"}
    assert all(len(contender["seconds"]) == 2 for contender in result["contenders"].values())
    right = mec.progression

    def wrong(*arguments, **options):
        found = right(*arguments, **options)
        return dataclasses.replace(found, expected=found.expected + 1e-9)

    monkeypatch.setattr(mec, "progression", wrong)
    with pytest.raises(AssertionError, match="count the same subsets differently"):
        estimator.progression(tiny, repeats=1)


def test_rows_grow_by_half_decades():
    table = estimator.rows(repeats=2, largest=10**4)
    assert json.loads(json.dumps(table)) == table
    assert [entry["rows"] for entry in table] == [1000, 3162, 10_000]
    for entry in table:
        assert entry["features"] == 16 and len(entry["seconds"]) == 2
        middle = sum(entry["seconds"]) / 2
        assert entry["nanoseconds_per_row"] == pytest.approx(1e9 * middle / entry["rows"])
