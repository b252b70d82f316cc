"""Nine answers for a table: what was measured before training and with it, in a line a question.

Each answer stands beside a control that says what it would be worth if there were nothing to find.
What was left out because the time was up says so.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rethink.instrument import training
from rethink.instrument.measurement import ENOUGH_DATA, Measurement
from rethink.intervals import mean_interval, paired_difference

LATE = "left out: the time was up"
# Each question with the place of the page where its detail stands.
QUESTIONS = (
    ("Labels", "labels-of-yours"),
    ("Success", "success-of-yours"),
    ("Capacity", "capacity-of-yours"),
    ("Resilience", "resilience-of-yours"),
    ("Enough data", "enough-of-yours"),
    ("Memorization", "memorization-of-yours"),
    ("Generalization", "memorization-of-yours"),
    ("Quality", "success-of-yours"),
    ("Reproducibility", "again-of-yours"),
)


def percent(shares: npt.ArrayLike) -> str:
    """Write shares, one a seed, as percent: their mean and its 95 % t-interval within 0 and 100.

    Seeds without a value (NaN) do not count; a dash if there are less than two.
    """
    return between(100 * np.asarray(shares, dtype=np.float64), 1, "%", (0.0, 100.0))


def between(
    samples: npt.ArrayLike,
    digits: int,
    unit: str = "",
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> str:
    """Write one value a seed as a mean and its 95 % t-interval, cut at the limits of what can be.

    Seeds without a value count no more than for `percent`.
    """
    values = np.asarray(samples, dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return "–"
    found = mean_interval(values)
    ends = np.clip([found.low, found.high], *limits)
    mean, low, high = (f"{each:.{digits}f}" for each in (found.mean, *ends))
    return f"{mean}{unit} [{low}, {high}]"


def best_learner(learners: training.Learners | None) -> int | None:
    """Return the place of the learner with the best test accuracy, None if there is none."""
    return None if learners is None else int(learners.test.mean(axis=1).argmax())


def nine(
    measured: Measurement,
    sweep: training.Sweep,
    learners: training.Learners | None,
    noise: training.Resilience | None,
    curve: training.Curve | None,
    doubts: training.Doubts | None,
) -> list[tuple[str, str, str]]:
    """Return question, answer and control for each of the nine, in Markdown.

    Args:
        measured: before training.
        sweep: networks of growing capacity; the last one answers for all.
        learners: others on the same splits.
        noise: the network under noise.
        curve: the network on fewer rows.
        doubts: about the labels.
    """
    network = sweep.test[-1]
    rank = best_learner(learners)
    texts = (
        _labels(doubts),
        _success(sweep, learners, rank),
        _capacity(measured),
        _resilience(noise),
        _enough(measured, curve),
        (
            f"{percent(sweep.train[-1])} of {sweep.train_rows:,} training labels are stored",
            f"of shuffled labels, which nothing but memory can hold, "
            f"{percent(sweep.shuffled_train[-1])}",
        ),
        (
            f"{between(sweep.test_information[-1], 3)} bits are told about the label of a row not "
            f"seen before, of {measured.dictionary_bits / measured.instances:.3f}",
            f"chance gives {between(sweep.shuffled_test_information[-1], 3)}, by networks of "
            "shuffled labels",
        ),
        _quality(network, learners, rank),
        (
            f"the network varies by {100 * network.std(ddof=1):.1f} points from seed to seed (SD)",
            f"{len(network)} seeds, each with its own split; the same parameters give the same "
            "bits on the same machine, unless the time was up",
        ),
    )
    return [
        (f"[{name}](#{place})", *text) for (name, place), text in zip(QUESTIONS, texts, strict=True)
    ]


def _labels(doubts: training.Doubts | None) -> tuple[str, str]:
    if doubts is None:
        return LATE, ""
    return (
        f"{doubts.flagged.mean():.1f} of {doubts.judged:,} are doubtful ({doubts.flagged.min()} to "
        f"{doubts.flagged.max()} from seed to seed)",
        f"of {doubts.planted:,} that were altered on purpose {percent(doubts.recall)} are found; "
        f"they are {percent(doubts.precision)} of what is then flagged",
    )


def _success(
    sweep: training.Sweep, learners: training.Learners | None, rank: int | None
) -> tuple[str, str]:
    text = f"network {percent(sweep.test[-1])}"
    if learners is not None and rank is not None:
        text += f"; best other learner, {learners.names[rank]}, {percent(learners.test[rank])}"
    return text, f"naming the commonest class {percent(sweep.guess)}"


def _capacity(measured: Measurement) -> tuple[str, str]:
    bits, t, null = measured.dictionary_bits, measured.thresholds.total, measured.null
    text = f"the labels hold {bits:,.0f} bits"
    if measured.estimates:
        least = min(measured.estimates, key=lambda estimate: estimate.bits(estimate.order.share))
        needed = least.bits(least.order.share)
        text += f"; the features leave some {needed:,.0f} open at the most, by the "
        text += least.order.name
    z = null.z(t)
    far = f" (z = {z:.1f})" if np.isfinite(z) else ""
    return text, f"Algorithm 1 counts {t:,.0f} thresholds, by chance {null.total:,.0f}{far}"


def _resilience(noise: training.Resilience | None) -> tuple[str, str]:
    if noise is None:
        return LATE, ""
    crossed, seeds = int(np.isfinite(noise.half_db).sum()), len(noise.half_db)
    text = f"half of what was learned is lost at {between(noise.half_db, 1, ' dB')} of noise"
    if crossed < 2:
        text = f"{crossed} of {seeds} seeds lose half of what was learned in the range of noise"
    elif crossed < seeds:
        text += f", by {crossed} of {seeds} seeds; by the others not in the range of noise"
    blind = percent(noise.shuffled.mean(axis=0))
    return text, f"networks of shuffled labels have {blind} right, over all levels of noise"


def _enough(measured: Measurement, curve: training.Curve | None) -> tuple[str, str]:
    text = ENOUGH_DATA[measured.verdict]
    if curve is None:
        return text, "no learning curve: the time was up"
    gain = between(100 * (curve.test[-1] - curve.test[-2]), 1, " points")
    part = f"{curve.shares[-2]:.0%}"
    return text, f"measured: the network trained on all rows and not on {part} gains {gain}"


def _quality(
    network: npt.NDArray[Any], learners: training.Learners | None, rank: int | None
) -> tuple[str, str]:
    if learners is None or rank is None:
        return LATE, ""
    gain = paired_difference(100 * learners.test[rank], 100 * network)
    sure = gain.low > 0 or gain.high < 0
    text = f"{learners.names[rank]} against the network: {gain.mean:+.1f} points "
    text += f"[{gain.low:+.1f}, {gain.high:+.1f}]" + ("" if sure else ", no difference for certain")
    return text, (
        f"the same splits for all {len(learners.names) + 1} learners; that the best was chosen on "
        "these tests flatters it a little"
    )
