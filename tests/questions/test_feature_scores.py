"""Scores of columns against enumeration, published formulas, and scikit-learn's selectors."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.feature_selection import SelectFdr, SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from rethink import mec
from rethink.questions import feature_scores
from rethink.questions.feature_scores import threshold_scores

quick = settings(deadline=None, max_examples=50)


def arrangements(counts):
    """All different orders of these classes, one a row."""
    labels = [c for c, k in enumerate(counts) for _ in range(k)]
    return sorted(set(itertools.permutations(labels)))


def two_class_orders(a, b):
    return [
        [int(i in ones) for i in range(a + b)] for ones in itertools.combinations(range(a + b), b)
    ]


def ranks(order):
    """Values that put rows of ascending class into this order."""
    return np.argsort(order, kind="stable")


def changes(order):
    return sum(left != right for left, right in itertools.pairwise(order))


def in_runs(a, b, runs):
    """An order of a rows of class 0 and b of class 1, a the most, with so many runs."""
    lengths = {c: [k - parts + 1] + [1] * (parts - 1)
               for c, k, parts in ((0, a, -(-runs // 2)), (1, b, runs // 2))}  # fmt: skip
    return [c for i in range(runs) for c in [i % 2] * lengths[i % 2][i // 2]]


def cautious(p_values):
    """Whether, over all columns that are equally likely, no p value under 0.1 is too small."""
    p = np.sort(p_values)
    share = np.searchsorted(p, p, side="right") / len(p)
    return (share[p <= 0.1] <= p[p <= 0.1]).all()


def planted(seed, n=300, d=40):
    """Noise, of which columns 3, 11 and 20 depend on which of three classes a row is of."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = rng.normal(size=(n, d))
    x[:, [3, 11, 20]] += 4.0 * y[:, None]
    return x, np.array(["ant", "bee", "cat"])[y]


@pytest.mark.parametrize("counts", [(3, 3), (2, 3, 2), (1, 1, 5), (4, 2, 1)])
def test_scores_are_deviations_from_the_mean_over_all_orders(counts):
    orders = arrangements(counts)
    found = np.array([changes(order) for order in orders])
    columns = np.column_stack([ranks(order) for order in orders])
    scores, _ = threshold_scores(columns, np.repeat(range(len(counts)), counts))
    np.testing.assert_allclose(scores, (found.mean() - found) / found.std(), atol=1e-12)


@quick
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4).filter(lambda k: sum(k) <= 7))
def test_skewness_is_that_of_all_orders(counts):
    same = np.array([sum(counts) - 1 - changes(order) for order in arrangements(counts)], float)
    if same.std() > 0:
        expected = ((same - same.mean()) ** 3).mean() / same.std() ** 3
        assert feature_scores._skewness(counts) == pytest.approx(max(0, expected), abs=1e-9)


@pytest.mark.parametrize("tie", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "orders",
    [two_class_orders(5, 5), two_class_orders(8, 4), two_class_orders(17, 2),
     two_class_orders(13, 3), arrangements((2, 2, 4)), arrangements((5, 2, 1))],
    ids=["5-5", "8-4", "17-2", "13-3", "2-2-4", "5-2-1"],
)  # fmt: skip
def test_p_values_are_cautious_over_all_orders_and_ties(orders, tie):
    columns = np.column_stack([ranks(order) for order in orders]) // tie
    _, p = threshold_scores(columns, np.sort(orders[0]))
    assert cautious(p)


@pytest.mark.parametrize(
    ("a", "b"),
    [(10, 10), (50, 50), (400, 400), (30, 4), (90, 10), (196, 4), (170, 30), (990, 10), (950, 50)],
)
def test_p_values_of_two_classes_against_wald_and_wolfowitz(a, b):
    # Runs test, Annals of Mathematical Statistics 11 (1940): orders of two classes with r runs.
    def orders(r):
        k = r // 2
        if r % 2 == 0:
            return 2 * math.comb(a - 1, k - 1) * math.comb(b - 1, k - 1)
        return math.comb(a - 1, k) * math.comb(b - 1, k - 1) + math.comb(a - 1, k - 1) * math.comb(
            b - 1, k
        )

    runs = range(2, 2 * b + (a > b) + 1)
    columns = np.column_stack([ranks(in_runs(a, b, r)) for r in runs])
    _, p = threshold_scores(columns, np.repeat([0, 1], [a, b]))
    exact = [float(k / math.comb(a + b, b)) for k in itertools.accumulate(map(orders, runs))]
    tail = p <= 0.1
    assert (np.array(exact)[tail] <= p[tail]).all()
    if a == b == 400:  # and no more cautious than needed where a step is small
        likely = tail & (p > 1e-4)
        assert (np.array(exact)[likely] > 0.85 * p[likely]).all()


def test_a_normal_distribution_would_not_be_cautious():
    # The reason for another one: four rows in 200, of which two or more are neighbours.
    n, k = 200, 4
    null = mec.null([n - k, k])
    two_together = 1 - math.comb(n - k + 1, k) / math.comb(n, k)
    score = (null.total - (2 * k - 2)) / null.sd
    assert math.erfc(score / math.sqrt(2)) / 2 < two_together / 50


@pytest.mark.parametrize("counts", [(500, 500), (100, 100, 100), (285, 15)])
def test_p_values_of_noise(counts):
    rng = np.random.default_rng(5)
    n, d = sum(counts), 400
    y = np.repeat(range(len(counts)), counts)
    _, p = threshold_scores(rng.normal(size=(n, d)), y)
    for level in (0.5, 0.1, 0.02):
        assert (p <= level).mean() <= level + 3 * math.sqrt(level / d)
    if min(counts) >= 100:  # about uniform
        assert (p <= 0.5).mean() > 0.4 and (p <= 0.1).mean() > 0.05
    for few in (rng.integers(0, 2, (n, d)), rng.integers(0, 10, (n, d))):
        scores, p = threshold_scores(few, y)
        assert scores.std() < 0.5  # ties narrow it
        assert (p <= 0.1).mean() <= 0.1


@quick
@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), min_size=3, max_size=30),
    st.randoms(use_true_random=False),
)
def test_scores_depend_on_order_and_ties_alone(rows, random):
    values, labels = (np.array(part) for part in zip(*rows, strict=True))
    scores, p = threshold_scores(values[:, None], labels)
    assert ((p >= 0) & (p <= 1)).all()
    order = np.array(random.sample(range(len(rows)), len(rows)))
    renamed = np.char.add("class ", labels[order])
    for column in (3 * values - 7, np.exp(values), -values):
        again = threshold_scores(column[order, None], renamed)
        np.testing.assert_allclose(again, (scores, p), atol=1e-9)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.full((9, 1), 0.1), [0, 1, 2] * 3),  # constant
        (np.arange(9)[:, None], ["one"] * 9),
        (np.arange(9)[:, None], range(9)),  # a class a row
        ([[3.0]], [1]),
    ],
)
def test_nothing_to_tell_is_no_score(x, y):
    scores, p = threshold_scores(x, list(y))
    assert (scores.tolist(), p.tolist()) == ([0.0], [1.0])


def test_classes_that_take_turns_are_seen_and_an_exclusive_or_is_not():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 3))
    turns = (np.floor(3 * (x[:, 0] + 1)) % 2).astype(int)
    assert threshold_scores(x, turns)[1].argmin() == 0
    assert threshold_scores(x, turns)[1][0] < 1e-20
    exclusive = (x[:, 0] * x[:, 1] > 0).astype(int)
    assert threshold_scores(x, exclusive)[1].min() > 0.01
    even = np.where(np.floor(3 * (x[:, 0] + 1)) < 3, turns, 1 - turns)  # symmetric about 0
    assert f_classif(x, even)[1][0] > 0.01 > threshold_scores(x, even)[1][0]


def test_a_column_of_two_values_scores_lower_than_its_information():
    y = np.repeat([0, 1], 500)
    coarse = np.concatenate([np.arange(500) % 5 < 2, np.arange(500) % 5 < 3])  # 0.4 against 0.6
    (score,), (p,) = threshold_scores(coarse[:, None], y)
    assert f_classif(coarse[:, None].astype(float), y)[1][0] < 1e-6
    assert 1 < score < 1.5 and p > 0.1


def test_planted_columns_are_found():
    for seed in range(5):
        found = SelectFdr(threshold_scores).fit(*planted(seed)).get_support(indices=True)
        assert {3, 11, 20} <= set(found.tolist())
        assert len(found) <= 4  # a false one in twenty is what SelectFdr allows


def test_noise_has_discoveries_no_more_often_than_allowed():
    rng = np.random.default_rng(6)
    tables = 120
    found = [
        SelectFdr(threshold_scores, alpha=0.05)
        .fit(rng.normal(size=(150, 20)), rng.integers(0, 2, 150))
        .get_support()
        .any()
        for _ in range(tables)
    ]
    assert np.mean(found) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / tables)


def test_rare_classes_find_none_in_noise():
    x = np.random.default_rng(1).normal(size=(200, 400))
    y = (np.arange(200) < 4).astype(int)
    assert not SelectFdr(threshold_scores).fit(x, y).get_support().any()


def test_it_works_in_a_pipeline():
    x, y = planted(7)
    model = make_pipeline(SelectKBest(threshold_scores, k=3), LogisticRegression())
    assert cross_val_score(model, x, y, cv=4).mean() > 0.95
    names = model[0].fit(x, y).get_feature_names_out([f"f{i}" for i in range(40)])
    assert names.tolist() == ["f3", "f11", "f20"]


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        ([[1.0], [np.nan]], [0, 1], ValueError, "contains NaN"),
        ([[1.0], [2.0]], [0, 1, 1], ValueError, "inconsistent numbers of samples"),
        ([[1.0], [2.0]], [0.5, 1.2], ValueError, "continuous"),
        ([1.0, 2.0], [0, 1], ValueError, "Expected 2D array"),
        ([["one"], ["two"]], [0, 1], ValueError, "not compatible with arrays of bytes/strings"),
        (sparse.csr_matrix([[1.0], [2.0]]), [0, 1], TypeError, "dense data is required"),
    ],
)
def test_bad_input_is_refused(x, y, error, message):
    with pytest.raises(error, match=message):
        threshold_scores(x, y)
