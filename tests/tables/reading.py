"""Reading texts as tables, and what holds of every table that was read."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from rethink.errors import InputError
from rethink.tables.read import Choices, Table, read

FUZZ = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def load(content: str | bytes, target=None, header=None, **choices) -> Table:
    """Read a table from a file of this content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read(path, target, header, Choices(**choices))


def check(table: Table) -> None:
    """Hold a table against what its docstring promises."""
    n, d = table.features.shape
    assert n >= 1 and d == len(table.columns) >= 1 and len(set(table.columns)) == d
    assert table.features.dtype in (np.uint8, np.float64)
    assert np.isfinite(table.features).all() and np.isfinite(table.features.sum(axis=1)).all()
    assert table.labels.shape == (n,)
    assert np.unique(table.labels).tolist() == list(range(len(table.classes)))
    assert all(isinstance(name, str) for name in table.classes)
    assert table.report.kept == n <= table.report.rows
    assert str(table.report)


def refused(content, *words, **options):
    """Return the one line by which a table is refused, which has these words."""
    with pytest.raises(InputError) as caught:
        load(content, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message
