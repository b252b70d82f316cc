"""Books of one chapter, and one that measures."""

import sys
from types import SimpleNamespace

import pytest

from rethink.book import notebooks
from rethink.runs import fingerprints, tasks
from rethink.runs.workers import Workers
from tests.book.builds import EXPERIMENT
from tests.book.manuscripts import append, code, edition_of, write_chapter


@pytest.fixture
def tiny_book(tmp_path):
    """A book of one chapter, not executed."""
    return edition_of(tmp_path / "tiny")


@pytest.fixture(scope="module")
def executed_book(tmp_path_factory):
    """A book whose one chapter was executed, not to be changed."""
    edition = edition_of(tmp_path_factory.mktemp("executed") / "tiny")
    notebooks.execute(edition, "01-one", "mark")
    return edition


@pytest.fixture
def measuring(edition, monkeypatch):
    """A book whose second page asks for an experiment of two tasks."""
    text = code("def never():\n    study.results('tiny', seeds=2)")
    write_chapter(edition.root, "02-two", text)
    append(fingerprints.PACKAGE / "experiments" / "tiny.py", EXPERIMENT)
    module = SimpleNamespace()
    exec(EXPERIMENT, vars(module))
    monkeypatch.setattr(tasks, "PACKAGE", fingerprints.PACKAGE)
    monkeypatch.setitem(sys.modules, "rethink.experiments.tiny", module)
    # In this process: a worker would have the real package.
    monkeypatch.setattr(Workers, "number", lambda self: 1)
    tasks.fingerprint.cache_clear()
    yield edition
    tasks.fingerprint.cache_clear()
