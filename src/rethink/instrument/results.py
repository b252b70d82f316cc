"""What training on a table gives: results that say themselves, in a line a field, and draw.

Axes are (setting, seed); accuracies are shares.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import NDArray

from rethink.instrument.measurement import plain
from rethink.plots import figures
from rethink.questions.networks import Networks

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


class _Result:
    _hidden: ClassVar[tuple[str, ...]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Fields as plain Python values; numbers that are not finite are None, as JSON has none."""
        return {k: plain(v) for k, v in vars(self).items() if k not in self._hidden}

    def __repr__(self) -> str:
        """A line for each field; of an array its shape and its mean."""

        def said(value: Any) -> str:
            if isinstance(value, np.ndarray) and value.size:
                return f"{value.shape}, mean {value.mean():.4g}"
            return str(value)

        shown = {k: v for k, v in vars(self).items() if k not in self._hidden}
        return "\n".join([type(self).__name__, *(f"  {k}: {said(v)}" for k, v in shown.items())])


@dataclass(frozen=True, eq=False, repr=False)
class Doubts(_Result):
    """Labels that rows of their kind contradict, and what the method finds of wrong ones."""

    judged: int  # rows that each seed judged
    accuracy: Floats  # share of the judged rows that the forest labels as given, shape (S,)
    issues: Floats  # estimated number of wrong labels among the rows judged, shape (S,)
    flagged: Ints  # labels flagged, shape (S,)
    rows: Ints  # rows that most seeds flag, those flagged most often first, shape (t,), t <= 10
    suggested: Ints  # class that the forest prefers for them, shape (t,)
    quality: Floats  # probability that it gives to their labels, mean over seeds, shape (t,)
    planted: int  # labels altered on purpose, to any other class
    recall: Floats  # share of them that is flagged then, shape (S,)
    precision: Floats  # share of what is flagged then that was altered, shape (S,); NaN if nothing
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(_Result):
    """Networks of growing capacity; axes (network, seed).

    Train accuracy is the share of the labels that is stored, true ones or shuffled ones.
    """

    sizes: tuple[tuple[int, ...], ...]  # inputs, then units of each layer
    bits: Ints  # capacity by the four rules, shape (k,)
    train_rows: int  # m
    label_bits: Floats  # bits that write the training labels down, shape (S,)
    guess: Floats  # test accuracy of the commonest training class, shape (S,)
    train: Floats  # accuracy on true labels, shape (k, S)
    test: Floats
    train_information: Floats  # mutual information of label and answer in bits a label, (k, S)
    test_information: Floats  # lies high by up to (c - 1)^2 / (2 n ln 2), for n test rows
    shuffled_train: Floats  # the same of networks whose training labels were shuffled, (k, S)
    shuffled_test: Floats
    shuffled_train_information: Floats
    shuffled_test_information: Floats
    shuffled_chance: Floats  # test accuracy if their answers were dealt to other rows, (k, S)
    networks: Networks  # the last network: S members of true labels, then S of shuffled ones
    left_out: tuple[str, ...] = ()
    _hidden = ("networks",)

    def plot(self, ax: Axes | None = None, rows: str = "test") -> Axes:
        """Draw accuracy on the "train" or "test" rows over capacity, true labels and shuffled."""
        ax = ax or plt.gca()
        rise = np.argsort(self.bits, kind="stable")
        for name, colour in (("true labels", figures.BLUE), ("shuffled labels", figures.ORANGE)):
            values = getattr(self, rows if name == "true labels" else f"shuffled_{rows}")
            figures.seeds(self.bits[rise], values[rise], colour=colour, ax=ax, name=name)
        ax.axvline(
            self.label_bits.mean(), color=figures.GREY, lw=1, ls=":", gid="bits of the labels"
        )
        _chance(ax, self.guess)
        ax.set(xscale="log", xlabel="capacity (bits)", ylabel="accuracy", ylim=(0, 1.03))
        figures.log_rows(ax)
        return ax


@dataclass(frozen=True, eq=False, repr=False)
class Resilience(_Result):
    """Test accuracy under Gaussian noise on the inputs; axes (ratio, seed)."""

    decibels: Floats  # signal-to-noise ratio, see `perturb.snr_db`, shape (k,)
    clean: Floats  # accuracy without noise, shape (S,)
    accuracy: Floats  # shape (k, S)
    guess: Floats  # test accuracy of the commonest training class, shape (S,)
    half_db: Floats  # where half is lost of what `clean` has over `guess`, shape (S,)
    shuffled: Floats  # accuracy of the networks of shuffled labels, shape (k, S)
    shuffled_chance: Floats  # that of the same answers dealt to other rows, shape (k, S)
    left_out: tuple[str, ...] = ()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw accuracy over the signal-to-noise ratio, true labels and shuffled ones."""
        ax = ax or plt.gca()
        figures.seeds(self.decibels[::-1], self.accuracy[::-1], "true", figures.BLUE, ax=ax)
        figures.seeds(self.decibels[::-1], self.shuffled[::-1], "shuffled", figures.ORANGE, ax=ax)
        _chance(ax, self.guess)
        ax.set(xlabel="signal-to-noise ratio (dB), less noise to the right", ylabel="test accuracy")
        return ax


@dataclass(frozen=True, eq=False, repr=False)
class Curve(_Result):
    """Test accuracy of one network trained on growing shares of the rows; axes (share, seed)."""

    shares: Floats  # of the training rows, each holding the one before, shape (k,)
    rows: Ints  # shape (k,)
    test: Floats  # shape (k, S)
    left_out: tuple[str, ...] = ()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw test accuracy over the number of training rows."""
        ax = ax or plt.gca()
        figures.seeds(self.rows, self.test, colour=figures.BLUE, ax=ax, name="network")
        ax.set(xscale="log", xlabel="training rows", ylabel="test accuracy")
        figures.log_rows(ax)
        return ax


@dataclass(frozen=True, eq=False, repr=False)
class Learners(_Result):
    """Other learners on the same splits; axes (learner, seed)."""

    names: tuple[str, ...]
    train: Floats  # accuracy, shape (k, S); neighbours on 2,000 rows at most
    test: Floats  # accuracy, shape (k, S)
    bits: Floats  # that it can store by its rule in `rethink.questions.learners`, shape (k, S)
    seconds: Floats  # of one core, to learn and to answer, shape (k, S): not the same twice
    left_out: tuple[str, ...] = ()
    _hidden = ("seconds",)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the test accuracy of each learner, a dot a seed."""
        ax = ax or plt.gca()
        places = range(len(self.names))
        figures.seeds(places, self.test, colour=figures.GREEN, line=False, ax=ax, name="learner")
        ax.set_xticks(places, self.names, rotation=20)
        ax.set(ylabel="test accuracy")
        return ax


def _chance(ax: Axes, guess: Floats) -> None:
    ax.axhline(guess.mean(), color="black", lw=1, ls="--", gid="commonest class")
