"""Making tiny books, with quick stand-ins for what takes long."""

import pytest

from rethink import checksums, paths
from rethink.book import build
from rethink.runs import store
from rethink.runs.workers import Workers

# An experiment of which each task takes a blink.
EXPERIMENT = """
import numpy as np


def tasks(seeds):
    return [{"seed": seed} for seed in range(seeds)]


def seconds(task):
    return 0.1


def run(data, seed):
    return {"total": np.array(int(data.train_labels.sum()) * (seed + 1))}
"""


def render(edition, notes, downloads):
    """Stand for Jupyter Book."""
    paths.write_text(edition.html / "index.html", "")
    checksums.record(edition.html, ["index.html"])


def never(*_, **__):
    """Stand for work that must not be done."""
    pytest.fail("work was done")


def make(edition, names):
    """Make the book; return which pages that executed."""
    names.clear()
    build.make(edition, False, Workers(1))
    return list(names)


def make_it(edition, fresh=False):
    """Make the book with its measurements; return the store of those that it publishes."""
    build.make(edition, fresh, Workers(1))
    path = edition.root / store.PUBLISHED
    return store.Store(path.parent / "none", path)
