import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from rethink.instrument.budget import plan as make_plan
from rethink.questions import learners


def test_neighbours_are_those_of_scikit_learn(small):
    inputs = small.train_images / np.float32(255)
    labels = small.train_labels.astype(np.int64)
    asked = small.test_images / np.float32(255)
    for k in (1, 5):
        mine = learners.Neighbours(k)
        mine.fit(inputs, labels)
        theirs = KNeighborsClassifier(k, algorithm="brute").fit(inputs.astype(float), labels)
        np.testing.assert_array_equal(mine.predict(asked), theirs.predict(asked.astype(float)))


def test_one_neighbour_of_a_row_is_the_row_itself(small):
    inputs, labels = small.train_images / np.float32(255), small.train_labels.astype(np.int64)
    mine = learners.Neighbours(1)
    mine.fit(inputs, labels)
    np.testing.assert_array_equal(mine.predict(inputs), labels)


def test_a_convolution_trains_as_a_plain_loop_does(small):
    inputs = small.train_images[:500] / np.float32(255)
    labels = small.train_labels[:500].astype(np.int64)
    mine = learners.Convolution(3, epochs=2, batch=200)
    mine.fit(inputs, labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first, second, last = nn.Conv2d(1, 16, 3), nn.Conv2d(16, 32, 3), nn.Linear(800, 10)
    slow = [*first.parameters(), *second.parameters(), *last.parameters()]
    shuffle = torch.Generator().manual_seed(3 + 2**32)
    optimizer = torch.optim.Adam(slow)
    step = 0
    for _ in range(2):
        order = torch.randperm(500, generator=shuffle)
        for begin in (0, 200, 400):
            rows = order[begin : begin + 200]
            x = torch.tensor(inputs)[rows].view(-1, 1, 28, 28)
            for layer in (first, second):
                x = nn.functional.max_pool2d(torch.relu(layer(x)), 2)
            loss = nn.functional.cross_entropy(last(x.flatten(1)), torch.tensor(labels)[rows])
            optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / 6)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    for a, b in zip(mine.layers.parameters(), slow, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=2e-3)


@pytest.mark.parametrize("features", [783, 81])
def test_images_that_are_no_squares_or_too_small_are_named(features):
    with pytest.raises(ValueError, match=f"a square of side 10 or more .* {features} were"):
        learners.Convolution(0).fit(np.zeros((4, features), np.float32), np.arange(4))


def test_every_learner_says_all_that_is_known_of_it():
    for name, kind in learners.LEARNERS.items():
        assert kind.name == name
        assert kind.rule.formula and kind.rule.reason
        assert kind.picture_seconds > 0


def test_learners_suit_what_they_can_learn_in_time():
    def suited(shape, classes):
        return [name for name, kind in learners.LEARNERS.items() if kind.suits(shape, classes)]

    always = ["logistic", "tree", "forest", "neighbours"]
    assert suited(None, 2) == suited((9, 9), 30) == suited((28, 20), 3) == [*always, "boosting"]
    assert suited(None, 31) == suited((28, 28, 3), 31) == always
    assert suited((10, 10), 2) == suited((28, 28, 1), 30) == [*always, "boosting", "convolution"]
    assert suited((28, 28), 31) == [*always, "convolution"]


@pytest.mark.parametrize("name", learners.LEARNERS)
def test_a_learner_of_a_table_learns_and_is_counted(name):
    """A table of images in two classes that a corner tells apart."""
    plan = make_plan(100, 100, 2, minutes=0.5, seeds=2, shape=(10, 10))
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    rows = rng.random((80, 100), dtype=np.float32)
    rows[:, :30] += labels[:, None]
    kind = learners.LEARNERS[name]
    assert 0 < kind.table_seconds(plan) < 10
    model = kind.for_table(plan, seed=0)
    model.fit(rows, labels)
    assert (model.predict(rows) == labels).mean() > 0.9
    assert kind.bits(model, 100, 2, 80) > 0
    assert np.isnan(kind.converged(model)) == (name != "logistic")
