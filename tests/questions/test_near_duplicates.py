"""Nearest neighbours against every pair in integers, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from rethink.questions import distances, near_duplicates

quick = settings(deadline=None, max_examples=60)


def search(queries, images, own=None):
    """Try every pair, one pixel after another, in Python's integers; the first of equals counts."""
    found = []
    for i, query in enumerate(queries.tolist()):
        sums = [
            (sum((a - b) ** 2 for a, b in zip(query, image, strict=True)), j)
            for j, image in enumerate(images.tolist())
            if own is None or j != own[i]
        ]
        found.append(min(sums))
    squares, rows = np.array(found).T
    return np.sqrt(squares / images.shape[1]), rows


@quick
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(2, 15), st.integers(1, 6))
def test_it_finds_what_trying_every_pair_finds(seed, m, n, pixels):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, pixels), dtype=np.uint8)
    queries = rng.integers(0, 256, (m, pixels), dtype=np.uint8)
    own = None
    if seed % 2:
        own = rng.integers(0, n, m)
        queries = images[own]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "BLOCK", 1 + seed % 7)
        found, rows = near_duplicates.nearest(queries, images, own)
    assert found.dtype == np.float32 and rows.dtype == np.int32
    expected, at = search(queries, images, own)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(rows, at)
    np.testing.assert_array_equal(found, near_duplicates.distance(queries, images[rows]))


def test_scikit_learn_finds_the_same_among_real_images(small):
    found, rows = near_duplicates.nearest(small.test_images, small.train_images)
    index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(small.train_images / 255.0)
    expected, at = index.kneighbors(small.test_images / 255.0)
    np.testing.assert_allclose(found, expected[:, 0] * 255 / 28, rtol=1e-5)
    np.testing.assert_array_equal(rows, at[:, 0])


def test_copies_are_at_distance_zero_and_opposites_at_255(small):
    found, rows = near_duplicates.nearest(small.train_images[:30], small.train_images)
    assert (found == 0).all() and rows.tolist() == list(range(30))
    black, white = np.zeros((1, 784), np.uint8), np.full((1, 784), 255, np.uint8)
    assert near_duplicates.nearest(black, white)[0].tolist() == [255]


def test_an_image_is_not_its_own_neighbour_but_its_copy_is(small):
    images = np.concatenate([small.train_images[:20], small.train_images[:3]])
    found, rows = near_duplicates.nearest(images[:5], images, np.arange(5))
    assert found[:3].tolist() == [0, 0, 0] and rows[:3].tolist() == [20, 21, 22]
    assert (found[3:] > 0).all()


def test_mirrored_turns_every_row_of_pixels_around(small):
    turned = near_duplicates.mirrored(small.test_images[:9])
    expected = np.flip(small.test_images[:9].reshape(9, 28, 28), axis=2).reshape(9, 784)
    np.testing.assert_array_equal(turned, expected)
    np.testing.assert_array_equal(near_duplicates.mirrored(turned), small.test_images[:9])
    with pytest.raises(ValueError, match="images must be square, but 3 pixels"):
        near_duplicates.mirrored(np.zeros((1, 3), np.uint8))


@pytest.mark.parametrize(
    ("queries", "images", "own", "message"),
    [
        ((2, 3), (2, 4), None, "queries and images must have"),
        ((3,), (2, 3), None, "queries and images must have"),
        ((2, 3), (0, 3), None, "images must be 1 or more"),
        ((1, 3), (1, 3), 1, "images must be 2 or more"),
        ((2, 3), (2, 3), 1, r"own must have shape \(2,\)"),
    ],
)
def test_bad_input_is_named(queries, images, own, message):
    rows = None if own is None else np.zeros(own, dtype=np.int64)
    with pytest.raises(ValueError, match=message):
        near_duplicates.nearest(np.zeros(queries, np.uint8), np.zeros(images, np.uint8), rows)
