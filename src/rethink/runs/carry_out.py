"""Who asks for results gets them: what is missing is done by workers, and kept as it ends.

Experiments are imported where they run: PyTorch takes seconds to load, and whoever finds all
results there does not need it.
"""

import contextlib
import math
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rethink.data import Dataset
from rethink.paths import check_writable, scratch_folder
from rethink.runs.store import Store
from rethink.runs.tasks import Arrays, Task, fingerprint, groups, key, run
from rethink.runs.workers import LOCAL, Workers, WorkersError, find


@dataclass(frozen=True)
class Progress:
    """How far the work is: shown by whoever is asked to.

    Attributes:
        running: the groups of tasks under way, each with the share of it that is known to be done.
        done: share of the whole work that is done, from 0 to 1.
        elapsed: seconds since the start.
    """

    running: list[tuple[list[Task], float]]
    done: float
    elapsed: float

    @property
    def left(self) -> float:
        """Seconds left, if the rest goes as what is done."""
        return self.elapsed / self.done * (1 - self.done) if self.done else math.inf


def do_missing(
    wanted: Sequence[Task],
    data: Dataset,
    store: Store,
    workers: Workers = LOCAL,
    show: Callable[[Progress], None] | None = None,
) -> int:
    """Do the tasks that have no result yet, and store each as it ends.

    Args:
        wanted: the tasks.
        data: what they measure.
        store: where results are looked for and written.
        workers: who does it.
        show: called twice a second.

    Returns:
        How many were done.

    Raises:
        WorkersError: if a worker has other code or no such device.
        LostWorkersError: if workers were lost and the others cannot go on without them.
        WritingError: if results cannot be kept, or there is no room for temporary files.
    """
    missing = missing_of(wanted, data, store)
    if not missing:
        return 0
    check_writable(store.folder)
    # The long ones first, so that no core is left alone with one at the end.
    work = groups(missing)
    with scratch_folder() as folder:
        marks = [folder / str(number) for number in range(len(work))]
        calls = [
            (number, group, workers.place(), marks[number], fingerprint(group[0].experiment))
            for number, group in enumerate(work)
        ]
        finished: set[int] = set()
        with _Watch(work, marks, finished, show):
            for number, results in workers.call(_do_group, data, calls, str(folder)):
                for task, result in zip(work[number], results, strict=True):
                    store.put(key(task, data.digest), result)
                finished.add(number)
    return len(missing)


def missing_of(wanted: Sequence[Task], data: Dataset, store: Store) -> list[Task]:
    """Return the tasks that have no result yet, each once."""
    once = {task.text: task for task in wanted}
    return [task for task in once.values() if store.get(key(task, data.digest)) is None]


def _do_group(
    data: Dataset, number: int, group: list[Task], device: str, mark: Path, code: str
) -> tuple[int, list[Arrays]]:
    """Do a group of tasks in a worker; the file ``mark`` has as many bytes as percent are done."""
    # A result is kept under the fingerprint of the code that asked for it.
    if fingerprint(group[0].experiment) != code:
        raise WorkersError(f"{platform.node()} has another version of rethink; install this one")
    find(device)
    written = 0

    def tell(share: float) -> None:
        nonlocal written
        # A worker on another machine has no such folder: only the display misses it.
        with contextlib.suppress(OSError), mark.open("ab") as file:
            file.write(b"." * (round(100 * share) - written))
        written = round(100 * share)

    tell(0.0)
    return number, run(group, data, device, tell)


class _Watch:
    """Show progress from a thread while the block runs."""

    def __init__(
        self,
        work: list[list[Task]],
        marks: list[Path],
        finished: set[int],
        show: Callable[[Progress], None] | None,
    ) -> None:
        self.work, self.marks, self.finished, self.show = work, marks, finished, show
        self.seconds = [sum(task.seconds for task in group) for group in work]
        self.start = time.perf_counter()
        self.over = False

    def __enter__(self) -> None:
        self.pool = ThreadPoolExecutor(1)
        self.future = self.pool.submit(self._loop, self.show) if self.show else None

    def __exit__(self, *_: object) -> None:
        self.over = True
        self.pool.shutdown(wait=True)
        if self.future:
            self.future.result()

    def _loop(self, show: Callable[[Progress], None]) -> None:
        while not self.over:
            show(self.look())
            time.sleep(0.5)
        show(self.look())

    def look(self) -> Progress:
        running, done = [], 0.0
        for number, (group, mark) in enumerate(zip(self.work, self.marks, strict=True)):
            share = mark.stat().st_size / 100 if mark.exists() else 0.0
            if number in self.finished:
                done += self.seconds[number]
            elif mark.exists():
                running.append((group, share))
                done += self.seconds[number] * share
        return Progress(running, done / sum(self.seconds), time.perf_counter() - self.start)
