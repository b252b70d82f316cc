"""Sums of rows, and what is left of them when they are cut, against `math` and fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink.errors import InputError
from rethink.tables import row_sums


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(*[st.floats(-1e16, 1e16) | st.sampled_from([1.0, -1.0, 2.0**-53, 2.0**53])] * 4),
        min_size=1,
        max_size=30,
    )
)
def test_float_sums_are_the_nearest(rows):
    columns = list(np.array(rows).T.copy())
    assert row_sums.nearest_sums(columns).tolist() == [math.fsum(row) for row in rows]


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_decimals_are_added_up_exactly(kind):
    written = [("0.1", "0.20", "-3"), ("1.25", "-0.05", "7.5"), ("0", "0.01", "100.99")]
    sums = [sum(map(Fraction, row)) for row in written]
    columns = [np.array(column, kind).astype(np.float64) for column in zip(*written, strict=True)]
    assert row_sums.decimal_sums(columns, kind, 0, 101.0)[1] == 2
    for places in (2, 3, 5 if kind is np.float32 else 12):
        keys, found = row_sums.decimal_sums(columns, kind, places, 101.0)
        assert found == places
        assert [Fraction(int(key), 10**places) for key in keys] == sums
    if kind is np.float32:
        with pytest.raises(row_sums.NoDecimals):
            row_sums.decimal_sums(columns, np.float64, 0, 101.0)
    for x in (1 / 3, np.nan, np.inf, 2.0**53):
        with pytest.raises(row_sums.NoDecimals):
            row_sums.decimal_sums([np.array([x])], kind, 0, x)


@given(st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=20), st.integers(0, 5))
@settings(deadline=None)
def test_sums_are_cut_off_towards_zero(units, digits):
    # Sums in thousandths, cut by fractions.
    cut, decimals = row_sums.cut(np.array(units), 3, digits)
    kept = min(digits, 3)
    assert decimals == kept
    slow = [math.trunc(Fraction(u, 1_000) * 10**kept) for u in units]
    assert cut.tolist() == slow
    floats, none = row_sums.cut(np.array(units) / 1_024, None, digits)
    assert none is None
    assert floats.tolist() == [math.trunc(u / 1_024 * 10.0**digits) / 10.0**digits for u in units]


def test_huge_sums_have_nothing_to_cut_off():
    assert row_sums.cut(np.array([1e308, -2.5]), None, 3)[0].tolist() == [1e308, -2.5]
    assert row_sums.cut(np.array([0.1, -2.5]), None, 400)[0].tolist() == [0.1, -2.5]


def test_floats_that_differ_in_digits_cut_off_are_equal():
    def equal(x, y, digits):
        a, b = row_sums.cut(np.array([x, y]), None, digits)[0]
        return a == b

    assert equal(1.99, 1.9, 1) and equal(-1.99, -1.9, 1) and equal(-0.7, 0.3, 0)
    assert not equal(1.99, 2.0, 1) and not equal(-1.99, -2.0, 1)
    # Where the scaled sum is beyond float64, and where the power of ten is.
    assert not equal(1e300, 2e300, 20) and not equal(1e-9, 2e-9, 400)


@pytest.mark.parametrize("decimals", [None, 0, 3])
def test_digits_are_not_negative(decimals):
    with pytest.raises(InputError, match=r"digits must be 0 or more, but -1 .*--digits"):
        row_sums.cut(np.array([1, 2]), decimals, -1)
