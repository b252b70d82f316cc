"""Sweeps: members are grouped into stacks, and those without a record are trained by workers.

The trainer is imported where it trains: PyTorch takes seconds to load, and whoever finds all
records there does not need it.
"""

import contextlib
import math
import os
import platform
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import joblib

from rethink.data import Dataset
from rethink.protocol import Record, Spec
from rethink.runs.store import Store, fingerprint, key
from rethink.runs.workers import LOCAL, Workers, WorkersError, find

# Members of a stack: more would share the cost of the calls better, fewer lose less at a kill. Wide
# networks gain nothing beyond three, whose weights fill the cache.
MEMBERS = (3, 8)
CACHED_WEIGHTS = 400_000


def parameters(spec: Spec, features: int = 784, classes: int = 10) -> int:
    """Count a network's weights and biases."""
    return sum((i + 1) * o for i, o in pairwise((features, *spec.hidden, classes)))


def cost(spec: Spec, rows: int = 60_000) -> float:
    """Return a member's cost, in passes of one row through a vanishingly small network.

    Below about 50,000 weights the row itself costs most, above it the matrix products do.
    """
    return spec.epochs * rows * (0.8 * spec.share + 0.1) * (1 + parameters(spec) / 50_000)


def stacks(specs: Iterable[Spec]) -> list[list[Spec]]:
    """Group members that can be trained together into stacks, the costly ones first."""
    groups: dict[tuple[object, ...], list[Spec]] = {}
    for spec in specs:
        groups.setdefault(spec.stack_key(), []).append(spec)
    result = []
    for group in groups.values():
        least, most = MEMBERS
        limit = max(least, min(most, CACHED_WEIGHTS // parameters(group[0])))
        parts = math.ceil(len(group) / limit)
        result += [group[part::parts] for part in range(parts)]
    return sorted(result, key=lambda stack: -sum(map(cost, stack)))


def unit_seconds(data: Dataset) -> float:
    """Measure this machine: the seconds that one unit of ``cost`` takes here."""
    from rethink import trainer

    rows = min(6_400, len(data.train_images))
    sample = replace(
        data,
        train_images=data.train_images[:rows],
        train_labels=data.train_labels[:rows],
        test_images=data.test_images[: rows // 6],
        test_labels=data.test_labels[: rows // 6],
    )
    specs = [Spec((128, 64, 64), seed, epochs=1) for seed in range(3)]
    times = []
    for _ in range(3):
        start = time.perf_counter()
        trainer.train(specs, sample)
        times.append(time.perf_counter() - start)
    return min(times) / sum(cost(spec, rows) for spec in specs)


@dataclass(frozen=True)
class Progress:
    """How far a training is: shown by whoever is asked to.

    Attributes:
        running: the stacks under way, each with the epochs it has done.
        done: share of the whole cost that is done, from 0 to 1.
        elapsed: seconds since the start.
    """

    running: list[tuple[list[Spec], int]]
    done: float
    elapsed: float

    @property
    def left(self) -> float:
        """Seconds left, if the rest goes as what is done."""
        return self.elapsed / self.done * (1 - self.done) if self.done else math.inf


def train_missing(
    specs: Sequence[Spec],
    data: Dataset,
    store: Store,
    workers: Workers = LOCAL,
    show: Callable[[Progress], None] | None = None,
) -> int:
    """Train the members that have no record yet, and store each stack as it ends.

    Args:
        specs: the members wanted.
        data: what they are trained on.
        store: where records are looked for and written.
        workers: who trains.
        show: called twice a second.

    Returns:
        How many members were trained.

    Raises:
        WorkersError: if a worker has other code or no such device.
    """
    missing = [s for s in dict.fromkeys(specs) if store.get(key(s, data.digest)) is None]
    if not missing:
        return 0
    work = stacks(missing)
    with tempfile.TemporaryDirectory(prefix="rethink-") as folder:
        marks = [Path(folder) / str(number) for number in range(len(work))]
        task, device = joblib.delayed(_train_stack), workers.place()
        tasks = (
            task(number, stack, data, device, marks[number], fingerprint())
            for number, stack in enumerate(work)
        )
        finished: set[int] = set()
        with _watch(work, marks, finished, show):
            for number, records in parallel(min(workers.number(), len(work)), folder)(tasks):
                for record in records:
                    store.put(key(record.spec, data.digest), record)
                finished.add(number)
    return len(missing)


def parallel(processes: int, folder: str) -> joblib.Parallel:
    """Return what carries out calls in worker processes and yields results as they come.

    Args:
        processes: how many.
        folder: for what they share; not in memory, where a kill would leave the data.
    """
    # joblib replaces a worker whose memory has grown, as after a large task, and warns of it.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    return joblib.Parallel(
        n_jobs=processes,
        return_as="generator_unordered",
        pre_dispatch="all",
        batch_size=1,
        temp_folder=folder,
        initializer=_leave_with,
        initargs=(os.getpid(),),
    )


def _train_stack(
    number: int, stack: list[Spec], data: Dataset, device: str, mark: Path, code: str
) -> tuple[int, list[Record]]:
    """Train one stack in a worker; the file ``mark`` grows by a byte an epoch."""
    from rethink import trainer

    # A record is kept under the fingerprint of the code that asked for it.
    if fingerprint() != code:
        raise WorkersError(f"{platform.node()} has another version of rethink; install this one")
    find(device)

    def tell(dots: bytes = b".") -> None:
        # A worker on another machine has no such folder: only the display misses it.
        with contextlib.suppress(OSError), mark.open("ab") as file:
            file.write(dots)

    tell(b"")
    return number, trainer.train(stack, data, device, after_epoch=tell)


def _leave_with(parent: int) -> None:
    """Let this process of joblib's end with its parent, whom it would outlive to no purpose."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _watch:
    """Show progress from a thread while the block runs."""

    def __init__(
        self,
        work: list[list[Spec]],
        marks: list[Path],
        finished: set[int],
        show: Callable[[Progress], None] | None,
    ) -> None:
        self.work, self.marks, self.finished, self.show = work, marks, finished, show
        self.costs = [sum(map(cost, stack)) for stack in work]
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
        for number, (stack, mark) in enumerate(zip(self.work, self.marks, strict=True)):
            epochs = mark.stat().st_size if mark.exists() else 0
            if number in self.finished:
                done += self.costs[number]
            elif mark.exists():
                running.append((stack, epochs))
                done += self.costs[number] * epochs / stack[0].epochs
        return Progress(running, done / sum(self.costs), time.perf_counter() - self.start)
