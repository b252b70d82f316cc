"""The capacity module against slow, literal counting, invariances and published values."""

import collections
import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink import data, mec, paths

quick = settings(deadline=None, max_examples=60)
# Few distinct sums and classes, so that ties of several classes meet each other.
small_lines = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=7)
lines = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4)), min_size=1, max_size=60)

# Seven networks of the report (facts.md: second edition's runs) and their published bits.
PUBLISHED = {
    (784, 256, 128, 128, 10): 201482,
    (784, 128, 64, 64, 10): 100746,
    (784, 64, 32, 32, 10): 50378,
    (784, 32, 16, 16, 10): 25194,
    (784, 16, 8, 8, 10): 12602,
    (784, 8, 4, 4, 10): 6306,
    (784, 4, 4, 2, 10): 3160,
}


def literal_algorithm_1(labels):
    """Thresholds per class as the pseudo-code counts them, less the one of the first row."""
    counts = dict.fromkeys(labels, 0)
    current = labels[0]
    for label in labels:
        if label != current:
            current = label
            counts[label] += 1
    return [counts[c] for c in sorted(counts)]


def every_order(rows):
    """Every line that sorting by the sum can give, each order of each tie as often as another."""
    rows = sorted(rows)
    ties = [[y for _, y in tie] for _, tie in itertools.groupby(rows, key=lambda row: row[0])]
    for orders in itertools.product(*(itertools.permutations(tie) for tie in ties)):
        yield [y for order in orders for y in order]


def columns(rows):
    return np.array([x for x, _ in rows]), np.array([y for _, y in rows])


@settings(deadline=None, max_examples=150)
@given(small_lines)
def test_expectation_and_extremes_are_those_of_all_orders(rows):
    counts = np.array([literal_algorithm_1(line) for line in every_order(rows)])
    result = mec.thresholds(*columns(rows))
    np.testing.assert_allclose(result.expected, counts.mean(axis=0), atol=1e-9)
    assert (result.minimum, result.maximum) == (counts.sum(1).min(), counts.sum(1).max())


def class_dynamic_programme(rows):
    """Extremes over tie orders that are too many to list, one row at a time, by memory of counts.

    The state is (rows left of each class in this tie, last class) with its fewest and most.
    """
    states = {None: (0, 0)}
    for _, tie in itertools.groupby(sorted(rows), key=lambda row: row[0]):
        labels = [y for _, y in tie]
        left = tuple(labels.count(c) for c in range(5))
        layer = {(left, last): best for last, best in states.items()}
        for _ in labels:
            following = {}
            for (left, last), (fewest, most) in layer.items():
                for c in range(5):
                    if left[c]:
                        change = last is not None and c != last
                        key = (tuple(k - (i == c) for i, k in enumerate(left)), c)
                        low, high = following.get(key, (np.inf, -np.inf))
                        following[key] = (min(low, fewest + change), max(high, most + change))
            layer = following
        states = {last: best for (_, last), best in layer.items()}
    return min(low for low, _ in states.values()), max(high for _, high in states.values())


@quick
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=25))
def test_extremes_match_a_programme_over_rows(rows):
    result = mec.thresholds(*columns(rows))
    assert (result.minimum, result.maximum) == class_dynamic_programme(rows)
    assert result.minimum - 1e-9 <= result.total <= result.maximum + 1e-9


def test_long_chains_of_ties_match_a_programme_over_rows():
    rng = np.random.default_rng(0)
    for _ in range(60):
        # Skewed labels, so that majorities and exact halves are frequent.
        n = int(rng.integers(20, 60))
        labels = np.minimum(rng.geometric(0.5, n) - 1, 4)
        rows = list(zip(rng.integers(0, n // 3, n).tolist(), labels.tolist(), strict=True))
        result = mec.thresholds(*columns(rows))
        assert (result.minimum, result.maximum) == class_dynamic_programme(rows)


def test_expectation_matches_random_orders_of_large_ties():
    rng = np.random.default_rng(1)
    sums, labels = rng.integers(0, 12, 400), rng.choice(4, 400, p=[0.6, 0.2, 0.15, 0.05])
    counts = []
    for _ in range(800):
        order = np.lexsort((rng.random(400), sums))
        counts.append(literal_algorithm_1(labels[order].tolist()))
    error = np.std(counts, axis=0) / 800**0.5
    expected = mec.thresholds(sums, labels).expected
    assert np.all(np.abs(np.mean(counts, axis=0) - expected) < 4 * error)


@quick
@given(lines)
def test_rows_in_order_are_counted_as_the_literal_algorithm_does(rows):
    line = [y for _, y in sorted(rows, key=lambda row: row[0])]
    result = mec.thresholds_in_order(*columns(rows))
    assert result.expected.tolist() == literal_algorithm_1(line)
    assert result.minimum == result.maximum == result.total
    ties = mec.thresholds(*columns(rows))
    assert ties.minimum <= result.total <= ties.maximum


@quick
@given(lines, st.randoms(use_true_random=False))
def test_neither_row_order_nor_names_nor_scale_matter(rows, random):
    before = mec.thresholds(*columns(rows))
    shuffled = random.sample(rows, len(rows))
    values, labels = columns(shuffled)
    names = np.array(["e", "d", "c", "b", "a"])  # reversed, so the classes change places
    after = mec.thresholds(np.exp(values / 2.0), names[labels])
    assert after.classes.tolist() == names[before.classes][::-1].tolist()
    np.testing.assert_allclose(after.expected, before.expected[::-1], atol=1e-9)
    assert (after.minimum, after.maximum) == (before.minimum, before.maximum)
    assert after.bits == pytest.approx(before.bits)


def test_columns_in_any_order_give_the_same_sums():
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 256, (200, 9), dtype=np.uint8), rng.integers(0, 3, 200)
    a, b = mec.thresholds(x, y), mec.thresholds(x[:, rng.permutation(9)], y)
    c = mec.thresholds(x.sum(axis=1, dtype=float), y, features=9)
    np.testing.assert_array_equal(a.expected, b.expected)
    np.testing.assert_array_equal(a.expected, c.expected)
    assert a.features == c.features == 9 and a.bits_times_features == c.bits_times_features


def test_integer_sums_do_not_wrap():
    x = np.full((2, 784), 255, dtype=np.uint8)
    x[0, :3] = 0
    assert mec.thresholds(x, [0, 1]).total == 1  # as uint8 both sums would be small


def assert_counted_by_rank(values, labels):
    """The counts are those of the ranks of the exact sums, which are small integers."""
    rows = np.asarray(values).tolist()
    sums = [sum(row) if isinstance(row, list) else row for row in rows]
    rank = [sorted(set(sums)).index(s) for s in sums]
    for function in (mec.thresholds, mec.thresholds_in_order):
        result, expected = function(values, labels), function(rank, labels)
        assert result.expected.tolist() == expected.expected.tolist()
        assert (result.minimum, result.maximum) == (expected.minimum, expected.maximum)


@pytest.mark.parametrize("columns", [1, 256, 257, 258])  # 257 times 255 is the largest uint16
@pytest.mark.parametrize("dtype", ["bool", "i1", "u1", "i2", "u2", "i4", "u4"])
def test_narrow_integers_are_summed_exactly(dtype, columns):
    rng = np.random.default_rng(8)
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = rng.integers(low, high, (60, columns), dtype, endpoint=True)
    values[0:60:6], values[1:60:6], values[2:60:6] = low, high, low // 2 + high // 2
    assert_counted_by_rank(values, rng.integers(0, 3, 60))


ROOM = (2**63 - 1) // 3  # integers in this range leave room for three classes beside them


@pytest.mark.parametrize(
    "sums",
    [
        np.array([-5, 3, 0, -4]),
        np.array([-ROOM, 1 - ROOM, ROOM - 1, 0]),
        np.array([-ROOM - 1, -ROOM, 0, 1]),
        np.array([ROOM, ROOM - 1, 1, 0]),
        np.array([ROOM + 1, ROOM, ROOM - 1, 0]),
        np.array([-(2**63), 2**63 - 1, 2**63 - 2, 1 - 2**63]),
        np.array([2**64 - 1, 2**63, 2**63 - 1, 0], dtype=np.uint64),
        np.array([-0.0, 0.0, 5e-324, -1.5]),
        np.array([1e308, -1e308, 1e-9, 0.5]),
        np.array([0.1, -0.25, 60000, 3], dtype=np.float16),
        np.array([True, False, False, True]),
    ],
    ids=lambda sums: f"{sums.dtype}-{sums[0]}",
)
def test_sums_of_every_size_and_type_are_ordered(sums):
    rng = np.random.default_rng(9)
    assert_counted_by_rank(rng.choice(sums, 80), rng.integers(0, 3, 80))
    if sums.dtype.kind == "f":
        rows = rng.choice(sums, (80, 1))
        assert_counted_by_rank(np.hstack([rows, np.zeros_like(rows)]), rng.integers(0, 3, 80))


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", ">i4", "u8", "i8", "f8", "U3", "O"])
@pytest.mark.parametrize("shift", [0, 3, 60, -2])
def test_labels_of_every_type_are_told_apart(dtype, shift):
    rng = np.random.default_rng(10)
    sums, names = rng.integers(0, 20, 100), rng.choice([0, 1, 4, 9], 100)
    if np.dtype(dtype).kind == "u":
        shift = abs(shift)
    labels = (names + shift).astype(dtype)
    result = mec.thresholds(sums, labels)
    assert result.classes.tolist() == sorted(set(labels.tolist()))
    assert result.classes.dtype == labels.dtype
    counts = [labels.tolist().count(c) for c in result.classes.tolist()]
    assert result.class_counts.tolist() == counts
    order = [sorted(set(labels.tolist())).index(label) for label in labels.tolist()]
    assert result.expected.tolist() == mec.thresholds(sums, order).expected.tolist()


def test_large_labels_are_not_counted_up_to():
    assert mec.thresholds([1, 2, 3], [2**62, 0, 2**62]).classes.tolist() == [0, 2**62]


@pytest.mark.parametrize("classes", [300, 70_000])  # too many for one byte, and for two
def test_many_classes_follow_the_formula_tie_by_tie(classes):
    rng = np.random.default_rng(11)
    # Neighbouring ties share classes, also such as have one last byte or two in common.
    labels = rng.permutation(np.repeat(np.arange(classes), 2))
    sums = labels % 256 // 3 + rng.integers(0, 2, len(labels))
    line = sorted(zip(sums.tolist(), labels.tolist(), strict=True))
    expected, before = np.zeros(classes), collections.Counter()
    for _, tie in itertools.groupby(line, key=lambda row: row[0]):
        counts = collections.Counter(y for _, y in tie)
        n, n_before = counts.total(), before.total()
        for y, k in counts.items():
            expected[y] += k * (n - k) / n
            expected[y] += (1 - before[y] / n_before) * k / n if n_before else 0
        before = counts
    result = mec.thresholds(sums, labels)
    np.testing.assert_allclose(result.expected, expected, atol=1e-9)
    assert result.minimum <= result.total <= result.maximum


def test_bits_are_the_formulas():
    # One row per sum: 0 1 0 1 1 2, so two thresholds into 1, one into 0 and one into 2.
    result = mec.thresholds(np.arange(6), [0, 1, 0, 1, 1, 2], features=3)
    assert result.expected.tolist() == [1, 2, 1] and result.total == 4 and result.clusters == 5
    assert result.bits == pytest.approx(6 / 2 * 1 + 6 / 3 * np.log2(3) + 6 / 1 * 1)
    assert result.bits_times_features == pytest.approx(3 * result.bits)
    assert result.bits_weighted == pytest.approx(2 / 6 + 3 / 6 * np.log2(3) + 1 / 6)
    assert result.max_capacity_bits == 4 * (3 + 1) + 4
    assert result.decision_points == 3 and result.estimated_capacity_bits == 9


def test_one_row_and_one_class():
    alone = mec.thresholds([5.0], ["x"])
    assert (alone.total, alone.minimum, alone.maximum, alone.bits, alone.decision_points) == (
        (0, 0, 0, 0, 0)
    )
    assert mec.thresholds([1, 1, 2, 3], [7, 7, 7, 7]).maximum == 0


@pytest.mark.parametrize("seed", range(4))
def test_decision_points_do_not_trip_over_rounding(seed):
    # 2^k clusters by construction, though summed up from thirds and sevenths.
    rng = np.random.default_rng(seed)
    expected = rng.dirichlet(np.ones(7)) * 1023
    result = mec.Thresholds(np.arange(7), np.full(7, 200), None, expected, 0, 1400)
    assert result.decision_points == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [1]), "labels must have shape"),
        (([[[1]]], [1]), "values must be real numbers of shape"),
        (([], []), "values must be real numbers of shape"),
        ((["a"], [1]), "values must be real numbers"),
        (([1.0, np.nan], [1, 2]), "values must be finite, but nan"),
        (([[1.0, np.inf]], [1]), "values must be finite, but inf"),
        (([[-np.inf, np.inf], [0, 0]], [1, 2]), "values must be finite, but -inf"),
        (([[1e308, 1e308], [0, 0]], [1, 2]), "values must be finite, but a row whose sum"),
        (([1, 2], np.array(["a", 1], dtype=object)), "labels must be sortable"),
        (([1, 2], [np.nan, 1.0]), "labels must all be known"),
        (([[1, 2]], [1], 3), "features must be 2 here, but 3"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        mec.thresholds(*arguments)
    with pytest.raises(ValueError, match=message):
        mec.thresholds_in_order(*arguments)


def test_bits_per_feature_need_the_number_of_features():
    with pytest.raises(ValueError, match="features must be given"):
        _ = mec.thresholds([1, 2], [0, 1]).max_capacity_bits


@pytest.mark.parametrize("multiset", ["a", "aa", "ab", "aab", "aabb", "aaabbc", "abcd", "aabbccd"])
def test_null_is_exact_over_all_permutations(multiset):
    counts = np.array([literal_algorithm_1(p) for p in itertools.permutations(multiset)])
    result = mec.null([multiset.count(c) for c in sorted(set(multiset))])
    np.testing.assert_allclose(result.expected, counts.mean(axis=0), atol=1e-12)
    assert result.total == pytest.approx(counts.sum(axis=1).mean())
    assert result.sd == pytest.approx(counts.sum(axis=1).std())


def test_null_describes_shuffled_labels():
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(5), [300, 100, 50, 30, 20])
    result = mec.null(np.bincount(labels))
    totals = []
    for _ in range(2000):
        rng.shuffle(labels)
        totals.append(int((labels[1:] != labels[:-1]).sum()))
    z = np.array([result.z(t) for t in totals])
    assert abs(z.mean()) < 4 / 2000**0.5
    assert z.std() == pytest.approx(1, abs=0.07)


def test_null_of_many_rows_does_not_overflow():
    big = mec.null([10**9] * 10)  # n^4 is 10^40
    assert big.sd == pytest.approx(mec.null([10**5] * 10).sd * 100, rel=1e-5)
    assert np.isnan(mec.null([4]).z(0))


def test_dictionary_is_the_published_one():
    assert round(mec.dictionary_bits([6000] * 10), 2) == 199315.69
    assert mec.dictionary_bits([1, 1, 2, 0]) == 6  # two labels of 2 bits, two of 1
    assert mec.dictionary_bits([9]) == 0


@pytest.mark.parametrize("counts", [[], [0, 0], [1, -1], [0.5], [[1]]])
def test_class_counts_must_be_counts(counts):
    for function in (mec.null, mec.dictionary_bits):
        with pytest.raises(ValueError, match="class_counts must be"):
            function(counts)


def test_progression_ends_at_the_whole_and_is_decided_by_its_seed():
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 9, (500, 4)), rng.choice(["p", "q", "r"], 500)
    shares = [0.004, 0.3, 1.0]
    result = mec.progression(x, y, shares, repeats=3, seed=5)
    whole = mec.thresholds(x, y)
    assert result.instances.tolist() == [2, 150, 500]
    assert result.totals.shape == result.bits.shape == result.decision_points.shape == (3, 3)
    np.testing.assert_allclose(result.totals[-1], whole.total)
    np.testing.assert_allclose(result.bits[-1], whole.bits)
    assert (result.decision_points[-1] == whole.decision_points).all()
    assert (result.class_counts.sum(axis=-1) == result.instances[:, None]).all()
    assert np.isfinite(result.bits).all()  # two rows cannot hold three classes
    assert len(set(result.totals[1])) == 3  # subsets differ
    again = mec.progression(x, y, shares, repeats=3, seed=5)
    np.testing.assert_array_equal(again.totals, result.totals)
    assert (mec.progression(x, y, shares, repeats=3, seed=6).totals[1] != result.totals[1]).any()


def test_progression_of_a_subset_is_algorithm_1_on_it():
    # Distinct sums, so the drawn rows can be found again from the generator's own documentation.
    rng = np.random.default_rng(6)
    x, y = rng.permutation(80), rng.integers(0, 3, 80)
    result = mec.progression(x, y, [0.5], repeats=1, seed=9)
    drawn = np.random.default_rng([9, 2]).choice(80, size=40, replace=False)
    order = np.argsort(x)
    expected = mec.thresholds(x[order][drawn], y[order][drawn])
    np.testing.assert_array_equal(result.expected[0, 0], expected.expected)


@quick
@given(lines, st.integers(0, 99))
def test_progression_of_a_subset_with_ties_is_algorithm_1_on_it(rows, seed):
    result = mec.progression(*columns(rows), [0.2, 0.7], repeats=2, seed=seed)
    n, names, rng = len(rows), sorted({y for _, y in rows}), np.random.default_rng([seed, 2])
    for i, m in enumerate(result.instances.tolist()):
        for j in range(2 if m < n else 0):
            drawn = [sorted(rows)[k] for k in rng.choice(n, size=m, replace=False)]
            alone = mec.thresholds(*columns(drawn))
            counts, thresholds = np.zeros(len(names)), np.zeros(len(names))
            at = [names.index(c) for c in alone.classes.tolist()]
            counts[at], thresholds[at] = alone.class_counts, alone.expected
            assert result.class_counts[i, j].tolist() == counts.tolist()
            assert result.expected[i, j].tolist() == thresholds.tolist()


def test_progression_of_shuffled_labels_follows_its_null():
    rng = np.random.default_rng(7)
    labels = rng.permutation(np.repeat([0, 1, 2], [200, 100, 100]))
    result = mec.progression(rng.random(400), labels, [0.1, 0.5, 1.0], repeats=400, seed=0)
    assert result.null_totals[-1] == mec.null([200, 100, 100]).total
    at_a_tenth = result.class_counts[0]
    nulls = [mec.null(counts).total for counts in at_a_tenth]
    assert result.null_totals[0] == pytest.approx(np.mean(nulls), abs=0.15)


@pytest.mark.parametrize(
    ("shares", "repeats", "message"),
    [([0.0], 1, "shares"), ([1.1], 1, "shares"), (0.5, 1, "shares"), ([0.5], 0, "repeats")],
)
def test_progression_names_bad_parameters(shares, repeats, message):
    with pytest.raises(ValueError, match=f"{message} must be"):
        mec.progression([1, 2], [0, 1], shares, repeats, seed=0)


@pytest.mark.parametrize(("sizes", "bits"), PUBLISHED.items())
def test_networks_have_the_published_bits(sizes, bits):
    assert mec.perceptron_mec(sizes, "report").bits == bits
    assert mec.perceptron_mec(sizes).bits == bits - 10


def test_rules_differ_where_a_layer_widens_after_a_narrow_one():
    sizes = (10, 2, 8, 3)
    assert mec.perceptron_mec(sizes, "four-rules").layers == (22, 2, 8)
    assert mec.perceptron_mec(sizes, "tfmeter").layers == (22, 2, 2)
    assert mec.perceptron_mec(sizes, "report").bits == 22 + 2 + 8 + 3
    assert mec.perceptron_mec((784, 256, 128, 128, 10), "tfmeter").bits == 201472
    assert mec.perceptron_mec((4, 1)).layers == (5,)


@pytest.mark.parametrize("sizes", [(784,), (784, 0), (784, 2.5), (), "net", 784, (None, 3)])
def test_network_sizes_must_be_positive_integers(sizes):
    with pytest.raises(ValueError, match="sizes must be two or more"):
        mec.perceptron_mec(sizes)


def test_network_rule_must_be_known():
    with pytest.raises(ValueError, match=r"rule must be one of .*'five-rules'"):
        mec.perceptron_mec((2, 2), "five-rules")


def test_results_print_small_tables_and_become_json():
    line = mec.thresholds([1, 2, 2, 3], ["a", "a", "b", "a"], features=2)
    progression = mec.progression([1, 2, 2, 3], ["a", "a", "b", "a"], [0.5, 1], 2, 0)
    for result in (line, mec.null([2, 1]), progression, mec.perceptron_mec((3, 2))):
        kept = result.to_dict()
        assert json.loads(json.dumps(kept)) == kept
        assert all(name in str(result) for name in kept)
    assert line.to_dict()["total"] == line.total == 2


@pytest.fixture(scope="session")
def fashion():
    raw = paths.cache_folder() / "FashionMNIST" / "raw"
    if not any(raw.glob("train-images*")) and not data.SYSTEM_COPY.exists():
        pytest.skip("Fashion-MNIST is not on this machine, and this test fetches nothing")
    return data.fashion_mnist()


def test_fashion_mnist_has_the_published_capacity(fashion):
    result = mec.thresholds(fashion.train_images, fashion.train_labels)
    assert round(result.bits) == 1226
    assert result.total == pytest.approx(49243.765, abs=0.001)
    assert (result.minimum, result.maximum) == (45515, 52258)
    assert result.decision_points == 16
    # The notebook had the rows in another order; ties move each class by a few dozen thresholds.
    notebook = [5316, 4838, 5011, 5220, 4922, 3826, 5311, 4598, 5187, 5004]
    np.testing.assert_allclose(result.expected, notebook, atol=50)
    in_order = mec.thresholds_in_order(fashion.train_images, fashion.train_labels)
    assert in_order.bits == pytest.approx(1225.98, abs=0.1)
    # Far from a random order in standard deviations, near it in bits.
    assert mec.null(result.class_counts).z(result.total) < -60
    shuffled = np.random.default_rng(0).permutation(fashion.train_labels)
    assert mec.thresholds(fashion.train_images, shuffled).bits == pytest.approx(1240, abs=1)
