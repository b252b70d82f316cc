"""Algorithm 1 where it is at home, between two classes, beside what there is to learn there.

Friedland's algorithm is made for two classes; the report gives it ten. Here it counts a whole table
and each pair of its classes by itself. Beside it stands the simplest learner, which gives a row the
label of the nearest other row. Both count neighbours with different labels, one along the line of
sums and one among all features, and each has its exact null: as shares of what labels in random
order give, the two can be compared. Where the learner errs less often than chance, there is at
least that much to learn; where it does not, there may be something all the same.

Neighbours are looked for among `ROWS` rows drawn at random, among which they are farther than among
all. Columns are made comparable for that, pixels apart. Algorithm 1 adds them up as they are, in
whatever units they have; it is counted a second time on comparable columns.

Sources: Algorithm 1 as in `rethink.mec`; the error of the nearest neighbour, Cover and Hart, IEEE
Transactions on Information Theory 13 (1967).
"""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink import mec
from rethink.data import Dataset
from rethink.instrument import class_orders
from rethink.questions import class_separation
from rethink.tables import read

BUNDLED = ("iris", "wine", "breast-cancer", "digits")
TABLES = ("fashion", *BUNDLED)
ROWS = 5_000


def tasks() -> list[dict[str, Any]]:
    """Return a task for each table."""
    return [{"name": name} for name in TABLES]


def seconds(task: dict[str, Any]) -> float:
    """Guess the core seconds of a task."""
    return 12.0 if task["name"] == "fashion" else 0.2


def run(data: Dataset, name: str) -> dict[str, NDArray[Any]]:
    """Count a whole table and then each pair of its classes, k cases.

    Args:
        data: its training pictures are the table `fashion`.
        name: one of `TABLES`. A table of two classes is one case.

    Returns:
        Arrays of shape (k,), but for the first.

        pairs: the two classes of a case, -1 twice for the whole table, shape (k, 2).
        classes, rows: how many it has.
        thresholds: what Algorithm 1 counts, expected over the orders of ties.
        thresholds_null, thresholds_sd: the same of labels in random order, and its deviation.
        bits, bits_null: the report's first formula of the one and of the other.
        scaled: thresholds where all columns have deviation 1; of pixels, as they are.
        judged: rows whose nearest neighbour was looked for, at most `ROWS`.
        wrong: those whose neighbour has another label.
        wrong_null, wrong_sd: the same of labels in random order, and its deviation.

    Raises:
        ValueError: there is no such table.
    """
    table = _table(data, name)
    sums, _ = table.sums()
    pictures = table.shape is not None
    scaled = sums if pictures else class_orders.points(table.features, pictures).sum(axis=1)
    codes = range(len(table.classes))
    pairs = list(combinations(codes, 2)) if len(codes) > 2 else []
    chosen = [np.arange(len(sums))]
    chosen += [np.flatnonzero(np.isin(table.labels, pair)) for pair in pairs]
    cases = [_count(table, sums, scaled, rows) for rows in chosen]
    found = {key: np.array([case[key] for case in cases]) for key in cases[0]}
    return {"pairs": np.array([(-1, -1), *pairs]), **found}


def _table(data: Dataset, name: str) -> read.Table:
    """Return a table by its name."""
    if name not in TABLES:
        raise ValueError(f"name must be one of {TABLES}, but was {name!r}")
    if name in BUNDLED:
        return read.read(name)
    side = round(data.train_images.shape[1] ** 0.5)
    return read.from_arrays(data.train_images.reshape(-1, side, side), data.train_labels)


def _count(
    table: read.Table, sums: NDArray[Any], scaled: NDArray[Any], rows: NDArray[np.intp]
) -> dict[str, float]:
    """Count thresholds among some rows, and nearest neighbours among at most `ROWS` of them."""
    labels = table.labels[rows]
    line = mec.thresholds(sums[rows], labels)
    null = mec.null(line.class_counts)
    # In random order, since a tie of distances goes to the row that comes first.
    drawn = rows[class_orders.shuffled(len(rows), 0)[:ROWS]]
    points = class_orders.points(table.features[drawn], table.shape is not None)
    edges = class_separation.nearest_neighbours(points)
    near = class_separation.cross_edges(edges, table.labels[drawn])
    return {
        "classes": len(line.classes),
        "rows": line.instances,
        "thresholds": line.total,
        "thresholds_null": null.total,
        "thresholds_sd": null.sd,
        "bits": line.bits,
        "bits_null": replace(line, expected=null.expected).bits,
        "scaled": mec.thresholds(scaled[rows], labels).total,
        "judged": near.edges,
        "wrong": near.crossing,
        "wrong_null": near.expected,
        "wrong_sd": near.sd,
    }
