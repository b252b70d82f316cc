"""Cleanlab's counts against plain ones."""

import numpy as np

from rethink.questions.label_issues import find_issues


def test_cleanlab_counts_as_the_paper_says():
    """Confident joint: p of class j reaches the mean that images labelled j have, the largest."""
    rng = np.random.default_rng(8)
    wanted = rng.integers(0, 3, 300)
    shares = rng.dirichlet(np.ones(3), 300) + 2 * np.eye(3)[wanted]
    shares /= shares.sum(axis=1, keepdims=True)
    wanted[:30] = (wanted[:30] + 1) % 3
    limits = [shares[wanted == j, j].mean() for j in range(3)]
    counts = np.zeros((3, 3))
    for label, row in zip(wanted.tolist(), shares.tolist(), strict=True):
        over = [j for j in range(3) if row[j] >= limits[j] - 1e-6]
        if over:
            counts[label, max(over, key=row.__getitem__)] += 1
    counts = counts / counts.sum(axis=1, keepdims=True) * np.bincount(wanted)[:, None]
    result = find_issues(wanted, shares, 3)
    # cleanlab rounds the calibrated counts to whole images.
    np.testing.assert_allclose(result["joint"], counts / 300, atol=1.5 / 300)
    assert np.isin(np.arange(30), result["flagged"]).mean() > 0.8


def test_a_class_without_labels_has_no_row():
    rng = np.random.default_rng(9)
    wanted = rng.choice([0, 1, 3], 200)
    shares = rng.dirichlet(np.ones(4), 200) + np.eye(4)[wanted]
    result = find_issues(wanted, shares / shares.sum(axis=1, keepdims=True), 4)
    assert result["joint"].shape == (4, 4)
    assert not result["joint"][2].any() and not result["joint"][:, 2].any()
