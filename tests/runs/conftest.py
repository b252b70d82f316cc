"""A package in which there is one experiment, beside the real training runs."""

import sys

import pytest

from rethink.runs import fingerprints, tasks
from rethink.runs.carry_out import do_missing
from rethink.runs.store import Store
from rethink.runs.workers import Workers
from tests.runs.examples import TASKS, digests

CODE = """
import numpy as np


def tasks(seeds):
    return [{"seed": seed, "kind": "sum"} for seed in range(seeds)]


def seconds(task):
    return 2.0 + task["seed"]


def run(data, seed, kind):
    total = data.train_images.sum(dtype=int) * (seed + 1)
    return {"total": np.array(total), "axis": np.arange(3)}
"""


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """A package in which there is one experiment; returns a function that changes its code."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    monkeypatch.setattr(fingerprints, "PACKAGE", tmp_path)
    monkeypatch.setattr(tasks, "PACKAGE", tmp_path)

    def write(code=CODE):
        (folder / "tiny.py").write_text(code, encoding="utf-8")
        tasks.fingerprint.cache_clear()
        module = type("module", (), {})()
        exec(compile(code, "tiny", "exec"), module.__dict__)
        monkeypatch.setitem(sys.modules, "rethink.experiments.tiny", module)

    write.code = CODE
    write()
    yield write
    tasks.fingerprint.cache_clear()


@pytest.fixture(scope="session")
def undisturbed(small, tmp_path_factory):
    """The digests of TASKS, trained with one worker at one go."""
    store = Store(tmp_path_factory.mktemp("undisturbed"), None)
    assert do_missing(TASKS, small, store, workers=Workers(1)) == len(TASKS)
    return digests(TASKS, small, store)
