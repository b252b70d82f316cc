"""Squared Euclidean distances between rows, block by block, and the nearest row so far.

They are exact for integers whose rows, less the middle of their range, have squared lengths up to
2^24, such as bytes in up to 1,024 columns: then equal distances are told apart by the rows' order
and not by rounding. Other numbers have the precision of float32 or float64, as they came.

scikit-learn's NearestNeighbors, by brute force, does not say which of equals it names. On one core
it took 3.8 times as long as `rethink.questions.class_separation.nearest_neighbours`, which computes
a distance once for both ends, on 10,000 images of Fashion-MNIST among themselves, and 1.8 times as
long as `rethink.questions.near_duplicates.nearest` on 2,000 among 60,000 (medians of three).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.intp]
Array = npt.NDArray[Any]
# Rows to a side of a block of distances, few enough for the cache.
BLOCK = 1_000


def checked(points: npt.ArrayLike) -> Array:
    """Return points as an array, shape (n, d); raises ValueError if they are no finite numbers."""
    x = np.asarray(points)
    if x.ndim != 2 or x.size == 0 or x.dtype.kind not in "biuf":
        raise ValueError(
            "points must be real numbers of shape (n, d), "
            f"but dtype {x.dtype} of shape {x.shape} was passed"
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ValueError(f"points must be finite, but {x[~np.isfinite(x)][0]} was passed")
    return x


def prepared(points: npt.ArrayLike) -> tuple[Array, Array]:
    """Rows moved to about the origin, and their squared lengths, int32 where products are exact.

    Raises:
        ValueError: `points` are not finite numbers of shape (n, d), or are too far apart.
    """
    x = checked(points)
    if x.dtype.kind != "f":
        low, high = int(x.min()), int(x.max())
        if high - low < 2**12 and max(-low, high) < 2**24:
            # By Cauchy and Schwarz no partial sum of a product of rows is over 2^24, up to which
            # float32 holds every integer: any order of additions gives the same.
            moved = x.astype(np.float32) - np.float32((low + high) // 2)
            squares = np.einsum("ij,ij->i", moved, moved, dtype=np.float64)
            if squares.max() <= 2**24:
                return moved, squares.astype(np.int32)
    moved = x - x.mean(axis=0, dtype=np.float64)
    with np.errstate(over="ignore"):
        squares = np.einsum("ij,ij->i", moved, moved)
    if not squares.max() < 1e37:  # four times as much is the largest distance, in float32
        raise ValueError(
            "points must have squared distances under 1e37 from their mean, "
            f"but {squares.max():.3g} was found"
        )
    return moved, squares


def slices(n: int) -> Iterator[slice]:
    """Yield the rows of each block of n rows."""
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))


def between(x: Array, squares: Array, rows: slice, columns: slice) -> Array:
    """Return the squared distances of some of the `prepared` rows from others, a new array."""
    block = (-2 * x[rows] @ x[columns].T).astype(squares.dtype, copy=False)
    block += squares[rows, None]
    block += squares[columns]
    return block


def far(dtype: Any) -> Any:
    """Return a number of this type that is over every distance between `prepared` rows."""
    return np.int32(2**31 - 1) if dtype == np.int32 else dtype.type(np.inf)


def approach(nearest: Array, neighbour: Ints, distances: Array, first: int) -> None:
    """Update each row's nearest distance and neighbour, in place; columns are rows from `first`.

    Of equal distances the one that came first stays.
    """
    found = distances.min(axis=1)
    closer = np.flatnonzero(found < nearest)
    nearest[closer] = found[closer]
    neighbour[closer] = first + distances[closer].argmin(axis=1)
