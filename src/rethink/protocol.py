"""What a training run is: its specification, and the record of what it measured."""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, order=True)
class Spec:
    """Everything that decides a member's result, and nothing that does not.

    Attributes:
        hidden: units in each hidden layer.
        seed: decides split, initialisation, order of the batches and random labels.
        epochs: passes over the training part.
        share: of the training part that is trained on; shares nest.
        random_labels: share of the training labels replaced by random ones.
        batch: rows a step.
        learning_rate: of Adam.
    """

    hidden: tuple[int, ...]
    seed: int
    epochs: int = 80
    share: float = 1.0
    random_labels: float = 0.0
    batch: int = 64
    learning_rate: float = 1e-3

    def stack_key(self) -> tuple[object, ...]:
        """Return what members must have in common to be trained in one stack."""
        return (self.hidden, self.epochs, self.share, self.batch, self.learning_rate)


@dataclass(frozen=True)
class Record:
    """What training one member measured. Accuracies are shares from 0 to 1, losses are nats.

    Attributes:
        spec: the member's specification.
        curves: per epoch, each of shape (epochs,): ``loss`` and ``running`` (training loss and
            accuracy averaged over the epoch's batches, while the weights move), ``validation``,
            ``test`` (accuracies after the epoch), ``validation_loss``, ``test_loss``.
        milestones: the epochs, shape (m,), after which ``train`` and ``leaking`` were measured.
        train: accuracy on the rows and labels trained on, shape (m,).
        leaking: accuracy on a validation set drawn anew from all rows, shape (m,).
        train_confusion: counts, shape (classes, classes), true (as trained on) by predicted.
        validation_confusion: the same for the validation rows.
        test_predictions: predicted class of every test row, shape (n_test,), uint8.
        seconds: the stack's time, divided by its members; known of what was kept.
        environment: machine and versions, likewise; neither is part of the result.
    """

    spec: Spec
    curves: dict[str, NDArray[np.float64]]
    milestones: NDArray[np.int64]
    train: NDArray[np.float64]
    leaking: NDArray[np.float64]
    train_confusion: NDArray[np.int64]
    validation_confusion: NDArray[np.int64]
    test_predictions: NDArray[np.uint8]
    seconds: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was measured as named arrays, a curve as ``curves.`` and its name."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        return arrays | {f"curves.{name}": curve for name, curve in self.curves.items()}

    @classmethod
    def from_arrays(
        cls,
        spec: Spec,
        arrays: dict[str, NDArray[Any]],
        seconds: float = 0.0,
        environment: dict[str, str] | None = None,
    ) -> "Record":
        """Return the record whose named arrays these are; others of them do not count."""
        curves = {
            name.removeprefix("curves."): curve
            for name, curve in arrays.items()
            if name.startswith("curves.")
        }
        own = {each.name: arrays[each.name] for each in fields(cls) if each.name in arrays}
        return cls(spec, curves, seconds=seconds, environment=environment or {}, **own)
