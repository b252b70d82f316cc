"""The report's own training runs: which networks, on how much data, with which labels.

Three studies: ``capacity``, the seven networks of the report's Figure 8, whose first is also its
Figure 6; ``shares``, the largest network on growing shares of the training data (Figure 7);
``random-labels``, the largest network on growing shares of random labels (question 4). Networks
that differ in seed or labels alone are trained in one stack; see `rethink.trainer`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from rethink.data import Dataset
from rethink.protocol import Spec

LARGE = (256, 128, 128)
SEVEN = (LARGE, (128, 64, 64), (64, 32, 32), (32, 16, 16), (16, 8, 8), (8, 4, 4), (4, 4, 2))

# Members of a stack: more would share the cost of the calls better, fewer lose less at a kill. Wide
# networks gain nothing beyond three, whose weights fill the cache.
FEWEST, MOST = 3, 8
CACHED_WEIGHTS = 400_000

# How far a retrained accuracy may lie from its record on another type of machine, where sums round
# differently and the difference grows with every step. Between an AMD EPYC (AVX2) and an Intel Xeon
# (AVX-512) it was 0.038 at most, at any epoch of the 60 runs of the book that are judged.
TOLERANCE = 0.05
# Two kinds of runs are compared there and not judged. A network with a narrower layer than this
# can take another way altogether (0.16 for a seed of [4, 4, 2], at an early epoch). One that was
# trained on random labels alone knows nothing of the true ones: its accuracy is chance (0.13).
NARROW = 8

# What one unit of `cost` takes one core: the mean over the runs of the book, on an AMD EPYC and on
# an Intel Xeon alike.
UNIT_SECONDS = 3.2e-6


def capacity(seeds: int, epochs: int) -> list[Spec]:
    """Return the seven networks of the report's Figure 8, whose first is also its Figure 6."""
    return [Spec(hidden, seed, epochs) for hidden in SEVEN for seed in range(seeds)]


def shares(seeds: int, epochs: int) -> list[Spec]:
    """Return the largest network on growing shares of the training data (Figure 7).

    The first edition stops at 10 epochs, the second at 80. The middle shares stop at 10 here, to
    save their cost.
    """
    until = {0.1: epochs, 0.3: epochs, 0.5: min(10, epochs), 0.7: min(10, epochs), 1.0: epochs}
    return [
        Spec(LARGE, seed, last, share=share)
        for share, last in until.items()
        for seed in range(seeds)
    ]


def random_labels(seeds: int, epochs: int) -> list[Spec]:
    """Return the largest network on growing shares of random labels (question 4)."""
    values = (0.25, 0.5, 0.75, 1.0)
    return [Spec(LARGE, seed, epochs, random_labels=s) for s in values for seed in range(seeds)]


STUDIES: dict[str, Callable[[int, int], list[Spec]]] = {
    "capacity": capacity,
    "shares": shares,
    "random-labels": random_labels,
}


def tasks(study: str, seeds: int, epochs: int) -> list[dict[str, Any]]:
    """Return the specifications of a study, each as a dictionary.

    Raises:
        ValueError: if there is no such study.
    """
    if study not in STUDIES:
        raise ValueError(f"study must be one of {', '.join(STUDIES)}, but {study!r} was passed")
    return [asdict(spec) for spec in STUDIES[study](seeds, epochs)]


def run(data: Dataset, **specification: Any) -> dict[str, NDArray[Any]]:
    """Train one network; see `run_together`."""
    return run_together(data, [specification])[0]


def run_together(
    data: Dataset,
    specifications: Sequence[dict[str, Any]],
    device: str = "cpu",
    tell: Callable[[float], None] | None = None,
) -> list[dict[str, NDArray[Any]]]:
    """Train networks that share a stack, and measure each.

    Args:
        data: what they are trained on.
        specifications: the values of a `Spec` each.
        device: where, as PyTorch names it.
        tell: called after each epoch with the share that is done.

    Returns:
        The arrays of a `Record` each.
    """
    from rethink.trainer import train

    specs = [Spec(**each) for each in specifications]
    done = 0

    def after_epoch() -> None:
        nonlocal done
        done += 1
        if tell:
            tell(done / specs[0].epochs)

    return [record.to_arrays() for record in train(specs, data, device, after_epoch)]


def seconds(task: dict[str, Any]) -> float:
    """Return roughly how many core seconds a member of a stack takes."""
    return UNIT_SECONDS * cost(Spec(**task))


def groups(tasks: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Group specifications into stacks; see `stacks`."""
    return [[asdict(spec) for spec in stack] for stack in stacks(Spec(**task) for task in tasks)]


def stacks(specs: Iterable[Spec]) -> list[list[Spec]]:
    """Group members that can be trained together into stacks, the costly ones first."""
    alike: dict[tuple[object, ...], list[Spec]] = {}
    for spec in specs:
        alike.setdefault(spec.stack_key(), []).append(spec)
    found = []
    for members in alike.values():
        limit = max(FEWEST, min(MOST, CACHED_WEIGHTS // parameters(members[0])))
        parts = math.ceil(len(members) / limit)
        found += [members[part::parts] for part in range(parts)]
    return sorted(found, key=lambda stack: -sum(map(cost, stack)))


def parameters(spec: Spec, features: int = 784, classes: int = 10) -> int:
    """Count a network's weights and biases."""
    return sum((i + 1) * o for i, o in pairwise((features, *spec.hidden, classes)))


def cost(spec: Spec, rows: int = 60_000) -> float:
    """Return a member's cost, in passes of one row through a vanishingly small network.

    Below about 50,000 weights the row itself costs most, above it the matrix products do.
    """
    return spec.epochs * rows * (0.8 * spec.share + 0.1) * (1 + parameters(spec) / 50_000)


def shorten(task: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return the same training with so few epochs that it takes about so long, alone in a stack.

    The beginning of a run does not depend on its length.
    """
    spec = Spec(**task)
    # One alone is trained with a twin.
    affordable = int(seconds / (2 * UNIT_SECONDS * cost(spec)) * spec.epochs)
    return asdict(replace(spec, epochs=max(1, min(spec.epochs, affordable))))


def beginning(task: dict[str, Any], result: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return what the result of a longer training shares with that of a shorter one."""
    epochs = task["epochs"]
    return {name: curve[:epochs] for name, curve in result.items() if name.startswith("curves.")}


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far curves may lie apart on another type of machine; see `rethink.runs.audit`."""
    if min(task["hidden"]) < NARROW or task["random_labels"] == 1:
        return {}
    return {"curves.validation": TOLERANCE, "curves.test": TOLERANCE}
