"""Which rows each seed trains on and is tested on, and the numbers that a network is given of them.

Columns are standardised by mean and standard deviation of a seed's training rows, bytes too: in
such coordinates a network stores several times as many labels in the same time (chapter 6), and a
column of zeros and ones is not drowned by one of hundreds. What lies beyond 10 standard deviations
is put there, since columns that hardly ever vary have such values. Constant columns are 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink.errors import InputError
from rethink.instrument.budget import Plan

Features = NDArray[Any]  # uint8 or float64
Labels = NDArray[np.integer]
Ints = NDArray[np.intp]
_LIMIT = 10.0  # standard deviations beyond which an input does not go


@dataclass(frozen=True, eq=False)
class TableSplit:
    """Rows of the table by their place in it; no row of a seed is in both."""

    train: Ints  # shape (S, m)
    test: Ints  # shape (S, k)


def split_table(labels: Labels, plan: Plan) -> TableSplit:
    """Draw each seed's rows: four fifths to train on, the others to test.

    The first row drawn of each class goes to training, so that every class occurs there, and a
    class with one row is never tested. All else is random.

    Raises:
        InputError: the labels are not those of the table that the plan is for.
    """
    y = np.asarray(labels)
    if y.shape != (plan.table_rows,) or y.min() < 0 or y.max() >= plan.classes:
        raise InputError(
            f"the plan is for {plan.table_rows:,} labels of {plan.classes:,} classes, but shape "
            f"{y.shape} from {y.min()} to {y.max()} was passed; plan anew"
        )
    m, train, test = plan.train_rows, [], []
    for seed in range(plan.seeds):
        rng = np.random.default_rng([seed, 80])
        order = rng.permutation(len(y))
        first = np.unique(y[order], return_index=True)[1]
        rest = np.delete(order, first)
        few = m - len(first)
        # Mixed, since a learning curve takes the rows from the beginning.
        train.append(rng.permutation(np.concatenate([order[first], rest[:few]])))
        test.append(rest[few : few + plan.test_rows])
    return TableSplit(np.stack(train), np.stack(test))


@dataclass(frozen=True, eq=False)
class Inputs:
    """Standardised rows of all seeds, one seed after the other, each by its own training rows."""

    values: NDArray[np.float32]  # shape (S rows, d)
    labels: NDArray[np.int64]  # shape (S rows,)
    train: Ints  # places in `values`, shape (S, m)
    test: Ints  # shape (S, k)

    @classmethod
    def from_table(cls, features: Features, labels: Labels, plan: Plan) -> "Inputs":
        """Split a table and standardise it.

        Raises:
            InputError: features or labels are not those of the plan, or a seed's training rows
                are all the same.
        """
        x, y = check(features, labels, plan)
        drawn = split_table(y, plan)
        rows = np.concatenate([drawn.train, drawn.test], axis=1)
        values = np.empty((rows.size, plan.features), np.float32)
        for seed, own in enumerate(rows):
            place = slice(seed * plan.rows, (seed + 1) * plan.rows)
            values[place] = scaled(x, drawn.train[seed], own)
            if not values[place].any():
                raise InputError(
                    f"the {plan.train_rows:,} rows that seed {seed} trains on have the same "
                    "features, so there is nothing to learn; use rethink measure"
                )
        places = np.arange(rows.size).reshape(rows.shape)
        m = plan.train_rows
        return cls(values, y[rows.ravel()], places[:, :m], places[:, m:])

    def shuffled(self) -> NDArray[np.int64]:
        """Return labels of which each seed's training rows have theirs shuffled, (S, S rows)."""
        found = np.tile(self.labels, (len(self.train), 1))
        for seed, (own, rows) in enumerate(zip(found, self.train, strict=True)):
            own[rows] = np.random.default_rng([seed, 82]).permutation(own[rows])
        return found


def check(features: Features, labels: Labels, plan: Plan) -> tuple[Features, NDArray[np.int64]]:
    """Check that features and labels are those of the plan."""
    x = np.asarray(features)
    if x.shape != (plan.table_rows, plan.features):
        raise InputError(
            f"the plan is for features of shape ({plan.table_rows}, {plan.features}), but shape "
            f"{x.shape} was passed; plan anew"
        )
    return x, np.asarray(labels).astype(np.int64)


def scaled(x: Features, train: Ints, rows: Ints, images: bool = False) -> NDArray[np.float32]:
    """Return rows as inputs: images by the largest value, else standardised, by training rows."""
    own = x[train].astype(np.float64)
    if images:
        return (x[rows] / (np.abs(own).max() or 1)).astype(np.float32)
    # Halved first, as the range of huge numbers does not fit in float64.
    low, half = own.min(axis=0), own.max(axis=0) / 2 - own.min(axis=0) / 2
    # Seen by the range, since rounding can leave equal numbers a standard deviation.
    varies = half > 0
    unit = np.where(varies, half, 1)
    own -= low + half
    own /= unit
    # A test row may lie so far out that it is infinite here; the limit takes it back.
    with np.errstate(over="ignore"):
        inputs = (x[rows] - (low + half)) / unit
        inputs -= own.mean(axis=0)
        inputs /= np.where(varies, own.std(axis=0), 1)
    inputs[:, ~varies] = 0
    return np.asarray(inputs.clip(-_LIMIT, _LIMIT), dtype=np.float32)
