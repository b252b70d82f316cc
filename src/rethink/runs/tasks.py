"""Measurements beside the report's own training runs: experiments, their tasks, who does them.

An experiment is a module in ``rethink.experiments``: ``tasks(seeds)`` says what there is to do,
``run(data, **task)`` does one of them, ``seconds(task)`` guesses how long it takes. A task's
result is kept under a key made of the task, the data and the code that ``run`` can come to run.
"""

import hashlib
import importlib
import json
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from rethink.data import Dataset
from rethink.runs.fingerprints import PACKAGE, slice_digest
from rethink.runs.store import Store, shown_digest
from rethink.runs.sweep import Progress, parallel
from rethink.runs.workers import LOCAL, Workers, WorkersError

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Task:
    """One piece of an experiment: the name of its module, and the arguments of its ``run``."""

    experiment: str
    arguments: tuple[tuple[str, Any], ...]

    @property
    def seconds(self) -> float:
        """About how many seconds it takes one core."""
        return float(_module(self.experiment).seconds(dict(self.arguments)))

    def __str__(self) -> str:
        """Name and arguments, such as labels(seed=0)."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments)
        return f"{self.experiment}({given})"


def tasks(experiment: str, seeds: int) -> list[Task]:
    """Return the tasks of an experiment.

    Raises:
        ValueError: if there is no such experiment, or ``seeds`` is not a positive whole number.
    """
    known = sorted(path.stem for path in (PACKAGE / "experiments").glob("[!_]*.py"))
    if experiment not in known:
        raise ValueError(f"experiment must be one of {', '.join(known)}, but was {experiment!r}")
    if type(seeds) is not int or seeds < 1:
        raise ValueError(f"seeds must be a whole number from 1 on, but {seeds!r} was passed")
    return [Task(experiment, tuple(task.items())) for task in _module(experiment).tasks(seeds)]


def key(task: Task, data_digest: str) -> str:
    """Return the name that a task's result is kept under."""
    parts = json.dumps([task.experiment, task.arguments, data_digest, fingerprint(task.experiment)])
    return hashlib.sha256(parts.encode()).hexdigest()[:20]


@lru_cache(maxsize=64)
def fingerprint(experiment: str) -> str:
    """Return a digest of the code that decides what an experiment measures."""
    return slice_digest(f"experiments.{experiment}", "run")


def run(task: Task, data: Dataset) -> Arrays:
    """Carry out a task on one thread, so that sums have one order; add what machine did it."""
    from threadpoolctl import threadpool_limits

    start = time.perf_counter()
    with threadpool_limits(1):
        found: Arrays = _module(task.experiment).run(data, **dict(task.arguments))
    about = {
        "task": str(task),
        "environment": _environment(),
        "seconds": round(time.perf_counter() - start, 1),
    }
    return found | {"about": np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)}


def measure_missing(
    wanted: Sequence[Task],
    data: Dataset,
    store: Store,
    workers: Workers = LOCAL,
    show: Callable[[Progress], None] | None = None,
) -> int:
    """Carry out the tasks that have no result yet, and store each as it ends.

    Args:
        wanted: the tasks.
        data: what they measure.
        store: where results are looked for and written.
        workers: who does it.
        show: called after each task.

    Returns:
        How many were carried out.

    Raises:
        WorkersError: if a worker has other code.
    """
    missing = [t for t in dict.fromkeys(wanted) if store.arrays(key(t, data.digest)) is None]
    if not missing:
        return 0
    # The long ones first, so that no core is left alone with one at the end.
    missing.sort(key=lambda task: -task.seconds)
    start, done, whole = time.perf_counter(), 0.0, sum(task.seconds for task in missing)
    with tempfile.TemporaryDirectory(prefix="rethink-") as folder:
        results = parallel(min(workers.number(), len(missing)), folder)(
            joblib.delayed(_run_here)(number, task, data, fingerprint(task.experiment))
            for number, task in enumerate(missing)
        )
        for number, arrays in results:
            task = missing[number]
            store.put_arrays(key(task, data.digest), arrays)
            done += task.seconds
            if show:
                show(Progress([], done / whole, time.perf_counter() - start))
    return len(missing)


def _run_here(number: int, task: Task, data: Dataset, code: str) -> tuple[int, Arrays]:
    """Carry out a task in a worker."""
    # A result is kept under the fingerprint of the code that asked for it.
    if fingerprint(task.experiment) != code:
        raise WorkersError(f"{platform.node()} has another version of rethink; install this one")
    return number, run(task, data)


def equal(one: Arrays, other: Arrays) -> bool:
    """Tell whether two results are the same, bit for bit."""
    return shown_digest([one]) == shown_digest([other])


def same_machine(one: Arrays, other: Arrays) -> bool:
    """Tell whether two results come from the same type of machine and the same libraries."""
    machines = [json.loads(each["about"].tobytes())["environment"] for each in (one, other)]
    return bool(machines[0] == machines[1])


def seconds(result: Arrays) -> float:
    """Return how long a task took."""
    return float(json.loads(result["about"].tobytes())["seconds"])


def _module(experiment: str) -> Any:
    # Imported by name and when needed: PyTorch and scikit-learn take seconds, and a chapter's stamp
    # goes by what was measured and not by the code that did it.
    return importlib.import_module(f"rethink.experiments.{experiment}")


def _environment() -> dict[str, str]:
    import sklearn

    from rethink.trainer import environment

    return environment() | {"sklearn": sklearn.__version__}
