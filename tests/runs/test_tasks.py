"""Experiments of a tiny package: their tasks, keys, results and store."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rethink.runs import fingerprints, study, tasks
from rethink.runs import store as records
from rethink.runs.store import MEASURED, Store
from rethink.runs.tasks import Task, equal, fingerprint, key, measure_missing, tasks
from rethink.runs.workers import Workers, WorkersError

ONE = Workers(1)
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
        fingerprint.cache_clear()
        module = type("module", (), {})()
        exec(compile(code, "tiny", "exec"), module.__dict__)
        monkeypatch.setattr(tasks, "_module", lambda name: {"tiny": module}[name])

    write()
    yield write
    fingerprint.cache_clear()


def test_tasks_are_those_of_the_experiment(experiment):
    found = tasks("tiny", 2)
    assert found == [Task("tiny", (("seed", seed), ("kind", "sum"))) for seed in range(2)]
    assert [task.seconds for task in found] == [2.0, 3.0]
    assert str(found[0]) == "tiny(seed=0, kind='sum')"


@pytest.mark.parametrize(
    ("name", "seeds", "words"),
    [
        ("other", 5, "experiment must be one of tiny, but was 'other'"),
        ("tiny", 0, "seeds must be a whole number from 1 on, but 0 was passed"),
        ("tiny", True, "seeds must be .* but True was passed"),
        ("tiny", 2.0, "seeds must be .* but 2.0 was passed"),
    ],
)
def test_what_there_is_not_is_an_error(experiment, name, seeds, words):
    with pytest.raises(ValueError, match=words):
        tasks(name, seeds)


def test_a_key_sees_task_data_and_code_and_no_words(experiment):
    one, two = tasks("tiny", 2)
    plain = key(one, "data")
    assert key(one, "data") == plain
    assert len({plain, key(two, "data"), key(one, "other")}) == 3
    experiment('"""Words."""\n' + CODE + "# more\n")
    assert key(one, "data") == plain
    experiment(CODE.replace("seed + 1", "seed + 2"))
    assert key(one, "data") != plain
    # How long a task takes, and which there are, decide no result.
    experiment(CODE.replace("2.0 + task", "3.0 + task"))
    assert key(one, "data") == plain


def test_only_what_is_missing_is_measured(experiment, small, tmp_path):
    store, wanted = Store(tmp_path / "store", None), tasks("tiny", 3)
    shown = []
    assert measure_missing(wanted[:1], small, store, ONE) == 1
    assert measure_missing([*wanted, wanted[2]], small, store, ONE, shown.append) == 2
    assert measure_missing(wanted, small, store, ONE, shown.append) == 0
    assert [progress.done for progress in shown] == pytest.approx([4 / 7, 1])
    total = int(small.train_images.sum(dtype=int))
    for seed, task in enumerate(wanted):
        found = store.arrays(key(task, small.digest))
        assert found["total"] == total * (seed + 1)
        about = json.loads(found["about"].tobytes())
        assert about["task"] == str(task)
        assert about["seconds"] >= 0
    assert measure_missing(wanted[:1], replace(small, digest="other"), store, ONE) == 1


def test_a_worker_with_other_code_refuses(experiment, small):
    with pytest.raises(WorkersError, match="another version of rethink"):
        tasks._run_here(0, tasks("tiny", 1)[0], small, "other code")


def test_results_are_equal_whatever_is_said_about_them(experiment, small):
    task = tasks("tiny", 1)[0]
    one, two = tasks.run(task, small), tasks.run(task, small)
    two["about"] = np.frombuffer(b'{"environment": {}, "seconds": 9}', np.uint8)
    assert equal(one, two)
    assert tasks.seconds(two) == 9
    assert not tasks.same_machine(one, two)
    assert tasks.same_machine(one, one)
    assert not equal(one, one | {"total": one["total"] + 1})


@pytest.fixture
def measured(experiment, small, tmp_path, monkeypatch):
    """What `study` finds on this machine."""
    monkeypatch.setenv("RETHINK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RETHINK_RUNS", str(tmp_path / "none.npz"))
    monkeypatch.setattr(study, "fashion_mnist", lambda: small)
    # Here and not in workers, which have the real package.
    measure_missing(tasks("tiny", 3), small, Store.here(MEASURED), ONE)
    return study.measure("tiny", seeds=3)


def test_a_chapter_reads_tasks_by_their_values(measured, small):
    total = int(small.train_images.sum(dtype=int))
    assert len(measured) == 3
    assert measured.stack("total").tolist() == [total, 2 * total, 3 * total]
    assert measured.one(seed=1)["total"] == 2 * total
    assert len(measured.where(kind="sum")) == 3
    with pytest.raises(ValueError, match=r"must fit a task of this experiment, but .*'other'"):
        measured.where(kind="other")
    with pytest.raises(ValueError, match="must fit a task"):
        measured.where(absent=None)
    with pytest.raises(ValueError, match=r"must fit one task, but \{'kind': 'sum'\} fits 3"):
        measured.one(kind="sum")


def test_a_sample_is_measured_again(measured, experiment, small):
    store, wanted = Store.here(MEASURED), tasks("tiny", 3)
    found = study.repeat(wanted, small, store, seconds=60, seed=1)
    assert {repeat.task for repeat in found} == set(wanted)
    assert all(repeat.equal and repeat.passed for repeat in found)
    assert len(study.repeat(wanted, small, store, seconds=1.5, seed=1)) == 2
    assert study.repeat(wanted, small, Store(store.folder / "none", None), seconds=60) == []
    # A number that was altered is found, unless another machine made it.
    name = key(wanted[1], small.digest)
    altered = dict(store.arrays(name))
    altered["total"] = altered["total"] + 1
    store.put_arrays(name, altered)
    found = study.repeat(wanted, small, store, seconds=60, seed=1)
    assert [repeat.task for repeat in found if not repeat.passed] == [wanted[1]]
    altered["about"] = np.frombuffer(b'{"environment": {}, "seconds": 0}', np.uint8)
    store.put_arrays(name, altered)
    found = study.repeat(wanted, small, store, seconds=60, seed=1)
    assert all(repeat.passed for repeat in found)
    assert sum(not repeat.equal for repeat in found) == 1


def test_measurements_lie_beside_the_records(tmp_path, monkeypatch):
    monkeypatch.setenv("RETHINK_CACHE", str(tmp_path))
    monkeypatch.setenv("RETHINK_RUNS", str(tmp_path / "some.npz"))
    assert Store.here().published == tmp_path / "some.npz"
    assert Store.here(MEASURED).published == tmp_path / "measurements.npz"
    assert Store.here(MEASURED).folder != Store.here().folder
    monkeypatch.delenv("RETHINK_RUNS")
    assert Store.here(MEASURED).published == store.repository() / MEASURED
