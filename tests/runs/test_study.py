import subprocess
import sys

import numpy as np
import pytest

from rethink.experiments import training_runs
from rethink.protocol import Spec
from rethink.runs import study
from rethink.runs.carry_out import do_missing
from rethink.runs.store import Store
from rethink.runs.tasks import tasks
from rethink.runs.training_results import Runs
from rethink.runs.workers import Workers


@pytest.fixture
def here(small, tmp_path, monkeypatch):
    """A store of this machine in which there is nothing yet."""
    monkeypatch.setenv("RETHINK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RETHINK_RECORDS", str(tmp_path / "none.npz"))
    monkeypatch.setattr(study, "fashion_mnist", lambda: small)
    return Store.here()


@pytest.fixture
def measured(experiment, small, here):
    """What `study` finds on this machine."""
    # Here and not in workers, which have the real package.
    do_missing(tasks("tiny", seeds=3), small, here, Workers(1))
    return study.results("tiny", seeds=3)


def test_a_chapter_gets_the_tasks_with_their_results(measured, small):
    total = int(small.train_images.sum(dtype=int))
    assert measured.stack("total").tolist() == [total, 2 * total, 3 * total]
    assert [task["seed"] for task in measured.tasks] == [0, 1, 2]


def test_results_come_from_the_store_and_are_made_where_they_are_missing(here, monkeypatch):
    monkeypatch.setitem(
        training_runs.STUDIES,
        "tiny",
        lambda seeds, epochs: [Spec((5,), seed, epochs) for seed in range(seeds)],
    )

    def ask():
        return study.results("training_runs", study="tiny", seeds=2, epochs=1)

    first = ask()
    assert isinstance(first, Runs)
    kept = {path: path.stat().st_mtime_ns for path in here.folder.glob("*.npz")}
    assert {path.stem for path in kept} == set(first.keys)
    assert (ask().accuracy("test") == first.accuracy("test")).all()
    assert {path: path.stat().st_mtime_ns for path in here.folder.glob("*.npz")} == kept
    assert np.isfinite(first.accuracy("test")).all()


def test_a_chapter_that_finds_all_results_needs_no_torch():
    code = "import sys, rethink.book.claims, rethink.runs.study; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
