"""Intervals for few seeds and for many images, which are two uncertainties.

Over seeds, the mean has Student's t interval: the seed is the unit of replication. Over the images
of a test set, one model's accuracy is a proportion and has Wilson's interval. (At five seeds a
percentile bootstrap that claims 95 % covers about 85 %; Student's t keeps its word.)

Quantiles are those of `scipy.special`, which `scipy.stats` gives too: to import that would take a
third of the time of `rethink measure`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
import numpy.typing as npt
from scipy import special

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MeanInterval:
    """Mean of n samples with its confidence interval; `sd` is the spread of the samples."""

    n: int
    mean: float
    sd: float
    low: float
    high: float
    confidence: float

    def __str__(self) -> str:
        """Mean, interval and n, such as 0.8853 [0.8821, 0.8885], n = 5."""
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}], n = {self.n}"


@dataclass(frozen=True)
class Proportion:
    """Share of successes among independent trials with its confidence interval."""

    successes: int
    trials: int
    low: float
    high: float
    confidence: float

    @property
    def share(self) -> float:
        """Successes / trials."""
        return self.successes / self.trials

    def __str__(self) -> str:
        """Share, interval and counts, such as 0.9800 [0.8950, 0.9965], 49 of 50."""
        return (
            f"{self.share:.4f} [{self.low:.4f}, {self.high:.4f}], "
            f"{self.successes:,} of {self.trials:,}"
        )


@dataclass(frozen=True)
class Misordering:
    """Chance that one run of each group does not show the order of the groups.

    Attributes:
        wrong: of `choices`, those not in order; counted, without an assumption and an interval.
        choices: ways to choose one of the given runs of each group.
        chance: that of one new run each, by the normal model.
        low: of its confidence interval.
        high: of its confidence interval.
        confidence: coverage of the interval.
    """

    wrong: int
    choices: int
    chance: float
    low: float
    high: float
    confidence: float


def mean_interval(samples: npt.ArrayLike, confidence: float = 0.95) -> MeanInterval:
    """Mean over seeds with Student's t interval, mean ± t(n - 1) sd / sqrt(n).

    One sample has no spread: its sd is NaN, and its interval holds everything.

    Args:
        samples: one value per seed, shape (n,) with n of at least 1.
        confidence: coverage of the two-sided interval, between 0 and 1.

    Raises:
        ValueError: no samples, one that is not finite, or a confidence out of range.

    >>> print(mean_interval([0.881, 0.883, 0.885, 0.887, 0.889]))
    0.8850 [0.8811, 0.8889], n = 5
    """
    x = _samples("samples", samples)
    n, mean = len(x), float(x.mean())
    if n == 1:
        return MeanInterval(n, mean, np.nan, -np.inf, np.inf, _confidence(confidence))
    sd = float(x.std(ddof=1))
    reach = float(special.stdtrit(n - 1, (1 + _confidence(confidence)) / 2)) * sd / n**0.5
    return MeanInterval(n, mean, sd, mean - reach, mean + reach, confidence)


def prediction_interval(
    samples: npt.ArrayLike, confidence: float = 0.95, shares: bool = False
) -> tuple[float, float]:
    """Range in which one more seed is expected, mean ± t(n - 1) sd sqrt(1 + 1 / n).

    It is what a single published run is to be held against: the interval of the mean is narrower
    than the spread of runs.

    Args:
        samples: one value per seed, shape (n,) with n of at least 1.
        confidence: share of further seeds that fall inside, between 0 and 1.
        shares: whether the values are shares, such as accuracies: then the range is cut at 0 and 1,
            beyond which no share lies.

    Raises:
        ValueError: as for `mean_interval`.

    >>> low, high = prediction_interval([0.881, 0.883, 0.885, 0.887, 0.889])
    >>> f"{low:.4f} {high:.4f}"
    '0.8754 0.8946'
    """
    interval = mean_interval(samples, confidence)
    reach = (interval.high - interval.mean) * (interval.n + 1) ** 0.5
    low, high = interval.mean - reach, interval.mean + reach
    return (max(0.0, low), min(1.0, high)) if shares else (low, high)


def paired_difference(a: npt.ArrayLike, b: npt.ArrayLike, confidence: float = 0.95) -> MeanInterval:
    """Mean of a - b with Student's t interval over the differences of equal seeds.

    Args:
        a: one value per seed, shape (n,) with n of at least 1.
        b: the values of the same seeds in the same order, shape (n,).
        confidence: coverage of the two-sided interval, between 0 and 1.

    Raises:
        ValueError: the shapes differ, or as for `mean_interval`.

    >>> print(paired_difference([0.90, 0.91, 0.92], [0.88, 0.90, 0.91]))
    0.0133 [-0.0010, 0.0277], n = 3
    """
    x, y = _samples("a", a), _samples("b", b)
    if x.shape != y.shape:
        raise ValueError(f"b must have the shape of a, {x.shape}, but shape {y.shape} was passed")
    return mean_interval(x - y, confidence)


def misordering(
    groups: Sequence[npt.ArrayLike], confidence: float = 0.95, draws: int = 1_000, seed: int = 0
) -> Misordering:
    """Chance that one run of each group does not come out in falling order, the first highest.

    The interval assumes that runs are independent and those of a group normal, each group with a
    mean and a spread of its own: a group with dead networks is not. It is the generalized interval
    of Weerahandi and Johnson 1992 (Technometrics 34, 83-91) for two groups, taken to several: means
    and spreads are drawn that the samples leave open, and the chance is computed for each. A group
    of one run leaves everything open.

    Args:
        groups: the runs of each, shape (n,), n at least 1 and not the same for all; 2 groups or
            more.
        confidence: coverage of the two-sided interval, between 0 and 1.
        draws: of means and spreads.
        seed: decides the draws.

    Raises:
        ValueError: less than two groups, or as for `mean_interval`.

    >>> found = misordering([[0.90, 0.91, 0.92], [0.89, 0.905, 0.88, 0.90]])
    >>> f"{found.wrong} of {found.choices}; {found.chance:.2f} [{found.low:.1f}, {found.high:.1f}]"
    '2 of 12; 0.14 [0.0, 0.7]'
    """
    runs = [_samples("groups", group) for group in groups]
    if len(runs) < 2:
        raise ValueError(f"groups must be two or more, but {len(runs)} was passed")
    choices = prod(map(len, runs))
    # How often a run of the group comes first in a falling row of the groups that follow.
    rows = np.ones(len(runs[-1]))
    for higher, lower in zip(runs[-2::-1], runs[:0:-1], strict=True):
        rows = (higher[:, None] > lower) @ rows
    wrong = choices - round(rows.sum())
    share = (1 - _confidence(confidence)) / 2
    sizes = np.array([len(run) for run in runs])
    if sizes.min() == 1:
        return Misordering(wrong, choices, np.nan, 0.0, 1.0, confidence)

    means = np.array([run.mean() for run in runs])
    spreads = np.array([run.std(ddof=1) for run in runs])
    rng = np.random.default_rng(seed)
    scales = spreads * np.sqrt((sizes - 1) / rng.chisquare(sizes - 1, (draws, len(runs))))
    places = means + scales / np.sqrt(sizes) * rng.standard_normal((draws, len(runs)))
    low, high = np.quantile(_misordered(places, scales), (share, 1 - share))
    chance = float(_misordered(means[None], spreads[None])[0])
    return Misordering(wrong, choices, chance, float(low), float(high), confidence)


def _misordered(means: Doubles, spreads: Doubles) -> Doubles:
    """Return the chance that independent normal numbers do not fall from first to last.

    Args:
        means: of k numbers, shape (draws, k).
        spreads: their standard deviations, shape (draws, k).
    """
    count = 321
    steps, width = np.linspace(-8, 8, count, retstep=True)
    density = np.exp(-(steps**2) / 2)
    density /= density.sum()
    # Equal runs have no spread, but a place.
    spreads = np.maximum(spreads, 1e-9 * (1 + np.abs(means)))
    falling = np.tile(density, (len(means), 1))
    for k in range(means.shape[1] - 1, 0, -1):
        # The chance that number k and those after it fall, the first of them being below a value.
        below = np.cumsum(falling, axis=1) - falling / 2
        value = means[:, k - 1, None] + spreads[:, k - 1, None] * steps
        place = ((value - means[:, k, None]) / spreads[:, k, None] - steps[0]) / width
        left = place.clip(0, count - 2).astype(int)
        part = (place - left).clip(0, 1)
        ends = [np.take_along_axis(below, left + side, axis=1) for side in (0, 1)]
        falling = density * (ends[0] + part * (ends[1] - ends[0]))
    return np.asarray((1 - falling.sum(axis=1)).clip(0, 1))


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Proportion:
    """Share of successes with Wilson's score interval, which stays inside [0, 1].

    Args:
        successes: from 0 to `trials`.
        trials: at least 1.
        confidence: coverage of the two-sided interval, between 0 and 1.

    Raises:
        ValueError: a count is not an integer in its range, or a confidence out of range.

    >>> print(wilson_interval(49, 50))
    0.9800 [0.8950, 0.9965], 49 of 50
    """
    k, n = int(successes), int(trials)
    if n != trials or n < 1:
        raise ValueError(f"trials must be an integer of at least 1, but {trials!r} was passed")
    if k != successes or not 0 <= k <= n:
        raise ValueError(
            f"successes must be an integer from 0 to {n}, but {successes!r} was passed"
        )
    z = float(special.ndtri(0.5 + 0.5 * _confidence(confidence)))
    p = k / n
    centre = (2 * n * p + z**2) / (2 * (n + z**2))
    reach = z / (2 * (n + z**2)) * sqrt(4 * n * p * (1 - p) + z**2)
    # Where all trials agree, rounding alone would keep the end off 0 or 1.
    low = centre - reach if k > 0 else 0.0
    high = centre + reach if k < n else 1.0
    return Proportion(k, n, low, high, confidence)


def _samples(name: str, samples: npt.ArrayLike) -> npt.NDArray[np.float64]:
    x = np.asarray(samples, dtype=np.float64)
    if x.ndim != 1 or len(x) < 1:
        raise ValueError(f"{name} must have shape (n,), n at least 1, but {x.shape} was passed")
    if not np.isfinite(x).all():
        raise ValueError(f"{name} must be finite, but {samples!r} was passed")
    return x


def _confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, but {confidence!r} was passed")
    return float(confidence)
