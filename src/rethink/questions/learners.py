"""Learners other than the perceptron, a class each: how they are made, what they store, their time.

A class says everything that is known of its kind of learner, so that to add one is to write one:
the book's experiment, the plan of a card, its training and the table of rules go by `LEARNERS`.
Settings for the book's pictures that `rethink.experiments.selection` tries are those with the best
mean accuracy on the validation rows of its splits.
"""

from abc import ABC, abstractmethod
from math import ceil, isqrt, log2, nan
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor, nn
from torch.nn import functional

from rethink.questions import learner_capacity
from rethink.questions.learner_capacity import LearnerRule
from rethink.trainer import one_thread

Singles = NDArray[np.float32]
Labels = NDArray[np.int64]


class Model(Protocol):
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


def square(inputs: Singles) -> Tensor:
    """Turn rows into images, shape (n, 1, side, side); raises ValueError where they are none."""
    side = isqrt(inputs.shape[1])
    if side**2 != inputs.shape[1] or side < 10:
        raise ValueError(
            "inputs must have as many features as a square of side 10 or more has pixels, "
            f"but {inputs.shape[1]} were passed"
        )
    return torch.tensor(inputs).view(-1, 1, side, side)


class TableSize(Protocol):
    """What a learner goes by on a table: its shape, and how much work there is time for."""

    @property
    def features(self) -> int:
        """Columns."""

    @property
    def classes(self) -> int:
        """Distinct labels."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """(height, width[, channels]) of a row that is an image, else None."""

    @property
    def train_rows(self) -> int:
        """Rows to learn from."""

    @property
    def test_rows(self) -> int:
        """Rows to be judged by."""

    @property
    def trees(self) -> int:
        """Of a forest."""

    @property
    def iterations(self) -> int:
        """Of boosting."""

    @property
    def convolution_epochs(self) -> int:
        """Passes of the convolution."""

    @property
    def batch(self) -> int:
        """Rows a step of the convolution."""


class Learner(ABC):
    """A kind of learner.

    Attributes:
        name: of the kind.
        rule: by which `bits` counts.
        picture_seconds: about how many seconds the 48,000 pictures of the book take one core.
        judged_rows: training rows that it is judged on, the first ones; None for all.
    """

    name: ClassVar[str]
    rule: ClassVar[LearnerRule]
    picture_seconds: ClassVar[float]
    judged_rows: ClassVar[int | None] = None

    @abstractmethod
    def for_pictures(self, seed: int) -> Model:
        """Make one for the book's pictures."""

    @abstractmethod
    def for_table(self, size: TableSize, seed: int) -> Model:
        """Make one for a table."""

    @abstractmethod
    def table_seconds(self, size: TableSize) -> float:
        """Estimate the seconds that one on a table takes one core."""

    @abstractmethod
    def bits(self, model: Any, features: int, classes: int, rows: int) -> float:
        """Bits that a model which has learned can store, by `rule`."""

    def suits(self, shape: tuple[int, ...] | None, classes: int) -> bool:
        """Tell whether it can be tried on a table of such rows and classes."""
        return True

    def converged(self, model: Any) -> float:
        """1 or 0 where a model that has learned had settled or not; NaN where nothing settles."""
        return nan


class Logistic(Learner):
    """Logistic regression with scikit-learn's default penalty."""

    name = "logistic"
    rule = LearnerRule(
        "parameters",
        "upper bound",
        "A neuron stores no more bits than it has parameters, and the neurons stand in parallel. "
        "Labels of two classes alone need the difference of two neurons, so that no more than "
        "features + 1 points keep arbitrary labels: (features + 1) log2(classes) bits are reached.",
    )
    picture_seconds = 7

    def for_pictures(self, seed: int) -> Model:
        """`converged` says whether so many steps were enough."""
        return LogisticRegression(max_iter=100)  # type: ignore[no-any-return]

    def for_table(self, size: TableSize, seed: int) -> Model:
        """As for pictures."""
        return self.for_pictures(seed)

    def table_seconds(self, size: TableSize) -> float:
        """Every step goes through all rows."""
        of_classes = size.classes if size.classes > 2 else 1
        return 0.05 + 100 * size.train_rows * size.features * of_classes * 0.5e-9

    def bits(self, model: Any, features: int, classes: int, rows: int) -> float:
        """See `learner_capacity.linear_bits`."""
        return learner_capacity.linear_bits(features, classes)

    def converged(self, model: Any) -> float:
        """Whether it settled before its last step."""
        return float(model.n_iter_.max() < model.max_iter)


class Tree(Learner):
    """A decision tree, grown to the end.

    On the book's pictures each split tries a share of the pixels, drawn anew: to try all would take
    half a minute.
    """

    name = "tree"
    rule = LearnerRule(
        "leaves x log2(classes)",
        "reached",
        "A leaf for each point gives it any label. More points fail where they lie in one order "
        "along every feature and neighbours differ, since each needs a leaf of its own.",
    )
    picture_seconds = 8

    def for_pictures(self, seed: int) -> Model:
        """By half of the pixels at each split."""
        return DecisionTreeClassifier(max_features=0.5, random_state=seed)  # type: ignore[no-any-return]

    def for_table(self, size: TableSize, seed: int) -> Model:
        """By all columns at each split, unless they are many."""
        tried = None if size.features <= 100 else 0.25
        return DecisionTreeClassifier(max_features=tried, random_state=seed)  # type: ignore[no-any-return]

    def table_seconds(self, size: TableSize) -> float:
        """See `tree_seconds`."""
        tried = size.features if size.features <= 100 else size.features / 4
        return 2 * tree_seconds(size.train_rows, tried, size.classes)

    def bits(self, model: Any, features: int, classes: int, rows: int) -> float:
        """See `learner_capacity.tree_bits`."""
        return learner_capacity.tree_bits(model.get_n_leaves(), classes)


class Forest(Learner):
    """A random forest."""

    name = "forest"
    rule = LearnerRule(
        "sum over trees of leaves x log2(classes)",
        "upper bound",
        "As if no two trees kept the same label; but they share rows to learn from, and vote.",
    )
    picture_seconds = 19

    def for_pictures(self, seed: int) -> Model:
        """Each tree on half as many draws as there are rows: more trees for the time."""
        return RandomForestClassifier(50, max_samples=0.5, random_state=seed, n_jobs=1)  # type: ignore[no-any-return]

    def for_table(self, size: TableSize, seed: int) -> Model:
        """As many trees as there is time for."""
        return RandomForestClassifier(size.trees, random_state=seed, n_jobs=1)  # type: ignore[no-any-return]

    def table_seconds(self, size: TableSize) -> float:
        """See `tree_seconds`."""
        each = tree_seconds(size.train_rows, isqrt(size.features), size.classes)
        return size.trees * (2e-3 + each)

    def bits(self, model: Any, features: int, classes: int, rows: int) -> float:
        """See `learner_capacity.forest_bits`."""
        leaves = [tree.get_n_leaves() for tree in model.estimators_]
        return learner_capacity.forest_bits(leaves, classes)


class NearestNeighbours(Learner):
    """The five nearest rows vote."""

    name = "neighbours"
    rule = LearnerRule(
        "training rows x log2(classes)",
        "upper bound",
        "Every label is kept, as in a dictionary. One neighbour gives them all back, where no two "
        "rows are equal; a vote among several does not.",
    )
    picture_seconds = 14
    judged_rows = 2_000  # all would take a minute

    def for_pictures(self, seed: int) -> Model:
        """Nothing is drawn."""
        return Neighbours(5)

    def for_table(self, size: TableSize, seed: int) -> Model:
        """As for pictures."""
        return Neighbours(5)

    def table_seconds(self, size: TableSize) -> float:
        """Each row asked for meets each row kept."""
        asked = size.test_rows + min(size.train_rows, self.judged_rows)
        return size.train_rows * asked * (8 + 0.04 * size.features) * 1e-9

    def bits(self, model: Any, features: int, classes: int, rows: int) -> float:
        """See `learner_capacity.neighbours_bits`."""
        return learner_capacity.neighbours_bits(rows, classes)


class Boosting(Learner):
    """Gradient boosting by histograms (Friedman 2001)."""

    name = "boosting"
    rule = LearnerRule(
        "leaves of all trees",
        "upper bound",
        "With the splits held fixed, each score is linear in the values of its leaves, and a "
        "linear rule stores no more bits than it has parameters. What the choice of splits adds "
        "is not counted.",
    )
    picture_seconds = 18

    def for_pictures(self, seed: int) -> Model:
        """Ten trees an iteration take two seconds: few iterations, and so a high rate."""
        return HistGradientBoostingClassifier(  # type: ignore[no-any-return]
            max_iter=6,
            learning_rate=0.3,
            max_bins=32,
            max_leaf_nodes=31,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=seed,
        )

    def for_table(self, size: TableSize, seed: int) -> Model:
        """Few iterations want a high rate."""
        return HistGradientBoostingClassifier(  # type: ignore[no-any-return]
            learning_rate=0.1 if size.iterations >= 50 else 0.3,
            max_iter=size.iterations,
            max_bins=self._bins(size.features),
            early_stopping=False,
            random_state=seed,
        )

    def table_seconds(self, size: TableSize) -> float:
        """A tree for every class, again and again."""
        rows = size.train_rows
        trees = size.iterations * (size.classes if size.classes > 2 else 1)
        each = 0.3e-3 + size.features * (self._bins(size.features) * 60 * 3 + 6 * rows) * 1e-9
        return trees * each + rows * size.features * 50e-9

    def bits(self, model: Any, features: int, classes: int, rows: int) -> float:
        """How many leaves a tree has is not public, how many it may have is."""
        trees = model.n_iter_ * model.n_trees_per_iteration_
        return learner_capacity.boosting_bits([model.max_leaf_nodes] * trees)

    def suits(self, shape: tuple[int, ...] | None, classes: int) -> bool:
        """Many classes take too long."""
        return classes <= 30

    @staticmethod
    def _bins(features: int) -> int:
        """Bins of a feature: fewer where there are many, as the splits cost by bins."""
        return 255 if features <= 100 else 32


class ConvolutionalNetwork(Learner):
    """A small convolutional network, for square images of one channel."""

    name = "convolution"
    rule = LearnerRule(
        "first layer: parameters; later layers: the lesser of parameters and units that reach them",
        "upper bound",
        "The four rules, with a weight that is used at many places counted once. As for every "
        "network, they take a unit for one bit, which a ReLU can exceed.",
    )
    picture_seconds = 26

    def for_pictures(self, seed: int) -> Model:
        """At a rate that suits as few passes."""
        return Convolution(seed, learning_rate=6e-3)

    def for_table(self, size: TableSize, seed: int) -> Model:
        """As many passes as there is time for."""
        return Convolution(seed, size.convolution_epochs, size.batch)

    def table_seconds(self, size: TableSize) -> float:
        """Steps cost by the pixels of a batch."""
        assert size.shape is not None
        step = 1e-3 + size.batch * size.shape[0] ** 2 * 130e-9
        return size.convolution_epochs * ceil(size.train_rows / size.batch) * step

    def bits(self, model: Any, features: int, classes: int, rows: int) -> float:
        """See `learner_capacity.layered_bits`."""
        return learner_capacity.layered_bits(*model.counts(features))

    def suits(self, shape: tuple[int, ...] | None, classes: int) -> bool:
        """Rows must be square images of one channel, with a side of 10 or more."""
        if shape is None or shape[0] != shape[1]:
            return False
        return shape[0] >= 10 and (len(shape) == 2 or shape[2] == 1)


# All of them, by name, in the order of the book's tables.
LEARNERS: dict[str, Learner] = {
    kind.name: kind
    for kind in (
        Logistic(),
        Tree(),
        Forest(),
        NearestNeighbours(),
        Boosting(),
        ConvolutionalNetwork(),
    )
}


def tree_seconds(rows: int, tried: float, classes: int) -> float:
    """Estimate the seconds to grow a tree to its end that tries so many features at each split."""
    return rows * log2(rows) * max(1, tried) * (18 + 1.5 * classes) * 1e-9
