"""Graphs, lines and their nulls against enumeration, scipy and slow loops."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csgraph
from scipy.spatial import distance

from rethink import mec
from rethink.questions import class_separation, distances

pytestmark = pytest.mark.usefixtures("one_thread")


quick = settings(deadline=None, max_examples=60)
# Few places, so that rows coincide and distances tie.
clouds = st.integers(1, 3).flatmap(
    lambda d: st.lists(st.lists(st.integers(0, 3), min_size=d, max_size=d), min_size=2, max_size=25)
)


def crossings(edges, labels):
    return sum(labels[a] != labels[b] for a, b in edges)


def is_tree(edges, n):
    graph = np.zeros((n, n))
    graph[edges[:, 0], edges[:, 1]] = 1
    return len(edges) == n - 1 and csgraph.connected_components(graph)[0] == 1


def length(edges, points):
    points = np.asarray(points, dtype=np.float64)
    return float(((points[edges[:, 0]] - points[edges[:, 1]]) ** 2).sum())


def shortest(points):
    """Total of the squared distances over scipy's tree, shifted since it takes 0 for no edge."""
    points = np.asarray(points, dtype=np.float64)
    shifted = distance.cdist(points, points, "sqeuclidean") + 1
    return float(csgraph.minimum_spanning_tree(shifted).sum()) - (len(points) - 1)


@quick
@given(clouds)
def test_tree_is_as_short_as_scipys(points):
    for kind in (np.uint8, np.int64, np.float64):
        edges = class_separation.spanning_tree(np.array(points, dtype=kind))
        assert is_tree(edges, len(points))
        assert length(edges, points) == pytest.approx(shortest(points), abs=1e-9)


def test_tree_over_several_blocks_is_the_shortest(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 70)
    rng = np.random.default_rng(0)
    for points in (rng.normal(size=(300, 4)), rng.integers(0, 256, (300, 20), dtype=np.uint8)):
        points[200:260] = points[100:160]
        edges = class_separation.spanning_tree(points)
        assert is_tree(edges, 300)
        assert length(edges, points) == pytest.approx(shortest(points), rel=1e-6)


def test_tree_of_bytes_is_exact_where_float32_would_round():
    # Lengths differ by 2 in 50 million.
    points = np.zeros((3, 784), dtype=np.uint8)
    points[0], points[1, 0], points[2, :2] = 255, 2, (1, 1)
    lengths = ((points[0].astype(int) - points[1:]) ** 2).sum(axis=1)
    assert lengths[1] < lengths[0] and np.float32(lengths[1]) == np.float32(lengths[0])
    kept = {tuple(sorted(edge)) for edge in class_separation.spanning_tree(points).tolist()}
    assert kept == {(1, 2), (0, 2)}


def test_one_row_is_a_tree_without_edges():
    assert class_separation.spanning_tree([[1.0, 2.0]]).shape == (0, 2)


@quick
@given(clouds, st.integers(1, 9))
def test_nearest_neighbours_are_those_of_a_loop(points, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "BLOCK", block)
        for kind in (np.uint8, np.int64, np.float32):
            edges = class_separation.nearest_neighbours(np.array(points, dtype=kind))
            assert edges[:, 0].tolist() == list(range(len(points)))
            for a, b in edges.tolist():
                others = [math.dist(points[a], points[i]) for i in range(len(points)) if i != a]
                assert a != b
                assert math.dist(points[a], points[b]) == pytest.approx(min(others), abs=1e-6)
                if kind == np.uint8:  # exact, so the earliest of equals
                    assert b == others.index(min(others)) + (others.index(min(others)) >= a)


def test_distances_of_many_columns_and_large_numbers_are_right():
    rng = np.random.default_rng(1)
    wide = rng.integers(0, 256, (40, 2000), dtype=np.uint8)  # too long for exact float32 products
    large = rng.integers(0, 50, (40, 3)) + 10**9
    for points in (wide, large, large.astype(float), (large - 10**9).astype(np.int8)):
        full = distance.cdist(points.astype(float), points.astype(float))
        np.fill_diagonal(full, np.inf)
        found = class_separation.nearest_neighbours(points)[:, 1]
        np.testing.assert_allclose(full[range(40), found], full.min(axis=1), rtol=1e-9)


@quick
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=9).map(
        lambda pairs: [(a, b) for a, b in pairs if a != b] or [(0, 1)]
    ),
    st.lists(st.integers(0, 2), min_size=6, max_size=6),
)
def test_null_is_exact_over_all_orders_of_the_labels(edges, labels):
    # Drawn with replacement and in both directions, so pairs are listed twice and more.
    counts = [crossings(edges, order) for order in itertools.permutations(labels)]
    result = class_separation.cross_edges(edges, labels)
    assert (result.edges, result.crossing) == (len(edges), crossings(edges, labels))
    assert result.expected == pytest.approx(np.mean(counts), abs=1e-12)
    assert result.sd == pytest.approx(np.std(counts), abs=1e-9)


@pytest.mark.parametrize(
    ("edges", "labels"),
    [
        ([[0, 1]], "ab"),
        ([[0, 1], [1, 0]], "ab"),  # each other's nearest neighbour
        ([[0, 1], [1, 0], [2, 1]], "aab"),
        ([[0, 1], [1, 0], [2, 3], [3, 2]], "aabb"),
        ([[0, 1], [0, 2], [0, 3], [0, 4]], "aabbc"),
        ([[0, 1], [1, 2], [2, 0]], "aaa"),
    ],
)
def test_null_of_tiny_graphs(edges, labels):
    counts = [crossings(edges, order) for order in itertools.permutations(labels)]
    result = class_separation.cross_edges(edges, list(labels))
    assert (result.expected, result.sd) == pytest.approx((np.mean(counts), np.std(counts)))


@quick
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5).filter(lambda k: sum(k) > 1))
def test_null_of_a_path_is_that_of_a_line(counts):
    n = sum(counts)
    path = np.column_stack([np.arange(n - 1), np.arange(1, n)])
    result = class_separation.cross_edges(path, np.repeat(np.arange(len(counts)), counts))
    line = mec.null(counts)
    assert result.expected == pytest.approx(line.total, abs=1e-12)
    assert result.sd == pytest.approx(line.sd, abs=1e-9)


@pytest.mark.parametrize(
    "graph", [class_separation.spanning_tree, class_separation.nearest_neighbours]
)
def test_shuffled_labels_follow_the_null_of_a_real_graph(graph):
    rng = np.random.default_rng(2)
    edges = graph(rng.integers(0, 30, (400, 3)))
    labels = np.repeat([0, 1, 2], [250, 100, 50])
    z = [class_separation.cross_edges(edges, rng.permutation(labels)).z for _ in range(500)]
    assert abs(np.mean(z)) < 4 / 500**0.5
    assert np.std(z) == pytest.approx(1, abs=0.13)


def test_one_class_has_no_spread():
    result = class_separation.cross_edges([[0, 1]], [3, 3])
    assert (result.crossing, result.expected, result.bayes_low, result.bayes_high) == (0, 0, 0, 0)
    assert np.isnan(result.z)


def test_bounds_enclose_the_error_of_known_classes():
    # Two normals, one standard deviation from the middle each: the error is Phi(-1) = 0.1587.
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 4000)
    points = rng.normal(size=(4000, 2)) + np.outer(2 * labels - 1, [1, 0])
    for graph in (class_separation.spanning_tree, class_separation.nearest_neighbours):
        result = class_separation.cross_edges(graph(points), labels)
        assert result.bayes_low < 0.1587 < result.bayes_high
        # E[2 p (1 - p)] over the mixture, by quadrature: what both shares go to.
        x = np.linspace(-9, 9, 20001)
        a, b = np.exp(-((x - 1) ** 2) / 2), np.exp(-((x + 1) ** 2) / 2)
        limit = np.trapezoid(a * b / (a + b), x) / (2 * np.pi) ** 0.5
        assert result.share == pytest.approx(limit, abs=0.03)


def test_bounds_are_cover_and_harts():
    # 1-NN errs by R (2 - c R / (c - 1)) at the most, where R is the Bayes error.
    for classes, error in itertools.product([2, 3, 10], [0, 0.1, 0.3, 0.5]):
        share = error * (2 - classes * error / (classes - 1))
        low, high = class_separation.bayes_bounds(share, classes)
        assert (low, high) == (pytest.approx(error, abs=1e-9), share)
    assert class_separation.bayes_bounds(0.95, 2) == (0.5, 0.95)
    assert class_separation.bayes_bounds(0.0, 1) == (0, 0)


def slow_projection(points, labels, folds, seed):
    """Counts by a regression with an explicit column of ones for each fold and class."""
    n, d = points.shape
    parts = np.array_split(np.random.default_rng([seed, 21]).permutation(n), folds)
    classes = sorted(set(labels.tolist()))
    counts = np.zeros(len(classes))
    for part in parts:
        train = np.setdiff1d(np.arange(n), part) if folds > 1 else part
        x = np.column_stack([points[train], np.ones(len(train))])
        spread = ((points[train] - points[train].mean(axis=0)) ** 2).sum(axis=1).mean()
        penalty = np.diag([spread] * d + [0])
        for k, c in enumerate(classes):
            weights = np.linalg.solve(x.T @ x + penalty, x.T @ (labels[train] == c))
            line = labels[part][np.argsort(points[part] @ weights[:-1])]
            counts[k] += sum(a != c and b == c for a, b in itertools.pairwise(line))
    return counts


@pytest.mark.parametrize("folds", [1, 2, 5])
def test_projection_is_that_of_a_plain_regression(folds):
    rng = np.random.default_rng(4)
    points, labels = rng.normal(size=(120, 6)) + 50, rng.choice([2, 5, 9], 120, p=[0.5, 0.4, 0.1])
    points[labels == 5, 0] += 2
    result = class_separation.projected_thresholds(points, labels, folds, seed=7)
    assert result.expected.tolist() == slow_projection(points, labels, folds, 7).tolist()
    assert result.classes.tolist() == [2, 5, 9]
    assert result.class_counts.tolist() == np.bincount(labels)[[2, 5, 9]].tolist()
    assert result.pairs == 120 - folds


def test_projection_finds_linear_classes_and_the_labels_are_needed():
    rng = np.random.default_rng(5)
    points = rng.normal(size=(600, 10))
    labels = (points @ rng.normal(size=10) > 0).astype(int)
    result = class_separation.projected_thresholds(points, labels)
    assert result.total < 0.25 * result.null_total and result.z < -10


def test_null_of_a_class_is_exact_over_all_orders():
    # One fold whose line is as random as the labels: each order of 7 rows once.
    labels = np.array([0, 0, 0, 1, 1, 2, 2])
    changes = []
    for order in set(itertools.permutations(labels.tolist())):
        changes.append([sum(a != c and b == c for a, b in itertools.pairwise(order))
                        for c in range(3)])  # fmt: skip
    result = class_separation.projected_thresholds(
        np.random.default_rng(0).random((7, 1)), labels, 1
    )
    np.testing.assert_allclose(result.null_expected, np.mean(changes, axis=0))
    np.testing.assert_allclose(result.null_sd, np.std(changes, axis=0))


def test_random_labels_stand_at_the_null_only_when_judged_on_other_rows():
    # As many columns as rows to fit to: the line can follow any labels.
    rng = np.random.default_rng(6)
    points = rng.normal(size=(200, 160))
    held, own = [], []
    for seed in range(60):
        labels = rng.integers(0, 3, 200)
        held.append(class_separation.projected_thresholds(points, labels, 5, seed, 60).z)
        own.append(class_separation.projected_thresholds(points, labels, 1, seed, 60).z)
    assert abs(np.mean(held)) < 4 / 60**0.5
    assert np.std(held) == pytest.approx(1, abs=0.3)
    assert max(own) < -5


def test_spread_of_the_sum_lies_between_one_line_and_unrelated_lines():
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 2, 500)
    two = class_separation.projected_thresholds(rng.normal(size=(500, 5)), labels, 2, 0, 2000)
    # Two classes have one line in two directions: each fold's changes are those of `mec.null`.
    parts = np.array_split(np.random.default_rng([0, 21]).permutation(500), 2)
    sds = [mec.null(np.bincount(labels[part])).sd for part in parts]
    assert two.null_sd_total == pytest.approx(np.hypot(*sds), rel=0.08)
    labels = rng.integers(0, 6, 500)
    six = class_separation.projected_thresholds(rng.normal(size=(500, 30)), labels, 2, 0, 2000)
    assert six.null_sd_total == pytest.approx((six.null_sd**2).sum() ** 0.5, rel=0.12)


def test_rows_all_alike_have_no_line_and_follow_the_null():
    result = class_separation.projected_thresholds(np.full((40, 3), 0.1), np.arange(40) % 4)
    np.testing.assert_allclose(result.expected, result.null_expected)


def test_projection_is_decided_by_its_seed_and_a_rare_class_may_miss_a_fold():
    rng = np.random.default_rng(8)
    points, labels = rng.normal(size=(60, 3)), np.array([1] + [0] * 59)
    first, second = (
        class_separation.projected_thresholds(points, labels, seed=3) for _ in range(2)
    )
    assert first.expected.tolist() == second.expected.tolist()
    assert first.null_sd_total == second.null_sd_total
    assert np.isfinite(first.z)
    assert np.isnan(class_separation.projected_thresholds(points, [1] * 60).z)


def test_principal_line_is_that_of_a_singular_value_decomposition():
    rng = np.random.default_rng(9)
    points = rng.normal(size=(300, 6)) * [1, 1, 5, 1, 1, 1] + 1000
    values = class_separation.principal_line(points)
    u, s, v = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(values, u[:, 0] * s[0] * np.sign(v[0][np.abs(v[0]).argmax()]))
    images = rng.integers(0, 256, (50, 9), dtype=np.uint8)
    assert class_separation.principal_line(images).var() == pytest.approx(
        np.linalg.eigvalsh(np.cov(images.T, bias=True))[-1]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: class_separation.spanning_tree([1, 2]),
            r"points must be real numbers of shape \(n, d\)",
        ),
        (lambda: class_separation.spanning_tree([["a"]]), "points must be real numbers"),
        (lambda: class_separation.spanning_tree([[np.nan]]), "points must be finite, but nan"),
        (
            lambda: class_separation.spanning_tree([[1e30], [0]]),
            "points must have squared distances",
        ),
        (lambda: class_separation.spanning_tree(np.zeros((30_000, 1))), "20,000 rows.*3.4 GiB"),
        (lambda: class_separation.nearest_neighbours([[1]]), "points must have at least 2 rows"),
        (lambda: class_separation.cross_edges([[0, 1, 2]], [0, 1, 2]), "edges must be integers"),
        (lambda: class_separation.cross_edges([[0.0, 1.0]], [0, 1]), "edges must be integers"),
        (lambda: class_separation.cross_edges(np.empty((0, 2), int), [0, 1]), "m at least 1"),
        (
            lambda: class_separation.cross_edges([[0, 2]], [0, 1]),
            "edges must join two different rows",
        ),
        (
            lambda: class_separation.cross_edges([[1, 1]], [0, 1]),
            "edges must join two different rows",
        ),
        (lambda: class_separation.cross_edges([[0, 1]], [[0, 1]]), "labels must have shape"),
        (lambda: class_separation.bayes_bounds(1.2, 2), r"share must lie in \[0, 1\], but 1.2"),
        (lambda: class_separation.bayes_bounds(0.2, 0), "classes must be at least 1, but 0"),
        (
            lambda: class_separation.projected_thresholds([[1], [2]], [0]),
            r"labels must have shape \(2,\)",
        ),
        (
            lambda: class_separation.projected_thresholds([[1], [2]], [0, 1], 2),
            "folds must lie from 1",
        ),
        (
            lambda: class_separation.projected_thresholds([[1], [2]], [0, 1], 1, permutations=1),
            "permutations must be at least 2",
        ),
        (lambda: class_separation.principal_line([[np.inf]]), "points must be finite, but inf"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
