"""Nearest neighbours among images, to find those that a data set holds twice or nearly so.

The distance of two images is the root mean square of their differences, in grey levels: 0 for two
copies, 255 for black against white.
"""

import numpy as np
from numpy.typing import NDArray

from rethink.questions import distances


def distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the distances of images row by row, in grey levels, without rounding before the root.

    Args:
        a: bytes, shape (..., pixels).
        b: bytes that broadcast against `a`.

    >>> distance(np.array([[0, 0], [255, 0]], np.uint8), np.array([0, 0], np.uint8)).round(1)
    array([  0. , 180.3], dtype=float32)
    """
    difference = a.astype(np.int32) - b
    return np.asarray(np.sqrt((difference**2).mean(axis=-1)), dtype=np.float32)


def nearest(
    queries: NDArray[np.uint8],
    images: NDArray[np.uint8],
    own: NDArray[np.integer] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Find the nearest image of each query by trying all of them.

    Of several at one distance the first is named; `rethink.questions.distances` says up to how many
    pixels rounding has no say in it.

    Args:
        queries: bytes, shape (m, pixels).
        images: bytes, shape (n, pixels).
        own: for each query the row of `images` that it is itself and that does not count,
            shape (m,); None if it is none of them.

    Returns:
        Distances in grey levels, and rows of `images`, both of shape (m,).

    Raises:
        ValueError: if the images have not the same pixels, or there is none to find.
    """
    if queries.ndim != 2 or images.ndim != 2 or queries.shape[1] != images.shape[1]:
        raise ValueError(
            "queries and images must have shapes (m, pixels) and (n, pixels), "
            f"but {queries.shape} and {images.shape} were passed"
        )
    least = 1 if own is None else 2
    if len(images) < least:
        raise ValueError(f"images must be {least} or more, but {len(images)} was passed")
    if own is not None and own.shape != (len(queries),):
        raise ValueError(f"own must have shape ({len(queries)},), but {own.shape} was passed")
    n = len(images)
    x, squares = distances.prepared(np.concatenate([images, queries]))
    far = distances.far(squares.dtype)
    least_squares = np.full(len(queries), far)
    neighbour = np.zeros(len(queries), dtype=np.intp)
    for part in distances.slices(len(queries)):
        for candidates in distances.slices(n):
            asked = slice(n + part.start, n + part.stop)
            block = distances.between(x, squares, asked, candidates)
            if own is not None:
                at = own[part] - candidates.start
                inside = np.flatnonzero((at >= 0) & (at < block.shape[1]))
                block[inside, at[inside]] = far
            distances.approach(least_squares[part], neighbour[part], block, candidates.start)
    return distance(queries, images[neighbour]), neighbour.astype(np.int32)


def mirrored(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return square images of shape (n, pixels) with left and right exchanged, in that shape.

    >>> mirrored(np.array([[1, 2, 3, 4]], np.uint8))
    array([[2, 1, 4, 3]], dtype=uint8)
    """
    side = round(images.shape[-1] ** 0.5)
    if side**2 != images.shape[-1]:
        raise ValueError(f"images must be square, but {images.shape[-1]} pixels were passed")
    return images.reshape(-1, side, side)[:, :, ::-1].reshape(images.shape)
