"""Whether a network can tell training images from test images: it should not.

A classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv 1610.06545): as many rows of either
set get the set as their label; a small network is trained on half of them and judged on the other
half, where a guess is right half the time. More is evidence that the two sets were not drawn alike,
and that a score on the one says less about the other.

Two controls stand beside it. The network must fail where both sets are drawn from the training
images, and succeed where the test images were altered by a known drift. The counts of each class
are compared, too: labels can drift where the images of each class do not.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rethink.data import Dataset
from rethink.information import confusion
from rethink.questions import damage
from rethink.questions.networks import Recipe, fit

HIDDEN = (64,)
EPOCHS = 10
SAMPLE = 10_000  # rows of either set
DRIFTS = ("rotation", "blur", "contrast")
SEVERITIES = (1, 2, 3)


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return the test (kind ``test``), its null control (``train``) and the altered test sets."""
    kinds = [("test", 0), ("train", 0)]
    kinds += [(kind, severity) for kind in DRIFTS for severity in SEVERITIES]
    return [{"kind": kind, "severity": severity, "seeds": seeds} for kind, severity in kinds]


def seconds(task: dict[str, Any]) -> float:
    """Return roughly how many core seconds a task takes."""
    return float(0.8 * task["seeds"])


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"trained": 0.04}


def run(data: Dataset, *, kind: str, severity: int, seeds: int) -> dict[str, NDArray[Any]]:
    """Train networks to tell a second set from training images, and count right answers.

    Args:
        data: the data set.
        kind: what the second set is: ``test``, ``train`` (other training images), or a kind of
            drift, for altered test images.
        severity: of the drift.
        seeds: members; each draws its own rows and halves.

    Returns:
        ``right`` (S,): right answers on the half judged, out of ``trials`` (), half of them from
        either set; ``confusion`` (S, 2, 2): true by answered, first training images, then the
        second set; ``trained`` (S,): accuracy on the rows trained on; ``class_counts`` (2, c): rows
        of each class in the whole training set and the whole second set; ``class_p`` (): p-value of
        the chi-squared test that their shares are the same.

    Raises:
        ValueError: if `kind` is unknown.
    """
    train = data.train_images
    second = data.test_images
    names = [data.train_labels, data.test_labels]
    if kind == "train":
        second = train
        names = [data.train_labels, data.train_labels]
    elif kind != "test":
        second = damage.drift(second, kind, severity)
    # Two disjoint samples must fit into the training set for the null control.
    size = min(SAMPLE, len(data.test_images), len(train) // 2) // 2 * 2
    if kind == "train":
        pool = train
        drawn = [_draw(len(train), 2 * size, seed) for seed in range(seeds)]
        pairs = np.stack([np.split(rows, 2) for rows in drawn])
    else:
        pool = np.concatenate([train, second])
        pairs = np.stack(
            [
                [_draw(len(train), size, seed), len(train) + _draw(len(second), size, seed)]
                for seed in range(seeds)
            ]
        )
    # A member has labels of its own, since a row of the null control is first for one member
    # and second for another.
    side = np.zeros((seeds, len(pool)), dtype=np.int64)
    for member in range(seeds):
        side[member, pairs[member, 1]] = 1
    half = size // 2
    learned, judged = (part.reshape(seeds, -1) for part in np.split(pairs, [half], axis=2))
    networks = fit(Recipe(HIDDEN, EPOCHS), pool, side, learned, range(seeds), classes=2)
    answers = networks.predict(pool[judged])
    truth = np.take_along_axis(side, judged, axis=1)
    tables = np.stack([confusion(*pair, 2) for pair in zip(truth, answers, strict=True)])
    fitted = np.take_along_axis(side, learned, axis=1) == networks.predict(pool[learned])
    counts = np.stack([np.bincount(each, minlength=len(data.classes)) for each in names])
    return {
        "right": tables.trace(axis1=1, axis2=2),
        "trials": np.array(2 * (size - half)),
        "confusion": tables,
        "trained": fitted.mean(axis=1),
        "class_counts": counts,
        "class_p": np.array(stats.chi2_contingency(counts[:, counts.any(axis=0)]).pvalue),
    }


def _draw(rows: int, size: int, seed: int) -> NDArray[np.int64]:
    """Return `size` rows in random order, none twice."""
    return np.random.default_rng([seed, 7]).permutation(rows)[:size]
