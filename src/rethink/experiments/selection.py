"""Which settings the other learners get: tried on validation rows, never on the test images.

A learner that has settings to choose learns the training rows of a seed's split with each of a few
of them, and is judged by the rows that the split holds out; the settings with the best mean over
seeds stand in `rethink.questions.learners`. Nothing is tried that takes much longer than 20 seconds
on one core, and nothing that makes it another learner: trees are grown to their end. The other
two, logistic regression and nearest neighbours, have scikit-learn's default penalty and five
neighbours; nothing was chosen for them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from rethink.data import Dataset, split
from rethink.questions.learners import LEARNERS, Convolution, Model

# What is tried: how a learner is made, and the settings that differ.
MAKERS: dict[str, Callable[..., Model]] = {
    "tree": lambda seed, **values: DecisionTreeClassifier(random_state=seed, **values),
    "forest": lambda seed, **values: RandomForestClassifier(random_state=seed, n_jobs=1, **values),
    "boosting": lambda seed, **values: HistGradientBoostingClassifier(
        max_iter=6,
        max_bins=32,
        max_leaf_nodes=31,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
        **values,
    ),
    "convolution": Convolution,
}
SETTINGS: dict[str, tuple[dict[str, Any], ...]] = {
    "tree": tuple({"max_features": share} for share in (0.1, 0.25, 0.5)),
    "forest": tuple(
        {"n_estimators": trees, "max_samples": share}
        for trees, share in ((25, None), (50, 0.5), (100, 0.25))
    ),
    "boosting": tuple({"learning_rate": rate} for rate in (0.1, 0.3, 0.5, 0.7)),
    "convolution": tuple({"learning_rate": rate} for rate in (1e-3, 3e-3, 6e-3)),
}
# Seconds that all settings of a learner take one core.
_SECONDS = {"tree": 27, "forest": 57, "boosting": 72, "convolution": 78}


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return one task for each learner and seed, all its settings in one."""
    return [{"learner": name, "seed": seed} for name in SETTINGS for seed in range(seeds)]


def seconds(task: dict[str, Any]) -> float:
    """Return roughly how many core seconds a task takes."""
    return float(_SECONDS[task["learner"]])


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"accuracy": 0.01}


def run(data: Dataset, *, learner: str, seed: int) -> dict[str, NDArray[Any]]:
    """Let a learner learn with each of its k settings, and judge it by the rows held out.

    Args:
        data: of which the test images are not looked at.
        learner: one of `SETTINGS`.
        seed: decides the split and whatever the learner draws.

    Returns:
        ``accuracy`` (k,): share of the validation rows that are right.

    Raises:
        ValueError: `learner` is not known.
    """
    if learner not in SETTINGS:
        raise ValueError(f"learner must be one of {', '.join(SETTINGS)}, but was {learner!r}")
    parts = split(len(data.train_images), seed)
    inputs = np.divide(data.train_images, 255, dtype=np.float32)
    labels = data.train_labels.astype(np.int64)
    accuracy = []
    for values in SETTINGS[learner]:
        model = MAKERS[learner](seed, **values)
        model.fit(inputs[parts.train], labels[parts.train])
        right = model.predict(inputs[parts.validation]) == labels[parts.validation]
        accuracy.append(right.mean())
    return {"accuracy": np.array(accuracy)}


def own(learner: str) -> int:
    """Return which of the settings tried are those that stand in `rethink.questions.learners`.

    Raises:
        ValueError: if none of them is.
    """
    # As text, since a model that a model holds equals itself only.
    tried = [str(vars(MAKERS[learner](0, **values))) for values in SETTINGS[learner]]
    return tried.index(str(vars(LEARNERS[learner].for_pictures(0))))
