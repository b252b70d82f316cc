"""One thing changed at a time around the report's way of training.

The report expects that batch size and loss are unlikely to change its results, and fixes the rest
without a word. Here one network, 784-64-32-32-10, is trained as there, and then with one setting
changed: batch, rate, its schedule, optimizer, activation, loss, what holds weights down, and the
layers, with about the same bits. Members have the same split, weights and order of rows under one
seed in all variants that have its layers, so that differences are to be taken seed by seed.

Optimizers other than Adam need rates of their own; each has one that is usual for it. Nothing was
tuned.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from rethink import mec
from rethink.data import Dataset, split
from rethink.questions.networks import Networks, Recipe, fit

HIDDEN = (64, 32, 32)
BASELINE = "baseline"
# What differs from the baseline, by the variant's name.
VARIANTS: dict[str, dict[str, Any]] = {
    BASELINE: {},
    "batch 32": {"batch": 32},
    "batch 256": {"batch": 256},
    "batch 1024": {"batch": 1024},
    "rate 0.0003": {"learning_rate": 3e-4},
    "rate 0.01": {"learning_rate": 1e-2},
    "cosine": {"schedule": "cosine"},
    "sgd 0.1": {"optimizer": "sgd", "learning_rate": 0.1},
    "adamw": {"optimizer": "adamw", "weight_decay": 1e-2},
    "tanh": {"activation": "tanh"},
    "sigmoid": {"activation": "sigmoid"},
    "squared error": {"loss": "squared-error"},
    "dropout 0.2": {"dropout": 0.2},
    "no hidden layer": {"hidden": ()},
    "one hidden layer": {"hidden": (64,)},
    "five hidden layers": {"hidden": (64, 32, 32, 32, 32)},
}
# Time of an epoch over that of the baseline, where it differs much.
_TIMES = {"batch 32": 1.6, "batch 1024": 0.6, "no hidden layer": 0.75, "five hidden layers": 1.2}


def tasks(seeds: int, epochs: int = 10) -> list[dict[str, Any]]:
    """Return one task for each variant, all its seeds in one stack."""
    return [{"variant": name, "seeds": seeds, "epochs": epochs} for name in VARIANTS]


def seconds(task: dict[str, Any]) -> float:
    """Return roughly how many core seconds a task takes."""
    epoch = 1.7 * _TIMES.get(task["variant"], 1.0) * task["seeds"] / 5
    return float(epoch * task["epochs"] + 1)


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"accuracy": 0.03, "train": 0.03}


def run(data: Dataset, *, variant: str, seeds: int, epochs: int) -> dict[str, NDArray[Any]]:
    """Train a variant's members, S = `seeds` in all, and measure them.

    Args:
        data: with the images.
        variant: one of `VARIANTS`.
        seeds: members, seeds 0 to `seeds` - 1.
        epochs: passes over the training rows.

    Returns:
        ``accuracy`` (S,): share of the test images; ``train`` (S,): of the rows trained on, after
        training; ``loss`` (S,): mean cross entropy of the test labels in bits, NaN where the
        network was trained on squared error, since its outputs are no logarithms; ``dead`` (S,):
        whether one class is given to every test image; ``bits`` (): capacity by the four rules.

    Raises:
        ValueError: `variant` is not known, or `seeds` or `epochs` is under 1.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, but was {variant!r}")
    if seeds < 1:
        raise ValueError(f"seeds must be 1 or more, but was {seeds}")
    recipe = replace(Recipe(HIDDEN, epochs), **VARIANTS[variant])
    images = data.train_images
    labels = data.train_labels
    rows = np.stack([split(len(images), seed).train for seed in range(seeds)])
    networks = fit(recipe, images, labels, rows, range(seeds), len(data.classes))
    right = np.take_along_axis(networks.predict(images) == labels, rows, axis=1)
    logits = networks.logits(data.test_images)
    predicted = logits.argmax(axis=-1)
    return {
        "accuracy": (predicted == data.test_labels).mean(axis=1),
        "train": right.mean(axis=1),
        "loss": _loss_bits(networks, logits, data.test_labels),
        "dead": (predicted == predicted[:, :1]).all(axis=1),
        "bits": np.array(
            mec.perceptron_mec(
                (images.shape[1], *recipe.hidden, networks.classes), "four-rules"
            ).bits
        ),
    }


def _loss_bits(
    networks: Networks, logits: NDArray[np.float32], labels: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the mean cross entropy of each member in bits, shape (S,)."""
    if networks.recipe.loss != "cross-entropy":
        return np.full(len(logits), np.nan)
    # Logarithms are taken before exponents underflow: a sure and wrong answer has a finite cost.
    surprise = -log_softmax(logits.astype(np.float64), axis=-1)
    chosen = surprise[:, np.arange(len(labels)), labels]
    return np.asarray(chosen.mean(axis=1) / np.log(2))
