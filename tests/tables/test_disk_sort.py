"""Ranges against the whole line, sorts against NumPy's."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink import ties
from rethink.tables import disk_sort


@settings(deadline=None, max_examples=250)
@given(st.data())
def test_ranges_join_to_the_extremes_of_the_whole(data):
    # Ties of few and skewed classes: majorities, exact halves and barred classes meet at the cuts.
    classes = st.sampled_from([0, 0, 0, 1, 1, 2, 3])
    line = data.draw(st.lists(st.lists(classes, min_size=1, max_size=5), min_size=1, max_size=14))
    cuts = data.draw(st.sets(st.integers(1, len(line)), max_size=6)) | {0, len(line)}
    joined = disk_sort.Line(4)
    for start, stop in itertools.pairwise(sorted(cuts)):
        joined.add(counted(line[start:stop], data.draw(st.booleans())))
    whole = ties.tabulate(keys(line), 4)
    np.testing.assert_allclose(joined.expected, ties.expected(whole, 4), atol=1e-9)
    assert (joined.least, joined.most) == ties.extremes(whole)
    rows = np.array([label for tie in line for label in tie])
    changes = rows[1:][rows[1:] != rows[:-1]]
    assert joined.in_order.tolist() == np.bincount(changes, minlength=4).tolist()


def keys(line):
    return np.array([4 * k + label for k, tie in enumerate(line) for label in tie])


def counted(line, singly):
    """A range of these ties; one tie can also be counted piece by piece."""
    rows = np.array([label for tie in line for label in tie], np.uint8)
    if singly and len(line) == 1:
        cut = len(rows) // 2
        pieces = [piece for piece in (rows[:cut], rows[cut:]) if len(piece)]
        return disk_sort._single(iter(pieces), np.arange(4), 4)
    return disk_sort._between(np.diff(keys(line) // 4) > 0, rows.astype(np.intp), 4)


def test_long_lines_join_in_ranges_of_one_tie():
    rng = np.random.default_rng(0)
    for classes in (2, 3, 6):
        line = [rng.integers(0, classes, rng.integers(1, 4)).tolist() for _ in range(800)]
        rows = np.array([[k, y] for k, tie in enumerate(line) for y in tie])
        whole = ties.tabulate(rows[:, 0] * classes + rows[:, 1], classes)
        joined = disk_sort.Line(classes)
        for tie in line:
            tie = np.array(tie)
            joined.add(disk_sort._between(np.zeros(len(tie) - 1, bool), tie, classes))
        assert (joined.least, joined.most) == ties.extremes(whole)
        np.testing.assert_allclose(joined.expected, ties.expected(whole, classes), rtol=1e-10)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3), st.just(2**62)),
        min_size=1,
        max_size=40,
    )
)
def test_keys_are_sorted_stably_whatever_their_range(values):
    values = np.array(values, np.int64)
    np.testing.assert_array_equal(disk_sort._order(values), np.argsort(values, kind="stable"))


def test_leading_bits_that_agree_are_put_right():
    rng = np.random.default_rng(0)
    # Most keys share all of the bits that fit beside the place of a row.
    values = np.where(
        rng.random(5000) < 0.9, rng.integers(-9, 9, 5000), rng.integers(-(2**62), 2**62, 5000)
    )
    np.testing.assert_array_equal(disk_sort._order(values), np.argsort(values, kind="stable"))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 0.5]),
        min_size=1,
        max_size=30,
    )
)
def test_keys_of_floats_ascend_as_they_do(values):
    keys = disk_sort.float_keys(np.array(values))
    for (x, a), (y, b) in itertools.product(zip(values, keys, strict=True), repeat=2):
        assert (x < y) == (a < b)
