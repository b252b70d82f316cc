"""Sums of rows, so that equal ones are equal: exact where the features are decimals, else nearest.

Floating point would tear equal sums apart: 0.1 + 0.2 is not 0.3 there. A feature is written with k
decimals if it is the float64 nearest to such a decimal, or if all features are the float32 nearest
to such decimals of seven digits, as in many arrays and tensors. Then sums are exact integers in
units of 10^-k. Otherwise they are the float64 nearest to the sum. In no case do they depend on the
order of columns.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink.errors import InputError
from rethink.tables.encode import EXACT

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Kind = type[np.float64 | np.float32]

KINDS: tuple[Kind, ...] = (np.float64, np.float32)  # types that may hold the features' decimals
_MOST_DECIMALS = 15


class NoDecimals(Exception):
    """The features are not decimals of so few places that their sums are exact."""


def decimals_to_try(kind: Kind, largest: float, columns: int, first: int = 0) -> Iterator[int]:
    """Yield numbers of decimals, from the first on, in which sums of so many columns are exact.

    Args:
        kind: type that holds the features' decimals.
        largest: absolute value of the features.
        columns: features of a row.
        first: number to begin with.
    """
    distinct = EXACT / columns if kind is np.float64 else 2.0**24
    for decimals in range(first, _MOST_DECIMALS + 1):
        if not largest * 10.0**decimals < distinct:  # NaN is not, either
            return
        yield decimals


def in_units(values: Floats, decimals: int, kind: Kind) -> Integers | None:
    """Return values in units of 10^-decimals, None if one of them is no such decimal."""
    scale = 10.0**decimals
    units = np.rint(values * scale)
    # Both are exact in float64: their quotient is the number nearest to the decimal.
    if not ((units / scale).astype(kind) == values).all():
        return None
    return units.astype(np.int64)


def decimal_sums(
    columns: list[Floats], kind: Kind, first: int, largest: float
) -> tuple[Integers, int]:
    """Return exact sums, and the first number of decimals from `first` on that all values have.

    `largest` is the largest absolute value of all rows so far. Raises NoDecimals if there is none.
    """
    for decimals in decimals_to_try(kind, largest, len(columns), first):
        sums = np.zeros(len(columns[0]), np.int64)
        for column in columns:
            units = in_units(column, decimals, kind)
            if units is None:
                break
            sums += units
        else:
            return sums, decimals
    raise NoDecimals


def nearest_sums(columns: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the float64 nearest to the sum of each row, as `math.fsum` gives it.

    The rounding error of each addition is itself a float (Knuth's two-sum). Their sum is known
    within `slack`; where that leaves two floats to choose from, fsum decides.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        total = columns[0]
        if len(columns) <= 2:
            return total if len(columns) == 1 else total + columns[1]  # nearest already
        lost, size = np.zeros_like(total), np.zeros_like(total)
        for x in columns[1:]:
            after = total + x
            part = after - total
            error = (total - (after - part)) + (x - part)
            lost += error
            size += np.abs(error)
            total = after
        slack = size * (len(columns) * 2.0**-52)
        low, high = total + (lost - slack), total + (lost + slack)
        open_rows = np.flatnonzero((low != high) & np.isfinite(total))
    for row in open_rows.tolist():
        low[row] = math.fsum(x[row] for x in columns)
    return low


def check_digits(digits: int | None) -> None:
    """Raise InputError where sums cannot be cut to so many decimals."""
    if digits is not None and digits < 0:
        raise InputError(f"digits must be 0 or more, but {digits} was passed (--digits)")


def cut(
    sums: NDArray[Any], decimals: int | None, digits: int | None
) -> tuple[NDArray[Any], int | None]:
    """Cut sums off after so many digits behind the point, towards zero, as nntailoring does.

    Args:
        sums: integers in units of 10^-decimals, or floats where `decimals` is None.
        decimals: of the sums.
        digits: to keep; all if None.

    Returns:
        The sums and their decimals.

    Raises:
        InputError: `digits` is negative.
    """
    if digits is None:
        return sums, decimals
    check_digits(digits)

    if decimals is None:
        return _cut_floats(sums, digits), None
    if digits >= decimals:
        return sums, decimals
    unit = 10 ** (decimals - digits)
    return np.sign(sums) * (np.abs(sums) // unit), digits


def _cut_floats(sums: Floats, digits: int) -> Floats:
    if digits > 308:  # the largest power of ten that float64 holds
        return sums
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.trunc(sums * 10.0**digits) / 10.0**digits
    return np.where(np.isfinite(scaled), scaled, sums)  # beyond it nothing is left to cut off
