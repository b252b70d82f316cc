import numpy as np
import pytest

from rethink.perturb import randomize_labels

LABELS = np.arange(20_000) % 10


def test_share_is_exact_and_draws_are_uniform():
    changed = randomize_labels(LABELS, 0.5, 10, seed=0)
    # A tenth of the replaced labels is drawn as it was: 9,000 of 10,000 differ, give or take 30.
    assert abs((changed != LABELS).sum() - 9_000) < 150
    everything = randomize_labels(LABELS, 1.0, 10, seed=0)
    counts = np.bincount(everything, minlength=10)
    assert counts.min() > 1_800
    assert abs(np.corrcoef(everything, LABELS)[0, 1]) < 0.03


def test_shares_nest_and_seeds_differ():
    less, more = (randomize_labels(LABELS, share, 10, seed=4) for share in (0.2, 0.7))
    touched = less != LABELS
    assert (more[touched] == less[touched]).all()
    assert (randomize_labels(LABELS, 0.2, 10, seed=5) != less).any()
    assert (randomize_labels(LABELS, 0.2, 10, seed=4) == less).all()


def test_nothing_changes_at_zero_and_the_input_never():
    labels = LABELS.copy()
    assert (randomize_labels(labels, 0.0, 10, seed=1) == LABELS).all()
    randomize_labels(labels, 1.0, 10, seed=1)
    assert (labels == LABELS).all()


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_share_out_of_range(share):
    with pytest.raises(ValueError, match=f"share must lie between 0 and 1, but {share}"):
        randomize_labels(LABELS, share, 10, seed=0)
