"""How many bits a classifier gets right: generalization, resilience, mutual information, scores.

Everything is computed from counts of instances, by plug-in frequencies. Confusion tables have the
true classes as rows and the predicted ones as columns, shape (c, c).

Sources: the report's equations 2 and 3; Friedland, "Information-Driven Machine Learning" (2023).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class ClassificationScores:
    """Accuracy, precision, recall and F1 of one confusion table; 0 where a score is undefined.

    "Macro" is the mean over classes of the class's own score, each class weighing the same.
    """

    confusion: Ints  # true classes by predicted classes, shape (c, c)

    @property
    def accuracy(self) -> float:
        """Correct share of all instances."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def precision(self) -> Floats:
        """Correct share of what was predicted to be each class, shape (c,)."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def recall(self) -> Floats:
        """Correct share of what is of each class, shape (c,)."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall of each class, shape (c,)."""
        both = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return _ratio(2 * np.diag(self.confusion), both)

    @property
    def macro_precision(self) -> float:
        """Mean precision over classes."""
        return float(self.precision.mean())

    @property
    def macro_recall(self) -> float:
        """Mean recall over classes."""
        return float(self.recall.mean())

    @property
    def macro_f1(self) -> float:
        """Mean F1 over classes."""
        return float(self.f1.mean())

    def __str__(self) -> str:
        """A row per class, then the means."""
        lines = [f"{'class':<8}{'instances':>10}{'precision':>11}{'recall':>9}{'F1':>9}"]
        columns = (self.confusion.sum(axis=1), self.precision, self.recall, self.f1)
        for i, (count, p, r, f) in enumerate(zip(*columns, strict=True)):
            lines.append(f"{i:<8}{count:>10,}{p:>11.4f}{r:>9.4f}{f:>9.4f}")
        lines.append(
            f"{'macro':<8}{self.confusion.sum():>10,}"
            f"{self.macro_precision:>11.4f}{self.macro_recall:>9.4f}{self.macro_f1:>9.4f}"
        )
        return "\n".join([*lines, f"accuracy {self.accuracy:.4f}"])

    def to_dict(self) -> dict[str, Any]:
        """Counts and scores as plain Python values."""
        arrays = ("confusion", "precision", "recall", "f1")
        scalars = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
        return {name: getattr(self, name).tolist() for name in arrays} | {
            name: getattr(self, name) for name in scalars
        }


def entropy_bits(counts: npt.ArrayLike) -> float:
    """Entropy of the frequencies, -sum_i p_i log2 p_i, in bits per instance.

    Args:
        counts: instances per outcome, of any shape; not all zero.

    Raises:
        ValueError: a count is negative or not finite, or all are zero.

    >>> entropy_bits([1, 1, 2, 0])
    1.5
    """
    k = _counts("counts", counts).ravel()
    p = k[k > 0] / k.sum()
    # As log2(1 / p), so that a certain outcome gives 0.0 and not -0.0.
    return float(p @ np.log2(1 / p))


def mutual_information_bits(confusion: npt.ArrayLike) -> float:
    """Plug-in mutual information of label and prediction, in bits per instance.

    I = H(true) + H(predicted) - H(true, predicted). It is 0 for a constant answer, H(true) for a
    perfect one. With n instances the plug-in estimate lies high by up to about
    (c - 1)^2 / (2 n ln 2) bits.

    Args:
        confusion: counts, true classes as rows and predicted ones as columns, shape (c, c).

    Raises:
        ValueError: `confusion` is no square table of counts, or holds no instance.

    >>> mutual_information_bits([[5, 0], [0, 5]]), mutual_information_bits([[5, 0], [5, 0]])
    (1.0, 0.0)
    """
    table = _confusion(confusion)
    joint = entropy_bits(table)
    # Never negative but for rounding.
    information = entropy_bits(table.sum(axis=1)) + entropy_bits(table.sum(axis=0)) - joint
    return max(0.0, information)


def generalization(correct: npt.ArrayLike, mec_bits: npt.ArrayLike) -> Floats:
    """The report's G: correctly classified instances per bit of capacity.

    Args:
        correct: instances classified correctly, on the data that the capacity was spent on.
        mec_bits: memory-equivalent capacity in bits; both broadcast.

    Raises:
        ValueError: `correct` is negative or `mec_bits` not positive.

    >>> round(float(generalization(57_000, 1225)), 2)
    46.53
    """
    return np.asarray(_counts("correct", correct, empty=True) / _mec(mec_bits))


def generalization_bits(
    correct_per_class: npt.ArrayLike, class_counts: npt.ArrayLike, mec_bits: npt.ArrayLike
) -> Floats:
    """Generalization of several classes in bits per bit, -sum_i k_i log2 p_i / MEC.

    Args:
        correct_per_class: k_i, instances of class i classified correctly, shape (..., c).
        class_counts: instances of class i, whose shares are the p_i, shape (c,).
        mec_bits: memory-equivalent capacity in bits, broadcast against (...).

    Raises:
        ValueError: the shapes differ, a count is negative, `mec_bits` is not positive, or
            instances are correct in a class that has none.

    >>> float(generalization_bits([3, 4], [4, 4], 7))
    1.0
    """
    k, n = (
        _counts("correct_per_class", correct_per_class, empty=True),
        _counts("class_counts", class_counts),
    )
    if n.ndim != 1 or k.shape[-1:] != n.shape:
        raise ValueError(
            f"correct_per_class must have shape (..., c) and class_counts (c,), "
            f"but {k.shape} and {n.shape} were passed"
        )
    if np.any(k[..., n == 0] > 0):
        raise ValueError(
            "class_counts must be over 0 where instances are correct, "
            f"but {class_counts!r} was passed"
        )
    surprise = np.log2(n.sum() / np.maximum(n, 1))
    return np.asarray(k @ surprise / _mec(mec_bits))


def resilience_db(mec_bits: npt.ArrayLike, correct: npt.ArrayLike) -> Floats:
    """The report's resilience, 20 log10(MEC / correct), in decibels: -20 log10 of its G.

    Args:
        mec_bits: memory-equivalent capacity in bits.
        correct: instances classified correctly; both broadcast.

    Raises:
        ValueError: either is not positive.

    >>> round(float(resilience_db(1225, 57_000)), 2)
    -33.35
    """
    right = _positive("correct", correct)
    return np.asarray(20 * np.log10(_mec(mec_bits) / right))


def confusion(true: npt.ArrayLike, predicted: npt.ArrayLike, classes: int | npt.ArrayLike) -> Ints:
    """Count instances by true class (rows) and predicted class (columns), shape (c, c).

    Args:
        true: labels, shape (n,).
        predicted: labels, shape (n,).
        classes: the labels in the order of the table, shape (c,); or their number, for labels
            0 to c - 1.

    Raises:
        ValueError: the shapes differ, `classes` repeats a label, or a label is not among them.

    >>> confusion([0, 0, 1], [0, 1, 1], 2)
    array([[1, 1],
           [0, 1]])
    """
    given = np.asarray(classes)
    names = np.arange(int(given)) if given.ndim == 0 else given
    t, p = np.asarray(true), np.asarray(predicted)
    if t.ndim != 1 or t.shape != p.shape:
        raise ValueError(
            f"true and predicted must have one shape (n,), but {t.shape} and {p.shape} were passed"
        )
    order = np.argsort(names)
    ranked = names[order]
    if names.ndim != 1 or names.size == 0 or np.any(ranked[1:] == ranked[:-1]):
        raise ValueError(f"classes must be a list of distinct labels, but {classes!r} was passed")
    codes = []
    for name, labels in (("true", t), ("predicted", p)):
        rank = np.minimum(np.searchsorted(ranked, labels), len(names) - 1)
        strange = labels[ranked[rank] != labels]
        if strange.size:
            raise ValueError(
                f"{name} must hold labels in classes only, but {strange[0]!r} was passed"
            )
        codes.append(order[rank])
    c = len(names)
    return np.bincount(codes[0] * c + codes[1], minlength=c * c).reshape(c, c)


def classification_scores(confusion: npt.ArrayLike) -> ClassificationScores:
    """Accuracy, and precision, recall and F1 per class and as a mean over classes.

    Args:
        confusion: counts, true classes as rows and predicted ones as columns, shape (c, c).

    Raises:
        ValueError: `confusion` is no square table of counts, or holds no instance.

    >>> classification_scores([[8, 2], [0, 10]]).accuracy
    0.9
    """
    return ClassificationScores(_confusion(confusion).astype(np.intp))


def nats_to_bits(nats: npt.ArrayLike) -> Floats:
    """Convert nats, the unit of a natural-log cross entropy, to bits: nats / ln 2."""
    return np.asarray(np.asarray(nats, dtype=np.float64) / np.log(2))


def _ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    return np.asarray(np.where(whole > 0, part / np.maximum(whole, 1), 0.0))


def _counts(name: str, counts: npt.ArrayLike, empty: bool = False) -> Floats:
    k = np.asarray(counts, dtype=np.float64)
    if k.size == 0 or not np.all(np.isfinite(k) & (k >= 0)):
        raise ValueError(f"{name} must be finite and at least 0, but {counts!r} was passed")
    if not empty and k.sum() == 0:
        raise ValueError(f"{name} must hold at least one instance, but {counts!r} was passed")
    return k


def _confusion(confusion: npt.ArrayLike) -> Floats:
    table = _counts("confusion", confusion)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise ValueError(f"confusion must have shape (c, c), but shape {table.shape} was passed")
    return table


def _positive(name: str, value: npt.ArrayLike) -> Floats:
    x = np.asarray(value, dtype=np.float64)
    if not np.all(np.isfinite(x) & (x > 0)):
        raise ValueError(f"{name} must be over 0, but {value!r} was passed")
    return x


def _mec(mec_bits: npt.ArrayLike) -> Floats:
    return _positive("mec_bits", mec_bits)
