"""The seven networks of the report's Figure 8 side by side, as several pages show them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rethink.experiments.training_runs import SEVEN
from rethink.information import generalization_bits, mutual_information_bits
from rethink.mec import perceptron_mec
from rethink.runs.training_results import Runs

Floats = NDArray[np.float64]
TRAINED = 48_000  # pictures that a network of the clean protocol is trained on


@dataclass(frozen=True)
class Seven:
    """Runs of the seven networks, in falling order of capacity.

    A dead network answers every picture with one class: it is counted, and kept out of means.

    Attributes:
        groups: each network's runs, a member a seed.
    """

    groups: tuple[Runs, ...]

    @classmethod
    def of(cls, runs: Runs) -> "Seven":
        """Sort the runs of the study "capacity"."""
        return cls(tuple(runs.where(hidden=hidden) for hidden in SEVEN))

    @property
    def bits(self) -> NDArray[np.int64]:
        """Capacity of each network by the report's rule, shape (7,)."""
        return np.array([perceptron_mec((784, *hidden, 10), "report").bits for hidden in SEVEN])

    @property
    def alive(self) -> list[Runs]:
        """The runs of each network that are not dead."""
        return [group.living() for group in self.groups]

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Which runs are dead, shape (7, seeds)."""
        return np.stack([group.dead() for group in self.groups])

    def accuracy(self, part: str) -> Floats:
        """Return the accuracies of all runs, dead ones included, shape (7, seeds)."""
        return np.stack([group.accuracy(part) for group in self.groups])

    def living(self, part: str) -> list[Floats]:
        """Return the accuracies of the living runs of each network."""
        return [group.accuracy(part) for group in self.alive]

    def means(self, part: str) -> Floats:
        """Return the mean accuracy of the living runs, NaN where there are none, shape (7,)."""
        return np.array([x.mean() if len(x) else np.nan for x in self.living(part)])

    def generalization(self, instances: int = TRAINED) -> Floats:
        """Return the report's G, instances classified correctly a bit, shape (7, seeds).

        Args:
            instances: how many the training accuracy is multiplied with. The report takes 60,000.
        """
        return self.accuracy("train") * instances / self.bits[:, None]

    def information(self, labels: NDArray[np.integer]) -> Floats:
        """Return the bits that answers tell of a test picture's label, shape (7, seeds)."""
        return np.stack([group.information(labels) for group in self.groups])

    def label_bits_saved(self, how: str, epoch: int | None = None) -> Floats:
        """Return the bits that probabilities save of those of a test label, shape (7, seeds).

        Args:
            how: ``plain``, ``mixed`` or ``tempered``; see `rethink.questions.calibration`.
            epoch: a milestone, by default the last.

        Raises:
            ValueError: if they were not measured after that epoch.
        """
        return np.stack([group.label_bits_saved(how, epoch) for group in self.groups])

    def generalization_bits(self) -> Floats:
        """Return G in bits of the labels a bit, -sum_i k_i log2 p_i / MEC, shape (7, seeds)."""
        return np.stack(
            [
                [
                    float(generalization_bits(np.diag(table), table.sum(axis=1), bits))
                    for table in (record.train_confusion for record in group.records)
                ]
                for group, bits in zip(self.groups, self.bits, strict=True)
            ]
        )

    def stored(self) -> Floats:
        """Return the bits of all training labels that the answers to them tell, shape (7, seeds).

        The mutual information of answer and label, times the pictures trained on.
        """
        tables = [[record.train_confusion for record in group.records] for group in self.groups]
        return np.array(
            [[mutual_information_bits(t) * t.sum() for t in of_one] for of_one in tables]
        )
