from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from rethink import mec
from rethink.instrument import class_orders
from rethink.instrument.class_orders import LearnerEstimate, Order


def blobs(rows, gap, classes=3, columns=5, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    return rng.normal(size=(rows, columns)) + gap * labels[:, None], labels


def slow_neighbours(x, labels):
    """Rows whose nearest other row has another label, by all distances."""
    distances = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return int((labels[distances.argmin(axis=1)] != labels).sum())


def slow_wrong(x, labels, parts):
    """Which rows have a nearest neighbour of another class within their part."""
    found = []
    for part in np.array_split(np.arange(len(x)), parts):
        distances = np.linalg.norm(x[part][:, None] - x[part][None], axis=2)
        np.fill_diagonal(distances, np.inf)
        found += (labels[part][distances.argmin(axis=1)] != labels[part]).tolist()
    return np.array(found)


def test_nearest_neighbours_are_those_of_all_distances():
    x, labels = blobs(120, 1.0)
    found = class_orders.nearest(x, labels)
    assert (found.changes, found.pairs, found.rows) == (slow_neighbours(x, labels), 120, 120)


def test_growth_counts_disjoint_parts_together():
    x, labels = blobs(160, 1.0)
    found, turned = class_orders.growth(x, labels)
    assert [order.rows for order in found] == [20, 40, 80, 160]
    for order in found:
        parts = np.split(np.arange(160), 160 // order.rows)
        assert order.pairs == 160
        assert order.changes == sum(slow_neighbours(x[p], labels[p]) for p in parts)
    assert class_orders.growth(x[:45], labels[:45])[0][0].rows == 22
    wrong = [slow_wrong(x, labels, parts) for parts in (2, 1)]
    assert turned == (wrong[0] != wrong[1]).sum()
    assert found[-1].changes == wrong[1].sum()


def test_the_best_column_is_counted_on_rows_that_did_not_choose_it():
    # Each column is right about one half only: whichever a half chooses fails on the other.
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    x = rng.normal(size=(400, 2))
    x[:200, 0], x[200:, 1] = labels[:200], labels[200:]
    found, chosen = class_orders.best_column(x, labels)
    assert chosen == (0, 1)
    assert abs(found.z) < 4
    assert found.pairs == 398
    slow = sum(
        mec.thresholds(x[half, column], labels[half]).total
        for half, column in ((slice(200, 400), 0), (slice(0, 200), 1))
    )
    assert found.changes == slow


@pytest.mark.parametrize(
    "measure", [class_orders.nearest, class_orders.tree, lambda x, y: class_orders.lines(x, y, 0)]
)
def test_all_measures_see_classes_and_none_sees_noise(measure):
    x, labels = blobs(400, 2.0)
    assert measure(x, labels).z < -10
    z = [measure(x, np.random.default_rng(s).permutation(labels)).z for s in range(20)]
    assert abs(np.mean(z)) < 1
    assert 0.5 < np.std(z) < 1.6


def test_the_best_of_many_columns_of_noise_is_no_better_than_chance():
    z = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, 100)
        z.append(class_orders.best_column(rng.normal(size=(100, 50)), labels)[0].z)
    assert abs(np.mean(z)) < 0.6


def test_lines_are_left_out_where_they_would_take_too_long(monkeypatch):
    x, labels = blobs(60, 1.0)
    monkeypatch.setattr(class_orders, "LINE_COLUMNS", 4)
    assert class_orders.lines(x, labels, 0) is None
    monkeypatch.setattr(class_orders, "LINE_COLUMNS", 5)
    monkeypatch.setattr(class_orders, "LINE_CELLS", 179)
    assert class_orders.lines(x, labels, 0) is None


def test_columns_are_made_comparable_but_pixels_are_not():
    x = np.array([[1.0, 5.0, 1e300], [2.0, 5.0, -1e300], [3.0, 5.0, 0.0]])
    made = class_orders.points(x, False)
    assert np.allclose(made.mean(axis=0), 0)
    assert np.allclose(made.std(axis=0), [1, 0, 1])
    pixels = np.array([[1, 2], [3, 4]], dtype=np.uint8)
    assert class_orders.points(pixels, True) is pixels


def test_a_file_sorted_by_label_does_not_decide_ties():
    # All rows are alike, so a neighbour is any other row.
    labels = np.repeat([0, 1], 500)
    mixed = class_orders.shuffled(1_000, 0)
    found = class_orders.nearest(np.zeros((1_000, 2)), labels[mixed])
    assert sorted(mixed) == list(range(1_000))
    assert abs(found.share - 0.5) < 0.05


def estimate(share, counts, rows=1_000):
    counts = np.array(counts)
    n = int(counts.sum())
    null = mec.null(counts)
    order = Order(
        "any", rows, share * (rows - 1), rows - 1, null.total / (n - 1) * (rows - 1), 10.0
    )
    return LearnerEstimate(
        "any", order, n, mec.dictionary_bits(counts) / n, len(counts), counts.max() / n
    )


@given(st.lists(st.integers(1, 500), min_size=2, max_size=8), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_a_bound_lies_below_the_dictionary_and_grows_with_the_share(counts, one, other):
    low, high = (estimate(share, counts).bits(share) for share in sorted((one, other)))
    dictionary = mec.dictionary_bits(np.array(counts))
    assert low <= high + 1e-9
    assert high <= max(dictionary, np.log2(len(counts))) + 1e-9


def test_fano_by_hand():
    # Ten balanced classes, a fifth of neighbours differ: h(.2) + .2 log2 9 bits a label.
    found = estimate(0.2, [100] * 10)
    assert found.bits(0.2) == pytest.approx(1_000 * (0.721928 + 0.2 * 3.169925), rel=1e-5)
    assert found.bits(0.9) == pytest.approx(1_000 * np.log2(10))
    assert found.bits(0.0) == np.log2(10)


def test_errors_are_over_those_of_naming_the_commonest_class():
    # A tenth of rows with a class of its own: a share of .05 is half of what naming errs.
    assert estimate(0.05, [900, 100]).to_dict()["overfit_risk"] == pytest.approx(0.5)
    assert estimate(0.15, [900, 100]).to_dict()["overfit_risk"] == 1
    assert np.isnan(estimate(0.0, [50]).to_dict()["overfit_risk"])


def test_weak_classes_are_seen_by_ranks_and_noise_is_not():
    rng = np.random.default_rng(0)
    column = rng.integers(0, 2, 1_000)
    labels = np.where(rng.random(1_000) < 0.62, column, 1 - column)
    x = np.column_stack([column, rng.integers(0, 2, (1_000, 4))]).astype(float)
    assert class_orders.column_p(x, labels) < 1e-6
    p = [class_orders.column_p(x, np.random.default_rng(s).permutation(labels)) for s in range(100)]
    # Bonferroni's p values are no smaller than they say.
    assert np.mean(np.array(p) < 0.05) <= 0.12
    assert class_orders.column_p(x, np.zeros(1_000, dtype=int)) == 1
    assert class_orders.column_p(np.zeros((50, 2)), labels[:50]) == 1


def test_the_rank_test_is_scipys():
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(1)
    x, labels = rng.integers(0, 9, (80, 1)).astype(float), rng.integers(0, 2, 80)
    said = mannwhitneyu(
        x[labels == 0, 0], x[labels == 1, 0], use_continuity=False, method="asymptotic"
    )
    assert class_orders.column_p(x, labels) == pytest.approx(said.pvalue)


def test_intervals_cover_what_they_say():
    truth, covered = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        group = rng.integers(0, 2, 200)
        labels = np.where(rng.random(200) < 0.1, 1 - group, group)
        order = class_orders.nearest(group[:, None] * 100.0 + rng.normal(size=(200, 2)), labels)
        covered.append(order.interval[0] <= 2 * 0.1 * 0.9 <= order.interval[1])
        truth.append(order.share)
    assert np.mean(truth) == pytest.approx(0.18, abs=0.01)
    assert np.mean(covered) >= 0.9


def test_labels_in_random_order_are_left_open_whole():
    counts = [700, 300]
    share = mec.null(counts).total / 999
    found = estimate(share, counts).to_dict()
    assert found["overfit_risk"] == 1
    assert found["open_bits"] == found["null_open_bits"] == mec.dictionary_bits(np.array(counts))
    low, high = found["open_bits_interval"]
    assert low <= found["open_bits"] <= high


def test_what_is_left_open_is_called_no_capacity_and_divides_nothing():
    """Fano's inequality bounds what the features leave open, not what a learner has to store."""
    found = estimate(0.2, [100] * 10).to_dict()
    assert found["open_bits"] == pytest.approx(1_000 * (0.721928 + 0.2 * 3.169925), rel=1e-5)
    for word in ("capacity", "generalization", "resilience"):
        assert not [name for name in found if word in name]


def test_the_bound_holds_where_the_truth_is_known():
    # Labels copied from one of two sources with a known error: H(Y | X) = h(error).
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 4_000)
    labels = np.where(rng.random(4_000) < 0.1, 1 - truth, truth)
    x = truth[:, None] * 10.0 + rng.normal(size=(4_000, 2))
    order = class_orders.nearest(x, labels)
    found = LearnerEstimate(
        "any", order, 4_000, mec.dictionary_bits(np.bincount(labels)) / 4_000, 2, 0.5
    )
    conditional = 4_000 * -(0.1 * np.log2(0.1) + 0.9 * np.log2(0.9))
    assert found.bits(order.share) > conditional
    assert order.share == pytest.approx(2 * 0.1 * 0.9, abs=0.03)


@pytest.mark.parametrize("kind", ["float64", "uint8"])
def test_ranks_are_scipys(kind, monkeypatch):
    monkeypatch.setattr(class_orders, "BLOCK_CELLS", 700)  # two columns at once
    x = np.random.default_rng(0).integers(0, 256, (300, 5)).astype(kind)
    parts = [class_orders._ranks(*found) for _, *found in class_orders._sorted_columns(x)]
    found, expected = np.hstack(parts), rankdata(x, axis=0)
    assert len(parts) == 3
    assert np.array_equal(found, expected)
    # Sums go along the memory: in the same order they round alike.
    assert parts[0].flags.f_contiguous and expected.flags.f_contiguous


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_columns_counted_at_once_are_those_counted_one_by_one(data):
    n, d = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 9))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    kinds = (
        rng.integers(0, data.draw(st.integers(1, 30)), (n, d)).astype(np.uint8),
        rng.normal(size=(n, d)).round(data.draw(st.integers(0, 3))),
        np.zeros((n, d)),
    )
    x = data.draw(st.sampled_from(kinds))
    labels = rng.integers(0, data.draw(st.integers(1, 5)), n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(class_orders, "BLOCK_CELLS", data.draw(st.integers(1, 200)))
        found = class_orders._totals(x, labels)
    expected = [mec.thresholds(column, labels).total for column in x.T]
    assert np.allclose(found, expected, rtol=0, atol=1e-9)


def test_parts_of_the_columns_are_made_comparable_as_all_are(monkeypatch):
    x = np.random.default_rng(0).normal(size=(50, 20)) * 10.0 ** np.arange(20)
    whole = class_orders.points(x, False)
    monkeypatch.setattr(class_orders, "BLOCK_CELLS", 120)
    assert np.array_equal(class_orders.points(x, False), whole)


def test_columns_are_not_counted_call_by_call(monkeypatch):
    """Of a million columns these calls would take minutes."""
    counted = Mock(wraps=mec.thresholds)
    monkeypatch.setattr(mec, "thresholds", counted)
    x, labels = blobs(40, 0.5, columns=1_000)
    found, chosen = class_orders.best_column(x, labels)
    assert counted.call_count == 2  # the chosen one of either half
    assert found.rows == 40 and all(0 <= k < 1_000 for k in chosen)
