"""Whether published results stand: the same tasks done again, and held against what there is.

An experiment may say more of its results than that they are equal or not: ``shorten(task,
seconds)`` returns the arguments of a task that is the beginning of a long one, and
``beginning(task, result)`` what a shorter task shares with a longer result; ``difference(old,
new)`` is how far two results lie apart, and ``tolerance(task)`` how far they may on another type
of machine, where sums round differently.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rethink.runs.machine import same_machine
from rethink.runs.store import result_digest
from rethink.runs.tasks import Arrays, Task, about, module, text_of


@dataclass(frozen=True)
class Audit:
    """A result held against a new one of the same task.

    Attributes:
        task: what was done again, perhaps the beginning of a longer one.
        same_machine: whether both were made by this type of machine and these libraries.
        equal: whether everything compared is equal bit for bit.
        difference: how far they lie apart, by the experiment's own measure; NaN where it has none.
        tolerance: how far they may on another type of machine.
    """

    task: Task
    same_machine: bool
    equal: bool
    difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the result stands: bit for bit here, within its tolerance elsewhere.

        Elsewhere, results without a measure of their own are compared by the chapters.
        """
        return self.equal or (not self.same_machine and not self.difference > self.tolerance)


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
    measured = hasattr(doing, "difference")
    return Audit(
        task=task,
        same_machine=machines,
        equal=result_digest([old]) == result_digest([new]),
        difference=doing.difference(old, new) if measured else math.nan,
        tolerance=doing.tolerance(arguments) if measured else math.nan,
    )


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
