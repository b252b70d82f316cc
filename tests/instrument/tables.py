"""Small tables to measure."""

import numpy as np

from rethink.instrument import measurement
from rethink.tables import read


def table(x, y):
    """Read rows and their labels."""
    return read.from_arrays(np.asarray(x), np.asarray(y))


def measured(x, y, **options):
    """Measure rows and their labels."""
    return measurement.measure(table(x, y), **options)


def blobs(rows=300, gap=2.0, seed=0):
    """Draw rows of three classes around centres a gap apart, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, rows)
    return rng.normal(size=(rows, 4)) + gap * labels[:, None], labels
