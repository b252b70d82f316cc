"""Generalization in bits: how short a network that learns makes the code of the training labels.

The report's G counts correct instances per bit of capacity, which memorizing satisfies. Here the
48,000 training labels of the clean split are sent in random order, in chunks of doubling size:
94, 188, 375, … 24,000, 48,000 labels sent. The first chunk costs log2(10) bits a label; each
further one is coded by a network trained anew, by the report's protocol, on everything before it.
A label is only cheap if it was predicted before it was seen.

Chosen beforehand: 10 epochs, but at least 300 steps, since few rows make few steps; and
probabilities mixed with 1 % of the uniform distribution, so that no label costs over 9.97 bits. On
a few thousand labels of two members, more steps made the codes of the small chunks longer
(overconfidence), fewer epochs those of the large ones. Networks trained on shuffled labels, which
no code can shorten, are the control.

Sources: Blier and Ollivier, arXiv:1802.07044; `rethink.questions.code_length`.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rethink.data import Dataset, split
from rethink.protocol import Spec
from rethink.questions.code_length import doubling, label_bits, prequential_bits
from rethink.trainer import Stack, one_thread

NETWORKS = (
    (256, 128, 128),
    (128, 64, 64),
    (64, 32, 32),
    (32, 16, 16),
    (16, 8, 8),
    (8, 4, 4),
    (4, 4, 2),
)
CONTROLS = ((64, 32, 32), (8, 4, 4))
CHUNKS = 10
EPOCHS = 10
STEPS = 300
UNIFORM = 0.01
BATCH = 64
# Rows a forward pass takes at once: few enough for the cache.
ROWS = 1_000


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return a task for each network, then one with shuffled labels for two of them."""
    return [
        {"hidden": hidden, "seeds": seeds, "shuffled": shuffled}
        for networks, shuffled in ((NETWORKS, False), (CONTROLS, True))
        for hidden in networks
    ]


def run(
    data: Dataset, hidden: tuple[int, ...], seeds: int, shuffled: bool
) -> dict[str, NDArray[Any]]:
    """Code the training labels of S = `seeds` members, each in the order of its own split.

    Args:
        data: the data set.
        hidden: units of the hidden layers.
        seeds: members; they have the seeds 0 to `seeds` - 1.
        shuffled: whether the training labels are shuffled first.

    Returns:
        boundaries: labels sent after each chunk, shape (chunks,).
        bits: length of the code of each chunk, shape (S, chunks).
        total: the code length, shape (S,).
        uniform: bits without compression, n log2 c, shape ().
        chunk_accuracy: right answers among the labels of a chunk before they were learned, shape
            (S, chunks); 1 / c for the first.
        test_bits: mean bits a test label costs by the network that coded a chunk, thus trained on
            everything before it, shape (S, chunks); log2 c for the first. The last column is of
            networks trained on half of the training labels.
        epochs: passes that each of those networks took, shape (chunks,); 0 for the first.
    """
    if shuffled:
        labels = np.random.default_rng([0, 31]).permutation(data.train_labels)
        data = dataclasses.replace(data, train_labels=labels)
    rows = len(data.train_images)
    classes = len(data.classes)
    # A stack of one rounds differently: it gets a neighbour, which is dropped.
    members = range(max(2, seeds))
    order = np.stack([split(rows, seed).train for seed in members])
    ends = doubling(order.shape[1], CHUNKS)
    epochs = [0, *(max(EPOCHS, math.ceil(STEPS / math.ceil(end / BATCH))) for end in ends[:-1])]
    costs = []
    right = [np.full(seeds, 1 / classes)]
    tested = [np.full(seeds, np.log2(classes))]
    with one_thread():
        for begin, end, passes in zip(ends[:-1], ends[1:], epochs[1:], strict=True):
            specs = [
                Spec(hidden, seed, passes, begin / order.shape[1], batch=BATCH) for seed in members
            ]
            stack = Stack(specs, data)
            for _ in range(passes):
                stack.epoch()
            chunk = torch.from_numpy(order[:, begin:end])
            logs = _logs([stack.forward(part) for part in torch.split(chunk, ROWS, dim=1)], classes)
            wanted = data.train_labels[order[:, begin:end]]
            costs.append(label_bits(logs, wanted, UNIFORM)[:seeds])
            right.append((logs.argmax(axis=-1) == wanted)[:seeds].mean(axis=1))
            images = stack.test_images.expand(len(specs), -1, -1)
            parts = torch.split(images, ROWS, dim=1)
            logs = _logs([stack.model.forward(part) for part in parts], classes)
            wanted = np.tile(data.test_labels, (len(specs), 1))
            tested.append(label_bits(logs, wanted, UNIFORM)[:seeds].mean(axis=1))
    bits = prequential_bits(int(ends[0]), classes, costs)
    return {
        "boundaries": ends,
        "bits": bits,
        "total": bits.sum(axis=1),
        "uniform": np.array(ends[-1] * np.log2(classes)),
        "chunk_accuracy": np.stack(right, axis=1),
        "test_bits": np.stack(tested, axis=1),
        "epochs": np.array(epochs),
    }


def seconds(task: dict[str, Any]) -> float:
    """Return rough core seconds: a constant for every step, and the large layers' products."""
    first, second, *_ = task["hidden"]
    return float(task["seeds"] * (2.6 + (784 * first + first * second) / 20_000))


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"chunk_accuracy": 0.03, "test_bits": 0.1}


def _logs(logits: list[torch.Tensor], classes: int) -> NDArray[np.float64]:
    """Return natural logarithms of the probabilities, without the outputs added for alignment."""
    joined = torch.cat(logits, dim=1)[..., :classes].double()
    return np.asarray(torch.log_softmax(joined, dim=-1).numpy())
