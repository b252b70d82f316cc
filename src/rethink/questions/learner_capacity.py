"""How many bits of labels other learners can store: the capacity of `rethink.mec` beyond networks.

Memory-equivalent capacity asks for the largest number of points, in general position, whose labels
a learner can give back whatever they are; n labels of c classes are n log2(c) bits (Friedland,
Metere and Krell, arXiv:1810.02328). No one formula covers all learners. Here each has a rule, and
each class of `rethink.questions.learners` says why, and whether what it counts can be reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal


@dataclass(frozen=True)
class LearnerRule:
    """What a rule counts.

    Attributes:
        formula: in words.
        kind: ``reached`` where labels of so many bits can be given back for every placement in
            general position, and no more for some; ``upper bound`` where it may be fewer.
        reason: why.
    """

    formula: str
    kind: Literal["reached", "upper bound"]
    reason: str


def linear_bits(features: int, classes: int) -> int:
    """Bits of a linear classifier with biases: its parameters, an upper bound.

    Raises ValueError if `features` is under 1 or `classes` under 2.

    >>> linear_bits(784, 10)
    7850
    """
    _at_least("features", features, 1)
    return (features + 1) * _at_least("classes", classes, 2)


def tree_bits(leaves: int, classes: int) -> float:
    """Bits of a decision tree: a label a leaf.

    Raises ValueError if `leaves` is under 1 or `classes` under 2.

    >>> tree_bits(8, 4)
    16.0
    """
    return _at_least("leaves", leaves, 1) * log2(_at_least("classes", classes, 2))


def forest_bits(leaves: Sequence[int], classes: int) -> float:
    """Bits of a forest, an upper bound.

    `leaves` has the number of each tree. Raises ValueError where there is none, or as `tree_bits`.

    >>> forest_bits([8, 4], 4)
    24.0
    """
    _at_least("the length of leaves", len(leaves), 1)
    return sum(tree_bits(each, classes) for each in leaves)


def boosting_bits(leaves: Sequence[int]) -> int:
    """Bits of boosted trees with their splits held fixed: one a leaf value, an upper bound.

    `leaves` has the number of each tree, one for every class and iteration. Raises ValueError
    where there is none, or one is under 1.

    >>> boosting_bits([31, 30])
    61
    """
    _at_least("the length of leaves", len(leaves), 1)
    return sum(_at_least("leaves", each, 1) for each in leaves)


def neighbours_bits(rows: int, classes: int) -> float:
    """Bits of nearest neighbours: all labels, an upper bound where more than one neighbour votes.

    Raises ValueError if `rows` is under 1 or `classes` under 2.

    >>> neighbours_bits(3, 4)
    6.0
    """
    return _at_least("rows", rows, 1) * log2(_at_least("classes", classes, 2))


def layered_bits(parameters: Sequence[int], reaching: Sequence[int]) -> int:
    """Bits of layers one after the other by the four rules, weights that are shared counted once.

    Args:
        parameters: weights and biases of each layer, shape (l,).
        reaching: numbers that enter each layer, shape (l,); the first, the inputs, bounds nothing.

    Raises:
        ValueError: the lengths differ, there is no layer, or a count is under 1.

    >>> layered_bits([160, 4640, 8010], [784, 2704, 800])
    3664
    """
    if not parameters or len(parameters) != len(reaching):
        raise ValueError(
            "parameters and reaching must have one entry for each of one or more layers, "
            f"but {len(parameters)} and {len(reaching)} entries were passed"
        )
    for name, counts in (("parameters", parameters), ("reaching", reaching)):
        for count in counts:
            _at_least(name, count, 1)
    later = zip(parameters[1:], reaching[1:], strict=True)
    return parameters[0] + sum(min(own, entering) for own, entering in later)


def _at_least(name: str, value: int, least: int) -> int:
    if int(value) != value or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, but {value!r} was passed")
    return int(value)
