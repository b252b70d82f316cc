"""The code length against cases worked out by hand and a slow loop."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from rethink.questions import code_length

quick = settings(deadline=None, max_examples=60)


def test_the_reports_rows_double():
    assert code_length.doubling(48_000).tolist() == [
        94, 188, 375, 750, 1500, 3000, 6000, 12_000, 24_000, 48_000
    ]  # fmt: skip
    assert code_length.doubling(5, 1).tolist() == [5]
    assert code_length.doubling(4, 3).tolist() == [1, 2, 4]


@quick
@given(
    st.integers(1, 12).flatmap(lambda k: st.tuples(st.integers(2 ** (k - 1), 10**6), st.just(k)))
)
def test_each_chunk_but_the_first_is_as_long_as_all_before(case):
    rows, chunks = case
    ends = code_length.doubling(rows, chunks)
    assert len(ends) == chunks and ends[-1] == rows and ends[0] >= 1
    # But for the odd label, which goes to the earlier half.
    assert all(2 * a - b in (0, 1) for a, b in pairwise(ends))


def test_uniform_predictions_do_not_compress():
    logs = np.full((2, 30, 10), -math.log(10))
    labels = np.arange(60).reshape(2, 30) % 10
    for uniform in (0.0, 0.01, 1.0):
        bits = code_length.label_bits(logs, labels, uniform)
        code = code_length.prequential_bits(10, 10, [bits[:, :10], bits[:, 10:]])
        np.testing.assert_allclose(code, [[10 * math.log2(10)] * 2 + [20 * math.log2(10)]] * 2)


def test_perfect_predictions_cost_the_first_chunk_only():
    labels = np.array([2, 0, 1, 1])
    with np.errstate(divide="ignore"):
        logs = np.log(np.eye(4)[labels])
    bits = code_length.label_bits(logs, labels)
    assert str(bits.tolist()) == "[0.0, 0.0, 0.0, 0.0]"  # and not -0.0
    assert code_length.prequential_bits(4, 4, [bits]).tolist() == [8, 0]
    # Sure and wrong: without limit, unless mixed with the uniform distribution.
    assert code_length.label_bits(logs, (labels + 1) % 4).tolist() == [math.inf] * 4
    wrong = code_length.label_bits(logs, (labels + 1) % 4, uniform=0.5)
    assert wrong.tolist() == [3] * 4  # 1 / 8
    right = code_length.label_bits(logs, labels, uniform=0.5)
    np.testing.assert_allclose(right, -math.log2(5 / 8))


@quick
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.floats(0, 1))
def test_bits_are_the_logarithm_of_the_mixture(seed, classes, uniform):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=(2, 5, classes))
    labels = rng.integers(classes, size=(2, 5))
    bits = code_length.label_bits(log_softmax(logits, axis=-1), labels, uniform)
    for member in range(2):
        for row in range(5):
            powers = [math.exp(x) for x in logits[member, row].tolist()]
            share = powers[labels[member, row]] / sum(powers)
            mixed = (1 - uniform) * share + uniform / classes
            assert bits[member, row] == pytest.approx(-math.log2(mixed), abs=1e-9)


@quick
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_it_is_a_code(seed, uniform):
    """Over all labels that a row could have, 2^-bits sums to 1 (Kraft)."""
    logs = log_softmax(np.random.default_rng(seed).normal(size=(7, 5)), axis=-1)
    kraft = sum(2 ** -code_length.label_bits(logs, np.full(7, c), uniform) for c in range(5))
    np.testing.assert_allclose(kraft, 1)


def test_an_adaptive_counter_is_coded_as_laplace_would():
    """Predicting by (count + 1) / (n + c), label by label, has a closed form: a multinomial one."""
    labels = np.array([0, 1, 0, 0, 2, 0, 1, 0])
    counts, costs = np.ones(3), []
    for label in labels:
        costs.append(code_length.label_bits(np.log(counts / counts.sum())[None], [label]))
        counts[label] += 1
    code = code_length.prequential_bits(1, 3, costs[1:])  # the first of them is uniform anyway
    closed = math.factorial(5) * math.factorial(2) * math.factorial(1) * math.factorial(2)
    assert code.sum() == pytest.approx(-math.log2(closed / math.factorial(len(labels) + 2)))


def test_one_chunk_is_the_uniform_code():
    assert code_length.prequential_bits(8, 2, []).tolist() == [8]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: code_length.doubling(511), r"rows at least 2\^\(chunks - 1\), but chunks = 10"),
        (lambda: code_length.doubling(5, 0), "chunks must be at least 1"),
        (lambda: code_length.label_bits([0.0], [0]), "log_probabilities must have shape"),
        (lambda: code_length.label_bits([[0.0]], [0, 0]), r"\(1, 1\) and \(2,\) were passed"),
        (lambda: code_length.label_bits([[0.0]], [1]), "labels must lie from 0 to 0, but 1 was"),
        (lambda: code_length.label_bits([[0.0]], [-1]), "labels must lie from 0 to 0, but -1 was"),
        (
            lambda: code_length.label_bits([[0.0]], [0], 1.5),
            r"uniform must lie in \[0, 1\], but 1.5",
        ),
        (
            lambda: code_length.label_bits([[0.0, 0.0]], [0]),
            "must sum to 1 in every row, but .* 2.0",
        ),
        (lambda: code_length.prequential_bits(0, 2, []), "first must be at least 1, but 0"),
        (lambda: code_length.prequential_bits(1, 0, []), "classes must be at least 1, but 0"),
        (lambda: code_length.prequential_bits(1, 2, [[-1.0]]), "bits must be at least 0, but -1.0"),
        (lambda: code_length.prequential_bits(1, 2, [[math.nan]]), "at least 0, but nan"),
        (lambda: code_length.prequential_bits(1, 2, [[1], [[1]]]), "bits must have shapes"),
        (lambda: code_length.prequential_bits(1, 2, [1.0]), "bits must have shapes"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
