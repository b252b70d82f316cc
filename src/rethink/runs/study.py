"""What chapters ask for: the runs of a study, what an experiment measured, a sample done again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from rethink.data import Dataset, fashion_mnist
from rethink.information import confusion, mutual_information_bits
from rethink.protocol import Record, Spec
from rethink.runs import tasks
from rethink.runs.store import MEASURED, Store, key, result_digest
from rethink.runs.sweep import cost, train_missing, unit_seconds
from rethink.runs.tasks import Arrays, Task, measure_missing
from rethink.runs.workers import cores

# How far a retrained accuracy may lie from its record on another type of machine, where sums round
# differently and the difference grows with every step. With the vector instructions of a processor
# of 2008 it was 0.0072 at most for [16, 8, 8], [64, 32, 32] and [256, 128, 128] at any epoch.
TOLERANCE = 0.03
# A network with a narrower layer than this can take another way altogether (0.16 for a seed of
# [4, 4, 2], at an early epoch). Elsewhere it is compared and not judged.
NARROW = 8

LARGE = (256, 128, 128)
SEVEN = (LARGE, (128, 64, 64), (64, 32, 32), (32, 16, 16), (16, 8, 8), (8, 4, 4), (4, 4, 2))


def capacity(seeds: int, epochs: int) -> list[Spec]:
    """Return the seven networks of the report's Figure 8, whose first is also its Figure 6."""
    return [Spec(hidden, seed, epochs) for hidden in SEVEN for seed in range(seeds)]


def shares(seeds: int, epochs: int) -> list[Spec]:
    """Return the largest network on growing shares of the training data (Figure 7).

    The first edition stops at 10 epochs, the second at 80. The middle shares stop at 10 here, to
    save their cost.
    """
    until = {0.1: epochs, 0.3: epochs, 0.5: min(10, epochs), 0.7: min(10, epochs), 1.0: epochs}
    return [
        Spec(LARGE, seed, last, share=share)
        for share, last in until.items()
        for seed in range(seeds)
    ]


def random_labels(seeds: int, epochs: int) -> list[Spec]:
    """Return the largest network on growing shares of random labels (question 4)."""
    values = (0.25, 0.5, 0.75, 1.0)
    return [Spec(LARGE, seed, epochs, random_labels=s) for s in values for seed in range(seeds)]


STUDIES: dict[str, Callable[[int, int], list[Spec]]] = {
    "capacity": capacity,
    "shares": shares,
    "random-labels": random_labels,
}


def specifications(study: str, seeds: int, epochs: int) -> list[Spec]:
    """Return the specifications of a study.

    Raises:
        ValueError: if there is no such study, or a parameter is not a positive whole number.
    """
    if study not in STUDIES:
        raise ValueError(f"study must be one of {', '.join(STUDIES)}, but {study!r} was passed")
    for name, value in (("seeds", seeds), ("epochs", epochs)):
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} must be a whole number from 1 on, but {value!r} was passed")
    return STUDIES[study](seeds, epochs)


@dataclass(frozen=True)
class Runs:
    """The records of a study, member by member."""

    records: tuple[Record, ...]

    def __len__(self) -> int:
        """Count the members."""
        return len(self.records)

    def where(self, **values: object) -> "Runs":
        """Return the members whose specification has these values.

        Raises:
            ValueError: if there are none.
        """
        found = [r for r in self.records if all(getattr(r.spec, n) == v for n, v in values.items())]
        if not found:
            raise ValueError(f"values must fit a member of this study, but {values} was passed")
        return Runs(tuple(found))

    def accuracy(self, part: str, epoch: int | None = None) -> NDArray[np.float64]:
        """Return each member's accuracy after an epoch, by default its last; shape (members,).

        Args:
            part: ``train`` or ``leaking``, measured at the milestones only; ``validation``,
                ``test`` or ``running``, measured at every epoch.
            epoch: counted from 1.

        Raises:
            ValueError: if it was not measured then.
        """
        found = []
        for record in self.records:
            last = record.spec.epochs if epoch is None else epoch
            measured: NDArray[np.int64] = record.milestones
            values = {"train": record.train, "leaking": record.leaking}.get(part)
            if part in record.curves:
                measured, values = np.arange(1, record.spec.epochs + 1), record.curves[part]
            if values is None or last not in measured:
                raise ValueError(f"{part!r} was not measured after epoch {last} of {record.spec}")
            found.append(values[list(measured).index(last)])
        return np.array(found)

    def curve(self, name: str) -> NDArray[np.float64]:
        """Return a curve of all members, shape (members, epochs)."""
        return np.stack([record.curves[name] for record in self.records])

    def confusions(self, labels: NDArray[np.integer]) -> NDArray[np.int64]:
        """Count test rows by true and predicted class; shape (members, classes, classes).

        Args:
            labels: the test labels, shape (n_test,).
        """
        return np.stack(
            [confusion(labels, r.test_predictions, len(r.train_confusion)) for r in self.records]
        )

    def information(self, labels: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return what each member's answer says about a test picture's label, in bits; (members,).

        Args:
            labels: the test labels, shape (n_test,).
        """
        return np.array([mutual_information_bits(table) for table in self.confusions(labels)])

    def living(self) -> "Runs":
        """Return the members that are not dead, which may be none."""
        gone = self.dead()
        return Runs(tuple(r for r, dead in zip(self.records, gone, strict=True) if not dead))

    def dead(self) -> NDArray[np.bool_]:
        """Tell which members answer every test row with one class; shape (members,)."""
        return np.array([len(np.unique(r.test_predictions)) == 1 for r in self.records])


def runs(study: str, *, seeds: int, epochs: int) -> Runs:
    """Return the runs of a study on Fashion-MNIST, training those that have no record.

    Raises:
        ValueError: as `specifications`.
        DataError: if the data cannot be had.
    """
    data, store = fashion_mnist(), Store.here()
    specs = specifications(study, seeds, epochs)
    train_missing(specs, data, store)
    found = [store.get(key(spec, data.digest)) for spec in specs]
    return Runs(tuple(record for record in found if record is not None))


@dataclass(frozen=True)
class Measured:
    """What an experiment measured, task by task.

    Attributes:
        tasks: what was asked of each, name to value.
        results: its arrays.
    """

    tasks: tuple[dict[str, Any], ...]
    results: tuple[Arrays, ...]

    def __len__(self) -> int:
        """Count the tasks."""
        return len(self.tasks)

    def where(self, **values: object) -> "Measured":
        """Return the tasks that were asked for these values.

        Raises:
            ValueError: if there are none.
        """
        pairs = [
            (task, result)
            for task, result in zip(self.tasks, self.results, strict=True)
            if all(name in task and task[name] == value for name, value in values.items())
        ]
        if not pairs:
            raise ValueError(f"values must fit a task of this experiment, but {values} was passed")
        tasks, results = zip(*pairs, strict=True)
        return Measured(tasks, results)

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


def measure(experiment: str, *, seeds: int) -> Measured:
    """Return what an experiment measured on Fashion-MNIST, doing what has no result yet.

    Raises:
        ValueError: as `measurements.tasks`.
        DataError: if the data cannot be had.
    """
    data, store = fashion_mnist(), Store.here(MEASURED)
    wanted = tasks.tasks(experiment, seeds)
    measure_missing(wanted, data, store)
    found = [store.arrays(tasks.key(task, data.digest)) for task in wanted]
    results = tuple(result for result in found if result is not None)
    return Measured(tuple(dict(task.arguments) for task in wanted), results)


@dataclass(frozen=True)
class Audit:
    """A record held against a new training of the same member.

    Attributes:
        spec: the member.
        epochs: how many of its epochs were trained anew.
        same_machine: whether the record was made by this type of machine and these libraries.
        equal: whether everything compared is equal bit for bit.
        difference: the largest difference of an accuracy.
    """

    spec: Spec
    epochs: int
    same_machine: bool
    equal: bool
    difference: float

    @property
    def passed(self) -> bool:
        """Whether the record stands: bit for bit here, within `TOLERANCE` elsewhere.

        Elsewhere, networks with a layer narrower than `NARROW` are not judged.
        """
        near = self.difference <= TOLERANCE or min(self.spec.hidden) < NARROW
        return self.equal or (not self.same_machine and near)


def compare(record: Record, again: Record) -> Audit:
    """Hold a record against a new training of the same member, which may have fewer epochs."""
    epochs = again.spec.epochs
    pairs = [(curve, record.curves[name][:epochs]) for name, curve in again.curves.items()]
    accuracies = [(again.curves[n], record.curves[n][:epochs]) for n in ("validation", "test")]
    equal = all(np.array_equal(new, old) for new, old in pairs)
    if epochs == record.spec.epochs:
        equal = result_digest([record]) == result_digest([again])
    return Audit(
        spec=record.spec,
        epochs=epochs,
        same_machine=record.environment == again.environment,
        equal=equal,
        difference=max(float(np.abs(new - old).max()) for new, old in accuracies),
    )


def audit(
    specs: Sequence[Spec], data: Dataset, store: Store, seconds: float, seed: int | None = None
) -> list[Audit]:
    """Train a random sample of recorded members again and compare.

    The sample is of pairs that share a stack, one pair a core. A pair that would take too long is
    trained for its first epochs only: the beginning of a run does not depend on its length.

    Args:
        specs: members that have records.
        data: what they were trained on.
        store: where the records are.
        seconds: how long it may take, about.
        seed: decides the sample; None draws another one each time.
    """
    from rethink import trainer

    generator = np.random.default_rng(seed)
    unit = unit_seconds(data)
    pairs, lengths = [], []
    for _ in range(cores()):
        first = specs[int(generator.integers(len(specs)))]
        mates = [s for s in specs if s.stack_key() == first.stack_key() and s != first] or [first]
        second = mates[int(generator.integers(len(mates)))]
        affordable = int(seconds / (unit * (cost(first) + cost(second))) * first.epochs)
        pairs.append(list(dict.fromkeys((first, second))))
        lengths.append(max(1, min(first.epochs, affordable)))
    jobs = joblib.Parallel(n_jobs=len(pairs))(
        joblib.delayed(trainer.train)([replace(spec, epochs=length) for spec in pair], data)
        for pair, length in zip(pairs, lengths, strict=True)
    )
    found = []
    for pair, job in zip(pairs, jobs, strict=True):
        for spec, again in zip(pair, job, strict=True):
            record = store.get(key(spec, data.digest))
            if record is not None:
                found.append(compare(record, again))
    return found


@dataclass(frozen=True)
class Repeat:
    """A measurement held against a new one of the same task.

    Attributes:
        task: what was measured.
        same_machine: whether both were made by this type of machine and these libraries.
        equal: whether they are equal bit for bit.
    """

    task: Task
    same_machine: bool
    equal: bool

    @property
    def passed(self) -> bool:
        """Whether the measurement stands; elsewhere it is the chapters that compare."""
        return self.equal or not self.same_machine


def repeat(
    tasks: Sequence[Task], data: Dataset, store: Store, seconds: float, seed: int | None = None
) -> list[Repeat]:
    """Carry out a random sample of measured tasks again, in about so many seconds, and compare.

    Args:
        tasks: those that have results.
        data: what they measured.
        store: where the results are.
        seconds: of one core; a task that takes longer is not drawn.
        seed: decides the sample; None draws another one each time.
    """
    generator, left, found = np.random.default_rng(seed), seconds, []
    for number in generator.permutation(len(tasks)):
        task = tasks[number]
        old = store.arrays(tasks.key(task, data.digest))
        if old is None or tasks.seconds(old) > left:
            continue
        left -= max(1.0, tasks.seconds(old))
        new = tasks.run(task, data)
        found.append(Repeat(task, tasks.same_machine(old, new), tasks.equal(old, new)))
    return found
