import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rethink.questions.stopping_rules import (
    affordable,
    best,
    crossing,
    one_standard_error,
    picks,
    turning_point,
)

some = arrays(
    np.float64, st.tuples(st.integers(2, 7), st.integers(2, 6)), elements=st.integers(0, 1000)
).map(lambda x: x / 1000)


@settings(deadline=None)
@given(some)
def test_rules_against_their_words(x):
    means = [sum(row) / len(row) for row in x.tolist()]
    top = max(means)
    assert means[best(x)] == pytest.approx(top)
    drops = [means[i] - means[i + 1] for i in range(len(means) - 1)]
    assert drops[turning_point(x)] == pytest.approx(max(drops))
    chosen = one_standard_error(x)
    error = np.std(x[best(x)], ddof=1) / np.sqrt(x.shape[1])
    assert means[chosen] >= top - error - 1e-12
    assert all(mean < top - error + 1e-12 for mean in means[chosen + 1 :])
    assert chosen >= best(x)


@settings(deadline=None)
@given(some, st.floats(1e-6, 0.5))
def test_a_larger_loss_affords_no_larger_network(x, loss):
    assert best(x) <= affordable(x, loss) <= affordable(x, 2 * loss)


def test_a_loss_must_be_sure_to_be_affordable():
    first = np.array([0.90, 0.91, 0.92])
    surely, perhaps = first - 0.005, first - [0.0, 0.005, 0.010]
    assert affordable([first, surely], 0.006) == 1
    assert affordable([first, perhaps], 0.006) == 0


def test_curves_that_do_not_cross_pick_nothing():
    high, low = np.full((3, 2), 0.9), np.full((3, 2), 0.8)
    assert crossing(high, low) is None
    assert crossing(low, high) == 0
    assert crossing(high, np.vstack([low[:2], high[:1]])) == 2


def test_picks_are_counted_with_each_seed_left_out():
    sure = np.array([[0.8, 0.8, 0.8], [0.9, 0.9, 0.9]])
    assert picks(best, sure).tolist() == [0, 3]
    # One seed in three decides: without it the other network is picked.
    torn = np.array([[0.8, 0.8, 0.8], [0.7, 0.7, 1.1]])
    assert picks(best, torn).tolist() == [1, 2]
    with pytest.raises(ValueError, match="three seeds or more, but has 2"):
        picks(best, torn[:, :2])


@pytest.mark.parametrize("bad", [[0.9, 0.8], [[0.9]], [[], []], [[0.9], [np.nan]]])
def test_bad_accuracies_are_errors(bad):
    for rule in (best, turning_point, one_standard_error):
        with pytest.raises(ValueError, match=r"accuracy must be finite, of shape \(networks"):
            rule(bad)
