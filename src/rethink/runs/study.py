"""What chapters ask for: what an experiment measured, task by task, made where it is missing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import numpy as np
from numpy.typing import NDArray

from rethink.data import fashion_mnist
from rethink.runs.carry_out import do_missing
from rethink.runs.store import Store
from rethink.runs.tasks import Arrays, Task, key, tasks

if TYPE_CHECKING:
    from rethink.runs.training_results import Runs


@dataclass(frozen=True)
class Results:
    """What an experiment measured, task by task.

    Attributes:
        tasks: what was asked of each, name to value.
        results: its arrays.
        keys: what each is kept under.
    """

    tasks: tuple[dict[str, Any], ...]
    results: tuple[Arrays, ...]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        """Count the tasks."""
        return len(self.tasks)

    def where(self, **values: object) -> Self:
        """Return the tasks that were asked for these values.

        Raises:
            ValueError: if there are none.
        """
        chosen = [
            number
            for number, task in enumerate(self.tasks)
            if all(name in task and task[name] == value for name, value in values.items())
        ]
        if not chosen:
            raise ValueError(f"values must fit a task of this experiment, but {values} was passed")
        return self.take(chosen)

    def take(self, numbers: list[int]) -> Self:
        """Return the tasks of these places."""
        return type(self)(
            tuple(self.tasks[number] for number in numbers),
            tuple(self.results[number] for number in numbers),
            tuple(self.keys[number] for number in numbers),
        )

    def one(self, **values: object) -> Arrays:
        """Return the arrays of the one task that was asked for these values.

        Raises:
            ValueError: if there is none, or another one.
        """
        found = self.where(**values)
        if len(found) != 1:
            raise ValueError(f"values must fit one task, but {values} fits {len(found)}")
        return found.results[0]

    def stack(self, name: str) -> NDArray[Any]:
        """Return one array of all tasks, their axis first."""
        return np.stack([result[name] for result in self.results])


@overload
def results(experiment: Literal["training_runs"], **parameters: Any) -> "Runs": ...


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
    return results_of(tasks(experiment, **parameters))


def results_of(wanted: list[Task]) -> Results:
    """Return the results of tasks of one experiment; see `results`."""
    from rethink.runs.training_results import Runs

    data, store = fashion_mnist(), Store.here()
    do_missing(wanted, data, store)

    keys = [key(task, data.digest) for task in wanted]
    found = [store.get(each) for each in keys]
    kind = Runs if wanted[0].experiment == "training_runs" else Results
    return kind(
        tuple(dict(task.arguments) for task in wanted),
        tuple(result for result in found if result is not None),
        tuple(keys),
    )
