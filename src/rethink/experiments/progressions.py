"""Neighbours with different labels as the rows grow in number, along better orders than a sum's.

Algorithm 2 repeats Algorithm 1 on growing random subsets. Here four other orders of the rows stand
beside its sum: the first principal component, a ridge regression for each class fitted to other
rows, a minimum spanning tree and nearest neighbours (`rethink.questions.class_separation` has the
sources). Each counts neighbours with different labels and has its own exact null, the same labels
in random order.

Five data sets tell what each order sees: the real one; its labels shuffled (nothing to see); each
image's pixels shuffled on their own (only the histogram of an image is left, so its sum too); the
labels of a random linear teacher on the real images (all to see); random bytes and labels. The
subsets of one size and repeat are the same rows for every measure and data set.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rethink import mec
from rethink.data import Dataset
from rethink.questions import class_separation
from rethink.questions.known_truth import noise, permuted_pixels, teacher

Ints = npt.NDArray[np.intp]
Images = npt.NDArray[np.uint8]

ROWS = ("real", "labels-shuffled", "pixels-shuffled", "teacher", "noise")
# Measures, and the largest subset of each: all distances are too many for more.
LARGEST = {"sum": 60_000, "principal": 60_000, "ridge": 60_000, "tree": 10_000, "neighbour": 10_000}
GRAPHS = {
    "tree": class_separation.spanning_tree,
    "neighbour": class_separation.nearest_neighbours,
}
SIZES = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000)


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Every measure on every data set, with `seeds` subsets of the smaller sizes.

    Nearest neighbours in the larger real sets take half of all the time, so each is a task.
    """
    found: list[dict[str, Any]] = [
        {
            "rows": rows,
            "measure": measure,
            "sizes": tuple(size for size in SIZES if size <= largest),
            "seeds": seeds,
        }
        for rows in ROWS
        for measure, largest in LARGEST.items()
    ]
    for size in (20_000, 60_000):
        found.append({"rows": "real", "measure": "neighbour", "sizes": (size,), "seeds": 1})
    return found


def run(
    data: Dataset, rows: str, measure: str, sizes: tuple[int, ...], seeds: int
) -> dict[str, npt.NDArray[Any]]:
    """Count on random subsets of the training rows; one entry for each size and repeat, shape (k,).

    A size over the rows that there are is taken for all of them. There are `seeds` subsets up to
    2,000 rows, at most 3 up to 5,000, 2 up to 10,000, and one of more.

    Returns:
        `sizes` and `repeats`, which subset it was; `changes`, neighbours with different labels,
        over orders of ties expected, and over all classes; `pairs`, neighbours in all (for
        "ridge" on one class's line); `null` and `null_sd`, the changes of the same labels in
        random order; `bayes_low` and `bayes_high`, bounds on the Bayes error of many rows. A line
        loses what is not along it, so it has no lower bound (NaN).

    Raises:
        ValueError: `rows` is not one of `ROWS`, or `measure` not one of `LARGEST`.
    """
    if rows not in ROWS:
        raise ValueError(f"rows must be one of {ROWS}, but {rows!r} was passed")
    if measure not in LARGEST:
        raise ValueError(f"measure must be one of {tuple(LARGEST)}, but {measure!r} was passed")
    images, labels = _data_set(data, rows)
    found = []
    for size in sorted({min(size, len(labels)) for size in sizes}):
        for repeat in range(_repeats(size, seeds, len(labels))):
            drawn = np.random.default_rng([repeat, size, 26]).permutation(len(labels))[:size]
            counted = _count(measure, images[drawn], labels[drawn], repeat)
            found.append((size, repeat, *counted))
    names = ("sizes", "repeats", "changes", "pairs", "null", "null_sd", "bayes_low", "bayes_high")
    columns = zip(*found, strict=True)
    return {name: np.array(column) for name, column in zip(names, columns, strict=True)}


def seconds(task: dict[str, Any]) -> float:
    """Rough core seconds."""
    each = {"sum": 2e-6, "principal": 2.8e-5, "ridge": 5e-5, "tree": 0.0, "neighbour": 0.0}
    square = {"tree": 1.5e-8, "neighbour": 1e-8}.get(task["measure"], 0.0)
    subsets = [(n, _repeats(n, task["seeds"], SIZES[-1])) for n in task["sizes"]]
    made = {"pixels-shuffled": 1.2, "teacher": 1.2}.get(task["rows"], 0.2)
    return float(made + sum(k * (each[task["measure"]] * n + square * n**2) for n, k in subsets))


def _data_set(data: Dataset, rows: str) -> tuple[Images, Ints]:
    images = data.train_images
    labels = data.train_labels.astype(np.intp)
    if rows == "labels-shuffled":
        labels = np.random.default_rng([0, 27]).permutation(labels)
    elif rows == "pixels-shuffled":
        images = permuted_pixels(images, 0)
    elif rows == "teacher":
        labels = teacher(images, len(data.classes), 0)
    elif rows == "noise":
        images, labels = noise(len(images), images.shape[1], len(data.classes), 0)
    return images, labels


def _repeats(size: int, seeds: int, rows: int) -> int:
    """Subsets of a size: all rows are but one, and larger ones vary less and take longer."""
    most = next((most for limit, most in ((5_000, 3), (10_000, 2)) if size <= limit), 1)
    return 1 if size >= rows else seeds if size <= 2_000 else min(seeds, most)


def _count(measure: str, images: Images, labels: Ints, seed: int) -> tuple[float, ...]:
    """Changes, pairs, null, its standard deviation, lower and upper bound on the Bayes error."""
    if measure in GRAPHS:
        graph = GRAPHS[measure]
        edges = class_separation.cross_edges(graph(images), labels)
        bounds = (edges.bayes_low, edges.bayes_high)
        return float(edges.crossing), edges.edges, edges.expected, edges.sd, *bounds
    if measure == "ridge":
        line = class_separation.projected_thresholds(images, labels, seed=seed)
        null = (line.null_total, line.null_sd_total)
        return line.total, line.pairs, *null, np.nan, line.total / line.pairs
    values = images if measure == "sum" else class_separation.principal_line(images)
    counted = mec.thresholds(values, labels)
    random = mec.null(counted.class_counts)
    pairs = len(labels) - 1
    return counted.total, pairs, random.total, random.sd, np.nan, counted.total / pairs
