"""Controlled damage to a data set, to see what a network makes of it."""

import numpy as np
from numpy.typing import NDArray


def randomize_labels(
    labels: NDArray[np.integer], share: float, classes: int, seed: int
) -> NDArray[np.int64]:
    """Replace the labels of a share of the rows by labels drawn uniformly from all classes.

    For one seed the rows nest: those replaced at a smaller share are replaced by the same labels
    at a larger one. A drawn label may equal the true one (one time in ``classes``), as in
    Zhang et al. 2017 (arXiv 1611.03530).

    Args:
        labels: shape (n,), integers from 0 to ``classes - 1``.
        share: between 0 and 1; round(share * n) rows are replaced.
        classes: number of classes to draw from.
        seed: decides which rows, and by what.

    Returns:
        A new array of shape (n,).

    Raises:
        ValueError: if ``share`` lies outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie between 0 and 1, but {share} was passed")
    generator = np.random.default_rng([seed, 3])
    rows = generator.permutation(len(labels))
    drawn = generator.integers(classes, size=len(labels))
    replaced = rows[: round(share * len(labels))]
    changed = np.asarray(labels, dtype=np.int64).copy()
    changed[replaced] = drawn[replaced]
    return changed
