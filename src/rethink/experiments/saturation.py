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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from rethink import information, mec
from rethink.data import Dataset
from rethink.experiments.memorize import whiten
from rethink.questions.code_length import label_bits
from rethink.questions.networks import Recipe, fit


def run(
    data: Dataset,
    hidden: tuple[int, ...],
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
        hidden: units in each hidden layer.
        rows: ``pictures`` in whitened coordinates, or ``noise``.
        n: labels to store.
        epochs: passes over them.
        batch: rows a step.
        learning_rate: at the first step; it falls to zero on a cosine.
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
    # One member alone would be rounded differently.
    seeds = range(max(members, 2))
    inputs, chosen = _rows(data, rows, n, seeds)
    labels = np.stack([_labels(len(inputs), classes, [seed, 66]) for seed in seeds])
    recipe = Recipe(tuple(hidden), epochs, batch, learning_rate, schedule="cosine")
    networks = fit(recipe, inputs, labels, chosen, seeds, classes)

    found: dict[str, list[float]] = {}
    for seed in range(members):
        own = chosen[seed]
        logits = _own_logits(networks, inputs, own, seed)
        wanted = labels[seed, own]
        other = _labels(len(inputs), classes, [seed, 67])[own]
        for name, value in counted(logits, wanted, other).items():
            found.setdefault(name, []).append(value)
    sizes = (inputs.shape[1], *hidden, classes)
    return {
        "label_bits": np.array(n * np.log2(classes)),
        "parameters": np.array(sum((i + 1) * o for i, o in pairwise(sizes))),
        "mec_bits": np.array(mec.perceptron_mec(sizes, "four-rules").bits),
        **{name: np.array(values) for name, values in found.items()},
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
