"""Where to stop shrinking a network: rules that pick one of several, and what hangs on one seed.

Networks are in falling order of capacity. Accuracies have shape (networks, seeds), the same seeds
for all; dead members are part of what a network gives and stay in.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rethink.intervals import paired_difference

Floats = NDArray[np.float64]
StoppingRule = Callable[[Floats], int]


def best(accuracy: ArrayLike) -> int:
    """Pick the network with the highest mean accuracy.

    >>> best([[0.8, 0.9], [0.9, 0.9], [0.5, 0.5]])
    1
    """
    return int(_accuracies(accuracy).mean(axis=1).argmax())


def turning_point(accuracy: ArrayLike) -> int:
    """Pick the network below which the mean accuracy falls most.

    >>> turning_point([[0.9], [0.8], [0.3], [0.2]])
    1
    """
    means = _accuracies(accuracy).mean(axis=1)
    return int((means[:-1] - means[1:]).argmax())


def one_standard_error(accuracy: ArrayLike) -> int:
    """Pick the smallest network within one standard error of the best mean.

    The rule of Breiman, Friedman, Olshen and Stone (1984) for pruning trees, with seeds for folds.

    >>> one_standard_error([[0.88, 0.90, 0.92], [0.88, 0.89, 0.90], [0.5, 0.5, 0.5]])
    1
    """
    x = _accuracies(accuracy)
    first = best(x)
    error = x[first].std(ddof=1) / x.shape[1] ** 0.5 if x.shape[1] > 1 else 0.0
    return int(np.flatnonzero(x.mean(axis=1) >= x[first].mean() - error)[-1])


def affordable(accuracy: ArrayLike, loss: float) -> int:
    """Pick the smallest network that surely costs less than ``loss`` against the best.

    Surely: the 95 % t-interval of the paired differences to the best network ends below it.

    Args:
        accuracy: shape (networks, seeds), two seeds or more.
        loss: in the unit of the accuracies.

    >>> affordable([[0.90, 0.91, 0.92], [0.895, 0.905, 0.915], [0.5, 0.6, 0.7]], 0.01)
    1
    """
    x = _accuracies(accuracy)
    first = best(x)
    return max(
        place
        for place, row in enumerate(x)
        if place == first or paired_difference(x[first], row).high < loss
    )


def crossing(train: ArrayLike, validation: ArrayLike) -> int | None:
    """Pick the first network whose validation accuracy is not below its training accuracy.

    That is where the curves intersect; None where they do not.
    """
    above = _accuracies(validation).mean(axis=1) >= _accuracies(train).mean(axis=1)
    return int(above.argmax()) if above.any() else None


def picks(rule: StoppingRule, accuracy: ArrayLike) -> NDArray[np.intp]:
    """Count the networks that a rule picks when one seed is left out, each seed once.

    It says how far a choice hangs on a single seed, and no more: a handful of seeds drawn again
    with replacement would look like many, and say nothing that those few do not.

    Args:
        rule: from accuracies to a network.
        accuracy: shape (networks, seeds), three seeds or more.

    Returns:
        Counts, shape (networks,), which sum to the number of seeds.

    Raises:
        ValueError: `accuracy` is not as described.

    >>> picks(best, [[0.8, 0.8, 0.8], [0.7, 0.7, 1.1]]).tolist()
    [1, 2]
    """
    x = _accuracies(accuracy)
    seeds = x.shape[1]
    if seeds < 3:
        raise ValueError(f"accuracy must have three seeds or more, but has {seeds}")
    chosen = [rule(np.delete(x, left_out, axis=1)) for left_out in range(seeds)]
    return np.bincount(chosen, minlength=len(x))


def _accuracies(accuracy: ArrayLike) -> Floats:
    x = np.asarray(accuracy, dtype=np.float64)
    if x.ndim != 2 or x.shape[0] < 2 or x.shape[1] < 1 or not np.isfinite(x).all():
        raise ValueError(
            "accuracy must be finite, of shape (networks, seeds) with two networks or more, "
            f"but shape {x.shape} was passed"
        )
    return x
