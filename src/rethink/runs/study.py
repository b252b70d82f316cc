"""What chapters ask for: what an experiment measured, task by task, made where it is missing."""

from typing import Any, Literal, overload

from rethink.data import Dataset, fashion_mnist
from rethink.runs.carry_out import do_missing
from rethink.runs.results import Results
from rethink.runs.store import Store
from rethink.runs.tasks import Task, key, tasks
from rethink.runs.training_results import Runs


@overload
def results(experiment: Literal["training_runs"], **parameters: Any) -> Runs: ...


@overload
def results(experiment: str, **parameters: Any) -> Results: ...


def results(experiment: str, **parameters: Any) -> Results:
    """Return what an experiment measured on Fashion-MNIST, doing what has no result yet.

    Args:
        experiment: its name, such as ``labels``.
        parameters: what its ``tasks`` takes.

    Returns:
        `Results`; of ``training_runs`` the `Runs` of `rethink.runs.training_results`.

    Raises:
        ValueError: as `tasks`.
        DataError: if the data cannot be had.
    """
    return results_of(tasks(experiment, **parameters), fashion_mnist(), Store.here())


def results_of(wanted: list[Task], data: Dataset, store: Store) -> Results:
    """Return the results of tasks of one experiment from a store; see `results`."""
    do_missing(wanted, data, store)

    keys = [key(task, data.digest) for task in wanted]
    found = [store.get(each) for each in keys]
    kind = Runs if wanted[0].experiment == "training_runs" else Results
    return kind(
        tuple(dict(task.arguments) for task in wanted),
        tuple(result for result in found if result is not None),
        tuple(keys),
    )
