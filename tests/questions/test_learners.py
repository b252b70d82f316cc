import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

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
