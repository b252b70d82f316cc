import numpy as np
import pytest
from scipy.spatial.distance import cdist

from rethink.questions import distances

BYTES = np.random.default_rng(0).integers(0, 256, (50, 30), dtype=np.uint8)


def whole(points):
    """All squared distances, made of blocks."""
    moved, squares = distances.prepared(points)
    everything = slice(0, len(points))
    return distances.between(moved, squares, everything, everything)


def test_distances_of_bytes_are_exact_integers():
    found = whole(BYTES)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, cdist(BYTES, BYTES, "sqeuclidean"))


def test_distances_of_other_numbers_are_those_of_scipy():
    points = np.random.default_rng(1).normal(size=(40, 7)) + 1e3
    np.testing.assert_allclose(whole(points), cdist(points, points, "sqeuclidean"), atol=1e-9)
    wide = np.array([[0, 2**30], [1, -(2**30)]])
    assert whole(wide)[0, 1] == pytest.approx(2.0**62)


def test_blocks_go_through_all_rows_once(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 7)
    rows = [row for block in distances.slices(30) for row in range(30)[block]]
    assert rows == list(range(30))


def test_the_nearest_so_far_is_kept_and_the_first_of_equals():
    found = whole(BYTES)
    np.fill_diagonal(found, distances.far(found.dtype))
    nearest = np.full(50, distances.far(found.dtype))
    neighbour = np.zeros(50, dtype=np.intp)
    for block in (slice(0, 20), slice(20, 50)):
        distances.approach(nearest, neighbour, found[:, block], block.start)
    np.testing.assert_array_equal(neighbour, found.argmin(axis=1))
    np.testing.assert_array_equal(nearest, found.min(axis=1))
    # Equal ones that come later change nothing.
    distances.approach(nearest, neighbour, nearest[:, None].copy(), 49)
    np.testing.assert_array_equal(neighbour, found.argmin(axis=1))


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([1, 2, 3], r"points must be real numbers of shape \(n, d\)"),
        ([["a"]], "points must be real numbers"),
        ([[np.nan, 1.0]], "points must be finite, but nan was passed"),
        ([[1e30], [-1e30]], "squared distances under 1e37"),
    ],
)
def test_what_has_no_distances_is_an_error(points, words):
    with pytest.raises(ValueError, match=words):
        distances.prepared(points)
