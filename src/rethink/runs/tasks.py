"""Tasks: the pieces of an experiment, the key that a result is kept under, and how one is done.

An experiment is a module in ``rethink.experiments`` with three functions: ``tasks(**parameters)``
says what there is to do, as the arguments of each ``run``; ``run(data, **arguments)`` does one task
and returns named arrays; ``seconds(arguments)`` guesses how long that takes one core.

Networks are trained several at a time, in a stack. An experiment whose tasks are better done
together has two functions more: ``groups(tasks)`` sorts them, and ``run_together(data, tasks,
device, tell)`` does a group on a device, telling after each step which share of it is done.
`rethink.runs.audit` says what else it may have.

A result is a set of named arrays, of which ``about`` says what was asked for and who did it. Its
key is made of the task, the data and the code that ``run`` can come to run: change that code, and
an old result can go stale, but it cannot be taken for a new one.
"""

import hashlib
import importlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink.data import Dataset
from rethink.runs.fingerprints import PACKAGE, slice_digest

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Task:
    """One piece of an experiment: the name of its module, and the arguments of its ``run``."""

    experiment: str
    arguments: tuple[tuple[str, Any], ...]

    @property
    def seconds(self) -> float:
        """About how many seconds it takes one core."""
        return float(module(self.experiment).seconds(dict(self.arguments)))

    @property
    def text(self) -> str:
        """Everything that is asked for, as JSON: equal tasks have equal texts."""
        return json.dumps([self.experiment, dict(self.arguments)], sort_keys=True)

    @property
    def label(self) -> str:
        """The experiment and its first argument, such as labels given."""
        first = str(self.arguments[0][1]) if self.arguments else ""
        return f"{self.experiment} {first}".strip()

    def __str__(self) -> str:
        """Name and arguments, such as labels(seed=0)."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments)
        return f"{self.experiment}({given})"


def experiments() -> list[str]:
    """Return the names of all experiments."""
    return sorted(path.stem for path in (PACKAGE / "experiments").glob("[!_]*.py"))


def tasks(experiment: str, **parameters: Any) -> list[Task]:
    """Return the tasks of an experiment.

    Args:
        experiment: its name.
        parameters: what its ``tasks`` takes: most take ``seeds`` alone.

    Raises:
        ValueError: if there is no such experiment, it takes other parameters, or ``seeds`` or
            ``epochs`` is not a positive whole number.
    """
    known = experiments()
    if experiment not in known:
        raise ValueError(f"experiment must be one of {', '.join(known)}, but was {experiment!r}")
    for name in ("seeds", "epochs"):
        value = parameters.get(name, 1)
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} must be a whole number from 1 on, but {value!r} was passed")
    try:
        found = module(experiment).tasks(**parameters)
    except TypeError as error:
        raise ValueError(f"{experiment} takes other parameters: {error}") from error
    return [Task(experiment, tuple(arguments.items())) for arguments in found]


def module(experiment: str) -> Any:
    """Return the module of an experiment.

    It is imported by name and when needed: PyTorch and scikit-learn take seconds, and a chapter's
    stamp goes by what was measured and not by the code that did it.
    """
    return importlib.import_module(f"rethink.experiments.{experiment}")


def key(task: Task, data_digest: str) -> str:
    """Return the name that a task's result is kept under."""
    parts = json.dumps([task.text, data_digest, fingerprint(task.experiment)])
    return hashlib.sha256(parts.encode()).hexdigest()[:20]


@lru_cache(maxsize=64)
def fingerprint(experiment: str) -> str:
    """Return a digest of the code that decides what an experiment measures."""
    return slice_digest(f"experiments.{experiment}", "run")


def groups(wanted: Iterable[Task]) -> list[list[Task]]:
    """Sort tasks into groups that are done together; those that take longest come first."""
    by_experiment: dict[str, list[Task]] = {}
    for task in wanted:
        by_experiment.setdefault(task.experiment, []).append(task)
    found = []
    for experiment, some in by_experiment.items():
        if not hasattr(module(experiment), "groups"):
            found += [[task] for task in some]
            continue
        by_text = {task.text: task for task in some}
        for group in module(experiment).groups([dict(task.arguments) for task in some]):
            texts = [Task(experiment, tuple(arguments.items())).text for arguments in group]
            found.append([by_text[text] for text in texts])
    return sorted(found, key=lambda group: -sum(task.seconds for task in group))


def run(
    group: Sequence[Task],
    data: Dataset,
    device: str = "cpu",
    tell: Callable[[float], None] | None = None,
) -> list[Arrays]:
    """Do tasks that belong together, on one thread, so that sums have one order.

    Args:
        group: one of `groups`.
        data: what is measured.
        device: where networks are trained, as PyTorch names it.
        tell: called with the share that is done, by experiments that know it.

    Returns:
        The result of each, with ``about``.
    """
    from threadpoolctl import threadpool_limits

    from rethink.runs.machine import environment

    doing = module(group[0].experiment)
    # What the processor works, whatever else runs beside; on another device, what the clock says.
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    with threadpool_limits(1):
        if hasattr(doing, "run_together"):
            arguments = [dict(task.arguments) for task in group]
            results = doing.run_together(data, arguments, device, tell)
        else:
            results = [doing.run(data, **dict(task.arguments)) for task in group]
    seconds = (clock() - start) / len(group)
    machine = environment(device)
    return [
        result | {"about": _packed(task, machine, seconds)}
        for task, result in zip(group, results, strict=True)
    ]


def _packed(task: Task, machine: dict[str, str], seconds: float) -> NDArray[np.uint8]:
    """Write what is said about a result as bytes, so that nothing needs pickle."""
    said = {"task": json.loads(task.text), "environment": machine, "seconds": round(seconds, 3)}
    return np.frombuffer(json.dumps(said, sort_keys=True).encode(), np.uint8)


def about(result: Arrays) -> dict[str, Any]:
    """Return what is said about a result: its task, the machine and the seconds it took there."""
    said: dict[str, Any] = json.loads(result["about"].tobytes())
    return said


def seconds(result: Arrays) -> float:
    """Return how many seconds of a core a task took."""
    return float(about(result)["seconds"])


def text_of(result: Arrays) -> str:
    """Return the text of the task that a result is of; see `Task.text`."""
    return json.dumps(about(result)["task"], sort_keys=True)
