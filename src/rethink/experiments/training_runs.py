"""The report's own training runs: which networks, on how much data, with which labels.

Three studies are its own: ``capacity``, the seven networks of its Figure 8, whose first is also its
Figure 6; ``shares``, the largest network on growing shares of the training data (Figure 7);
``random-labels``, the largest network on growing shares of random labels (question 4). Two more
are ours: ``many-seeds`` and ``shuffled``. Networks that differ in seed or labels alone are trained
in one stack; see `rethink.trainer`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rethink.data import Dataset
from rethink.protocol import Spec

if TYPE_CHECKING:
    from rethink.questions.calibration import LabelCosts
    from rethink.trainer import Stack

# Share of the uniform distribution that is mixed into probabilities, so that no label costs over
# 9.97 bits; chosen beforehand, as for the prequential code.
UNIFORM = 0.01

LARGE = (256, 128, 128)
SEVEN = (LARGE, (128, 64, 64), (64, 32, 32), (32, 16, 16), (16, 8, 8), (8, 4, 4), (4, 4, 2))

# Members of a stack: more would share the cost of the calls better, fewer lose less at a kill. Wide
# networks gain nothing beyond three, whose weights fill the cache.
FEWEST, MOST = 3, 15
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

    The first edition stops at 10 epochs, the second at 80.
    """
    values = (0.1, 0.3, 0.5, 0.7, 1.0)
    return [Spec(LARGE, seed, epochs, share=share) for share in values for seed in range(seeds)]


def random_labels(seeds: int, epochs: int) -> list[Spec]:
    """Return the largest network on growing shares of random labels (question 4)."""
    values = (0.25, 0.5, 0.75, 1.0)
    return [Spec(LARGE, seed, epochs, random_labels=s) for s in values for seed in range(seeds)]


def many_seeds(seeds: int, epochs: int) -> list[Spec]:
    """Return the four smallest of the seven from six times as many seeds.

    What happens to one network in five or in ten, as that it dies, five seeds cannot tell.
    """
    return [Spec(hidden, seed, epochs) for hidden in SEVEN[3:] for seed in range(6 * seeds)]


def shuffled(seeds: int, epochs: int) -> list[Spec]:
    """Return the seven networks on random labels alone, two seeds: the null of what they save."""
    return [
        Spec(hidden, seed, epochs, random_labels=1.0)
        for hidden in SEVEN
        for seed in range(min(seeds, 2))
    ]


STUDIES: dict[str, Callable[[int, int], list[Spec]]] = {
    "capacity": capacity,
    "shares": shares,
    "random-labels": random_labels,
    "many-seeds": many_seeds,
    "shuffled": shuffled,
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
        The arrays of a `Record` each, and of the `LabelCosts` at the milestones, such as
        ``label_costs.plain``.
    """
    from rethink.trainer import milestones, train

    specs = [Spec(**each) for each in specifications]
    epochs = specs[0].epochs
    costs: list[list[LabelCosts]] = [[] for _ in specs]

    def after_epoch(stack: "Stack", epoch: int) -> None:
        if epoch in milestones(epochs):
            for of_one, cost in zip(costs, label_costs_of(stack, data), strict=False):
                of_one.append(cost)
        if tell:
            tell(epoch / epochs)

    records = train(specs, data, device, after_epoch)
    return [
        record.to_arrays() | _as_arrays(of_one)
        for record, of_one in zip(records, costs, strict=True)
    ]


def label_costs_of(stack: "Stack", data: Dataset) -> list["LabelCosts"]:
    """Return what test labels cost by each member's probabilities as they are now."""
    from rethink.questions.calibration import label_costs

    held_out = stack.logits(stack.validation_images).cpu().numpy()
    labels = stack.validation_labels.cpu().numpy()
    tested = stack.logits(stack.test_images[None]).cpu().numpy()
    return [
        label_costs(of_validation, (logits, data.test_labels), UNIFORM)
        for of_validation, logits in zip(zip(held_out, labels, strict=True), tested, strict=True)
    ]


def _as_arrays(costs: Sequence["LabelCosts"]) -> dict[str, NDArray[Any]]:
    """Return an array for each value, such as ``label_costs.plain``, over the milestones."""
    return {
        f"label_costs.{each.name}": np.array([getattr(cost, each.name) for cost in costs])
        for each in fields(costs[0])
    }


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
