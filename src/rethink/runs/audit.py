"""Whether published results stand: the same tasks done again, and held against what there is.

On the type of machine that made them, results must be equal bit for bit. On another type sums round
differently, and a training goes its own way from there: an experiment that trains says how far it
may end. Its function ``elsewhere(task)`` returns the largest absolute difference for each array
that is judged, by name; arrays that it does not name are not judged there. Without it, all arrays
must agree but for rounding. What is allowed is 1.3 to 4.3 times what was measured between an AMD
EPYC (AVX2) and an Intel Xeon (AVX-512).

For a sample that is made again in seconds, ``shorten(task, seconds)`` returns the arguments of a
task that is the beginning of a long one, and ``beginning(task, result)`` what a shorter task shares
with a longer result.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink.runs.machine import same_machine
from rethink.runs.store import result_digest
from rethink.runs.tasks import Arrays, Task, about, module, text_of

ROUNDING = 1e-9  # of an array's largest number: what results without training may differ by


@dataclass(frozen=True)
class Distance:
    """How far an array of a result lies from the same array of another.

    Attributes:
        name: of the array.
        difference: the largest one of two numbers at the same place; infinite where the arrays
            cannot be compared.
        allowed: how large it may be on another type of machine.
    """

    name: str
    difference: float
    allowed: float

    @property
    def ratio(self) -> float:
        """The difference in units of what is allowed."""
        if self.allowed:
            return self.difference / self.allowed
        return np.inf if self.difference else 0.0

    def __str__(self) -> str:
        """Name and numbers, such as accuracy by 0.0018 (0.01 is allowed)."""
        return f"{self.name} by {self.difference:.2g} ({self.allowed:.2g} is allowed)"


@dataclass(frozen=True)
class Audit:
    """A result held against a new one of the same task.

    Attributes:
        task: what was done again, perhaps the beginning of a longer one.
        same_machine: whether both were made by this type of machine and these libraries.
        equal: whether everything compared is equal bit for bit.
        furthest: the array that lies furthest apart for what is allowed; None where none is judged.
    """

    task: Task
    same_machine: bool
    equal: bool
    furthest: Distance | None

    @property
    def passed(self) -> bool:
        """Whether the result stands: bit for bit here, as far as is allowed elsewhere."""
        if self.equal:
            return True
        near = self.furthest is None or self.furthest.ratio <= 1
        return near and not self.same_machine


def compare(task: Task, old: Arrays, new: Arrays) -> Audit:
    """Hold a result against a new one, which may be of the beginning of its task.

    Args:
        task: of the new one.
        old: the result that is to stand.
        new: what was measured again.
    """
    machines = same_machine(about(old)["environment"], about(new)["environment"])
    whole = about(old)["task"] == about(new)["task"]
    doing = module(task.experiment)
    arguments = dict(task.arguments)
    if not whole:
        old, new = doing.beginning(arguments, old), doing.beginning(arguments, new)
    allowed = doing.elsewhere(arguments) if hasattr(doing, "elsewhere") else None
    return Audit(
        task=task,
        same_machine=machines,
        equal=result_digest([old]) == result_digest([new]),
        furthest=max(_distances(old, new, allowed), key=lambda each: each.ratio, default=None),
    )


def _distances(old: Arrays, new: Arrays, allowed: Mapping[str, float] | None) -> list[Distance]:
    """Return how far apart the arrays lie that are judged, which are all if nothing is named."""
    if allowed is None:
        names = sorted((old.keys() | new.keys()) - {"about"})
        limits = {name: ROUNDING * _largest(old[name]) if name in old else 0.0 for name in names}
    else:
        limits = {name: limit for name, limit in allowed.items() if name in old or name in new}
    return [
        Distance(name, _difference(old.get(name), new.get(name)), limit)
        for name, limit in limits.items()
    ]


def _difference(old: NDArray[Any] | None, new: NDArray[Any] | None) -> float:
    """Return the largest difference of two numbers at the same place."""
    if old is None or new is None or old.shape != new.shape:
        return np.inf
    if old.dtype.kind not in "biuf" or new.dtype.kind not in "biuf":
        return 0.0 if np.array_equal(old, new) else np.inf
    first, second = old.astype(np.float64), new.astype(np.float64)
    # What is not a number, or infinite, must be so in both.
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    apart = np.abs(first[~same] - second[~same])
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0.0))


def _largest(array: NDArray[Any]) -> float:
    if array.dtype.kind not in "biuf":
        return 0.0
    finite = np.abs(array[np.isfinite(array)].astype(np.float64))
    return float(finite.max(initial=0.0))


def sample(
    wanted: Sequence[Task], seconds: float, seed: int | None = None
) -> list[tuple[Task, Task]]:
    """Draw tasks that can be done again in about so many seconds of one core.

    No task may take more than a third of the time that is left: a longer one is cut short where its
    experiment can do so, else it is not drawn.

    Args:
        wanted: tasks that have results.
        seconds: for all that is drawn.
        seed: decides the sample; None draws another one each time.

    Returns:
        Each task with itself, or with its beginning.
    """
    generator, left = np.random.default_rng(seed), seconds
    drawn = []
    for number in generator.permutation(len(wanted)):
        task = again = wanted[number]
        doing = module(task.experiment)
        if again.seconds > left / 3 and hasattr(doing, "shorten"):
            shorter = doing.shorten(dict(task.arguments), left / 3)
            again = Task(task.experiment, tuple(shorter.items()))
        if again.seconds <= max(left / 3, 1.0) and left > 0:
            left -= again.seconds
            drawn.append((task, again))
    return drawn


@dataclass(frozen=True)
class Coverage:
    """Which results were held against which.

    Attributes:
        audits: one for each task that has a result on both sides.
        new: tasks that had no result to be held against.
        left: texts of the published tasks that nobody asks for any more.
    """

    audits: list[Audit]
    new: list[Task]
    left: list[str]

    @property
    def whole(self) -> bool:
        """Whether everything was compared."""
        return not self.new and not self.left


def compare_all(
    wanted: Sequence[Task], published: Iterable[Arrays], again: Mapping[str, Arrays]
) -> Coverage:
    """Hold all results against the published ones of the same tasks, whatever their keys are.

    Args:
        wanted: the tasks that were done again.
        published: results, of which each says its task.
        again: the new results by the texts of their tasks.
    """
    old = {text_of(result): result for result in published}
    audits = [
        compare(task, old[task.text], again[task.text]) for task in wanted if task.text in old
    ]
    asked = {task.text for task in wanted}
    return Coverage(
        audits=audits,
        new=[task for task in wanted if task.text not in old],
        left=[text for text in old if text not in asked],
    )
