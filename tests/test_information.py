"""The information module against scipy, slow loops and published values."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rethink import information

quick = settings(deadline=None, max_examples=60)
tables = st.integers(1, 5).flatmap(
    lambda c: st.lists(
        st.lists(st.integers(0, 20), min_size=c, max_size=c), min_size=c, max_size=c
    ).filter(lambda rows: any(map(any, rows)))
)


@quick
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any))
def test_entropy_is_scipys(counts):
    assert information.entropy_bits(counts) == pytest.approx(stats.entropy(counts, base=2))


def test_entropy_of_ten_balanced_classes():
    assert information.entropy_bits([6000] * 10) == pytest.approx(math.log2(10))
    assert str(information.entropy_bits([5, 0])) == "0.0"  # and not -0.0


def slow_mutual_information(table):
    n = sum(map(sum, table))
    bits = 0.0
    for row in table:
        for j, k in enumerate(row):
            if k:
                bits += k / n * math.log2(k * n / (sum(row) * sum(r[j] for r in table)))
    return bits


@quick
@given(tables)
def test_mutual_information_is_the_double_sum(table):
    value = information.mutual_information_bits(table)
    assert value == pytest.approx(slow_mutual_information(table), abs=1e-9)
    assert value == pytest.approx(information.mutual_information_bits(np.transpose(table)))
    true = information.entropy_bits(np.sum(table, axis=1))
    assert 0 <= value <= true + 1e-9


def test_a_constant_answer_carries_nothing_and_a_renamed_one_everything():
    constant = np.zeros((10, 10), dtype=int)
    constant[:, 3] = 1000
    assert information.mutual_information_bits(constant) == 0
    renamed = 1000 * np.roll(np.eye(10, dtype=int), 1, axis=0)  # accuracy 0, yet all is known
    assert information.mutual_information_bits(renamed) == pytest.approx(math.log2(10))


def test_published_generalization_and_resilience():
    assert round(float(information.generalization(57_000, 1225)), 2) == 46.53
    # Resilience depends on G alone: G bits of capacity 1.
    published = {80.22: -38.09, 46.53: -33.35, 0.28: 11.06}
    for g, db in published.items():
        assert round(float(information.resilience_db(1, g)), 2) == db
    # The collapsed network: a tenth of the labels right, and G over 1 all the same.
    assert float(information.generalization(0.1009 * 60_000, 3160)) == pytest.approx(
        1.916, abs=1e-3
    )


def test_generalization_takes_arrays():
    g = information.generalization([100, 200, 0], 50)
    assert g.tolist() == [2, 4, 0]
    np.testing.assert_allclose(information.resilience_db(50, [100, 200]), -20 * np.log10(g[:2]))


def test_generalization_in_bits_weighs_every_class_by_its_surprise():
    # Balanced classes: each correct label is worth log2(10) bits.
    k = np.full(10, 5000)
    g = information.generalization_bits(k, [6000] * 10, 1000)
    assert float(g) == pytest.approx(50_000 * math.log2(10) / 1000)
    # All right at the capacity of the dictionary is exactly one bit a bit.
    n = np.array([7, 2, 1])
    dictionary = -sum(x * math.log2(x / 10) for x in n.tolist())
    assert float(information.generalization_bits(n, n, dictionary)) == pytest.approx(1)
    members = information.generalization_bits([n, n // 2], n, [dictionary, dictionary])
    assert members.shape == (2,) and members[1] < 1 == pytest.approx(members[0])
    # A class that no instance has adds nothing.
    assert float(information.generalization_bits([1, 1, 0], [1, 1, 0], 2)) == 1


@quick
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40))
def test_confusion_counts_pairs(pairs):
    true, predicted = zip(*pairs, strict=True)
    order = ["c", "a", "b"]  # not sorted: the table keeps the order given
    table = information.confusion(true, predicted, order)
    for i, t in enumerate(order):
        for j, p in enumerate(order):
            assert table[i, j] == pairs.count((t, p))


@quick
@given(tables)
def test_scores_count_hits_and_misses_of_each_class(table):
    counts = np.array(table)
    true, predicted = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices(counts.shape))
    np.testing.assert_array_equal(
        information.confusion(true, predicted, np.int64(len(counts))), counts
    )
    scores = information.classification_scores(counts)
    pairs = list(zip(true.tolist(), predicted.tolist(), strict=True))
    precision, recall, f1 = [], [], []
    for c in range(len(counts)):
        hit = sum(t == p == c for t, p in pairs)
        false_alarm = sum(t != c == p for t, p in pairs)
        miss = sum(t == c != p for t, p in pairs)
        precision.append(hit / (hit + false_alarm) if hit else 0)
        recall.append(hit / (hit + miss) if hit else 0)
        f1.append(2 / (1 / precision[-1] + 1 / recall[-1]) if hit else 0)
    np.testing.assert_allclose(scores.precision, precision)
    np.testing.assert_allclose(scores.recall, recall)
    np.testing.assert_allclose(scores.f1, f1)
    macro = [np.mean(x) for x in (precision, recall, f1)]
    assert [scores.macro_precision, scores.macro_recall, scores.macro_f1] == pytest.approx(macro)
    assert scores.accuracy == pytest.approx(np.mean(true == predicted))


def test_undefined_scores_are_zero_and_results_become_json():
    scores = information.classification_scores([[0, 3], [0, 0]])
    assert scores.precision.tolist() == scores.recall.tolist() == scores.f1.tolist() == [0, 0]
    kept = scores.to_dict()
    assert json.loads(json.dumps(kept)) == kept and kept["confusion"] == [[0, 3], [0, 0]]
    assert str(scores).splitlines()[-1] == "accuracy 0.0000" and "macro" in str(scores)


def test_nats_to_bits():
    assert float(information.nats_to_bits(math.log(10))) == pytest.approx(math.log2(10))
    assert information.nats_to_bits([0, math.log(2)]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: information.entropy_bits([1, -1]), "counts must be finite and at least 0"),
        (lambda: information.entropy_bits([0, 0]), "counts must hold at least one"),
        (lambda: information.entropy_bits([]), "counts must be finite"),
        (lambda: information.mutual_information_bits([[1, 2]]), "confusion must have shape"),
        (lambda: information.classification_scores([1, 2]), "confusion must have shape"),
        (lambda: information.generalization(1, 0), "mec_bits must be over 0, but 0"),
        (lambda: information.generalization(-1, 5), "correct must be finite and at least 0"),
        (lambda: information.resilience_db(5, 0), "correct must be over 0, but 0"),
        (lambda: information.generalization_bits([1], [1, 2], 5), r"shape \(..., c\)"),
        (lambda: information.generalization_bits([1, 1], [2, 0], 5), "class_counts must be over 0"),
        (lambda: information.confusion([0, 1], [0], 2), "true and predicted must have one shape"),
        (lambda: information.confusion([0, 2], [0, 1], 2), "true must hold labels in classes"),
        (lambda: information.confusion([0], [-1], 2), "predicted must hold labels in classes"),
        (lambda: information.confusion([0], [0], [0, 0]), "classes must be a list of distinct"),
        (lambda: information.confusion([0], [0], 0), "classes must be a list of distinct"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
