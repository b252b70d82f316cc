"""How many labels a network can store: exact counts for one neuron, yardsticks for more, and fits.

Cover (1965) counted how many of the 2^n labelings of n points a linear neuron with d free
parameters, bias included, can store, if no d of the points are in a special position: T(n, d). All
of them up to n = d, exactly half at n = 2 d, and almost none soon after. Friedland and Krell call
the first of these points the LM dimension (any labeling is stored) and the second the MK dimension
(half of them are), and hold both to be linear in the weights of a network. For one neuron that is
exact. For a network the factors 1 and 2 are carried over here as yardsticks to measure against, not
as theorems: what training stores is a lower bound on what the network could.

Sources: Cover, IEEE Trans. Electronic Computers EC-14 (1965); Friedland and Krell,
arXiv:1708.06019; the four rules of Friedland, Metere and Krell, arXiv:1810.02328.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import comb

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from rethink import mec

Floats = npt.NDArray[np.float64]
# Per smallest gap of a grid: a steeper fall is a step as far as that grid can tell.
_STEEPEST = 100.0


@dataclass(frozen=True)
class Yardsticks:
    """Numbers of two-class points against which a network's storage is held."""

    sizes: tuple[int, ...]  # inputs, then the units of each layer
    parameters: int  # weights and biases; for one neuron the LM dimension
    four_rules: int  # bits by the four rules, one a label

    @property
    def twice(self) -> int:
        """Twice the parameters; for one neuron the MK dimension."""
        return 2 * self.parameters


@dataclass(frozen=True)
class HalfPoint:
    """Number of points at which half of the labelings are stored, with its interval.

    An end of the interval that the trials leave open is 0 or infinity; then the half point and the
    width are NaN, since the grid does not hold them.
    """

    half: float
    low: float
    high: float
    width: float  # points from the half point to a share of 1 / (1 + e) = 0.27; 0 for a step
    confidence: float

    def __str__(self) -> str:
        """Half point and interval, such as 34.1 [32.9, 35.4]."""
        return f"{self.half:.1f} [{self.low:.1f}, {self.high:.1f}]"


def cover_count(n: int, d: int) -> int:
    """Labelings of n points in general position that a linear neuron stores, T(n, d).

    T(n, d) = 2 sum_{k<d} C(n - 1, k), which is 2^n up to n = d (Cover 1965).

    Args:
        n: points, 1 or more, no d of them on a common plane of the neuron.
        d: free parameters of the neuron, bias included: inputs + 1.

    Raises:
        ValueError: `n` or `d` is not a positive integer.

    >>> cover_count(4, 3)  # four points in a plane: all labelings but the two of exclusive or
    14
    """
    points, free = _positive("n", n), _positive("d", d)
    return 2 * sum(comb(points - 1, k) for k in range(min(free, points)))


def cover_probability(n: int, d: int) -> float:
    """Share of all labelings of n points that a linear neuron stores, T(n, d) / 2^n.

    Arguments and errors as for `cover_count`. The integers are exact; only the result is rounded.

    >>> cover_probability(9, 9), cover_probability(18, 9)
    (1.0, 0.5)
    """
    return float(Fraction(cover_count(n, d), 2 ** int(n)))


def yardsticks(sizes: Sequence[int]) -> Yardsticks:
    """Numbers of points to hold a network with biases and one output against.

    Args:
        sizes: inputs, the units of each hidden layer, then 1; (d - 1, 1) is one linear neuron.

    Raises:
        ValueError: `sizes` are not two or more positive integers, or do not end in 1.

    >>> yardsticks((16, 1)).parameters, yardsticks((16, 1)).twice, yardsticks((16, 4, 1)).four_rules
    (17, 34, 72)
    """
    bits = mec.perceptron_mec(sizes, "four-rules").bits
    if sizes[-1] != 1:
        raise ValueError(f"sizes must end in one output, but {sizes!r} was passed")
    units = tuple(int(k) for k in sizes)
    return Yardsticks(units, sum((i + 1) * o for i, o in pairwise(units)), bits)


def separable(points: npt.ArrayLike, labels: npt.ArrayLike) -> bool:
    """Decide whether a linear neuron with a bias stores the labels exactly.

    A linear program looks for weights w and a bias b with s (w x + b) >= 1 for every point x whose
    sign s is 1 in one class and -1 in the other: strict separation, since w and b can be scaled.

    Args:
        points: shape (n, inputs), finite.
        labels: shape (n,), of at most two kinds.

    Raises:
        ValueError: the shapes do not fit, a point is not finite, or there are over two labels.

    >>> separable([[0.0], [1.0], [2.0]], [0, 1, 1]), separable([[0.0], [1.0], [2.0]], [0, 1, 0])
    (True, False)
    """
    x, kinds = np.asarray(points, dtype=np.float64), np.asarray(labels)
    if x.ndim != 2 or len(x) < 1 or kinds.shape != x.shape[:1]:
        raise ValueError(
            "points must have shape (n, inputs) and labels shape (n,), n at least 1, "
            f"but {x.shape} and {kinds.shape} were passed"
        )
    if not np.isfinite(x).all():
        raise ValueError("points must be finite, but one that is not was passed")
    names = np.unique(kinds)
    if len(names) > 2:
        raise ValueError(f"labels must be of at most two kinds, but {names.tolist()} were passed")
    sign = np.where(kinds == names[0], -1.0, 1.0)[:, None]
    rows = sign * np.hstack([x, np.ones((len(x), 1))])
    found = optimize.linprog(
        np.zeros(rows.shape[1]), -rows, -np.ones(len(rows)), bounds=(None, None), method="highs"
    )
    # 0: weights found; 2: proved that there are none. Anything else is no answer.
    if found.status not in (0, 2):
        raise RuntimeError(f"the linear program ended without an answer: {found.message}")
    return bool(found.status == 0)


def half_point(
    n: npt.ArrayLike, successes: npt.ArrayLike, trials: npt.ArrayLike, confidence: float = 0.95
) -> HalfPoint:
    """Estimate the number of points at which half of the labelings are stored.

    The share stored is taken to fall with n as 1 / (1 + exp((n - half) / width)), fitted by maximum
    likelihood. The interval holds every half point whose best likelihood is within the chi-square
    quantile of the maximum (the profile likelihood interval), so that it also stands where the
    share falls from all to none between two neighbours of the grid.

    Args:
        n: numbers of points, shape (g,), at least two different ones.
        successes: trials in which every label was stored, shape (g,).
        trials: trials made, shape (g,) or a number; each with points and labels of its own.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: the arguments are not as described.

    >>> print(half_point([10, 20, 30], [20, 10, 0], 20))
    20.0 [18.3, 21.7]
    """
    grid = np.asarray(n, dtype=np.float64)
    stored = np.asarray(successes, dtype=np.float64)
    if grid.ndim != 1 or stored.shape != grid.shape or len(np.unique(grid)) < 2:
        raise ValueError(
            "n and successes must have one shape (g,) with two different n or more, "
            f"but {n!r} and {successes!r} were passed"
        )
    made = np.broadcast_to(np.asarray(trials, dtype=np.float64), grid.shape)
    if not np.all((stored >= 0) & (stored <= made) & (made > 0) & (grid > 0)):
        raise ValueError(
            "successes must lie between 0 and trials, and n and trials over 0, "
            f"but {successes!r} of {trials!r} at {n!r} were passed"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, but {confidence!r} was passed")
    gap = float(np.diff(np.unique(grid)).min())
    fit = _Fit(grid / gap, stored, made)
    half, slope, top = fit.best()
    floor = top - float(stats.chi2.ppf(confidence, 1)) / 2
    far = fit.grid.max() + 1000 * np.ptp(fit.grid)

    def drop(middle: float) -> float:
        return fit.profile(middle)[0] - floor

    low = optimize.brentq(drop, 0, half) if drop(0) < 0 else 0.0
    high = optimize.brentq(drop, half, far) if drop(far) < 0 else np.inf
    known = low > 0 and high < np.inf
    # A step ends at the bound, which has no meaning of its own.
    width = gap / slope if 0 < slope < 0.99 * _STEEPEST else 0.0
    if not known:
        half = width = np.nan
    return HalfPoint(half * gap, low * gap, high * gap, width, confidence)


@dataclass(frozen=True, eq=False)
class _Fit:
    """Log-likelihood of half point and slope, in units of the grid's smallest gap."""

    grid: Floats
    stored: Floats
    made: Floats

    def likelihood(self, middle: Floats, slope: Floats) -> Floats:
        z = slope[..., None] * (middle[..., None] - self.grid)
        falling = special.log_expit(z) @ self.stored
        return np.asarray(falling + special.log_expit(-z) @ (self.made - self.stored))

    def profile(self, middle: float) -> tuple[float, float]:
        """Return the best log-likelihood of a half point, and the slope that has it."""

        def lost(slope: float) -> float:
            return -float(self.likelihood(np.array(middle), np.array(slope)))

        # In the slope alone the log-likelihood is concave: one search finds its top.
        found = optimize.minimize_scalar(lost, bounds=(0, _STEEPEST), method="bounded")
        return max((-lost(slope), slope) for slope in (0.0, float(found.x), _STEEPEST))

    def best(self) -> tuple[float, float, float]:
        """Return half point, slope and log-likelihood at the maximum."""
        span = float(np.ptp(self.grid))
        begin, end = max(0.0, self.grid.min() - span), self.grid.max() + span
        middles, step = np.linspace(begin, end, 400, retstep=True)
        slopes = np.geomspace(0.01 / span, _STEEPEST, 80)
        table = self.likelihood(*np.broadcast_arrays(middles[:, None], slopes))
        start = float(middles[table.max(axis=1).argmax()])
        fine = optimize.minimize_scalar(
            lambda middle: -self.profile(middle)[0],
            bounds=(max(start - step, 0.0), start + step),
            method="bounded",
        )
        top, slope = self.profile(float(fine.x))
        return float(fine.x), slope, top


def _positive(name: str, value: int) -> int:
    if int(value) != value or value < 1:
        raise ValueError(f"{name} must be a positive integer, but {value!r} was passed")
    return int(value)
