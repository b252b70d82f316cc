"""What a table is given in training, decided beforehand from its shape and the minutes there are.

No clock is read: the same shape and minutes give the same plan on every machine, so the same
numbers. One ladder leads from the least work that means something to the most that pays; every
quantity on it only grows, and a plan is the highest rung whose estimated seconds fit.

The seconds come from a cost model with few constants, measured once on one core of a server of the
year 2026. They are a guess for other machines; `training` takes deadlines for slower ones.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import ceil, isqrt, log2
from typing import Any

import numpy as np

from rethink.errors import InputError
from rethink.questions.learners import LEARNERS, tree_seconds

# Signal-to-noise ratios of the noise that networks are tested under, mildest first.
DECIBELS = (40, 30, 20, 15, 10, 5, 0, -5, -10, -20)
# Shares of the training rows in a learning curve.
SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
BATCH = 64
MINUTES = (0.2, 60.0)
RESERVE = 0.5  # of the minutes are planned; the others are for slower or busy machines
PARTS = {
    "doubtful_labels": "forests judge labels; again with some altered",
    "sweep": "networks of growing capacity, true and shuffled labels",
    "resilience": "the largest network under noise",
    "learning_curve": "the largest network on fewer rows",
    "learners": "other learners on the same rows",
}
# Numbers of four bytes that hold the inputs of all seeds at once: one GiB.
_NUMBERS = 2**28
# Numbers of eight bytes in a forest, which keeps c of them for each of some 2 n nodes a tree.
_FOREST = 2**28
_RUNGS, _STEP = 113, 0.25
_MOST_STEPS = 20_000


@dataclass(frozen=True)
class Plan:
    """What is done with a table of n rows, d features and c classes.

    Attributes:
        table_rows: n.
        features: d.
        classes: c.
        shape: (height, width[, channels]) of a row that is an image, else None.
        minutes: that were asked for.
        seeds: splits and initialisations, S; each is one replication.
        rows: rows that each seed uses, drawn anew for each where they are fewer than n.
        hidden: hidden units of the networks, one layer; 0 is a linear classifier.
        epochs: passes over the training rows.
        learning_rate: at the first step; it falls to zero at the last.
        trees: of a forest.
        iterations: of boosting.
        convolution_epochs: passes of the convolutional network.
        learners: names of the other learners.
        seconds: estimated for each of `PARTS`, on one core.
    """

    table_rows: int
    features: int
    classes: int
    shape: tuple[int, ...] | None
    minutes: float
    seeds: int
    rows: int
    hidden: tuple[int, ...]
    epochs: int
    learning_rate: float
    trees: int
    iterations: int
    convolution_epochs: int
    learners: tuple[str, ...]
    seconds: dict[str, float] = field(hash=False)

    @property
    def train_rows(self) -> int:
        """Rows that each seed trains on, m: four fifths of `rows`."""
        return round(0.8 * self.rows)

    @property
    def test_rows(self) -> int:
        """Rows that each seed is tested on: the others."""
        return self.rows - self.train_rows

    @property
    def batch(self) -> int:
        """Rows a step."""
        return BATCH

    @property
    def steps(self) -> int:
        """Steps that each network is trained for."""
        return self.epochs * ceil(self.train_rows / BATCH)

    @property
    def total(self) -> float:
        """Estimated seconds of all parts."""
        return sum(self.seconds.values())

    def to_dict(self) -> dict[str, Any]:
        """Fields and derived values as plain Python values."""
        derived = ("train_rows", "test_rows", "steps", "total")
        return asdict(self) | {name: getattr(self, name) for name in derived}

    def __str__(self) -> str:
        """What is done, then a row for each part with its seconds."""
        used = "all" if self.rows == self.table_rows else f"{self.rows:,} of"
        names = ["linear" if not units else str(units) for units in self.hidden]
        lines = [
            f"{used} {self.table_rows:,} rows for each of {self.seeds} seeds: "
            f"{self.train_rows:,} to train on, {self.test_rows:,} to test on",
            f"networks of {', '.join(names)} hidden units, {self.epochs:,} epochs each",
            f"learners: {', '.join(self.learners)}",
            f"{'part':<16}{'seconds':>8}  what",
        ]
        lines += [f"{part:<16}{self.seconds[part]:>8.0f}  {what}" for part, what in PARTS.items()]
        return "\n".join([*lines, f"{'in all':<16}{self.total:>8.0f}  on one core"])


def plan(
    rows: int,
    features: int,
    classes: int,
    minutes: float = 3.0,
    seeds: int = 5,
    shape: tuple[int, ...] | None = None,
) -> Plan:
    """Decide what a table is given in so many minutes, of which one core is planned half of.

    More minutes never mean fewer rows, steps, units, trees or learners.

    Args:
        rows: of the table, n.
        features: d.
        classes: c, each of which occurs.
        minutes: 0.2 to 60.
        seeds: 2 or more, S.
        shape: (height, width[, channels]) where a row is an image.

    Raises:
        InputError: the table is too small or has too many classes to be split and learned from,
            `minutes` or `seeds` are out of range, or the minutes do not suffice for anything.
    """
    _check(rows, features, classes, minutes, seeds)
    best = None
    for each in _ladder(rows, features, classes, minutes, seeds, shape):
        if each.total > RESERVE * 60 * minutes:
            if best is None:
                needed = ceil(each.total / RESERVE / 6) / 10
                raise InputError(
                    f"{minutes:g} minutes are too few for {rows:,} rows of {features:,} features "
                    f"and {classes:,} classes; {needed:g} would do (--minutes), and rethink "
                    "measure takes seconds"
                    if needed <= MINUTES[1]
                    else f"{rows:,} rows of {features:,} features and {classes:,} classes take "
                    f"longer to train on than the {MINUTES[1]:g} minutes there are at most; use "
                    "rethink measure, or leave out columns or classes"
                )
            break
        best = each
    assert best is not None
    return best


def _check(rows: int, features: int, classes: int, minutes: float, seeds: int) -> None:
    instead = "use rethink measure, which trains nothing"
    if rows < 20:
        raise InputError(f"{rows} rows are too few to train and test on (20 at least); {instead}")
    if features < 1:
        raise InputError(f"a table without features cannot be learned from; {instead}")
    if classes < 2:
        raise InputError(f"there is nothing to learn where all rows have one class; {instead}")
    if 5 * classes > rows:
        raise InputError(
            f"{classes:,} classes are too many for {rows:,} rows (a fifth of them at most); "
            f"{instead}"
        )
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        raise InputError(
            f"minutes must lie between {MINUTES[0]:g} and {MINUTES[1]:g}, but were {minutes:g}"
        )
    if seeds < 2:
        raise InputError(f"seeds must be 2 or more, but {seeds} was given")
    if _most_rows(features, classes, seeds) < max(20, 5 * classes):
        raise InputError(
            f"{features:,} features and {classes:,} classes take more memory than a GiB to train "
            f"on; {instead}, or leave out columns"
        )


def _most_rows(features: int, classes: int, seeds: int) -> int:
    """Rows that memory allows."""
    return min(_NUMBERS // (seeds * features), _FOREST // (2 * classes * _trees(classes, 0)))


def _trees(classes: int, rows: int) -> int:
    """Trees of a forest, by the table alone, so that no rung has fewer than the one before."""
    if classes > 100:
        return 30
    return 100 if rows <= 2_000 else 50


def _ladder(
    n: int, d: int, c: int, minutes: float, seeds: int, shape: tuple[int, ...] | None
) -> Iterator[Plan]:
    """Yield plans of growing work."""
    names = [name for name, kind in LEARNERS.items() if kind.suits(shape, c)]
    most, before = min(n, _most_rows(d, c, seeds)), None
    steps = convolution = 0
    for effort in np.arange(_RUNGS) * _STEP:
        rows = min(most, int(max(100, 10 * c) * 2 ** (effort / 2)))
        train = round(0.8 * rows)
        batches = ceil(train / BATCH)
        # Four passes at least, and no fewer steps than before where whole passes would round down.
        epochs = max(4, ceil(max(steps, min(_MOST_STEPS, 400 * 2 ** (effort / 4))) / batches))
        fewer = max(4, ceil(max(convolution, steps / 4) / batches))
        steps, convolution = epochs * batches, fewer * batches
        hidden = _hidden(train, d, c)
        settings = {
            "rows": rows,
            "hidden": hidden,
            "epochs": epochs,
            "learning_rate": min(1e-2, 8 / d),
            "trees": _trees(c, n),
            "iterations": min(100, int(10 * 2 ** (effort / 8))),
            "convolution_epochs": fewer,
        }
        if settings != before:
            bare = Plan(
                n, d, c, shape, minutes, seeds, **settings, learners=tuple(names), seconds={}
            )
            yield Plan(**{**vars(bare), "seconds": _seconds(bare)})
        before = settings


def _hidden(train: int, d: int, c: int) -> tuple[int, ...]:
    """Hidden units from none to twice as many as the labels' bits ask for by the four rules.

    A network d-h-c has (d + 2) h bits, and m labels have m log2(c) bits at most. Where features
    are many that is a unit or two, which can hardly tell classes apart: then up to two a class.
    """
    asked = train * log2(c) / (d + 2)
    top = max(8, min(2 * c, 64), ceil(2 * asked))
    between = np.geomspace(max(1, min(asked / 8, top / 8)), top, 4)
    return (0, *(int(units) for units in np.rint(between)))


def _seconds(plan: Plan) -> dict[str, float]:
    """Estimate the seconds of each part, by constants measured on one core."""
    d, c, s = plan.features, plan.classes, plan.seeds
    largest = plan.hidden[-1]
    sweep = sum(_training(plan, units, 2 * s) for units in plan.hidden)
    curve = sum(_training(plan, largest, s) for _ in SHARES[:-1])
    weights = (d + c) * largest
    # Drawing noise takes longer than a forward pass of a small network.
    noise = len(DECIBELS) * s * plan.test_rows * (d * 20e-9 + 2 * weights * 1e-10) + 0.1
    forest = plan.trees * (2e-3 + 0.5 * tree_seconds(plan.rows, isqrt(d), c))
    return {
        "doubtful_labels": s * 2 * (1.3 * forest + plan.rows * c * 2e-7 + 0.05),
        "sweep": sweep,
        "resilience": noise,
        "learning_curve": curve,
        "learners": s * sum(LEARNERS[name].table_seconds(plan) for name in plan.learners),
    }


def _training(plan: Plan, units: int, members: int) -> float:
    """Seconds of one stack: steps by what they cost, and a look at all rows at the end."""
    d, c = plan.features, plan.classes
    weights = (d + c) * units or d * c
    rows = min(BATCH, plan.train_rows)
    # Rows are fetched from all over the memory, which costs the more the longer they are.
    fetch = d * (2 + min(3, d / 2_500)) * 1e-9
    step = 0.75e-3 + members * (
        weights * (1.2e-9 + 0.7e-10 * rows) + rows * (fetch + 4e-9 * (units + c))
    )
    return plan.steps * step + members * plan.rows * (weights * 1e-10 + fetch) + 0.02
