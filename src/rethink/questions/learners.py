"""Learners of our own, the rule by which each stores bits, and what all of them can do."""

from math import isqrt
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor, nn
from torch.nn import functional

from rethink.questions import learner_capacity
from rethink.trainer import one_thread

Singles = NDArray[np.float32]
Labels = NDArray[np.int64]
# Training rows on which nearest neighbours are judged: all would take a minute.
NEIGHBOURS_JUDGED = 2_000


class Learner(Protocol):
    """What learns from inputs of shape (n, features), from 0 to 1, and labels of shape (n,)."""

    def fit(self, inputs: Singles, labels: Labels, /) -> Any:
        """Learn."""

    def predict(self, inputs: Singles, /) -> Labels:
        """Return labels, shape (n,)."""


class Neighbours:
    """The `k` nearest rows by Euclidean distance vote; the lowest class wins a draw.

    In blocks of rows, by one matrix product each, in single precision. A test holds the answers
    against scikit-learn's KNeighborsClassifier, which takes double precision for the products and
    1.7 to 1.9 times as long: 2,000 test images among 48,000 of Fashion-MNIST, on one core.
    """

    def __init__(self, k: int = 5) -> None:
        """Keep the number of voters."""
        self.k = k

    def fit(self, inputs: Singles, labels: Labels) -> None:
        """Keep the rows."""
        self.inputs = torch.tensor(inputs)
        self.labels = labels

    def predict(self, inputs: Singles) -> Labels:
        """Return labels, shape (n,)."""
        # The squared length of the row asked for is the same for all its neighbours: left out.
        lengths = self.inputs.square().sum(dim=1)
        found = []
        with one_thread():
            for block in torch.split(torch.tensor(inputs), 250):
                distances = torch.addmm(lengths, block, self.inputs.T, alpha=-2)
                near = distances.topk(self.k, largest=False).indices.numpy()
                votes = functional.one_hot(torch.from_numpy(self.labels[near])).sum(dim=1)
                found.append(votes.numpy().argmax(axis=1))
        return np.concatenate(found)


class Convolution:
    """Two 3x3 convolutions, each with pooling and ReLU, then a linear layer; square images.

    Trained on cross entropy by Adam, at a rate that falls to zero in a straight line. The loop is
    its own, since `rethink.questions.networks.fit` trains stacks of perceptrons and no other model.
    """

    def __init__(
        self, seed: int, epochs: int = 4, batch: int = 128, learning_rate: float = 3e-3
    ) -> None:
        """Keep the settings."""
        self.seed = seed
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate

    def fit(self, inputs: Singles, labels: Labels) -> None:
        """Train; raises ValueError where images are not square, or too small."""
        images = square(inputs)
        answers = torch.from_numpy(labels)
        shuffle = torch.Generator().manual_seed(self.seed + 2**32)
        side = ((images.shape[-1] - 2) // 2 - 2) // 2
        # Layers draw from the one generator there is, which is put back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.layers = nn.Sequential(
                nn.Conv2d(1, 16, 3),
                nn.MaxPool2d(2),
                nn.ReLU(),
                nn.Conv2d(16, 32, 3),
                nn.MaxPool2d(2),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(32 * side * side, int(labels.max()) + 1),
            )
        # Channels innermost takes three fifths of the time on a processor.
        self.layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.Adam(self.layers.parameters(), lr=self.learning_rate, fused=True)
        steps = self.epochs * -(-len(images) // self.batch)
        falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
        with one_thread():
            for _ in range(self.epochs):
                order = torch.randperm(len(images), generator=shuffle)
                for rows in torch.split(order, self.batch):
                    loss = functional.cross_entropy(self.layers(images[rows]), answers[rows])
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                    falling.step()

    def predict(self, inputs: Singles) -> Labels:
        """Return labels, shape (n,)."""
        with one_thread(), torch.no_grad():
            parts = [self.layers(part).argmax(dim=1) for part in torch.split(square(inputs), 1_000)]
            return torch.cat(parts).numpy()

    def counts(self, features: int) -> tuple[list[int], list[int]]:
        """Return parameters of each layer, and numbers that enter it, for `layered_bits`."""
        units = square(np.zeros((1, features), np.float32))
        parameters = []
        reaching = []
        for layer in self.layers:
            own = sum(each.numel() for each in layer.parameters())
            if own:
                parameters.append(own)
                reaching.append(units.numel())
            units = layer(units)
        return parameters, reaching


def stored_bits(model: Any, features: int, classes: int, rows: int) -> float:
    """Bits that a model which has learned can store, by its rule in `learner_capacity`."""
    if isinstance(model, DecisionTreeClassifier):
        return learner_capacity.tree_bits(model.get_n_leaves(), classes)
    if isinstance(model, RandomForestClassifier):
        leaves = [tree.get_n_leaves() for tree in model.estimators_]
        return learner_capacity.forest_bits(leaves, classes)
    if isinstance(model, HistGradientBoostingClassifier):
        # How many leaves a tree has is not public, how many it may have is.
        trees = model.n_iter_ * model.n_trees_per_iteration_
        return learner_capacity.boosting_bits([model.max_leaf_nodes] * trees)
    if isinstance(model, Convolution):
        return learner_capacity.layered_bits(*model.counts(features))
    if isinstance(model, Neighbours):
        return learner_capacity.neighbours_bits(rows, classes)
    return learner_capacity.linear_bits(features, classes)


def square(inputs: Singles) -> Tensor:
    """Turn rows into images, shape (n, 1, side, side); raises ValueError where they are none."""
    side = isqrt(inputs.shape[1])
    if side**2 != inputs.shape[1] or side < 10:
        raise ValueError(
            "inputs must have as many features as a square of side 10 or more has pixels, "
            f"but {inputs.shape[1]} were passed"
        )
    return torch.tensor(inputs).view(-1, 1, side, side)
