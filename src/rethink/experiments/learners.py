"""Other learners than the report's perceptron, on the same rows and the same test images.

The report calls its perceptron so well suited that no other learner need be tried. Here six are:
logistic regression, a decision tree, a random forest, nearest neighbours, gradient boosting
(Friedman 2001, by histograms) and a small convolutional network. Each learns the clean split's
training rows of a seed, pixels divided by 255, and is tested on the test images.

Settings are kept to about 20 seconds on one core. Those of the trees, the boosting and the
convolution are chosen on validation rows, among a few: see `rethink.experiments.selection`. What is
measured is what a learner reaches so, not the best it can. What it can store is counted by
`rethink.questions.learner_capacity`.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from rethink.data import Dataset, split
from rethink.information import confusion
from rethink.questions.learners import LEARNERS


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return one task for each learner and seed."""
    return [{"learner": name, "seed": seed} for name in LEARNERS for seed in range(seeds)]


def seconds(task: dict[str, Any]) -> float:
    """Return roughly how many core seconds a task takes."""
    return float(LEARNERS[task["learner"]].picture_seconds)


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"accuracy": 0.005}


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
        `LEARNERS[learner].rule`; ``converged`` (): 1 or 0, NaN for a learner that
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
    kind = LEARNERS[learner]
    model = kind.for_pictures(seed)
    with warnings.catch_warnings():
        # Said in the result instead.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(inputs, labels)
    judged = kind.judged_rows or len(rows)
    right = model.predict(inputs[:judged]) == labels[:judged]
    table = confusion(data.test_labels, model.predict(_inputs(data.test_images)), classes)
    return {
        "accuracy": np.array(np.trace(table) / table.sum()),
        "train_accuracy": np.array(right.mean()),
        "train_rows": np.array(len(right)),
        "confusion": table,
        "bits": np.array(float(kind.bits(model, inputs.shape[1], classes, len(rows)))),
        "converged": np.array(kind.converged(model)),
    }


def _inputs(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.divide(images, 255, dtype=np.float32)
