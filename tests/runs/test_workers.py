import contextlib
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import torch

from rethink import trainer
from rethink.experiments import training_runs
from rethink.protocol import Spec
from rethink.runs import carry_out, workers
from rethink.runs.audit import compare, sample
from rethink.runs.carry_out import do_missing
from rethink.runs.store import Store, result_digest
from rethink.runs.tasks import about, key, run, tasks
from rethink.runs.workers import LostWorkersError, Workers, WorkersError
from tests.book.builds import never
from tests.book.manuscripts import ONE as CHAPTER
from tests.book.manuscripts import write_chapter
from tests.command_line import main
from tests.runs.examples import SPECS, TASKS, digests, task_of

ONE = Workers(1)
NOBODY = "tcp://127.0.0.1:1"

# ---- a cluster -----------------------------------------------------------------------------------

# Read by workers as they start: they note which process trained.
NOTE = """
import os
from rethink import trainer

def noted(*given, train=trainer.train, **named):
    with open({pids!r}, "a") as file:
        file.write(f"{{os.getpid()}}\\n")
    return train(*given, **named)

if trainer.train.__name__ == "train":
    trainer.train = noted
"""


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder):
        self.folder, self.pids = folder, folder / "pids"
        self.note = folder / "note.py"
        self.note.write_text(NOTE.format(pids=str(self.pids)))
        self.workers = []
        told = folder / "scheduler.json"
        self.scheduler = self.start(
            *("scheduler", "--host", "tcp://127.0.0.1", "--port", "0"),
            *("--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(told)),
        )
        self.address = None
        while not self.address:
            assert self.scheduler.poll() is None
            time.sleep(0.02)
            with contextlib.suppress(FileNotFoundError, ValueError):
                self.address = json.loads(told.read_text())["address"]

    def start(self, what, *options, path=""):
        with (self.folder / "log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", *options],
                env=os.environ | {"PYTHONPATH": str(path)},
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    def need(self, *options, number=2, path=""):
        """See to it that there are so many workers of this kind, and no others."""
        like = [w for w in self.workers if w.kind == (options, path) and w.poll() is None]
        for worker in set(self.workers) - set(like[:number]):
            stop(worker)
        self.workers = like[:number]
        self.wait()
        while len(self.workers) < number:
            given = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder))
            worker = self.start("worker", self.address, *given, *options, path=path)
            worker.kind = (options, path)
            self.workers.append(worker)
        self.wait()
        self.pids.unlink(missing_ok=True)
        with self.client() as client:
            return sorted(client.run(os.getpid).values())

    def wait(self):
        """Wait until the scheduler knows of the workers there are."""
        with self.client() as client:
            while len(client.ncores()) != len(self.workers):
                assert all(worker.poll() is None for worker in self.workers)
                time.sleep(0.02)

    def client(self):
        import distributed

        return distributed.Client(self.address, set_as_default=False)

    def trained(self):
        """Which processes trained since the workers were seen to."""
        return sorted({int(pid) for pid in self.pids.read_text().split()})

    def train(self, data, folder, show=None):
        """Train TASKS; return the digests of their results."""
        store, here = Store(folder, None), Workers(dask=self.address)
        with here.connected(data):
            assert here.number() == len(self.workers)
            assert do_missing(TASKS, data, store, here, show) == len(TASKS)
        return digests(TASKS, data, store)


def stop(process):
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    pytest.importorskip("distributed", reason="Dask is not installed (`make extras` does that)")
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    found.noting = ("--no-nanny", "--preload", str(found.note))
    yield found
    for process in (*found.workers, found.scheduler):
        stop(process)


@pytest.fixture
def impatient(monkeypatch):
    """Progress is shown two hundred times a second, since TASKS are trained within one."""
    sleep = time.sleep
    now = SimpleNamespace(perf_counter=time.perf_counter, sleep=lambda _: sleep(0.005))
    monkeypatch.setattr(carry_out, "time", now)


def killer(pid):
    """What is shown progress kills a process once, in the middle."""
    left = [pid]

    def show(now):
        if left and now.done > 0.1:
            os.kill(left.pop(), signal.SIGKILL)

    return show


def test_a_cluster_does_not_change_a_record(cluster, undisturbed, small, tmp_path, monkeypatch):
    pids = cluster.need(*cluster.noting)
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "train", never)
        assert cluster.train(small, tmp_path) == undisturbed
    assert cluster.trained() == pids
    # Nor does an audit find it changed.
    cluster.pids.unlink()
    drawn = sample(TASKS, seconds=60, seed=1)
    again, here = Store(tmp_path / "again", None), Workers(dask=cluster.address)
    with here.connected(small):
        do_missing([shorter for _, shorter in drawn], small, again, here)
    assert len(drawn) >= 2
    old = [Store(tmp_path, None).get(key(task, small.digest)) for task, _ in drawn]
    new = [again.get(key(shorter, small.digest)) for _, shorter in drawn]
    audits = [compare(s, *pair) for (_, s), *pair in zip(drawn, old, new, strict=True)]
    assert all(audit.equal for audit in audits)
    assert set(cluster.trained()) <= set(pids)


def test_a_cluster_does_not_change_a_measurement(cluster, small, tmp_path):
    cluster.need(*cluster.noting)
    wanted, here = tasks("smallest", seeds=2), Workers(dask=cluster.address)
    store = Store(tmp_path, None)
    with here.connected(small):
        assert do_missing(wanted, small, store, here) == len(wanted)
    for task in wanted:
        found = store.get(key(task, small.digest))
        assert result_digest([found]) == result_digest(run([task], small))


def test_after_the_loss_of_a_worker_the_other_goes_on(
    cluster, undisturbed, small, tmp_path, impatient
):
    pids = cluster.need(*cluster.noting)
    assert cluster.train(small, tmp_path, killer(pids[0])) == undisturbed
    assert cluster.trained() == pids
    assert sum(worker.wait() for worker in cluster.workers if worker.pid == pids[0]) == -9


def test_a_cluster_of_one_worker_trains_there(cluster, undisturbed, small, tmp_path, monkeypatch):
    pids = cluster.need(*cluster.noting, number=1)
    monkeypatch.setattr(trainer, "train", never)
    assert cluster.train(small, tmp_path) == undisturbed
    assert cluster.trained() == pids


@pytest.mark.parametrize("failures", [0, 3])
def test_the_loss_of_too_many_workers_is_said(cluster, small, tmp_path, impatient, failures):
    """Either Dask gives up a stack with the first worker that it killed, or no worker is left."""
    pids = cluster.need(*cluster.noting, number=2 if failures == 0 else 1)

    def allow(number):
        with cluster.client() as client:
            client.run_on_scheduler(
                lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", number)
            )

    allow(failures)
    words = r"workers were lost.*\((KilledWorker|FutureCancelledError.*)\); .* goes on"
    with pytest.raises(LostWorkersError, match=words):
        cluster.train(small, tmp_path, killer(pids[0]))
    allow(3)


def test_a_worker_that_is_started_again_goes_on(cluster, undisturbed, small, tmp_path, impatient):
    pids = cluster.need()
    assert cluster.train(small, tmp_path, killer(pids[0])) == undisturbed
    with cluster.client() as client:
        client.wait_for_workers(2)
        assert set(client.run(os.getpid).values()) & set(pids) == {pids[1]}


def test_workers_with_other_code_are_refused(cluster, small, tmp_path):
    package = tmp_path / "other" / "rethink"
    here = Path(trainer.__file__).parent
    shutil.copytree(here, package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / "trainer.py").open("a") as file:
        file.write("\nMILESTONES = (1,)\n")
    cluster.need("--no-nanny", number=1, path=package.parent)
    with pytest.raises(WorkersError, match=r"has another version of rethink; install this one$"):
        cluster.train(small, tmp_path / "records")
    assert not list((tmp_path / "records").iterdir())
    # And those with none at all, before anything is sent to train.
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "rethink.py").touch()
    cluster.need("--no-nanny", number=1, path=tmp_path / "none")
    with pytest.raises(WorkersError, match="cannot take the data; install this version of rethink"):
        cluster.train(small, tmp_path / "records")


def test_a_cluster_without_workers_is_refused(cluster, small, monkeypatch):
    cluster.need(number=0)
    monkeypatch.setattr(workers, "TIMEOUT", 2.0)
    with pytest.raises(WorkersError, match=rf"^the Dask cluster at {cluster.address} has no work"):
        Workers(dask=cluster.address).connected(small).__enter__()


# ---- no cluster ----------------------------------------------------------------------------------


def test_without_dask_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WorkersError, match=r"^Dask is not installed; run `make extras`$"):
        Workers(dask=NOBODY).connected(None).__enter__()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (NOBODY, "no answer"),
        ("silent", "no answer"),
        ("here", "missing port number in address 'here'"),
        ("tcp://", "missing port number in address ''"),
        ("", "missing port number in address ''"),
        ("http://127.0.0.1:8786", "unknown address scheme 'http'"),
        ("tls://127.0.0.1:1", "TLS expects"),
    ],
)
def test_an_address_where_no_scheduler_answers_is_refused(monkeypatch, address, words):
    pytest.importorskip("distributed", reason="Dask is not installed (`make extras` does that)")
    monkeypatch.setattr(workers, "TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if address == "silent":
            address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(WorkersError) as error:
            Workers(dask=address).connected(None).__enter__()
    assert str(error.value).startswith(
        "dask must be the address of a running scheduler, such as tcp://127.0.0.1:8786, "
        f"but {address!r} was passed ({words}"
    )


# ---- devices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [False, True])
def test_a_gpu_is_used_if_there_is_one(monkeypatch, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert Workers().place() == "cpu"
    assert Workers(device="cuda").place() == "cuda"
    assert Workers(device="auto").place() == ("cuda" if there else "cpu")
    assert Workers(device="auto").number() == (1 if there else joblib.cpu_count())
    with Workers(device="auto").connected(None):
        pass


def test_one_worker_a_core_or_a_gpu_unless_told_otherwise():
    assert Workers().number() == joblib.cpu_count()
    assert Workers(3).number() == 3
    assert Workers(device="cuda").number() == 1
    assert Workers(2, device="cuda").number() == 2


def test_a_gpu_that_is_not_there_is_refused(small, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(trainer, "train", never)
    words = "^device must be cpu on .+, where PyTorch finds no GPU$"
    with pytest.raises(WorkersError, match=words):
        Workers(device="cuda").connected(small).__enter__()
    with pytest.raises(WorkersError, match=words):
        do_missing(TASKS, small, Store(tmp_path, None), Workers(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU on this machine")
def test_a_gpu_measures_what_the_processor_does(fashion, tmp_path):
    # After one epoch its seeds are as far apart as 0.018, which no rounding explains.
    wanted = [task_of(Spec((32, 16), seed, epochs=1)) for seed in range(3)]

    def train(name, workers):
        store = Store(tmp_path / name, None)
        with workers.connected(fashion):
            do_missing(wanted, fashion, store, workers)
        found = [store.get(key(task, fashion.digest)) for task in wanted]
        (device,) = {about(result)["environment"]["device"] for result in found}
        accuracies = np.array([result["curves.test"][-1] for result in found])
        return device, accuracies, digests(wanted, fashion, store)

    _, expected, _ = train("processor", ONE)
    name, accuracies, found = train("gpu", Workers(device="auto"))
    assert name == torch.cuda.get_device_name()
    assert abs(accuracies.mean() - expected.mean()) <= np.ptp(expected)
    assert train("again", Workers(device="cuda"))[2] == found


# ---- the command line ----------------------------------------------------------------------------


@pytest.fixture
def book(edition):
    """A book whose chapter wants networks that have no record."""
    write_chapter(edition.root, "01-one", CHAPTER)
    return edition


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--device", "cuda"], "device must be cpu on "),
        (["--dask", "here"], "dask must be the address of a running scheduler, "),
        (["--dask", NOBODY], "Dask is not installed; "),
    ],
)
def test_workers_that_are_not_there_are_one_sentence(book, monkeypatch, capsys, options, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(trainer, "train", never)
    if "here" in options:
        pytest.importorskip("distributed", reason="Dask is not installed (`make extras` does that)")
    else:
        monkeypatch.setitem(sys.modules, "distributed", None)
    for command in (["draft"], ["chapter", "01"]):
        assert main(monkeypatch, *command, *options) == 2
        said = capsys.readouterr()
        assert said.err.startswith(f"rethink: {words}")
        assert len(said.err.splitlines()) == 1
        assert not said.out


# The command line with small data and little to train; a worker can be killed.
COMMAND = """
import multiprocessing, os, pickle, signal, sys
from pathlib import Path

from rethink import __main__ as cli
from rethink import data
from rethink.book import notebooks
from rethink.experiments import training_runs
from rethink.protocol import Spec
from rethink.runs import carry_out, workers
from rethink.runs.audit import compare, sample
from rethink.runs.carry_out import do_missing

small = pickle.loads(Path("small").read_bytes())
specs, kill = eval(sys.argv.pop(1)), sys.argv.pop(1)
data.fashion_mnist = lambda: small
training_runs.STUDIES["capacity"] = lambda seeds, epochs: specs
notebooks.execute = lambda *_: None
workers.TIMEOUT = 0.5

def do_missing(*given, do=carry_out.do_missing):
    def show(now):
        given[-1](now)
        for process in multiprocessing.active_children()[:1] if kill == "kill" else ():
            os.kill(process.pid, signal.SIGKILL)
    return do(*given[:-1], show)

carry_out.do_missing = do_missing
cli.main()
"""


@pytest.fixture
def rethink(book, small):
    """Run the command line in a process of its own, which reports what any library logs there."""
    (book.root / "small").write_bytes(pickle.dumps(small))

    def run(*arguments, kill="nobody"):
        return subprocess.run(
            [sys.executable, "-c", COMMAND, str(SPECS), kill, "chapter", "01", *arguments],
            cwd=book.root,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_nothing_else_is_said_where_no_scheduler_answers(rethink):
    pytest.importorskip("distributed", reason="Dask is not installed (`make extras` does that)")
    done = rethink("--dask", NOBODY)
    assert done.returncode == 2
    assert done.stderr.startswith("rethink: dask must be the address of a running scheduler, ")
    assert len(done.stderr.splitlines()) == 1


def test_a_killed_process_is_one_sentence_and_the_same_command_goes_on(
    rethink, small, undisturbed, executed, monkeypatch
):
    done = rethink("--workers", "2", kill="kill")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "rethink: workers were lost, perhaps for want of memory (TerminatedWorkerError "
        "{SIGKILL(-9)}); what they had finished is kept, and the same command goes on"
    )
    assert "Traceback" not in done.stderr
    assert not done.stdout
    # Here it goes on in this process, which has PyTorch already.
    monkeypatch.setitem(training_runs.STUDIES, "capacity", lambda seeds, epochs: SPECS)
    assert main(monkeypatch, "chapter", "01", "--workers", "1") == 0
    assert digests(TASKS, small, Store.here()) == undisturbed
