"""What a network and Algorithm 1 make of the same data after each has been altered on purpose.

The network has 64, 32 and 32 hidden units and trains 10 epochs of the report's protocol on altered
training data; it is tested on test data altered the same way. Algorithm 1 counts thresholds along
the line of the pixel sums of the same training data. What the two should notice differs:

- ``real``: nothing altered.
- ``one permutation``: the pixels of all images in one other order. No row sum changes, and to a
  network without a notion of neighbours it is the same task.
- ``own permutation``: the pixels of each image in an order of its own. No row sum changes, so
  Algorithm 1 counts the same; all structure is gone but the histogram of grey levels.
- ``shuffled labels``: training labels in random order, and test labels too. Nothing can be
  learned.
- ``teacher``: labels by the largest of ten random linear functions of the standardised pixels, with
  offsets that make the classes about equal. Everything can be learned.
- ``noise``: random pixels with random labels, training and test.
- ``levels``: pixels with fewer grey levels (256 in the original).
- ``pooled``: images averaged over squares of pixels, to `value` pixels a side.

Information about the original test labels is given as well: a prediction that has nothing to do
with them, but with the image, is informative about them all the same.

Sources: Zhang et al., arXiv:1611.03530 (random labels and pixels); `rethink.mec`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink import mec
from rethink.data import Dataset
from rethink.information import confusion, mutual_information_bits
from rethink.protocol import Spec
from rethink.questions.damage import quantize
from rethink.questions.known_truth import noise, one_permutation, permuted_pixels, teacher
from rethink.trainer import train

HIDDEN = (64, 32, 32)
EPOCHS = 10
LEVELS = (2, 4, 8, 16, 32)
SIDES = (14, 7)

Images = NDArray[np.uint8]


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return a task for each way of altering the data; `value` is 0 where it means nothing."""
    named = [(name, 0) for name in VARIANTS if name not in ("levels", "pooled")]
    scaled = [("levels", value) for value in LEVELS] + [("pooled", value) for value in SIDES]
    return [
        {"variant": name, "value": value, "hidden": HIDDEN, "seeds": seeds}
        for name, value in named + scaled
    ]


def run(
    data: Dataset, variant: str, value: int, hidden: tuple[int, ...], seeds: int
) -> dict[str, NDArray[Any]]:
    """Alter the data, train S = `seeds` members on it, and let Algorithm 1 count its thresholds.

    Args:
        data: the data set.
        variant: one of ``VARIANTS``.
        value: grey levels, or pixels a side.
        hidden: units of the hidden layers.
        seeds: members; they have the seeds 0 to `seeds` - 1.

    Returns:
        test_accuracy, train_accuracy: shape (S,).
        test_information, train_information: mutual information of prediction and label, in bits,
            by plug-in frequencies, shape (S,).
        original_information: of the same test predictions and the labels that the test images had
            before they were altered, shape (S,).
        thresholds: what Algorithm 1 expects to count in all training rows, shape ().
        thresholds_null: the same of labels in random order, shape ().
        thresholds_sd: standard deviation of that null, shape ().
        class_counts: training rows of each class, shape (c,).

    Raises:
        ValueError: if there is no such variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, but was {variant!r}")
    altered = VARIANTS[variant](data, value)
    classes = len(data.classes)
    records = train([Spec(hidden, seed, EPOCHS) for seed in range(seeds)], altered)
    tables, originals = (
        [confusion(labels, record.test_predictions, classes) for record in records]
        for labels in (altered.test_labels, data.test_labels)
    )
    counted = mec.thresholds(altered.train_images, altered.train_labels)
    random = mec.null(counted.class_counts)
    return {
        "test_accuracy": np.array([np.trace(table) / table.sum() for table in tables]),
        "train_accuracy": np.array([record.train[-1] for record in records]),
        "test_information": np.array([mutual_information_bits(table) for table in tables]),
        "train_information": np.array(
            [mutual_information_bits(record.train_confusion) for record in records]
        ),
        "original_information": np.array([mutual_information_bits(table) for table in originals]),
        "thresholds": np.array(counted.total),
        "thresholds_null": np.array(random.total),
        "thresholds_sd": np.array(random.sd),
        "class_counts": np.bincount(altered.train_labels, minlength=classes),
    }


def seconds(task: dict[str, Any]) -> float:
    """Return rough core seconds."""
    return float(3 + 3.2 * task["seeds"])


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"test_accuracy": 0.03, "train_accuracy": 0.06}


def _real(data: Dataset, value: int) -> Dataset:
    return data


def _one_permutation(data: Dataset, value: int) -> Dataset:
    return _with_images(data, lambda images: one_permutation(images, 0))


def _own_permutation(data: Dataset, value: int) -> Dataset:
    return dataclasses.replace(
        data,
        train_images=permuted_pixels(data.train_images, 0),
        test_images=permuted_pixels(data.test_images, 1),
    )


def _shuffled_labels(data: Dataset, value: int) -> Dataset:
    generator = np.random.default_rng([0, 32])
    return dataclasses.replace(
        data,
        train_labels=generator.permutation(data.train_labels),
        test_labels=generator.permutation(data.test_labels),
    )


def _teacher(data: Dataset, value: int) -> Dataset:
    images = np.concatenate([data.train_images, data.test_images])
    labels = teacher(images, len(data.classes), 0).astype(np.uint8)
    count = len(data.train_images)
    return dataclasses.replace(data, train_labels=labels[:count], test_labels=labels[count:])


def _noise(data: Dataset, value: int) -> Dataset:
    classes = len(data.classes)
    count, pixels = data.train_images.shape
    images, labels = noise(count, pixels, classes, seed=0)
    test_images, test_labels = noise(len(data.test_images), pixels, classes, seed=1)
    return dataclasses.replace(
        data,
        train_images=images,
        train_labels=labels.astype(np.uint8),
        test_images=test_images,
        test_labels=test_labels.astype(np.uint8),
    )


def _levels(data: Dataset, value: int) -> Dataset:
    return _with_images(data, lambda images: quantize(images, value))


def _pooled(data: Dataset, value: int) -> Dataset:
    """Average squares of pixels; the images are square."""
    side = round(data.train_images.shape[1] ** 0.5)
    if value < 1 or side % value:
        raise ValueError(f"value must divide the side of {side} pixels, but {value!r} was passed")
    block = side // value

    def pool(images: Images) -> Images:
        # Summed one row and column of the squares at a time, in integers.
        grid = images.reshape(-1, value, block, value, block)
        sums = np.zeros((len(images), value, value), dtype=np.uint32)
        for i in range(block):
            for j in range(block):
                sums += grid[:, :, i, :, j]
        pooled: Images = np.rint(sums / block**2).astype(np.uint8).reshape(len(images), -1)
        return pooled

    return _with_images(data, pool)


def _with_images(data: Dataset, alter: Callable[[Images], Images]) -> Dataset:
    return dataclasses.replace(
        data, train_images=alter(data.train_images), test_images=alter(data.test_images)
    )


VARIANTS: dict[str, Callable[[Dataset, int], Dataset]] = {
    "real": _real,
    "one permutation": _one_permutation,
    "own permutation": _own_permutation,
    "shuffled labels": _shuffled_labels,
    "teacher": _teacher,
    "noise": _noise,
    "levels": _levels,
    "pooled": _pooled,
}
