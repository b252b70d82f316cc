"""Generalization in bits: how short a network that learns makes the code of the training labels.

The report's G counts correct instances per bit of capacity, which memorizing satisfies. Here the
48,000 training labels of the clean split are sent in random order, in chunks of doubling size:
94, 188, 375, … 24,000, 48,000 labels sent. The first chunk costs log2(10) bits a label; each
further one is coded by a network trained anew, by the report's protocol, on everything before it.
A label is only cheap if it was predicted before it was seen.

Chosen beforehand: at least 300 steps, since few rows make few steps; and probabilities mixed with
1 % of the uniform distribution, so that no label costs over 9.97 bits. How long a network should be
trained is not known beforehand: the code is made with 10 epochs and with the report's 80. Trained
for long, a network is surer than it is right, so that a third code divides the logits by a
temperature. For each chunk it is that at which the chunk before, which has been sent, would have
cost least. Networks trained on shuffled labels, which no code can shorten, are the control of each.

Sources: Blier and Ollivier, arXiv:1802.07044; `rethink.questions.code_length`; temperatures,
`rethink.questions.calibration`.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from rethink.data import Dataset, split
from rethink.experiments.training_runs import SEVEN
from rethink.protocol import Spec
from rethink.questions.calibration import fit_temperature
from rethink.questions.code_length import doubling, label_bits, prequential_bits
from rethink.trainer import EVALUATION_ROWS, Stack, one_thread

# Those that are trained for long as well, which takes eight times as long.
LASTING = ((256, 128, 128), (32, 16, 16), (8, 4, 4))
CHUNKS = 10
SHORT, LONG = 10, 80  # epochs
STEPS = 300
UNIFORM = 0.01
BATCH = 64


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return a task for each network and length of training, and its control of shuffled labels.

    Two seeds at most of what is a control or takes long.
    """
    few = min(seeds, 2)
    return [
        {"hidden": hidden, "seeds": members, "epochs": epochs, "shuffled": shuffled}
        for networks, epochs, members, shuffled in (
            (SEVEN, SHORT, seeds, False),
            (SEVEN, SHORT, few, True),
            (LASTING, LONG, few, False),
            (LASTING, LONG, few, True),
        )
        for hidden in networks
    ]


def run(
    data: Dataset, hidden: tuple[int, ...], seeds: int, epochs: int, shuffled: bool
) -> dict[str, NDArray[Any]]:
    """Code the training labels of S = `seeds` members, each in the order of its own split.

    Args:
        data: the data set.
        hidden: units of the hidden layers.
        seeds: members; they have the seeds 0 to `seeds` - 1.
        epochs: passes over what has been sent, but ``STEPS`` steps at least.
        shuffled: whether the training labels are shuffled first.

    Returns:
        boundaries: labels sent after each chunk, shape (chunks,).
        bits: length of the code of each chunk, mixed with the uniform distribution, (S, chunks).
        plain: the same by the probabilities as they are, shape (S, chunks).
        tempered: the same at the chunk's temperature and mixed, shape (S, chunks).
        temperatures: shape (S, chunks); 1 for the first two.
        total: the code length, the sum of ``bits``, shape (S,).
        uniform: bits without compression, n log2 c, shape ().
        chunk_accuracy: right answers among the labels of a chunk before they were learned, shape
            (S, chunks); 1 / c for the first.
        test_bits: mean bits a test label costs by the network that coded a chunk, thus trained on
            everything before it, mixed, shape (S, chunks); log2 c for the first. The last column is
            of networks trained on half of the training labels.
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
    passes = [0, *(max(epochs, math.ceil(STEPS / math.ceil(end / BATCH))) for end in ends[:-1])]
    costs: dict[str, list[NDArray[np.float64]]] = {"bits": [], "plain": [], "tempered": []}
    right = [np.full(seeds, 1 / classes)]
    tested = [np.full(seeds, np.log2(classes))]
    temperatures = [np.ones(seeds)]
    following = np.ones(seeds)
    with one_thread():
        for begin, end, last in zip(ends[:-1], ends[1:], passes[1:], strict=True):
            share = begin / order.shape[1]
            stack = Stack([Spec(hidden, m, last, share, batch=BATCH) for m in members], data)
            for _ in range(last):
                stack.epoch()
            chunk = order[:, begin:end]
            parts = torch.split(torch.from_numpy(chunk), EVALUATION_ROWS, dim=1)
            answers = torch.cat([stack.forward(part) for part in parts], dim=1)
            logits = _numbers(answers[..., :classes])[:seeds]
            wanted = data.train_labels[chunk[:seeds]]
            logs = log_softmax(logits, axis=-1)
            costs["bits"].append(label_bits(logs, wanted, UNIFORM))
            costs["plain"].append(label_bits(logs, wanted))
            tempered = log_softmax(logits / following[:, None, None], axis=-1)
            costs["tempered"].append(label_bits(tempered, wanted, UNIFORM))
            temperatures.append(following)
            following = np.array(
                [fit_temperature(*pair) for pair in zip(logits, wanted, strict=True)]
            )
            right.append((logits.argmax(axis=-1) == wanted).mean(axis=1))
            logs = log_softmax(_numbers(stack.logits(stack.test_images[None]))[:seeds], axis=-1)
            test_labels = np.tile(data.test_labels, (seeds, 1))
            tested.append(label_bits(logs, test_labels, UNIFORM).mean(axis=1))
    codes = {name: prequential_bits(int(ends[0]), classes, each) for name, each in costs.items()}
    return {
        "boundaries": ends,
        **codes,
        "temperatures": np.stack(temperatures, axis=1),
        "total": codes["bits"].sum(axis=1),
        "uniform": np.array(ends[-1] * np.log2(classes)),
        "chunk_accuracy": np.stack(right, axis=1),
        "test_bits": np.stack(tested, axis=1),
        "epochs": np.array(passes),
    }


def seconds(task: dict[str, Any]) -> float:
    """Return rough core seconds: a constant for every step, and the large layers' products."""
    first, second, *_ = task["hidden"]
    of_short = task["seeds"] * (2.6 + (784 * first + first * second) / 20_000)
    return float(of_short * task["epochs"] / SHORT)


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    if task["epochs"] == LONG:
        # A network that is this sure pays much for a label on which two machines differ.
        return {"chunk_accuracy": 0.04, "test_bits": 0.5}
    return {"chunk_accuracy": 0.03, "test_bits": 0.1}


def _numbers(logits: torch.Tensor) -> NDArray[np.float64]:
    return logits.double().numpy()
