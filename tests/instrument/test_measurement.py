import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from rethink import mec
from rethink.errors import InputError
from rethink.instrument import class_orders, measurement
from rethink.instrument.class_orders import Order
from tests.instrument.tables import blobs, measured, table


def exact(found):
    """What must not depend on the order of rows, of columns or of the names of classes."""
    d = found.to_dict()
    return {
        "classes": sorted(d["class_counts"].values()),
        "expected": round(d["thresholds"]["expected"], 6),
        "extremes": (d["thresholds"]["minimum"], d["thresholds"]["maximum"]),
        "bits": round(d["requirement_bits"], 6),
        "null": (round(d["null"]["expected"], 6), round(d["null"]["sd"], 6)),
        "dictionary": round(d["dictionary_bits"], 6),
        "guess": d["best_guess"],
    }


def test_four_rows_by_hand():
    found = measured([[1.0], [2.0], [3.0], [4.0]], ["a", "b", "a", "b"]).to_dict()
    assert found["thresholds"] == {
        "per_class": {"a": 1.0, "b": 2.0},
        "total": 3.0,
        "expected": 3.0,
        "expected_per_class": {"a": 1.0, "b": 2.0},
        "minimum": 3,
        "maximum": 3,
    }
    assert found["requirement_bits"] == pytest.approx(2 * 1 + 2 * math.log2(3))
    assert (found["clusters"], found["max_capacity_bits"], found["estimated_capacity_bits"]) == (
        4,
        9,
        2,
    )
    assert found["dictionary_bits"] == 4
    assert found["null"]["expected"] == 2
    assert [(p["instances"], p["decision_points"]) for p in found["progression"]][-1] == (4, 2)
    assert found["enough_data"]["verdict"] == "too few"


def test_the_files_order_is_told_from_the_expectation_over_ties():
    found = measured([[1.0]] * 4, ["a", "b", "a", "b"]).to_dict()["thresholds"]
    assert (found["total"], found["minimum"], found["maximum"]) == (3, 1, 3)
    assert found["expected"] == 2


SMALL = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.lists(
            st.lists(st.integers(-5, 5).map(lambda k: k / 10), min_size=3, max_size=3),
            min_size=n, max_size=n,
        ),
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        st.randoms(use_true_random=False),
    )
)  # fmt: skip


@given(SMALL)
@settings(max_examples=100, deadline=None)
def test_neither_order_of_rows_and_columns_nor_names_of_classes_matter(drawn):
    x, y, random = np.array(drawn[0]), np.array(drawn[1]), drawn[2]
    found = exact(measured(x, y))
    rows, columns = list(range(len(x))), [0, 1, 2]
    random.shuffle(rows)
    random.shuffle(columns)
    assert exact(measured(x[rows], y[rows])) == found
    assert exact(measured(x[:, columns], y)) == found
    names = ["z", "y", "x", "w"]
    assert exact(measured(x, [names[k] for k in y])) == found


@given(SMALL)
@settings(max_examples=50, deadline=None)
def test_rows_twice_have_no_more_clusters_and_twice_the_dictionary(drawn):
    x, y = np.array(drawn[0]), np.array(drawn[1])
    once, twice = measured(x, y), measured(np.vstack([x, x]), np.append(y, y))
    assert twice.thresholds.minimum == once.thresholds.minimum
    assert twice.dictionary_bits == pytest.approx(2 * once.dictionary_bits)
    assert twice.best_guess == once.best_guess


def test_sums_of_decimals_do_not_tear_ties_apart():
    found = measured([[0.1, 0.2], [0.3, 0.0]], ["a", "b"]).to_dict()
    assert found["thresholds"]["expected"] == 1
    x = np.array([[0.1, 0.2], [0.3, 0.0], [0.3, 0.0], [0.2, 0.1]])
    found = measured(x, ["a", "b", "a", "b"])
    assert (found.thresholds.minimum, found.thresholds.maximum) == (1, 3)
    assert found.decimals == 1


def test_cut_sums_tie():
    x = [[0.11], [0.12], [0.23], [0.24]]
    assert measured(x, ["a", "b", "a", "b"]).thresholds.minimum == 3
    assert measured(x, ["a", "b", "a", "b"], digits=1).thresholds.minimum == 2
    with pytest.raises(InputError, match=r"digits must be 0 or more, but -1 .*--digits"):
        measured(x, ["a", "b", "a", "b"], digits=-1)


def test_learnable_labels_are_told_from_shuffled_ones():
    x, y = blobs()
    assert measured(x, y).verdict in ("flat", "growing")
    verdicts = []
    for seed in range(10):
        shuffled = np.random.default_rng(seed).permutation(y)
        verdicts.append(measured(x, shuffled, seed=seed).verdict)
    assert verdicts.count("no signal") >= 9


def test_a_set_that_is_too_small_for_its_pattern_is_told():
    # A chessboard: neighbours are of one square only once there are enough of them.
    rng = np.random.default_rng(0)
    x = rng.random((3_000, 2)) * 16
    y = (x.astype(int).sum(axis=1)) % 2
    assert measured(x, y).verdict == "growing"
    wide = rng.random((3_000, 2)) * 2
    assert measured(wide, wide.astype(int).sum(axis=1) % 2).verdict in ("flat", "growing")
    # Labels that are wrong at random: as many neighbours differ at any size.
    noisy = np.where(rng.random(3_000) < 0.3, rng.integers(0, 2, 3_000), wide[:, 0] > 1)
    assert measured(wide, noisy).verdict == "flat"


def test_few_rows_and_one_class_have_no_verdict():
    x, y = blobs(19)
    assert measured(x, y).verdict == "too few"
    one = measured(x, np.zeros(19))
    assert (one.verdict, one.dictionary_bits, one.estimates) == ("one class", 0, ())
    assert math.isnan(one.separation)


def test_the_whole_and_its_sample_make_a_card():
    x, y = blobs(400)
    whole, part = table(x, y), table(x[:100], y[:100])
    sums, decimals = whole.sums()
    args = (whole.labels,), {"features": 4}
    found = measurement.extend(
        part,
        mec.thresholds(sums, *args[0], **args[1]),
        mec.thresholds_in_order(sums, *args[0], **args[1]),
        decimals,
    )
    straight = measurement.measure(whole)
    assert exact(found) == exact(straight)
    assert found.orders[-1].rows == 100
    steps = found.to_dict()["progression"]
    assert steps[-1]["instances"] == 400
    assert steps[-1]["share"] == 1
    assert steps[-1]["thresholds"] == pytest.approx(straight.thresholds.total)
    assert steps[-2]["instances"] == 100


def test_a_column_that_decides_the_sums_is_named():
    x, y = blobs()
    x[:, 2] *= 1_000
    assert any("column '3' has 100% of the variance" in note for note in measured(x, y).notes)
    assert not any("variance" in note for note in measured(blobs()[0], y).notes)


def test_text_and_picture():
    x, y = blobs()
    found = measured(x, y)
    text = repr(found)
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 100
    for words in ("Instances", "Algorithm 1", "nearest neighbour", "decision tree", "Enough data?"):
        assert words in text
    figure, ax = plt.subplots()
    assert found.plot(ax) is ax
    assert len(ax.lines) == 3
    plt.close(figure)


def test_the_verdict_weighs_a_fall_against_the_rows_that_turned():
    base = measured(*blobs())
    half, whole = (
        Order("nearest neighbour", n, c, 1_000, 500.0, 20.0) for n, c in ((500, 300), (1_000, 290))
    )

    def verdict(turned, orders=(whole,), p=1.0):
        growth = (half, whole)
        found = dataclasses.replace(base, growth=growth, orders=orders, turned=turned, column_p=p)
        return found.verdict

    # A fall of 10 is more than twice the root of 24, but not of 26.
    assert (verdict(24), verdict(26)) == ("growing", "flat")
    blind = (Order("nearest neighbour", 1_000, 480, 1_000, 500.0, 20.0),)
    assert (verdict(26, blind), verdict(26, blind, 0.001)) == ("no signal", "flat")


def test_tables_where_nothing_falls_are_seldom_called_growing():
    verdicts = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        group = rng.integers(0, 2, 300)
        labels = np.where(rng.random(300) < 0.2, 1 - group, group)
        verdicts.append(
            measured(group[:, None] * 100.0 + rng.normal(size=(300, 2)), labels).verdict
        )
    assert verdicts.count("growing") <= 6
    assert verdicts.count("flat") >= 34


def test_copies_of_rows_are_warned_of():
    x, y = blobs(100)
    y = np.random.default_rng(1).permutation(y)
    copied = measured(np.vstack([x, x]), np.append(y, y))
    assert copied.separation == 1
    assert any("copies" in note for note in copied.notes)
    assert not any("copies" in note for note in measured(x, y).notes)


def test_large_tables_are_sampled(monkeypatch):
    monkeypatch.setattr(class_orders, "NEIGHBOUR_ROWS", 50)
    monkeypatch.setattr(class_orders, "TREE_ROWS", 40)
    found = measured(*blobs())
    assert [order.rows for order in found.orders] == [300, 300, 40, 50]
    assert "enough data is judged among 50 of 300 rows" in found.notes


def test_what_is_measured_of_bytes_is_what_is_measured_of_the_same_numbers():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    x = rng.integers(0, 9, (400, 7)).astype(np.uint8)
    x[:, 0] += labels.astype(np.uint8)
    x[:, 1] = 5
    x[0, 2] = 255
    small = table(x, labels)
    # As floats, of which only the comparisons are the same.
    large = dataclasses.replace(small, features=small.features.astype(np.float64))
    found, expected = (measurement.measure(each).to_dict() for each in (small, large))
    assert found == expected


def test_variances_of_bytes_are_exact():
    x = np.random.default_rng(0).integers(0, 256, (5_000, 4), np.uint8)
    x[:, 1], x[:, 2] = 255, 0
    assert measurement._variances(x) == pytest.approx(x.astype(float).var(axis=0), rel=1e-12)
