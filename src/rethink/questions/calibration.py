"""How sure a classifier may be of its answers: what its probabilities cost, as they are and mended.

A network that is trained for long grows surer than it has reason to be: its answers stay right as
often, and each wrong one costs more bits. Two mends leave every answer as it is. A share of the
uniform distribution puts a bound on what one label can cost. A temperature divides all logits by
one number, chosen where labels were held out.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
arXiv:1706.04599 (temperature scaling).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from rethink.questions.code_length import label_bits

Floats = npt.NDArray[np.float64]
# Between these temperatures one is looked for. Those that networks of this book ask for lie between
# 0.5 and 5; dead ones, whose answers hold nothing, may ask for any.
COLDEST, HOTTEST = 0.05, 50.0


@dataclass(frozen=True)
class LabelCosts:
    """Mean bits that a label costs by a classifier's probabilities.

    Attributes:
        plain: as they are.
        mixed: with a share of the uniform distribution.
        tempered: at the temperature.
        temperature: what the logits were divided by.
    """

    plain: float
    mixed: float
    tempered: float
    temperature: float


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Return the temperature at which labels cost least, between ``COLDEST`` and ``HOTTEST``.

    The mean cost is convex in 1 / T, so that there is one least.

    Args:
        logits: shape (n, c).
        labels: from 0 to c - 1, shape (n,).

    Raises:
        ValueError: shapes or labels do not fit.

    >>> logits = [[8.0, 0.0]] * 4  # sure of the first class, and right three times in four
    >>> round(fit_temperature(logits, [0, 0, 0, 1]), 2)  # 8 / ln 3
    7.28
    """
    scores, wanted = np.asarray(logits, dtype=np.float64), np.asarray(labels)

    def cost(sharpness: float) -> float:
        return float(label_bits(_log_probabilities(scores, 1 / sharpness), wanted).mean())

    found = optimize.minimize_scalar(
        cost, bounds=(1 / HOTTEST, 1 / COLDEST), method="bounded", options={"xatol": 1e-6}
    )
    return float(1 / found.x)


def label_costs(
    held_out: tuple[npt.ArrayLike, npt.ArrayLike],
    test: tuple[npt.ArrayLike, npt.ArrayLike],
    uniform: float,
) -> LabelCosts:
    """Return what test labels cost on average, in bits.

    Args:
        held_out: logits, shape (m, c), and labels, shape (m,), that the temperature is chosen on.
        test: logits, shape (n, c), and labels, shape (n,).
        uniform: share of the uniform distribution in ``mixed``.

    Raises:
        ValueError: shapes or labels do not fit.
    """
    temperature = fit_temperature(*held_out)
    logits, labels = np.asarray(test[0], dtype=np.float64), test[1]
    as_they_are = _log_probabilities(logits, 1.0)
    return LabelCosts(
        plain=float(label_bits(as_they_are, labels).mean()),
        mixed=float(label_bits(as_they_are, labels, uniform).mean()),
        tempered=float(label_bits(_log_probabilities(logits, temperature), labels).mean()),
        temperature=temperature,
    )


def _log_probabilities(logits: Floats, temperature: float) -> Floats:
    return np.asarray(special.log_softmax(logits / temperature, axis=-1))
