"""Which labels are doubtful, and which images are there twice.

*Doubtful labels* (``kind`` ``given``). Five networks, each trained on four fifths of the training
images, give every image class probabilities by the one network that has not seen it. cleanlab then
estimates how often an image of class j bears label i (confident learning: Northcutt, Jiang and
Chuang, Journal of Artificial Intelligence Research 70, 2021), flags the labels least likely to be
right in that number, and scores each label by the probability that the network gives it. Networks
train 6 epochs, since the score wants a probability that means what it says: with one assignment to
folds the mean held-out confidence lay 0.5 points over the accuracy then and 1.4 points after 10
epochs, while labels altered on purpose were found as often.

An image may be hard without its label being wrong, and such a method cannot tell. Three controls
show what its numbers are worth, each the same procedure with other labels: ``uniform`` alters 2 %
of the labels to any other class and ``alike`` to the class of the nearest mean image, so that we
know some that are wrong; ``own`` has for labels what networks answer that were trained on all the
rows, so that every label follows from its image, and each flag is a false alarm.

*Images there twice* (``kind`` ``test``, ``mirrored`` or ``train``). For each test image, or its
mirror image, the nearest training image; for as many training images drawn at random, the nearest
other one, to compare with. Two copies with two labels cannot both be right.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink.data import Dataset
from rethink.questions import near_duplicates
from rethink.questions.label_issues import ALTERED, find_issues
from rethink.questions.networks import Recipe, fit

RECIPE = Recipe((128, 64, 64), epochs=6)
FOLDS = 5
SHOWN = 0.05  # share of the labels that are listed as most doubtful
CONTROLS = ("uniform", "alike", "own")
PAIRS = ("test", "mirrored", "train")
UNDECIDABLE = "undecidable"


@dataclass(frozen=True)
class Judgement:
    """What one viewer saw in a training image, enlarged, label hidden and the samples mixed.

    ``sample`` is "random", 50 rows that ``np.random.default_rng([0, 77])`` chooses, or "doubtful",
    the 50 rows of the lowest mean ``quality`` over five seeds; ``index`` is the row; ``seen`` one
    of the ten classes or ``UNDECIDABLE``; ``sure`` tells whether there was no doubt.
    """

    sample: str
    index: int
    seen: str
    sure: bool


def tasks(seeds: int, controls: int = 2) -> list[dict[str, Any]]:
    """Return the tasks: doubtful labels for each seed, controls for some, and pairs of images.

    Args:
        seeds: assignments to folds, each with networks of its own.
        controls: seeds for which labels are altered, at most; own labels are made for one.
    """
    doubts = [{"kind": "given", "seed": seed} for seed in range(seeds)]
    some = range(min(controls, seeds))
    doubts += [{"kind": kind, "seed": seed} for kind in ("uniform", "alike") for seed in some]
    doubts += [{"kind": "own", "seed": seed} for seed in some[:1]]
    return doubts + [{"kind": kind, "seed": 0} for kind in PAIRS]


def seconds(task: dict[str, Any]) -> float:
    """Return roughly how long a task takes on one core."""
    if task["kind"] in PAIRS:
        return 11.0
    return 30.0 if task["kind"] == "own" else 18.0


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"accuracy": 0.02}


def run(data: Dataset, kind: str, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Do one task.

    Args:
        data: with n training images and m test images of c classes.
        kind: ``given``, one of `CONTROLS`, or one of `PAIRS`.
        seed: decides folds and networks, which labels are altered, or which images are drawn.

    Returns:
        For pairs: ``rows``, which images were asked for; ``distances`` to the nearest training
        image, in grey levels; ``neighbours``, its row; all of shape (m,), or fewer if there are
        not as many training images.

        For doubtful labels: ``issues``, estimated number of wrong labels, and ``confident``, how
        many are wrong beyond a class's own threshold, which is the cautious count; ``joint``,
        estimated share of the images that bear label i (row) and are of class j, shape (c, c), sum
        1; ``flagged``, rows of the flagged labels; ``doubtful``, the most doubtful rows in order,
        5 % of n, and ``suggested``, the class the network prefers for them; ``accuracy`` on held-
        out images by the labels used; ``calibration``, mean held-out confidence less accuracy.

        With ``given`` besides: ``quality``, the score of every label, shape (n,), half precision;
        ``test_predicted``, class of the highest mean probability of the five networks,
        ``test_quality``, mean probability of the test labels, both of shape (m,); ``test_issues``
        and ``test_flagged`` as above. With controls: ``altered``, rows whose labels differ from
        the data's, and ``labels``, what they were altered to.

    Raises:
        ValueError: if the kind is unknown.
    """
    if kind in PAIRS:
        return _pairs(data, kind, seed)
    if kind not in ("given", *CONTROLS):
        known = ", ".join(("given", *CONTROLS, *PAIRS))
        raise ValueError(f"kind must be one of {known}, but {kind!r} was passed")
    from cleanlab.rank import get_label_quality_scores

    classes = len(data.classes)
    labels = _labels(data, kind, seed)
    held, test = _held_out(data, labels, seed)
    quality = get_label_quality_scores(labels, held)
    doubtful = np.argsort(quality, kind="stable")[: round(SHOWN * len(labels))]
    best = held.argmax(axis=1)
    accuracy = float((best == labels).mean())
    result: dict[str, NDArray[Any]] = {
        **find_issues(labels, held, classes),
        "doubtful": doubtful.astype(np.int32),
        "suggested": best[doubtful].astype(np.uint8),
        "accuracy": np.array(accuracy),
        "calibration": np.array(held.max(axis=1).mean() - accuracy),
    }
    if kind != "given":
        altered = np.flatnonzero(labels != data.train_labels).astype(np.int32)
        return result | {"altered": altered, "labels": labels[altered].astype(np.uint8)}
    wanted = data.test_labels.astype(np.int64)
    on_test = find_issues(wanted, test, classes)
    return result | {
        "quality": quality.astype(np.float16),
        "test_predicted": test.argmax(axis=1).astype(np.uint8),
        "test_quality": get_label_quality_scores(wanted, test).astype(np.float16),
        "test_issues": on_test["issues"],
        "test_flagged": on_test["flagged"],
    }


def judgements() -> list[Judgement]:
    """Return the labels that a vision-language model named (``judgements.csv``), random first.

    They were given in November 2026. Which model it was, its version and the words that it was
    asked in were not recorded, so that nobody can have them again.
    """
    with Path(__file__).with_name("judgements.csv").open(encoding="utf-8") as file:
        return [
            Judgement(row["sample"], int(row["index"]), row["seen"], row["sure"] == "sure")
            for row in csv.DictReader(file)
        ]


def nearest_class(images: NDArray[np.uint8], labels: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return for each class the other one whose mean image is nearest to its own, shape (c,)."""
    means = np.stack([images[labels == c].mean(axis=0) for c in range(int(labels.max()) + 1)])
    apart = ((means[:, None] - means) ** 2).sum(axis=-1)
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.argmin(axis=1))


def _labels(data: Dataset, kind: str, seed: int) -> NDArray[np.int64]:
    """Return the labels that a task is about, shape (n,)."""
    labels = data.train_labels.astype(np.int64)
    n = len(labels)
    classes = len(data.classes)
    rng = np.random.default_rng([seed, 42])
    if kind in ("uniform", "alike"):
        rows = rng.choice(n, round(ALTERED * n), replace=False)
        if kind == "uniform":
            labels[rows] = (labels[rows] + rng.integers(1, classes, len(rows))) % classes
        else:
            labels[rows] = nearest_class(data.train_images, labels)[labels[rows]]
    elif kind == "own":
        every = np.tile(np.arange(n), (2, 1))
        teachers = fit(
            RECIPE, data.train_images, labels, every, [1000 + 2 * seed, 1001 + 2 * seed], classes
        )
        labels = teachers.probabilities(data.train_images).mean(axis=0).argmax(axis=-1)
    return labels


def _held_out(
    data: Dataset, labels: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Train the five networks.

    Returns:
        Probabilities of every training image by the network that has not seen it, shape (n, c),
        and of every test image by the mean of all, shape (m, c).
    """
    n = len(labels)
    classes = len(data.classes)
    order = np.random.default_rng([seed, 41]).permutation(n)
    # Networks of one stack have as many rows each: some stay out of training if n is no multiple.
    size = -(-n // FOLDS)
    starts = [min(fold * size, n - size) for fold in range(FOLDS)]
    rows = np.stack([np.delete(order, np.s_[begin : begin + size]) for begin in starts])
    seeds = range(FOLDS * seed, FOLDS * (seed + 1))
    networks = fit(RECIPE, data.train_images, labels, rows, seeds, classes)
    unseen = np.stack([order[begin : begin + size] for begin in starts])
    probabilities = networks.probabilities(data.train_images[unseen])
    held = np.empty((n, classes))
    for where, part in zip(unseen, probabilities, strict=True):
        held[where] = part
    return held, networks.probabilities(data.test_images).mean(axis=0)


def _pairs(data: Dataset, kind: str, seed: int) -> dict[str, NDArray[Any]]:
    """Find the nearest training image of test images, mirrored or not, or of training images."""
    count = len(data.test_images)
    rows = np.arange(count)
    queries = data.test_images
    own = None
    if kind == "mirrored":
        queries = near_duplicates.mirrored(queries)
    elif kind == "train":
        n = len(data.train_images)
        rows = own = np.random.default_rng([seed, 43]).choice(n, min(count, n), replace=False)
        queries = data.train_images[rows]
    distances, neighbours = near_duplicates.nearest(queries, data.train_images, own)
    return {
        "rows": rows.astype(np.int32),
        "distances": distances,
        "neighbours": neighbours,
    }
