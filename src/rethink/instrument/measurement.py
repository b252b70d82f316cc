"""What can be said of a labelled table before anything is trained: `measure`.

The counts of Algorithm 1 are the report's, with their null; `class_orders` has what sees the
classes. What is expected of learners is an estimate by these counts, not a measurement.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rethink import mec
from rethink.errors import InputError
from rethink.instrument import class_orders, screen
from rethink.instrument.class_orders import LearnerEstimate, Order
from rethink.intervals import wilson_interval
from rethink.tables import row_sums
from rethink.tables.table import Report, Table

SHARES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)  # of the rows, as Brainome's progression has them
REPEATS = 20  # random subsets of each share
STAND_INS = {
    "decision tree": "best column",
    "random forest": "nearest neighbour",
    "multilayer perceptron": "fitted lines",
}
SIGNAL = 3.0  # standard deviations below chance that count as seeing the classes
SIGNAL_P = 0.0027  # what as many standard deviations are on both sides
ENOUGH_DATA = {
    "one class": "There is nothing to learn: all labels are the same.",
    "too few": "Too few rows to tell whether there are enough.",
    "no signal": "No sign of the classes is found here; a weak or hidden one would not show.",
    "growing": "Nearest neighbours agree more the more rows there are: more would help.",
    "flat": "Nearest neighbours agree no more with all rows than with half, as far as can be told.",
}


@dataclass(frozen=True, eq=False)
class Measurement:
    """All that is measured before training. `to_dict` documents and names it for `--json`."""

    report: Report
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    class_counts: npt.NDArray[np.intp]
    thresholds: mec.Thresholds  # over all orders of the ties
    in_order: mec.Thresholds  # with tied rows as they came
    null: mec.Null
    decimals: int | None  # that sums were counted in exactly; None for floats
    digits: int | None  # that sums were cut to
    progression: mec.Progression
    instances: int  # rows in all
    orders: tuple[Order, ...]
    growth: tuple[Order, ...]  # nearest neighbours among more and more rows
    turned: int  # rows whose nearest neighbour agrees among all but not among half, or the reverse
    column_p: float  # p value of the strongest rank sum along a column
    best: tuple[str, ...]  # the columns chosen on either half
    notes: tuple[str, ...]

    @property
    def features(self) -> int:
        """Columns that are not the label."""
        return len(self.columns)

    @property
    def best_guess(self) -> float:
        """Accuracy of naming the largest class."""
        return float(self.class_counts.max() / self.instances)

    @property
    def best_guess_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of `best_guess`."""
        found = wilson_interval(int(self.class_counts.max()), self.instances)
        return found.low, found.high

    @property
    def dictionary_bits(self) -> float:
        """Bits that write every label down; see `mec.dictionary_bits`."""
        return mec.dictionary_bits(self.class_counts)

    @property
    def separation(self) -> float:
        """One less the share of differing nearest neighbours over that of chance; NaN if unknown.

        0: no better than labels in random order; 1: each row's nearest neighbour has its label.
        """
        order = self.order("nearest neighbour")
        return 1 - order.share / order.null_share if order and order.null else math.nan

    @property
    def estimates(self) -> tuple[LearnerEstimate, ...]:
        """What three kinds of learner have to store."""
        entropy = self.dictionary_bits / self.instances
        found = [(learner, self.order(name)) for learner, name in STAND_INS.items()]
        return tuple(
            LearnerEstimate(
                learner, order, self.instances, entropy, len(self.classes), self.best_guess
            )
            for learner, order in found
            if order is not None
        )

    @property
    def verdict(self) -> str:
        """One of `ENOUGH_DATA`: whether there is enough data, by nearest neighbours.

        "growing" if from half of the rows to all the count of differing neighbours falls by more
        than twice the square root of the rows whose answer turned; of tables where nothing falls
        some 2 to 5 % are called growing. "no signal" if no order lies `SIGNAL` standard deviations
        below chance, nor a column's rank sums as far beyond it.
        """
        if len(self.classes) < 2:
            return "one class"
        if len(self.growth) < 2:
            return "too few"
        seen = any(order.z < -SIGNAL for order in self.orders)
        if not seen and self.column_p > SIGNAL_P:
            return "no signal"
        half, whole = self.growth[-2:]
        fall = half.changes - whole.changes
        return "growing" if fall > 2 * math.sqrt(self.turned) else "flat"

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The progression, mean over its subsets; its last step has all rows."""
        steps = self.progression
        rows, nulls = steps.instances.tolist(), steps.null_totals.tolist()
        means = steps.totals.mean(axis=1).tolist()
        if rows[-1] < self.instances:
            rows, nulls = [*rows, self.instances], [*nulls, self.null.total]
            means = [*means, self.thresholds.total]
        return [
            {
                "share": n / self.instances,
                "instances": n,
                "thresholds": total,
                "decision_points": int(mec.decision_points(total)),
                "null": null,
            }
            for n, total, null in zip(rows, means, nulls, strict=True)
        ]

    def order(self, name: str) -> Order | None:
        """Return the measure of that name, or None where it was not taken."""
        return next((order for order in self.orders if order.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, as `rethink measure --json` prints it; NaN becomes None."""
        t, there = self.thresholds, self.in_order
        found = {
            "source": self.report.source,
            "instances": self.instances,
            "features": self.features,
            "classes": len(self.classes),
            "class_counts": dict(zip(self.classes, self.class_counts.tolist(), strict=True)),
            "best_guess": self.best_guess,
            "best_guess_interval": list(self.best_guess_interval),
            "dictionary_bits": self.dictionary_bits,
            "thresholds": {
                "per_class": dict(zip(self.classes, there.expected.tolist(), strict=True)),
                "total": there.total,
                "expected": t.total,
                "expected_per_class": dict(zip(self.classes, t.expected.tolist(), strict=True)),
                "minimum": t.minimum,
                "maximum": t.maximum,
            },
            "sums": {"decimals": self.decimals, "digits": self.digits},
            "requirement_bits": t.bits,
            "requirement_bits_times_features": t.bits_times_features,
            "clusters": there.clusters,
            "max_capacity_bits": there.max_capacity_bits,
            "estimated_capacity_bits": there.estimated_capacity_bits,
            "null": {
                "expected": self.null.total,
                "sd": self.null.sd,
                "z": self.null.z(t.total),
            },
            "progression": self.steps,
            "orders": [_order(order) for order in self.orders],
            "best_columns": list(self.best),
            "growth": [_order(order) for order in self.growth],
            "turned": self.turned,
            "column_p": self.column_p,
            "separation": self.separation,
            "learners": [estimate.to_dict() for estimate in self.estimates],
            "enough_data": {"verdict": self.verdict, "sentence": ENOUGH_DATA[self.verdict]},
            "duplicates": self.report.duplicates,
            "contradictions": self.report.contradictions,
            "table": None,  # keeps its place
            "notes": list(self.notes),
        }  # fmt: skip
        # Plain already, and long where there are many columns.
        return {name: plain(value) for name, value in found.items()} | {
            "table": self.report.to_dict()
        }

    def __repr__(self) -> str:
        """All measures as one screen of text."""
        return "\n".join(screen.lines(self.to_dict()))

    def plot(self, ax: Any = None) -> Any:
        """Draw how neighbours differ as rows are added, beside chance; returns the axes."""
        from matplotlib import pyplot as plt

        ax = ax or plt.gca()
        rows = np.array([step["instances"] for step in self.steps])
        pairs = np.maximum(rows - 1, 1)
        for name, label, style in (("thresholds", "row sums", "o-"), ("null", "chance", "k--")):
            shares = np.array([step[name] for step in self.steps]) / pairs
            ax.plot(rows, shares, style, ms=4, label=label)
        if self.growth:
            shares = np.array([order.share for order in self.growth])
            rows = np.array([order.rows for order in self.growth])
            ax.plot(rows, shares, "s-", ms=4, label="nearest neighbours")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=8, frameon=False)
        ax.set(xscale="log", ylim=(0, 1), xlabel="rows")
        ax.set(ylabel="share of neighbours with different labels")
        return ax


def measure(table: Table, digits: int | None = None, seed: int = 0) -> Measurement:
    """Measure a table that is in memory.

    Args:
        table: from `rethink.tables`.
        digits: cut row sums off after so many decimals, towards zero, as nntailoring does.
        seed: decides subsets, halves and folds.

    Raises:
        InputError: `digits` is negative.
    """
    sums, decimals = row_sums.cut(*table.sums(), digits)
    codes, d = table.labels, table.features.shape[1]
    names = np.arange(len(table.classes))
    if not np.array_equal(np.unique(codes), names):
        raise InputError("each class of the table must occur in its labels")
    return _measure(
        table,
        mec.thresholds(sums, codes, features=d),
        mec.thresholds_in_order(sums, codes, features=d),
        _progression(sums, codes, seed),
        decimals,
        digits,
        seed,
    )


def extend(
    sample: Table,
    thresholds: mec.Thresholds,
    in_order: mec.Thresholds,
    decimals: int | None,
    digits: int | None = None,
    seed: int = 0,
) -> Measurement:
    """Measure a table larger than memory from its counts and a random sample of its rows.

    Args:
        sample: rows drawn at random; its classes and its report are those of the whole.
        thresholds: of the whole, as `mec.thresholds` counts; its classes are those of the whole.
        in_order: of the whole, as `mec.thresholds_in_order` counts.
        decimals: that its sums were counted in.
        digits: as for `measure`.
        seed: as for `measure`.
    """
    steps = _progression(row_sums.cut(*sample.sums(), digits)[0], sample.labels, seed)
    return _measure(sample, thresholds, in_order, steps, decimals, digits, seed)


def _progression(
    sums: npt.NDArray[Any], labels: npt.NDArray[np.intp], seed: int
) -> mec.Progression:
    """Algorithm 2, each number of rows once."""
    rows = np.maximum(1, np.rint(np.array(SHARES) * len(labels)))
    shares = np.array(SHARES)[np.flatnonzero(np.append(rows[1:] > rows[:-1], True))]
    return mec.progression(sums, labels, shares, REPEATS if len(labels) < 10**6 else 2, seed)


def _measure(
    table: Table,
    thresholds: mec.Thresholds,
    in_order: mec.Thresholds,
    progression: mec.Progression,
    decimals: int | None,
    digits: int | None,
    seed: int,
) -> Measurement:
    instances, n = thresholds.instances, len(table.labels)
    found: list[Order | None] = []
    growth: list[Order] = []
    best: tuple[str, ...] = ()
    turned, column_p = 0, math.nan
    if n >= class_orders.FEWEST and table.features.shape[1] and len(table.classes) > 1:
        mixed = class_orders.shuffled(n, seed)
        # No measure takes more rows than this.
        most = int(class_orders.COLUMN_CELLS // table.features.shape[1])
        mixed = mixed[: max(class_orders.NEIGHBOUR_ROWS, class_orders.LINE_ROWS, most)]
        labels = table.labels[mixed]
        x = class_orders.points(table.features[mixed], table.shape is not None)
        growth, turned = class_orders.growth(x, labels)
        # Of bytes these two see only which are equal or larger, and bytes are sorted faster.
        ranked = table.features[mixed] if table.features.dtype == np.uint8 else x
        column_p = class_orders.column_p(ranked, labels)
        column, chosen = class_orders.best_column(ranked, labels)
        found = [
            column,
            class_orders.lines(x, labels, seed),
            class_orders.tree(x, labels),
            *growth[-1:],
        ]
        best = tuple(table.columns[i] for i in chosen)
    return Measurement(
        report=table.report,
        columns=table.columns,
        classes=table.classes,
        class_counts=thresholds.class_counts,
        thresholds=thresholds,
        in_order=in_order,
        null=mec.null(thresholds.class_counts),
        decimals=decimals,
        digits=digits,
        progression=progression,
        instances=instances,
        orders=tuple(order for order in found if order is not None),
        growth=tuple(growth),
        turned=turned,
        column_p=column_p,
        best=best,
        notes=(
            *table.report.notes,
            *_dominating(table),
            *_copies(table),
            *_judged(growth, instances),
        ),
    )


def _dominating(table: Table) -> Iterator[str]:
    """Say where one column decides the row sums, which Algorithm 1 then hardly goes beyond."""
    if table.features.shape[1] < 2 or len(table.labels) < 2:
        return
    rows = table.features[:: -(-len(table.labels) // 100_000)]
    # Some columns after the others: the difference from their mean is a table of float64.
    parts = np.array_split(rows, -(-rows.size // class_orders.BLOCK_CELLS), axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        variances = np.concatenate([_variances(part) for part in parts])
        most, total = float(variances.max()), float(variances.sum())
    if math.isfinite(total) and total > 0 and most / total > 0.9:
        name = table.columns[int(variances.argmax())]
        yield (
            f"column {name!r} has {most / total:.0%} of the variance of all columns, so that the "
            "row sums of Algorithm 1 hardly see the others"
        )


def _variances(part: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the variance of each column; of bytes by integers, in a fraction of the time."""
    if part.dtype != np.uint8:
        return np.asarray(part.var(axis=0, dtype=np.float64))
    n, total = len(part), part.sum(axis=0, dtype=np.int64)
    squares = np.square(part, dtype=np.uint16).sum(axis=0, dtype=np.int64)
    return np.asarray((n * squares - total**2) / n**2)


def _copies(table: Table) -> Iterator[str]:
    """Say where rows that repeat could be copies, which neighbours cannot tell from classes."""
    if table.report.duplicates > 0.01 * len(table.labels):
        yield (
            "if repeated rows are copies and not new observations, nearest neighbours find the "
            "copy, and separation, the forest and enough data mean nothing; remove them first"
        )


def _judged(growth: Sequence[Order], instances: int) -> Iterator[str]:
    """Say where enough data was judged among a part of the rows."""
    if growth and growth[-1].rows < instances:
        yield f"enough data is judged among {growth[-1].rows:,} of {instances:,} rows"


def _order(order: Order) -> dict[str, Any]:
    return {
        "name": order.name,
        "rows": order.rows,
        "changes": order.changes,
        "pairs": order.pairs,
        "share": order.share,
        "share_interval": list(order.interval),
        "null": {"expected": order.null, "share": order.null_share, "sd": order.sd, "z": order.z},
    }


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: no arrays, and None for what is no finite number."""
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
