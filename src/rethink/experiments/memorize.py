"""Can the report's network store its whole training set, and how many labels of no meaning?

The report holds its largest network to be guaranteed to memorize all of the training data; trained
as it was, it stopped at 98.2 % after 80 epochs. Here networks are trained to get every label right,
true or random (uniform over ten classes, 3.32 bits each), and two reasons are measured why the
report's did not: the rate that never falls, and the coordinates that training works in.

Whitened coordinates are a linear map of the pixels after which the 60,000 training images have mean
zero and nearly the identity for a covariance. The map can be undone and the first layer can take it
up, so a network computes the same functions of either. Only the way that training takes differs.

Bits stored are n times the mutual information of labels and predictions on the rows trained on. For
ten classes the estimate lies high by up to about 81 / (2 ln 2) = 58 bits in all.

Sources: random labels, Zhang et al., arXiv:1611.03530; the four rules, arXiv:1810.02328.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink import information, mec
from rethink.data import Dataset, split
from rethink.questions.networks import Networks, Recipe, fit

LARGEST = (256, 128, 128)
# Added to every eigenvalue of the covariance (the largest is 19.8, the median 0.006, the smallest
# 1e-7), so that pixels that hardly ever vary are not blown up.
SOFT = 0.01
EXTRA = 4  # epochs in which the rate falls, of the part "decay"


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Networks to be filled, then the rate that falls; the dearest ones with two seeds at most."""
    few = min(seeds, 2)
    found = [
        _task(LARGEST, 48_000, "true", "whitened", 11, 128, seeds),
        _task(LARGEST, 48_000, "random", "whitened", 26, 128, few),
        _task(LARGEST, 6_000, "random", "whitened", 24, 64, few),
        _task(LARGEST, 6_000, "random", "pixels", 24, 64, few),
    ]
    return [*found, _task(LARGEST, 48_000, "true", "pixels", 16, 64, few) | {"part": "decay"}]


def run(
    data: Dataset,
    part: str,
    hidden: tuple[int, ...],
    n: int,
    labels: str,
    coordinates: str,
    epochs: int,
    batch: int,
    members: int,
) -> dict[str, NDArray[Any]]:
    """Train a stack of networks on n rows and count what they store.

    Args:
        data: images and labels.
        part: ``fill`` trains with a rate that falls from 1e-3 to zero on a cosine and stops when
            every member has had every label right; ``decay`` keeps the rate of 1e-3 and, after half
            of the epochs and after all, trains a copy for 4 more epochs with a rate that falls.
        hidden: units in each hidden layer.
        n: rows to train on, at most; the first of each member's clean split.
        labels: ``true`` or ``random``.
        coordinates: ``pixels`` or ``whitened``.
        epochs: at most.
        batch: rows a step.
        members: seeds 0 to members - 1; at least two are trained.

    Returns:
        ``n``, ``mec_bits`` (four rules) and ``label_bits`` (entropy of the labels times n, (S,));
        ``running`` (S, epochs), share right while training, NaN after the end; ``correct``
        (S, epochs), labels right when counted after an epoch, -1 where it was not counted;
        ``complete`` (S,), first epoch after which all were right or -1; ``bits`` (S,) stored where
        most labels were right; ``test`` (S,) accuracy on the test images at the end. Of ``decay``
        instead of ``complete``: ``at`` (2,) epochs, ``before`` and ``after`` (S, 2), labels right
        before and after the 4 epochs of falling rate, and ``extra`` (), their number.

    Raises:
        ValueError: `part`, `labels` or `coordinates` is unknown, or `epochs` under 2 for `decay`.
    """
    for name, value, known in (
        ("part", part, ("fill", "decay")),
        ("labels", labels, ("true", "random")),
        ("coordinates", coordinates, ("pixels", "whitened")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, but was {value!r}")
    if part == "decay" and epochs < 2:
        raise ValueError(f"epochs must be 2 or more for decay, but {epochs} was passed")
    # One member alone would be rounded differently.
    seeds = range(max(members, 2))
    total = len(data.train_images)
    classes = len(data.classes)
    rows = np.stack([split(total, seed).train[:n] for seed in seeds])
    answers = np.stack([_answers(data.train_labels, labels, seed) for seed in seeds])
    images: NDArray[Any] = data.train_images
    test_images: NDArray[Any] = data.test_images
    if coordinates == "whitened":
        images, test_images = whiten(data.train_images, data.train_images, data.test_images)
    wanted = np.take_along_axis(answers, rows, axis=1)
    running = np.full((len(seeds), epochs), np.nan)
    correct = np.full((len(seeds), epochs), -1)
    tables = np.zeros((len(seeds), classes, classes), dtype=np.intp)
    before = []
    after = []

    def after_epoch(networks: Networks, epoch: int, shares: NDArray[np.float64]) -> bool:
        running[:, epoch - 1] = shares
        if part == "fill" and (shares.max() > 0.995 or epoch == epochs):
            found = _tables(networks, images, rows, wanted, classes)
            now = np.trace(found, axis1=1, axis2=2)
            correct[:, epoch - 1] = now
            # What a member stores at its best: a later step may lose a label again.
            better = now >= np.trace(tables, axis1=1, axis2=2)
            tables[better] = found[better]
        if part == "decay" and epoch in (epochs // 2, epochs):
            tables[:] = _tables(networks, images, rows, wanted, classes)
            correct[:, epoch - 1] = np.trace(tables, axis1=1, axis2=2)
            before.append(correct[:, epoch - 1])
            settled = settle(networks, images, answers, rows, EXTRA, epoch)
            found = _tables(settled, images, rows, wanted, classes)
            after.append(np.trace(found, axis1=1, axis2=2))
        return part == "fill" and bool((correct == rows.shape[1]).any(axis=1).all())

    schedule = "cosine" if part == "fill" else "constant"
    recipe = Recipe(hidden, epochs, batch, schedule=schedule)
    networks = fit(recipe, images, answers, rows, seeds, classes, after_epoch)
    sizes = (data.train_images.shape[1], *hidden, classes)
    each = [information.mutual_information_bits(table) for table in tables]
    entropies = [information.entropy_bits(table.sum(axis=1)) for table in tables]
    results: dict[str, NDArray[Any]] = {
        "n": np.array(rows.shape[1]),
        "mec_bits": np.array(mec.perceptron_mec(sizes, "four-rules").bits),
        "label_bits": np.array(entropies) * rows.shape[1],
        "bits": np.array(each) * rows.shape[1],
        "test": (networks.predict(test_images) == data.test_labels).mean(axis=1),
        "running": running,
        "correct": correct,
    }
    if part == "decay":
        return results | {
            "at": np.array([epochs // 2, epochs]),
            "before": np.stack(before, axis=1),
            "after": np.stack(after, axis=1),
            "extra": np.array(EXTRA),
        }
    full = correct == rows.shape[1]
    return results | {"complete": np.where(full.any(axis=1), full.argmax(axis=1) + 1, -1)}


def seconds(task: dict[str, Any]) -> float:
    """Rough core seconds of a task."""
    weights = 1_000 * task["hidden"][0] + 50_000
    epochs = task["epochs"] + (2 * EXTRA if task["part"] == "decay" else 0)
    rows = task["n"] * max(task["members"], 2) * epochs
    return float(3 + rows * weights * 6e-11 * (1.5 if task["batch"] < 100 else 1.2))


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"bits": 0.05 * task["n"] * math.log2(10), "before": 300.0, "after": 300.0}


def whiten(fitted: NDArray[np.uint8], *images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Map images, shape (n, features), to coordinates in which `fitted` has no correlations.

    The map is x (C + 0.01)^(-1/2) after the mean is taken off, with C the covariance of `fitted`
    and pixels from 0 to 1. The root taken is the symmetric one, which the
    signs of the eigenvectors do not touch.
    """
    scaled = fitted / np.float32(255)
    mean = scaled.mean(axis=0)
    scaled -= mean
    values, vectors = np.linalg.eigh((scaled.T @ scaled / len(scaled)).astype(np.float64))
    # Rounding can leave the smallest ones a hair under zero.
    root = (vectors / np.sqrt(np.maximum(values, 0) + SOFT)) @ vectors.T
    return [(part / np.float32(255) - mean) @ root.astype(np.float32) for part in images]


def settle(
    networks: Networks,
    images: NDArray[Any],
    answers: NDArray[np.integer[Any]],
    rows: NDArray[np.integer[Any]],
    epochs: int,
    seed: int,
) -> Networks:
    """Train a copy of networks by their recipe, but for a rate that falls in a straight line.

    Adam begins anew with the rate of the recipe. Arguments as for `rethink.questions.networks.fit`;
    `seed` decides the order of the batches, which is the same for all members.
    """
    return fit(
        replace(networks.recipe, epochs=epochs, schedule="linear"),
        images,
        answers,
        rows,
        range(networks.members),
        networks.classes,
        start=networks,
        order_seeds=[seed] * networks.members,
    )


def _task(
    hidden: tuple[int, ...],
    n: int,
    labels: str,
    coordinates: str,
    epochs: int,
    batch: int,
    members: int,
) -> dict[str, Any]:
    return {
        "part": "fill",
        "hidden": hidden,
        "n": n,
        "labels": labels,
        "coordinates": coordinates,
        "epochs": epochs,
        "batch": batch,
        "members": members,
    }


def _answers(labels: NDArray[np.uint8], kind: str, seed: int) -> NDArray[np.int64]:
    if kind == "true":
        return labels.astype(np.int64)
    return np.random.default_rng([seed, 66]).integers(0, 10, len(labels))


def _tables(
    networks: Networks,
    images: NDArray[Any],
    rows: NDArray[np.integer[Any]],
    wanted: NDArray[np.int64],
    classes: int,
) -> NDArray[np.intp]:
    """Return each member's confusion table on its own rows, shape (S, classes, classes)."""
    # In parts, since every member needs its own copy of its rows.
    parts = np.array_split(rows, -(-rows.shape[1] // 1_000), axis=1)
    got = np.concatenate([networks.predict(images[part]) for part in parts], axis=1)
    return np.stack(
        [information.confusion(*pair, classes) for pair in zip(wanted, got, strict=True)]
    )
