"""The information module against scipy, slow loops and published values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import confusion_matrix

from rethink import information

quick = settings(deadline=None, max_examples=60)
tables = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 20), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
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
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=40))
def test_joint_counts_count_pairs(pairs):
    rows, columns = np.array(pairs, dtype=np.uint8).reshape(-1, 2).T
    table = information.joint_counts(rows, columns, (3, 5))
    assert table.tolist() == [[pairs.count((i, j)) for j in range(5)] for i in range(3)]


def test_a_table_may_be_larger_than_its_labels_type_can_count():
    labels = np.full(3, 200, dtype=np.uint8)
    assert information.joint_counts(labels, labels, (201, 201))[200, 200] == 3


@quick
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40),
)
def test_confusion_is_scikit_learns(pairs):
    true, predicted = np.array(pairs).T
    expected = confusion_matrix(true, predicted, labels=range(4))
    np.testing.assert_array_equal(information.confusion(true, predicted, 4), expected)


def test_nats_to_bits():
    assert float(information.nats_to_bits(math.log(10))) == pytest.approx(math.log2(10))
    assert information.nats_to_bits([0, math.log(2)]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: information.entropy_bits([1, -1]), "counts must be finite and at least 0"),
        (lambda: information.entropy_bits([0, 0]), "counts must hold at least one"),
        (lambda: information.entropy_bits([]), "counts must be finite"),
        (lambda: information.mutual_information_bits([1, 2]), "table must have shape"),
        (lambda: information.mutual_information_bits([[0, 0]]), "table must hold at least one"),
        (lambda: information.mutual_information_bits([[1, -1]]), "table must be finite"),
        (lambda: information.generalization(1, 0), "mec_bits must be over 0, but 0"),
        (lambda: information.generalization(-1, 5), "correct must be finite and at least 0"),
        (lambda: information.resilience_db(5, 0), "correct must be over 0, but 0"),
        (lambda: information.generalization_bits([1], [1, 2], 5), r"shape \(..., c\)"),
        (lambda: information.generalization_bits([1, 1], [2, 0], 5), "class_counts must be over 0"),
        (lambda: information.confusion([0, 1], [0], 2), "rows and columns must have one shape"),
        (lambda: information.confusion([0, 2], [0, 1], 2), "rows must lie from 0 to 1 .* row 2"),
        (lambda: information.confusion([0], [-1], 2), "columns from 0 to 1, .* column -1"),
        (lambda: information.confusion([0.5], [0], 2), "must be integers, but float64"),
        (lambda: information.joint_counts([0], [3], (9, 3)), "columns from 0 to 2, .* column 3"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
