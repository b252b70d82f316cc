"""How many bits of random labels networks store, on more and more labels, until no more go in.

Networks are trained on labels by the toss of a ten-sided die, 3.32 bits each, of which nothing can
be learned: what they know of them afterwards is stored. On few labels everything is stored. On more
and more the bits rise, level off, and fall again, since one rate and one number of epochs have to
do for all. The highest point is the capacity that this training finds: a lower bound on what the
network could hold, and no bound on other labels than random ones.

Two counts are made. *By answers*: n times the mutual information of labels and answers, its bias
removed. *By probabilities*: how much shorter the list of labels gets for somebody who has the
network, n log2 c less the cost of the labels by its probabilities; this counts half-stored labels
too, and needs no correction. Neither counts the bits in which the network itself would be sent.

Rows are the pictures of Fashion-MNIST, training and test, in whitened coordinates (see
`rethink.experiments.memorize`), or Gaussian noise of as many numbers, of which there are as many as
one likes. Points in general position are all that these rows have to be.

Sources: random labels, Zhang et al., arXiv:1611.03530; bits counted by probabilities, Morris et
al., arXiv:2505.24832; the bias, Miller (1955).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from rethink import information, mec
from rethink.data import Dataset
from rethink.experiments.memorize import whiten
from rethink.questions.code_length import label_bits
from rethink.questions.learner_capacity import layered_bits
from rethink.questions.learners import Convolution, square
from rethink.questions.networks import ROWS, Recipe, fit
from rethink.trainer import one_thread

# Numbers of labels, epochs, batch, rate and most members of each network. The numbers lead from
# under a bit of labels a parameter to three and more; the small ones, which cost little, to nine.
# The larger a network, the fewer epochs the book has time for: `tasks` repeats one for longer.
FILLS: dict[tuple[int, ...] | str, tuple[tuple[int, ...], int, int, float, int]] = {
    (256, 128, 128): ((76_000, 152_000, 228_000), 30, 512, 2e-3, 2),
    (128, 64, 64): ((34_000, 68_000, 102_000), 40, 512, 3e-3, 2),
    (64, 32, 32): ((12_000, 24_000, 48_000, 70_000), 80, 256, 3e-3, 2),
    (32, 16, 16): ((6_000, 12_000, 18_000, 24_000, 36_000), 150, 256, 4e-3, 2),
    (16, 8, 8): ((3_000, 6_000, 9_000, 12_000, 18_000), 200, 128, 3e-3, 3),
    (8, 4, 4): ((1_500, 3_000, 4_500, 6_000, 9_000, 18_000), 200, 128, 3e-3, 5),
    (4, 4, 2): ((750, 1_500, 2_200, 3_000, 4_500, 9_000), 300, 64, 3e-3, 5),
    "convolution": ((1_000, 2_000, 4_000), 60, 32, 3e-3, 2),
}
PICTURES = 70_000  # of Fashion-MNIST, training and test
LONGER = 4  # times as many epochs


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return a task for each network and number of labels, then controls of two choices.

    The controls: noise in place of pictures, and longer training.
    """
    found = [
        _task(network, n, min(seeds, FILLS[network][4]))
        for network in FILLS
        for n in FILLS[network][0]
    ]
    control = _task((16, 8, 8), 12_000, min(seeds, 2))
    return [
        *found,
        control | {"rows": "noise"},
        control | {"epochs": LONGER * control["epochs"]},
    ]


def _task(network: tuple[int, ...] | str, n: int, members: int) -> dict[str, Any]:
    _, epochs, batch, rate, _ = FILLS[network]
    return {
        "network": network,
        "rows": "pictures" if n <= PICTURES else "noise",
        "n": n,
        "epochs": epochs,
        "batch": batch,
        "learning_rate": rate,
        "members": members,
    }


def most_stored(
    tasks: Iterable[dict[str, Any]], results: Iterable[dict[str, NDArray[Any]]]
) -> dict[tuple[int, ...] | str, dict[str, NDArray[Any]]]:
    """Return of each network the result in which it stores most by probabilities, controls apart.

    Args:
        tasks: what was asked.
        results: what came out of each.
    """
    found: dict[tuple[int, ...] | str, dict[str, NDArray[Any]]] = {}
    for task, result in zip(tasks, results, strict=True):
        if is_control(task):
            continue
        before = found.get(task["network"])
        stored = result["by_probabilities"].mean()
        if before is None or stored > before["by_probabilities"].mean():
            found[task["network"]] = result
    return found


def is_control(task: dict[str, Any]) -> bool:
    """Tell whether a task is a control of a choice, and no point of a network's curve."""
    return task != _task(task["network"], task["n"], task["members"])


def seconds(task: dict[str, Any]) -> float:
    """Rough core seconds of a task."""
    rows = task["n"] * task["epochs"] * max(task["members"], 2)
    if task["network"] == "convolution":
        return float(140e-6 * rows / max(task["members"], 2) * task["members"])
    first = task["network"][0]
    return float(2 + rows * (3.5e-6 + 3e-8 * first))


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    few = 0.1 * task["n"] * math.log2(10)
    return {"by_answers": few, "by_probabilities": few}


def run(
    data: Dataset,
    network: tuple[int, ...] | str,
    rows: str,
    n: int,
    epochs: int,
    batch: int,
    learning_rate: float,
    members: int,
) -> dict[str, NDArray[Any]]:
    """Train S networks on n random labels each and count the bits that they store.

    Args:
        data: for its pictures and its number of classes.
        network: units in each hidden layer, or ``convolution``.
        rows: ``pictures`` in whitened coordinates, or ``noise``.
        n: labels to store.
        epochs: passes over them.
        batch: rows a step.
        learning_rate: at the first step; it falls to zero, on a cosine or, of the convolution, in a
            straight line.
        members: seeds 0 to S - 1, each with rows, labels and weights of its own.

    Returns:
        ``label_bits`` (): n log2 c. Of each member, (S,): ``right``, labels answered right;
        ``by_answers`` and ``by_probabilities``, bits stored; ``null``, ``by_answers`` against other
        labels than those it was trained on. ``parameters`` () and ``mec_bits`` (), by the four
        rules.

    Raises:
        ValueError: `rows` is unknown, or there are fewer than `n`.
    """
    classes = len(data.classes)
    inputs = _inputs(data, rows, n)
    # One member alone would be rounded differently.
    seeds = range(max(members, 2))
    chosen = np.stack([np.random.default_rng([m, 65]).permutation(len(inputs))[:n] for m in seeds])
    labels = np.stack([_labels(n, classes, [m, 66]) for m in seeds])
    settings = Settings(epochs, batch, learning_rate)
    if isinstance(network, str):
        logits, sizes = _convolution(inputs, chosen[:members], labels, settings)
    else:
        logits, sizes = _perceptrons(network, inputs, chosen, labels, classes, settings)
    each = [
        counted(logits[member], labels[member], _labels(n, classes, [member, 67]))
        for member in range(members)
    ]
    return {
        "label_bits": np.array(n * np.log2(classes)),
        **sizes,
        **{name: np.array([of_one[name] for of_one in each]) for name in each[0]},
    }


@dataclass(frozen=True)
class Settings:
    """How a network is trained: passes, rows a step, and the rate of the first step."""

    epochs: int
    batch: int
    learning_rate: float


def _perceptrons(
    hidden: Sequence[int],
    inputs: NDArray[np.float32],
    chosen: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
    settings: Settings,
) -> tuple[Sequence[NDArray[np.float32]], dict[str, NDArray[Any]]]:
    """Return logits of a stack, each member's on its own rows, (S, n, c), and the sizes."""
    every = np.zeros((len(chosen), len(inputs)), np.int64)
    np.put_along_axis(every, chosen, labels, axis=1)
    recipe = Recipe(
        tuple(hidden), settings.epochs, settings.batch, settings.learning_rate, schedule="cosine"
    )
    networks = fit(recipe, inputs, every, chosen, range(len(chosen)), classes)
    # In parts, since every member needs its own copy of its rows.
    parts = np.array_split(chosen, math.ceil(chosen.shape[1] / 1_000), axis=1)
    logits = np.concatenate([networks.logits(inputs[part]) for part in parts], axis=1)
    widths = (inputs.shape[1], *hidden, classes)
    return list(logits), {
        "parameters": np.array(sum((i + 1) * o for i, o in pairwise(widths))),
        "mec_bits": np.array(mec.perceptron_mec(widths, "four-rules").bits),
    }


def _convolution(
    inputs: NDArray[np.float32],
    chosen: NDArray[np.int64],
    labels: NDArray[np.int64],
    settings: Settings,
) -> tuple[Sequence[NDArray[np.float32]], dict[str, NDArray[Any]]]:
    """Return the logits of each member on its own rows, (n, c), and the sizes."""
    logits = []
    for seed, (own, wanted) in enumerate(zip(chosen, labels, strict=False)):
        model = Convolution(seed, settings.epochs, settings.batch, settings.learning_rate)
        model.fit(inputs[own], wanted)
        with one_thread(), torch.no_grad():
            parts = [model.layers(part) for part in torch.split(square(inputs[own]), ROWS)]
        logits.append(torch.cat(parts).numpy())
    parameters, reaching = model.counts(inputs.shape[1])
    return logits, {
        "parameters": np.array(sum(parameters)),
        "mec_bits": np.array(layered_bits(parameters, reaching)),
    }


def counted(
    logits: NDArray[np.floating], labels: NDArray[np.integer], other: NDArray[np.integer]
) -> dict[str, float]:
    """Count what one network stores of labels, from its logits on their rows.

    Args:
        logits: shape (n, c).
        labels: what it was trained on, shape (n,).
        other: labels that it never saw, shape (n,), for the null.
    """
    n, classes = logits.shape
    answers = logits.argmax(axis=1)
    logs = log_softmax(logits.astype(np.float64), axis=1)
    return {
        "right": float((answers == labels).sum()),
        "by_answers": information.shared_bits(information.confusion(labels, answers, classes)),
        "by_probabilities": float(n * np.log2(classes) - label_bits(logs, labels).sum()),
        "null": information.shared_bits(information.confusion(other, answers, classes)),
    }


def _inputs(data: Dataset, rows: str, n: int) -> NDArray[np.float32]:
    """Return rows to draw from, shape (n or more, features)."""
    features = data.train_images.shape[1]
    if rows == "noise":
        return np.random.default_rng([n, 65]).standard_normal((n, features), dtype=np.float32)
    if rows != "pictures":
        raise ValueError(f"rows must be pictures or noise, but {rows!r} was passed")
    every = np.concatenate([data.train_images, data.test_images])
    if n > len(every):
        raise ValueError(f"n must be at most {len(every)} pictures, but {n} was passed")
    return whiten(data.train_images, every)[0]


def _labels(n: int, classes: int, seed: list[int]) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, classes, n)
