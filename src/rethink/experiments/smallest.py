"""Networks about as small as the data's capacity by Algorithm 1: one and two units on all pixels.

A unit on 784 pixels has 785 parameters, so no fully connected network has just 1225 or 1315 bits.
These two enclose both: 796 and 1,582 bits by the report's rule.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink.data import Dataset, split
from rethink.information import confusion, mutual_information_bits
from rethink.mec import perceptron_mec
from rethink.questions.networks import Recipe, fit


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return a task for one unit and for two."""
    return [{"units": units, "seeds": seeds} for units in (1, 2)]


def seconds(task: dict[str, Any]) -> float:
    """Guess the core seconds of a task."""
    return 2.0 * float(task["seeds"])


def run(data: Dataset, units: int, seeds: int) -> dict[str, NDArray[Any]]:
    """Train a hidden layer of few units for ten epochs.

    Returns:
        ``test`` and ``train``, accuracies of shape (seeds,); ``information``, bits a test picture's
        label that the answer carries, shape (seeds,); ``bits``, the capacity by the report's rule.
    """
    every = range(seeds)
    classes = len(data.classes)
    rows = np.stack([split(len(data.train_images), seed).train for seed in every])
    images = data.train_images
    labels = data.train_labels
    networks = fit(Recipe((units,)), images, labels, rows, every, classes)
    answers = networks.predict(data.test_images)
    trained = networks.predict(images)
    tables = [confusion(data.test_labels, given, classes) for given in answers]
    return {
        "test": (answers == data.test_labels).mean(axis=1),
        "train": np.take_along_axis(trained == labels, rows, axis=1).mean(axis=1),
        "information": np.array([mutual_information_bits(table) for table in tables]),
        "bits": np.array(perceptron_mec((images.shape[1], units, classes), "report").bits),
    }
