"""Whether a unit outputs at most one bit: the last hidden layer cut to bits, and what is left.

The report's capacity of a network bounds a layer by the bits that reach it, one a unit. A ReLU
unit outputs a real number, though. Trained networks (10 epochs of the report's protocol) have the
units of their last hidden layer cut to bits, at zero or at each unit's median over the training
rows, and an output layer is trained anew on the bits alone. Of layers of up to 8 units the best
that any output layer could do is known exactly: a table from each code to the label most frequent
among the training rows that have it. Two units have 4 codes, which is at most 40 % of ten balanced
classes: a network above that has sent more than a bit a unit.

Source: rules 1 and 4 of Friedland, Metere and Krell, arXiv:1810.02328.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rethink.data import Dataset, split
from rethink.information import confusion, joint_counts, mutual_information_bits
from rethink.protocol import Spec
from rethink.questions.networks import Recipe, fit
from rethink.trainer import Stack, one_thread

NETWORKS = ((256, 128, 128), (32, 16, 16), (16, 8, 8), (8, 4, 4), (4, 4, 2))
EPOCHS = 10
CUTS = ("zero", "median")
# Units whose codes are few beside the training rows: 256 codes have their labels well counted.
NARROW = 8
# The output layer alone is a convex problem: large steps and batches settle it.
OUTPUT = Recipe(hidden=(), epochs=20, batch=512, learning_rate=1e-2)

Bits = NDArray[np.bool_]
Floats = NDArray[np.float64]


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return a task for each network."""
    return [{"hidden": hidden, "seeds": seeds} for hidden in NETWORKS]


def run(data: Dataset, hidden: tuple[int, ...], seeds: int) -> dict[str, NDArray[Any]]:
    """Train S = `seeds` members, cut their last hidden layers to bits and see what is left.

    Args:
        data: the data set.
        hidden: units of the hidden layers.
        seeds: members; they have the seeds 0 to `seeds` - 1.

    Returns:
        Arrays whose last axis, where there are two, is the cut: at zero, at the median. Narrow
        layers have at most `NARROW` units; of others the entries are NaN.

        accuracy, train_accuracy: as trained, on test and training rows, shape (S,).
        information: of prediction and label on test rows, in bits, shape (S,).
        refit_accuracy, refit_train_accuracy: by an output layer trained on bits, shape (S, 2).
        refit_information: of its prediction and the label on test rows, in bits, shape (S, 2).
        codes: distinct codes among the training rows, shape (S, 2).
        live_units: units whose bit is not the same for all training rows, shape (S, 2).
        lookup_accuracy: by the table of a narrow layer, on test rows, shape (S, 2).
        code_information, code_information_test: of code and label on training and on test rows,
            in bits, by plug-in frequencies, narrow layers only, shape (S, 2).
        bound: what 2^units codes could reach at most, on classes of equal size, shape ().
    """
    classes = len(data.classes)
    trained = _train(data, hidden, seeds)
    rows = [split(len(data.train_images), seed).train for seed in range(seeds)]
    answers = [data.train_labels[own] for own in rows]
    result: dict[str, list[Any]] = {
        name: [] for name in ("accuracy", "train_accuracy", "information")
    }
    units = []
    for network, own, wanted in zip(trained, rows, answers, strict=True):
        inside, fitted = _evaluate(network, data.train_images[own])
        outside, predicted = _evaluate(network, data.test_images)
        units.append((inside, outside))
        result["accuracy"].append((predicted == data.test_labels).mean())
        result["train_accuracy"].append((fitted == wanted).mean())
        result["information"].append(_information(data.test_labels, predicted, classes))
    cuts = []
    for cut in CUTS:
        at = [np.median(inside, axis=0) if cut == "median" else 0 for inside, _ in units]
        inside_bits = [inside > level for (inside, _), level in zip(units, at, strict=True)]
        outside_bits = [outside > level for (_, outside), level in zip(units, at, strict=True)]
        found = _refit(inside_bits, answers, outside_bits, data.test_labels, classes)
        pairs = zip(inside_bits, answers, outside_bits, strict=True)
        described = [_codes(*pair, data.test_labels, classes) for pair in pairs]
        cuts.append(found | {name: [each[name] for each in described] for name in described[0]})
    both = {name: np.array([cut[name] for cut in cuts], dtype=float).T for name in cuts[0]}
    bound = np.array(min(1.0, 2.0 ** hidden[-1] / classes))
    return {name: np.array(value) for name, value in result.items()} | both | {"bound": bound}


def seconds(task: dict[str, Any]) -> float:
    """Return rough core seconds: training, and two output layers on bits."""
    first, second, third = task["hidden"]
    cost = task["seeds"] * (2 + (784 * first + first * second) / 28_000 + third / 30)
    return float(cost)


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"accuracy": 0.02, "train_accuracy": 0.02}


def _train(data: Dataset, hidden: tuple[int, ...], seeds: int) -> list[torch.nn.Sequential]:
    """Train a stack by the report's protocol and return its members."""
    # A stack of one rounds differently: it gets a neighbour, which is dropped.
    with one_thread():
        stack = Stack([Spec(hidden, seed, EPOCHS) for seed in range(max(2, seeds))], data)
        for _ in range(EPOCHS):
            stack.epoch()
        return [stack.model.member(index) for index in range(seeds)]


def _evaluate(
    network: torch.nn.Sequential, images: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the units of the last hidden layer, shape (n, units), and predictions, (n,)."""
    with one_thread(), torch.no_grad():
        parts = torch.split(torch.tensor(images), 1_000)
        units = torch.cat([network[:-1](part.float().div_(255)) for part in parts])
        return units.numpy(), network[-1](units).argmax(dim=1).numpy()


def _refit(
    inside: list[Bits],
    answers: list[NDArray[np.uint8]],
    outside: list[Bits],
    test_labels: NDArray[np.uint8],
    classes: int,
) -> dict[str, list[float]]:
    """Train an output layer a member on bits; return accuracies and information of each."""
    members = len(inside)
    count = len(inside[0])
    # One below the other, since a stack shares its images: each member is given its own rows.
    images = 255 * np.concatenate(inside).astype(np.uint8)
    rows = np.arange(members * count).reshape(members, count)
    seeds = range(members)
    if members == 1:
        rows = np.repeat(rows, 2, axis=0)
        seeds = range(2)
    networks = fit(OUTPUT, images, np.concatenate(answers), rows, seeds, classes)
    found: dict[str, list[float]] = {
        name: [] for name in ("refit_accuracy", "refit_train_accuracy", "refit_information")
    }
    for member, (bits, wanted, tested) in enumerate(zip(inside, answers, outside, strict=True)):
        fitted = networks.predict(255 * bits.astype(np.uint8))[member]
        predicted = networks.predict(255 * tested.astype(np.uint8))[member]
        found["refit_accuracy"].append(float((predicted == test_labels).mean()))
        found["refit_train_accuracy"].append(float((fitted == wanted).mean()))
        found["refit_information"].append(_information(test_labels, predicted, classes))
    return found


def _codes(
    inside: Bits,
    answers: NDArray[np.uint8],
    outside: Bits,
    test_labels: NDArray[np.uint8],
    classes: int,
) -> dict[str, float]:
    """Describe the codes of one member, and look up its test rows if the layer is narrow."""
    units = inside.shape[1]
    live = inside.any(axis=0) & ~inside.all(axis=0)
    found = {
        "codes": float(len(np.unique(np.packbits(inside, axis=1), axis=0))),
        "live_units": float(live.sum()),
        "lookup_accuracy": np.nan,
        "code_information": np.nan,
        "code_information_test": np.nan,
    }
    if units <= NARROW:
        weights = 2 ** np.arange(units)
        shape = (2**units, classes)
        counts = joint_counts(inside @ weights, answers, shape)
        tested = joint_counts(outside @ weights, test_labels, shape)
        # A code that no training row has is taken for the most frequent class of all.
        commonest = np.bincount(answers).argmax()
        majority = np.where(counts.any(axis=1), counts.argmax(axis=1), commonest)
        right = tested[np.arange(2**units), majority].sum()
        found["lookup_accuracy"] = float(right / len(test_labels))
        found["code_information"] = mutual_information_bits(counts)
        found["code_information_test"] = mutual_information_bits(tested)
    return found


def _information(labels: NDArray[np.uint8], predicted: NDArray[np.int64], classes: int) -> float:
    return mutual_information_bits(confusion(labels, predicted, classes))
