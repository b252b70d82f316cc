"""Capacity, memorization and generalization, measured: the package behind the book.

What a table of labelled data asks of a network, what a network can store, and what it did with it:

    >>> import rethink
    >>> changes = rethink.thresholds([1, 2, 3, 4, 5, 6], ["a", "a", "b", "b", "a", "a"])
    >>> changes.total, rethink.null(changes.class_counts).total  # along the line, and by chance
    (2.0, 2.6666666666666665)
    >>> rethink.network_mec((784, 256, 128, 128, 10)).bits  # what this network can store
    201472

`measure("data.csv")` says before training what a table asks for; `read` and `from_arrays` make a
`Table` of a file or of arrays, otherwise than usual by `Choices`. `thresholds`, `null`,
`dictionary_bits` and `progression` are the counts behind it, `threshold_scores` ranks columns by
them. `network_mec` counts what a network can store. `train` trains a `StackedMLP` for each `Spec`
on `fashion_mnist`, as the book does. Behind these stand the modules `mec`, `ties`, `mlp`,
`trainer`, `data`, `protocol`, `information` and `intervals`, and the wings `tables`, `plots`,
`questions`, `instrument`, `experiments`, `runs` and `book`. All is loaded when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rethink.data import fashion_mnist as fashion_mnist
    from rethink.instrument.entry import measure as measure
    from rethink.mec import dictionary_bits as dictionary_bits
    from rethink.mec import null as null
    from rethink.mec import progression as progression
    from rethink.mec import thresholds as thresholds
    from rethink.mlp import StackedMLP as StackedMLP
    from rethink.protocol import Spec as Spec
    from rethink.questions.feature_scores import threshold_scores as threshold_scores
    from rethink.questions.network_capacity import network_mec as network_mec
    from rethink.tables.encode import Choices as Choices
    from rethink.tables.read import from_arrays as from_arrays
    from rethink.tables.read import read as read
    from rethink.tables.table import Table as Table
    from rethink.trainer import train as train

# What is offered here, and the module in which each stands.
HOMES = {
    "measure": "instrument.entry",
    "read": "tables.read",
    "from_arrays": "tables.read",
    "Table": "tables.table",
    "Choices": "tables.encode",
    "thresholds": "mec",
    "null": "mec",
    "dictionary_bits": "mec",
    "progression": "mec",
    "threshold_scores": "questions.feature_scores",
    "network_mec": "questions.network_capacity",
    "Spec": "protocol",
    "train": "trainer",
    "StackedMLP": "mlp",
    "fashion_mnist": "data",
}

__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    """Load what is offered here when it is used."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return what is offered here beside what is loaded."""
    return sorted({*globals(), *HOMES})
