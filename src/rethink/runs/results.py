"""What an experiment measured, as chapters read it: its tasks, and what came out of each."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rethink.runs import machine
from rethink.runs.tasks import Arrays, about, seconds


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

    @property
    def seconds(self) -> float:
        """How long all tasks took together, in seconds of one core."""
        return sum(map(seconds, self.results))

    @property
    def machines(self) -> list[str]:
        """The types of machine that did the tasks, as `machine.name` names them."""
        return sorted({machine.name(about(result)["environment"]) for result in self.results})

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
