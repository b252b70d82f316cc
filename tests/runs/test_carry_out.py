"""What is missing is done, whoever does it, whoever is killed meanwhile."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import groupby, pairwise
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest

from rethink import trainer
from rethink.errors import WritingError
from rethink.experiments import training_runs
from rethink.protocol import Spec
from rethink.runs import carry_out
from rethink.runs.carry_out import Progress, do_missing
from rethink.runs.store import Store
from rethink.runs.tasks import about, groups, key, tasks
from rethink.runs.workers import Workers, WorkersError
from tests.runs.examples import TASKS, digests, task_of

ONE = Workers(1)


def test_only_what_is_missing_is_measured(experiment, small, tmp_path):
    store, wanted = Store(tmp_path / "store", None), tasks("tiny", seeds=3)
    shown = []
    assert do_missing(wanted[:1], small, store, ONE) == 1
    assert do_missing([*wanted, wanted[2]], small, store, ONE, shown.append) == 2
    assert do_missing(wanted, small, store, ONE, shown.append) == 0
    assert shown[-1].done == 1
    total = int(small.train_images.sum(dtype=int))
    for seed, task in enumerate(wanted):
        found = store.get(key(task, small.digest))
        assert found["total"] == total * (seed + 1)
        assert about(found)["task"] == ["tiny", {"seed": seed, "kind": "sum"}]
    assert do_missing(wanted[:1], replace(small, digest="other"), store, ONE) == 1


def test_a_worker_with_other_code_refuses(experiment, small, tmp_path):
    with pytest.raises(WorkersError, match="another version of rethink"):
        carry_out._do_group(small, 0, tasks("tiny", seeds=1), "cpu", tmp_path / "0", "other code")


# Training


@pytest.mark.parametrize("members", [1, 2, 3])
def test_stacks_do_not_change_a_record(small, tmp_path, undisturbed, monkeypatch, members):
    monkeypatch.setattr(training_runs, "FEWEST", members)
    monkeypatch.setattr(training_runs, "MOST", members)
    assert max(map(len, groups(TASKS))) == members
    store = Store(tmp_path, None)
    do_missing(TASKS[::-1], small, store, workers=ONE)
    assert digests(TASKS, small, store) == undisturbed


def test_only_what_is_missing_is_trained(small, tmp_path, undisturbed, monkeypatch):
    trained = {}
    train = trainer.train

    def watched(specs, *others, **more):
        trained.update(dict.fromkeys(map(task_of, specs)))  # a stack of one calls itself again
        return train(specs, *others, **more)

    monkeypatch.setattr(trainer, "train", watched)
    store, (one, two, three) = Store(tmp_path, None), TASKS[:3]

    def missing(specs, data=small, store=store):
        trained.clear()
        assert do_missing(specs, data, store, workers=ONE) == len(trained)
        return list(trained)

    assert missing([]) == []
    assert missing([two]) == [two]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert missing([one, two, three, one, three, replace(one)]) == [one, three]
    assert missing([three, two, one]) == []
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert digests([one, two, three], small, store) == undisturbed[:3]
    # Where a file is spoiled, and for other data, it is missing again.
    path = tmp_path / f"{key(two, small.digest)}.npz"
    path.write_bytes(path.read_bytes()[:1000])
    assert missing([one, two, three]) == [two]
    assert missing([one], replace(small, digest="other")) == [one]
    assert digests([one, two, three], small, Store(tmp_path, None)) == undisturbed[:3]


def test_nothing_to_train_touches_nothing(small, tmp_path):
    calls = []
    folder = tmp_path / "none"
    assert do_missing([], small, Store(folder, None), show=calls.append) == 0
    assert not calls
    assert not folder.exists()


def test_an_error_of_a_worker_reaches_the_caller(small, tmp_path):
    threads = threading.active_count()
    good = task_of(Spec((16, 8), 0, epochs=2))
    bad = task_of(Spec((8,), 0, epochs=1, share=1.5))
    with pytest.raises(ValueError, match=r"share must .* 1\.5"):
        do_missing([bad, good], small, Store(tmp_path, None), workers=ONE, show=print)
    assert threading.active_count() == threads


# Progress


def test_progress_is_shown(small, tmp_path, monkeypatch):
    # Twice a second would be too rare for networks as small as these.
    impatient = SimpleNamespace(
        perf_counter=time.perf_counter, sleep=lambda _, sleep=time.sleep: sleep(0.005)
    )
    monkeypatch.setattr(carry_out, "time", impatient)
    shown = []
    do_missing(TASKS, small, Store(tmp_path, None), workers=ONE, show=shown.append)
    assert len(shown) > 3
    assert shown[0].done < 0.5 < shown[-1].done
    for before, after in pairwise(shown):
        assert 0 <= before.done <= after.done <= 1
        assert 0 <= before.elapsed < after.elapsed
    for progress in shown:
        assert all(group in groups(TASKS) for group, _ in progress.running)
        assert all(0 <= share <= 1 for _, share in progress.running)
    # With one worker there is one group at a time, and some step of it was seen.
    seen = [progress.running[0][0] for progress in shown if len(progress.running) == 1]
    order = [group for group, _ in groupby(seen)]
    assert len(order) >= 2
    places = [groups(TASKS).index(group) for group in order]
    assert places == sorted(places)


def test_the_time_left_is_what_the_rest_takes():
    assert Progress([], done=0.25, elapsed=10.0).left == pytest.approx(30)
    assert Progress([], done=1.0, elapsed=10.0).left == 0
    assert Progress([], done=0.0, elapsed=10.0).left == np.inf


# Worker processes, killed and started again

CHILD = """
import json, multiprocessing, os, pickle, resource, signal, sys, time
from pathlib import Path
from types import SimpleNamespace

from rethink.runs import carry_out
from rethink.runs.store import Store
from rethink.runs.tasks import Task
from rethink.runs.workers import LostWorkersError, Workers

folder, name, wanted = Path(sys.argv[1]), sys.argv[2], eval(sys.argv[3])
whom, moment, shown = sys.argv[4], float(sys.argv[5]), []
data = pickle.loads((folder / "data").read_bytes())
if whom == "writer":
    # A file that grows longer kills the process while it is written.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

def show(now):
    global moment
    shown.append((now.done, sum(share for _, share in now.running)))
    children = multiprocessing.active_children()
    if now.done < moment or not children:
        return
    moment = 2
    if whom == "all":
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid() if whom == "parent" else children[0].pid, signal.SIGKILL)

sleep = time.sleep
carry_out.time = SimpleNamespace(perf_counter=time.perf_counter, sleep=lambda _: sleep(0.005))
workers = Workers(1 if whom == "writer" else 2)
try:
    with workers.connected(data):
        carry_out.do_missing(wanted, data, Store(folder / name, None), workers, show)
except LostWorkersError as error:
    sys.exit(str(error))
print(json.dumps(shown))
"""
# Sixteen stacks, so that some are left after five kills.
MANY = [task_of(Spec((units, 8), seed, epochs=8)) for units in range(9, 25) for seed in range(2)]


@pytest.fixture(scope="module")
def train(small, tmp_path_factory):
    """Train in a process (group) of its own, some of which is killed at a share of the work."""
    folder = tmp_path_factory.mktemp("child")
    (folder / "data").write_bytes(pickle.dumps(small))

    def run(name, specs, whom="nobody", moment=2.0):
        # This ends when the last process that could write does: also the last orphaned worker.
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(folder), name, str(specs), whom, str(moment)],
            env=os.environ | {"TMPDIR": str(folder), "JOBLIB_TEMP_FOLDER": str(folder)},
            capture_output=True,
            text=True,
            timeout=120,
            start_new_session=True,
            check=False,
        )
        return folder / name, done

    return run


@pytest.fixture(scope="module")
def whole(train):
    """The folder with the records of an undisturbed training, and the progress it showed."""
    folder, done = train("whole", TASKS)
    assert not done.stderr
    return folder, json.loads(done.stdout)


def test_workers_do_not_change_a_record(whole, small, undisturbed):
    folder, _ = whole
    assert digests(TASKS, small, Store(folder, None)) == undisturbed
    assert len(list(folder.iterdir())) == len(TASKS)


def test_the_progress_of_workers_is_shown(whole):
    done, shares = zip(*whole[1], strict=True)
    assert sorted(done) == list(done)
    assert done[0] == 0 < done[-1] <= 1
    assert max(shares) > 0


def test_where_results_cannot_be_kept_nothing_is_done(small, tmp_path, monkeypatch):
    monkeypatch.setattr(carry_out, "_do_group", lambda *_: pytest.fail("it was done"))
    (tmp_path / "file").write_text("")
    with pytest.raises(WritingError, match=r"file(/records)?: (File exists|Not a directory);"):
        do_missing(TASKS, small, Store(tmp_path / "file" / "records", None), workers=ONE)


def test_a_record_half_written_by_a_killed_process_is_none(train, small, undisturbed):
    folder, done = train("half", TASKS, "writer")
    assert done.returncode == -signal.SIGXFSZ
    (left,) = folder.iterdir()
    (unfinished,) = left.rglob("*.npz")
    assert unfinished.stat().st_size == 1_000
    store = Store(folder, None)
    assert do_missing(TASKS, small, store, workers=ONE) == len(TASKS)
    assert not left.exists()
    assert digests(TASKS, small, store) == undisturbed


def test_a_training_killed_five_times_goes_on_where_it_was(train, small, tmp_path):
    def records():
        return {path: path.stat().st_mtime_ns for path in folder.glob("[!.]*")}

    random = Random(7)
    before = {}
    for whom in random.sample(["all", "all", "parent", "parent", "worker"], 5):
        # Some as soon as there are workers, others in the middle.
        folder, done = train("killed", MANY, whom, random.uniform(-0.2, 0.4))
        if whom == "worker":
            assert done.returncode == 1
            assert "workers were lost" in done.stderr
            assert "SIGKILL" in done.stderr
            assert "Traceback" not in done.stderr
        else:
            assert done.returncode == -signal.SIGKILL
        # What was there is left alone, and what is there is whole.
        assert before.items() <= records().items()
        before, store = records(), Store(folder, None)
        found = [name for name in (key(task, small.digest) for task in MANY) if store.get(name)]
        assert {folder / f"{name}.npz" for name in found} == set(before)
        assert len(before) < len(MANY)
    assert before
    assert do_missing(MANY, small, store, workers=ONE) == len(MANY) - len(before)
    assert before.items() <= records().items()
    undisturbed = Store(tmp_path, None)
    do_missing(MANY, small, undisturbed, workers=ONE)
    assert digests(MANY, small, store) == digests(MANY, small, undisturbed)
