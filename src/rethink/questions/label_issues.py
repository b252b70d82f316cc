"""Doubtful labels by confident learning: cleanlab's estimates from held-out probabilities.

Source: Northcutt, Jiang and Chuang, Journal of Artificial Intelligence Research 70 (2021).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ALTERED = 0.02  # share of the labels that a control alters


def find_issues(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], classes: int
) -> dict[str, NDArray[Any]]:
    """Return cleanlab's estimates: issues, confident, joint and flagged."""
    from cleanlab.count import estimate_joint, num_label_issues
    from cleanlab.filter import find_label_issues

    # A class that no label names has no row to estimate; its probability goes to the others.
    named = np.unique(labels)
    codes = np.searchsorted(named, labels)
    shares = probabilities[:, named]
    shares = shares / shares.sum(axis=1, keepdims=True)
    joint = np.zeros((classes, classes))
    joint[np.ix_(named, named)] = estimate_joint(codes, shares)
    flagged = find_label_issues(codes, shares, n_jobs=1, filter_by="prune_by_noise_rate")
    return {
        "issues": np.array(len(labels) * (1 - joint.trace())),
        "confident": np.array(int(num_label_issues(codes, shares))),
        "joint": joint,
        "flagged": np.flatnonzero(flagged).astype(np.int32),
    }
