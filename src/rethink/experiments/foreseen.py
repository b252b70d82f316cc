"""What is foreseen of learners before training, held against what they do after it.

`rethink.instrument` estimates the risk that a tree, a forest and a network overfit, from counts
alone. Here all three learn, on tables from flowers to pictures and on five whose truth is known by
construction. What is compared is the share of wrong answers on rows not seen, over that of naming
the commonest class: 1 is what labels without meaning give.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink.data import Dataset
from rethink.instrument import measurement, training
from rethink.instrument.budget import plan as plan_for
from rethink.instrument.splits import split_table
from rethink.tables import read

BUNDLED = ("iris", "wine", "breast-cancer", "digits")
# Of the tables made here.
ROWS = 1_000
COLUMNS = 10
PICTURES = 5_000
# A line through all columns; the same with three of ten labels drawn anew; the signs of two columns
# multiplied, which no column shows alone; a tenth of the rows in which two of five have another
# class, so that naming the commonest is best; labels without meaning.
MADE = ("line", "noisy line", "chessboard", "rare", "noise")
COMPARED = ("tree", "forest", "network")
MINUTES = 0.6


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return a task for each table."""
    return [{"name": name, "seeds": seeds} for name in (*BUNDLED, "fashion", *MADE)]


def seconds(task: dict[str, Any]) -> float:
    """Guess the core seconds of a task."""
    return 12.0


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"found": 0.1}


def run(data: Dataset, name: str, seeds: int) -> dict[str, NDArray[Any]]:
    """Measure one table before training and with it.

    Args:
        data: pictures, for the table `fashion`.
        name: of the table.
        seeds: splits and networks.

    Returns:
        ``foreseen`` (3,) and ``interval`` (3, 2), the estimate for each of `COMPARED`;
        ``found`` (3, seeds), errors over those of naming the commonest class; ``separation`` and
        ``z`` of Algorithm 1 (); ``instances``, those trained on, ``features``, ``classes`` ().

    Raises:
        ValueError: there is no such table.
    """
    table = _table(data, name)
    n, d = table.features.shape
    plan = plan_for(n, d, len(table.classes), MINUTES, seeds, table.shape)
    # As many rows as the learners have.
    rows = np.sort(split_table(table.labels, plan).train[0])
    trained = replace(table, features=table.features[rows], labels=table.labels[rows])
    measured = measurement.measure(trained)
    foreseen = [estimate.to_dict() for estimate in measured.estimates]
    sweep = training.sweep(table.features, table.labels, plan)
    others = training.learners(table.features, table.labels, plan)
    assert sweep is not None and others is not None  # no deadline is given
    tests = dict(zip(others.names, others.test, strict=True)) | {"network": sweep.test[-1]}
    return {
        "foreseen": np.array([each["overfit_risk"] for each in foreseen]),
        "interval": np.array([each["overfit_risk_interval"] for each in foreseen]),
        "found": np.array([(1 - tests[learner]) / (1 - sweep.guess) for learner in COMPARED]),
        "separation": np.array(measured.separation),
        "z": np.array(measured.null.z(measured.thresholds.total)),
        "instances": np.array(measured.instances),
        "features": np.array(measured.features),
        "classes": np.array(len(table.classes)),
    }


def _table(data: Dataset, name: str) -> read.Table:
    """Return a table by its name."""
    if name in BUNDLED:
        return read.read(name)
    if name == "fashion":
        return read.from_arrays(data.train_images[:PICTURES], data.train_labels[:PICTURES])
    if name not in MADE:
        raise ValueError(f"name must be one of {(*BUNDLED, 'fashion', *MADE)}, but was {name!r}")
    rng = np.random.default_rng([MADE.index(name), 90])
    x = rng.normal(size=(ROWS, COLUMNS))
    labels = (x @ rng.normal(size=COLUMNS) > 0).astype(np.int64)
    anew = rng.integers(0, 2, ROWS)
    if name == "noisy line":
        labels = np.where(rng.random(ROWS) < 0.3, anew, labels)
    if name == "chessboard":
        labels = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).astype(np.int64)
    if name == "rare":
        labels = ((x[:, 0] > 1.2816) & (rng.random(ROWS) < 0.4)).astype(np.int64)
    return read.from_arrays(x, anew if name == "noise" else labels)
