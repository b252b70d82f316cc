import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from rethink import mec
from rethink.questions import learner_capacity


def separable(points, labels):
    """Whether a linear classifier of any classes gives back all labels, by linear programming."""
    x, classes = np.column_stack([points, np.ones(len(points))]), int(max(labels)) + 1
    rows = []
    for row, label in zip(x, labels, strict=True):
        for other in set(range(classes)) - {label}:
            weights = np.zeros((classes, x.shape[1]))
            weights[other], weights[label] = row, -row
            rows.append(weights.ravel())
    if not rows:
        return True
    free = [(None, None)] * len(rows[0])
    return linprog(np.zeros(len(rows[0])), A_ub=rows, b_ub=-np.ones(len(rows)), bounds=free).success


@pytest.mark.parametrize(("features", "classes"), [(1, 2), (2, 2), (2, 3), (3, 2)])
def test_a_linear_classifier_stores_less_than_its_bound_and_what_the_reason_says(features, classes):
    rng = np.random.default_rng(3)
    stored = 0
    for n in range(1, features + 4):
        points = rng.normal(size=(n, features))
        if not all(separable(points, y) for y in itertools.product(range(classes), repeat=n)):
            break
        stored = n
    assert stored == features + 1
    assert stored * np.log2(classes) <= learner_capacity.linear_bits(features, classes)


def test_a_tree_stores_any_labels_of_as_many_points_as_leaves():
    points = np.random.default_rng(0).normal(size=(8, 3))
    most = 0
    for labels in itertools.product([0, 1], repeat=8):
        tree = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0).fit(points, labels)
        assert (tree.predict(points) == labels).all()
        most = max(most, tree.get_n_leaves())
    assert most <= 8 and learner_capacity.tree_bits(8, 2) == np.log2(2**8)


def test_a_tree_stores_no_more_where_the_points_lie_in_one_order():
    line = np.arange(9.0)[:, None].repeat(3, axis=1)
    alternating = np.arange(9) % 2
    for leaves, points in ((8, 8), (9, 9)):
        tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)
        tree.fit(line[:points], alternating[:points])
        assert tree.get_n_leaves() == points
        assert (tree.predict(line[:points]) == alternating[:points]).all()
    tree = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0).fit(line, alternating)
    assert (tree.predict(line) != alternating).any()
    # And nothing with 8 intervals does: 9 points that alternate have 8 changes, so 9 intervals.


def test_fixed_leaves_store_no_more_labels_than_leaf_values():
    # Two trees of two leaves each cut a square in four cells; scores are sums of leaf values.
    cells = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]])
    labelings = list(itertools.product([-1, 1], repeat=4))
    stored = [
        linprog(np.zeros(4), A_ub=-np.array(y)[:, None] * cells, b_ub=-np.ones(4),
                bounds=[(None, None)] * 4).success
        for y in labelings
    ]  # fmt: skip
    assert not all(stored)  # the exclusive or is no sum: four bits are a bound, not reached
    assert learner_capacity.boosting_bits([2, 2]) == 4


def test_one_neighbour_gives_every_label_back_and_three_do_not():
    points = np.random.default_rng(1).normal(size=(4, 2))
    all_back = {1: True, 3: True}
    for labels in itertools.product([0, 1], repeat=4):
        for k in all_back:
            near = KNeighborsClassifier(k).fit(points, labels)
            all_back[k] &= bool((near.predict(points) == labels).all())
    assert all_back == {1: True, 3: False}
    assert learner_capacity.neighbours_bits(4, 2) == 4


@given(st.lists(st.integers(1, 500), min_size=1, max_size=20), st.integers(2, 30))
def test_a_forest_is_the_sum_of_its_trees(leaves, classes):
    alone = [learner_capacity.tree_bits(each, classes) for each in leaves]
    assert learner_capacity.forest_bits(leaves, classes) == pytest.approx(sum(alone))
    assert learner_capacity.boosting_bits(leaves) == sum(leaves)
    assert learner_capacity.forest_bits(leaves, 2) == sum(leaves)


@given(st.lists(st.integers(1, 300), min_size=2, max_size=6))
def test_without_shared_weights_layers_are_those_of_the_four_rules(sizes):
    parameters = [(a + 1) * b for a, b in itertools.pairwise(sizes)]
    bits = learner_capacity.layered_bits(parameters, sizes[:-1])
    assert bits == mec.perceptron_mec(sizes, "four-rules").bits


def test_published_and_hand_made_counts():
    assert learner_capacity.linear_bits(784, 10) == mec.perceptron_mec((784, 10)).bits == 7850
    assert learner_capacity.neighbours_bits(60_000, 10) == pytest.approx(199315.69, abs=0.01)
    assert learner_capacity.layered_bits([10, 100, 3], [9, 30, 40]) == 10 + 30 + 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: learner_capacity.linear_bits(0, 2), "features must be .* at least 1, but 0"),
        (lambda: learner_capacity.linear_bits(3, 1), "classes must be .* at least 2, but 1"),
        (lambda: learner_capacity.tree_bits(1.5, 2), "leaves must be an integer .* but 1.5"),
        (lambda: learner_capacity.forest_bits([], 2), "the length of leaves must be"),
        (lambda: learner_capacity.forest_bits([3, 0], 2), "leaves must be .* but 0"),
        (lambda: learner_capacity.boosting_bits([]), "the length of leaves must be"),
        (lambda: learner_capacity.boosting_bits([-1]), "leaves must be .* but -1"),
        (lambda: learner_capacity.neighbours_bits(0, 2), "rows must be"),
        (lambda: learner_capacity.layered_bits([], []), "one entry for each"),
        (lambda: learner_capacity.layered_bits([1, 2], [1]), "2 and 1 entries"),
        (lambda: learner_capacity.layered_bits([1, 0], [1, 1]), "parameters must be .* but 0"),
        (lambda: learner_capacity.layered_bits([1, 1], [1, 0]), "reaching must be .* but 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
