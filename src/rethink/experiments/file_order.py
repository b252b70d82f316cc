"""The seven networks trained on all 60,000 pictures in the order of their file, none held out.

So does the notebook that the report's first edition seems to come from: its loader does not
shuffle, and it has no validation part (repository maoli131/experimental-design, before the commit
that mends "train and validation contamination"). All else is the report's protocol. A pass that
always goes the same way makes the last batches count most, and the weights go round with it, which
no average over an epoch shows: accuracies are measured at the end of passes.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rethink.data import Dataset
from rethink.experiments.training_runs import SEVEN
from rethink.protocol import Spec
from rethink.trainer import Stack, one_thread

EPOCHS = 80
# After which the training rows are looked at.
MEASURED = (10, 20, 30, 40, 50, 60, 70, 80)


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return a task for each network; two seeds at most, since all that they decide are weights."""
    return [
        {"hidden": hidden, "seeds": min(seeds, 2), "epochs": EPOCHS, "measured": MEASURED}
        for hidden in SEVEN
    ]


def run(
    data: Dataset,
    hidden: tuple[int, ...],
    seeds: int,
    epochs: int,
    measured: tuple[int, ...],
) -> dict[str, NDArray[Any]]:
    """Train S = `seeds` members in the order of the file, and measure them.

    Args:
        data: the data set.
        hidden: units of the hidden layers.
        seeds: members; they have the seeds 0 to S - 1, which decide the first weights.
        epochs: passes over all training images.
        measured: the epochs, from 1 on, after which accuracies are measured, m in all.

    Returns:
        ``measured`` (m,); ``train`` and ``test``, accuracies, shape (S, m).
    """
    # A stack of one rounds differently: it gets a neighbour, which is dropped.
    stack = Stack([Spec(tuple(hidden), seed, epochs) for seed in range(max(2, seeds))], data)
    members = stack.model.members
    rows = torch.arange(len(data.train_images)).expand(members, -1)
    wanted = torch.eye(stack.model.outputs)[stack.labels]
    found: dict[str, list[NDArray[np.float64]]] = {"train": [], "test": []}
    with one_thread():
        for epoch in range(1, epochs + 1):
            for begin in range(0, rows.shape[1], stack.batch):
                step = slice(begin, begin + stack.batch)
                stack.descend(stack.forward(rows[:, step]), wanted[:, step])
            if epoch in measured:
                right = stack.predict(stack.images[None]) == stack.labels
                found["train"].append(right.double().mean(dim=1).numpy()[:seeds])
                found["test"].append(stack.test()[0][:seeds])
    return {
        "measured": np.array(measured),
        **{part: np.stack(values, axis=1) for part, values in found.items()},
    }


def seconds(task: dict[str, Any]) -> float:
    """Return roughly how many core seconds a task takes."""
    first = task["hidden"][0]
    return float(task["seeds"] * task["epochs"] * (0.17 + 0.0045 * first))


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {} if min(task["hidden"]) < 8 else {"train": 0.03, "test": 0.05}
