"""What training runs measured, as chapters read it: accuracies, curves, what the answers tell."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink.information import confusion, mutual_information_bits
from rethink.protocol import Record, Spec
from rethink.runs.results import Results
from rethink.runs.tasks import Arrays, about


def record(result: Arrays) -> Record:
    """Return the record that a result of ``training_runs`` holds."""
    said = about(result)
    values = said["task"][1]
    spec = Spec(**(values | {"hidden": tuple(values["hidden"])}))
    return Record.from_arrays(spec, result, said["seconds"], said["environment"])


@dataclass(frozen=True)
class Runs(Results):
    """The training runs of a study, member by member."""

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """What each member measured."""
        return tuple(record(result) for result in self.results)

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
                measured = np.arange(1, record.spec.epochs + 1)
                values = record.curves[part]
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

    def label_bits_saved(self, how: str, epoch: int | None = None) -> NDArray[np.float64]:
        """Return the bits that probabilities save of those of a test label, shape (members,).

        A label of c classes takes log2 c bits to somebody who knows nothing of it. By probabilities
        that are surer than they are right it can take more, and less than nothing is saved.

        Args:
            how: ``plain``, ``mixed`` or ``tempered``; see `rethink.questions.calibration`.
            epoch: a milestone, by default the last.

        Raises:
            ValueError: if they were not measured after that epoch.
        """
        cost = self.at_milestone(f"label_costs.{how}", epoch)
        return np.asarray(np.log2(len(self.records[0].train_confusion)) - cost)

    def at_milestone(self, name: str, epoch: int | None = None) -> NDArray[Any]:
        """Return an array of the results that has an entry a milestone, at one; shape (members,).

        Args:
            name: such as ``label_costs.temperature``.
            epoch: a milestone, by default the last.

        Raises:
            ValueError: if it was not measured after that epoch.
        """
        found = []
        for record, result in zip(self.records, self.results, strict=True):
            last = record.spec.epochs if epoch is None else epoch
            if last not in record.milestones:
                raise ValueError(f"{name!r} was not measured after epoch {last} of {record.spec}")
            found.append(result[name][list(record.milestones).index(last)])
        return np.array(found)

    def dead(self) -> NDArray[np.bool_]:
        """Tell which members answer every test row with one class; shape (members,)."""
        return np.array([len(np.unique(r.test_predictions)) == 1 for r in self.records])

    def living(self) -> "Runs":
        """Return the members that are not dead, which may be none."""
        return self.take(np.flatnonzero(~self.dead()).tolist())
