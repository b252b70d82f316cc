import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from itertools import groupby, pairwise
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink import trainer
from rethink.mlp import StackedMLP
from rethink.protocol import Spec
from rethink.runs import sweep
from rethink.runs.store import Store, key, result_digest
from rethink.runs.study import LARGE, SEVEN, specifications
from rethink.runs.sweep import Progress, cost, parameters, stacks
from rethink.runs.workers import Workers

ONE = Workers(1)
# Six stacks of other lengths, one of them with a single member; two differ in labels alone.
SPECS = [
    *(Spec((16, 8), seed, epochs=4) for seed in range(3)),
    *(Spec((16, 8), seed, epochs=4, random_labels=0.5) for seed in range(2)),
    *(Spec((8, 4), seed, epochs=3) for seed in range(3)),
    *(Spec((12,), seed, epochs=2) for seed in range(2)),
    *(Spec((12,), seed, epochs=2, share=0.5) for seed in range(2)),
    *(Spec((10,), seed, epochs=2, learning_rate=0.01) for seed in range(2)),
    Spec((7,), 5, epochs=2),
]


def digests(specs, data, store):
    """What the records of specifications measured, in their order."""
    found = [store.get(key(spec, data.digest)) for spec in specs]
    assert [record and record.spec for record in found] == specs
    return [result_digest([record]) for record in found]


@pytest.fixture(scope="module")
def undisturbed(small, tmp_path_factory):
    """The digests of SPECS, trained in this process at one go."""
    store = Store(tmp_path_factory.mktemp("undisturbed"), None)
    assert sweep.train_missing(SPECS, small, store, workers=ONE) == len(SPECS)
    return digests(SPECS, small, store)


# Specifications


@pytest.mark.parametrize("hidden", [*SEVEN, (7,)])
def test_parameters_are_those_of_the_network(hidden):
    for features, classes in ((784, 10), (5, 3)):
        network = StackedMLP((features, *hidden, classes), [0, 1]).member(0)
        counted = sum(tensor.numel() for tensor in network.parameters())
        assert parameters(Spec(hidden, 0), features, classes) == counted


def test_cost_grows_with_the_work():
    spec = Spec(LARGE, 0, epochs=10)
    assert cost(spec) == pytest.approx(10 * cost(replace(spec, epochs=1)))
    assert cost(spec, rows=600) == pytest.approx(cost(spec) / 100)
    networks = [cost(Spec(hidden, 0)) for hidden in SEVEN]
    assert networks == sorted(networks, reverse=True)
    none, some, more = (cost(replace(spec, share=share)) for share in (1e-9, 0.2, 0.4))
    assert more - some == pytest.approx(some - none)
    assert 0 < none < some  # without any training rows, the evaluations remain
    for changes in ({"seed": 9}, {"random_labels": 0.5}):
        assert cost(replace(spec, **changes)) == cost(spec)


def test_unit_seconds_is_time_over_cost(fashion, monkeypatch):
    clock = SimpleNamespace(now=100.0)
    late = iter([5.0, 0.0, 3.0])  # what else the machine does

    def train(specs, data):
        work = sum(cost(spec, len(data.train_images)) for spec in specs)
        assert len(data.train_images) == len(data.train_labels)
        assert len(data.test_images) == len(data.test_labels)
        clock.now += 2e-6 * work + next(late, 0.0)

    monkeypatch.setattr(sweep, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(trainer, "train", train)
    assert sweep.unit_seconds(fashion) == pytest.approx(2e-6)


def test_unit_seconds_of_this_machine(fashion):
    assert 1e-8 < sweep.unit_seconds(fashion) < 1e-3


# Stacks

some_specs = st.lists(
    st.builds(
        Spec,
        hidden=st.sampled_from([LARGE, (128, 64, 64), (64, 32, 32), (8, 4, 4), (7,)]),
        seed=st.integers(0, 12),
        epochs=st.sampled_from([1, 80]),
        share=st.sampled_from([0.3, 1.0]),
        random_labels=st.sampled_from([0.0, 0.5]),
    ),
    max_size=60,
)
# Long runs of one network, which need several stacks.
many_seeds = st.builds(
    lambda hidden, seeds: [Spec(hidden, seed) for seed in range(seeds)],
    st.sampled_from(SEVEN),
    st.integers(1, 40),
)


@settings(deadline=None, max_examples=150)
@given(some_specs | many_seeds)
def test_stacks_hold_every_member_once_with_its_like(specs):
    result = stacks(iter(specs))
    assert Counter(spec for stack in result for spec in stack) == Counter(specs)
    members = Counter(spec.stack_key() for spec in specs)
    sizes = {}
    for stack in result:
        (shared,) = {spec.stack_key() for spec in stack}
        sizes.setdefault(shared, []).append(len(stack))
        assert len(stack) >= 2 or members[shared] == 1
        assert len(stack) <= 3 or (
            len(stack) <= 8 and len(stack) * parameters(stack[0]) <= sweep.CACHED_WEIGHTS
        )
    for shared, each in sizes.items():
        assert max(each) - min(each) <= 1
        # No more stacks than needed: with one less, one would be too long.
        longest = -(-members[shared] // (len(each) - 1)) if len(each) > 1 else 9
        weights = parameters(Spec(shared[0], 0))
        assert longest > 8 or (longest > 3 and longest * weights > sweep.CACHED_WEIGHTS)
    costs = [sum(map(cost, stack)) for stack in result]
    assert costs == sorted(costs, reverse=True)


def test_stacks_of_nothing_and_of_the_report():
    assert stacks([]) == []
    result = stacks(specifications("capacity", 5, 80))
    of_each = {hidden: [len(s) for s in result if s[0].hidden == hidden] for hidden in SEVEN}
    assert of_each == {LARGE: [3, 2], SEVEN[1]: [3, 2], **{small: [5] for small in SEVEN[2:]}}
    assert result[0][0].hidden == LARGE


# Training


@pytest.mark.parametrize("members", [(1, 1), (2, 2), (3, 3)])
def test_stacks_do_not_change_a_record(small, tmp_path, undisturbed, monkeypatch, members):
    monkeypatch.setattr(sweep, "MEMBERS", members)
    assert max(map(len, stacks(SPECS))) == members[1]
    store = Store(tmp_path, None)
    sweep.train_missing(SPECS[::-1], small, store, workers=ONE)
    assert digests(SPECS, small, store) == undisturbed


def test_only_what_is_missing_is_trained(small, tmp_path, undisturbed, monkeypatch):
    trained = {}
    train = trainer.train

    def watched(specs, *others, **more):
        trained.update(dict.fromkeys(specs))  # twice for a stack of one, which calls itself
        return train(specs, *others, **more)

    monkeypatch.setattr(trainer, "train", watched)
    store, (one, two, three) = Store(tmp_path, None), SPECS[:3]

    def missing(specs, data=small, store=store):
        trained.clear()
        assert sweep.train_missing(specs, data, store, workers=ONE) == len(trained)
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
    assert sweep.train_missing([], small, Store(folder, None), show=calls.append) == 0
    assert not calls
    assert not folder.exists()


def test_an_error_of_a_worker_reaches_the_caller(small, tmp_path):
    threads = threading.active_count()
    good, bad = Spec((16, 8), 0, epochs=2), Spec((8,), 0, epochs=1, share=1.5)
    with pytest.raises(ValueError, match=r"share must .* 1\.5"):
        sweep.train_missing([bad, good], small, Store(tmp_path, None), workers=ONE, show=print)
    assert threading.active_count() == threads


# Progress


def test_progress_is_shown(small, tmp_path, monkeypatch):
    # Twice a second would be too rare for networks as small as these.
    impatient = SimpleNamespace(
        perf_counter=time.perf_counter, sleep=lambda _, sleep=time.sleep: sleep(0.005)
    )
    monkeypatch.setattr(sweep, "time", impatient)
    shown = []
    sweep.train_missing(SPECS, small, Store(tmp_path, None), workers=ONE, show=shown.append)
    assert len(shown) > 3
    assert shown[0].done < 0.5 < shown[-1].done
    for before, after in pairwise(shown):
        assert 0 <= before.done <= after.done <= 1
        assert 0 <= before.elapsed < after.elapsed
    for progress in shown:
        assert all(stack in stacks(SPECS) for stack, _ in progress.running)
        assert all(0 <= epochs <= stack[0].epochs for stack, epochs in progress.running)
    # With one worker there is one stack at a time, and some epoch of it was seen.
    seen = [progress.running[0][0] for progress in shown if len(progress.running) == 1]
    order = [stack for stack, _ in groupby(seen)]
    assert len(order) >= 2
    assert [stacks(SPECS).index(stack) for stack in order] == sorted(
        stacks(SPECS).index(stack) for stack in order
    )


def test_the_time_left_is_what_the_rest_takes():
    assert Progress([], done=0.25, elapsed=10.0).left == pytest.approx(30)
    assert Progress([], done=1.0, elapsed=10.0).left == 0
    assert Progress([], done=0.0, elapsed=10.0).left == np.inf


# Worker processes, killed and started again

CHILD = """
import json, multiprocessing, os, pickle, resource, signal, sys, time
from pathlib import Path
from types import SimpleNamespace

from rethink import sweep
from rethink.records import Spec, Store
from rethink.workers import LostWorkersError, Workers

folder, name, specs = Path(sys.argv[1]), sys.argv[2], eval(sys.argv[3])
whom, moment, shown = sys.argv[4], float(sys.argv[5]), []
data = pickle.loads((folder / "data").read_bytes())
if whom == "writer":
    # A file that grows longer kills the process while it is written.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

def show(now):
    global moment
    shown.append((now.done, sum(epochs for _, epochs in now.running)))
    children = multiprocessing.active_children()
    if now.done < moment or not children:
        return
    moment = 2
    if whom == "all":
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid() if whom == "parent" else children[0].pid, signal.SIGKILL)

sleep = time.sleep
sweep.time = SimpleNamespace(perf_counter=time.perf_counter, sleep=lambda _: sleep(0.005))
workers = Workers(1 if whom == "writer" else 2)
try:
    with workers.connected(data):
        sweep.train_missing(specs, data, Store(folder / name, None), workers, show)
except LostWorkersError as error:
    sys.exit(str(error))
print(json.dumps(shown))
"""
# Sixteen stacks, so that some are left after five kills.
MANY = [Spec((units, 8), seed, epochs=8) for units in range(9, 25) for seed in range(2)]


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
    folder, done = train("whole", SPECS)
    assert not done.stderr
    return folder, json.loads(done.stdout)


def test_workers_do_not_change_a_record(whole, small, undisturbed):
    folder, _ = whole
    assert digests(SPECS, small, Store(folder, None)) == undisturbed
    assert len(list(folder.iterdir())) == len(SPECS)


def test_the_progress_of_workers_is_shown(whole):
    done, epochs = zip(*whole[1], strict=True)
    assert sorted(done) == list(done)
    assert done[0] == 0 < done[-1] <= 1
    assert max(epochs) > 0


def test_a_record_half_written_by_a_killed_process_is_none(train, small, undisturbed):
    folder, done = train("half", SPECS, "writer")
    assert done.returncode == -signal.SIGXFSZ
    (leftover,) = folder.iterdir()
    assert leftover.stat().st_size == 1_000
    store = Store(folder, None)
    assert sweep.train_missing(SPECS, small, store, workers=ONE) == len(SPECS)
    assert digests(SPECS, small, store) == undisturbed


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
        found = [name for name in (key(spec, small.digest) for spec in MANY) if store.get(name)]
        assert {folder / f"{name}.npz" for name in found} == set(before)
        assert len(before) < len(MANY)
    assert before
    assert sweep.train_missing(MANY, small, store, workers=ONE) == len(MANY) - len(before)
    assert before.items() <= records().items()
    undisturbed = Store(tmp_path, None)
    sweep.train_missing(MANY, small, undisturbed, workers=ONE)
    assert digests(MANY, small, store) == digests(MANY, small, undisturbed)
