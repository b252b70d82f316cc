"""How many bits a classifier gets right: generalization, resilience, mutual information.

Everything is computed from counts of instances, by plug-in frequencies. Confusion tables have the
true classes as rows and the predicted ones as columns, shape (c, c). scikit-learn's
`confusion_matrix` counts the same, but leaves out in silence what is none of the classes, takes
twice to sixty times as long, and a second to be imported.

Sources: the report's equations 2 and 3; the bias, Miller (1955); Friedland, "Information-Driven
Machine Learning" (2023).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


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


def mutual_information_bits(table: npt.ArrayLike) -> float:
    """Plug-in mutual information of rows and columns, such as label and prediction, in bits.

    I = H(true) + H(predicted) - H(true, predicted), per instance. It is 0 for a constant answer,
    H(true) for a perfect one. With n instances and c classes the plug-in estimate lies high by up
    to about (c - 1)^2 / (2 n ln 2) bits.

    Args:
        table: counts, such as those of `confusion`, shape (r, c).

    Raises:
        ValueError: `table` is no table of counts, or holds no instance.

    >>> mutual_information_bits([[5, 0], [0, 5]]), mutual_information_bits([[5, 0], [5, 0]])
    (1.0, 0.0)
    """
    k = _counts("table", table)
    if k.ndim != 2:
        raise ValueError(f"table must have shape (r, c), but shape {k.shape} was passed")
    joint = entropy_bits(k)
    # Never negative but for rounding.
    information = entropy_bits(k.sum(axis=1)) + entropy_bits(k.sum(axis=0)) - joint
    return max(0.0, information)


def shared_bits(table: npt.ArrayLike) -> float:
    """Bits that all answers together tell of all labels, n I, without the bias of the estimate.

    `mutual_information_bits` lies high by (r c - r - c + 1) / (2 n ln 2) where labels and answers
    have nothing to do with each other, and hardly at all where one decides the other. Miller's
    correction counts the cells that are not empty: with k of them in r rows and c columns that are
    not empty either, it takes off (k - r - c + 1) / (2 n ln 2). The result can be under 0.

    Args:
        table: counts of n instances, such as those of `confusion`.

    Raises:
        ValueError: as for `mutual_information_bits`.

    Source: Miller, "Note on the bias of information estimates" (1955).

    >>> round(shared_bits([[4, 0], [0, 4]]), 2), round(shared_bits([[2, 2], [2, 2]]), 2)
    (8.72, -0.72)
    """
    k = _counts("table", table)
    cells = np.count_nonzero(k)
    rows = np.count_nonzero(k.sum(axis=1))
    columns = np.count_nonzero(k.sum(axis=0))
    bias = (cells - rows - columns + 1) / (2 * np.log(2))
    return float(k.sum() * mutual_information_bits(k) - bias)


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


def joint_counts(rows: npt.ArrayLike, columns: npt.ArrayLike, shape: tuple[int, int]) -> Ints:
    """Count instances by two of their properties, each a number from 0 on.

    Args:
        rows: the one property of each instance, integers of shape (n,).
        columns: the other, shape (n,).
        shape: how many values the two can have, (r, c).

    Returns:
        Shape (r, c).

    Raises:
        ValueError: the shapes differ, a property is no integer, or lies outside the table.

    >>> joint_counts([0, 0, 1], [2, 2, 0], (2, 3))
    array([[0, 0, 2],
           [1, 0, 0]])
    """
    i, j = np.asarray(rows), np.asarray(columns)
    if i.ndim != 1 or i.shape != j.shape:
        raise ValueError(
            f"rows and columns must have one shape (n,), but {i.shape} and {j.shape} were passed"
        )
    if i.dtype.kind not in "iu" or j.dtype.kind not in "iu":
        raise ValueError(
            f"rows and columns must be integers, but {i.dtype} and {j.dtype} were passed"
        )
    r, c = shape
    strange = np.flatnonzero((i < 0) | (i >= r) | (j < 0) | (j >= c))
    if strange.size:
        first = strange[0]
        raise ValueError(
            f"rows must lie from 0 to {r - 1} and columns from 0 to {c - 1}, "
            f"but row {i[first]} and column {j[first]} were passed"
        )
    cells = i.astype(np.intp) * c + j.astype(np.intp)
    return np.bincount(cells, minlength=r * c).reshape(r, c)


def confusion(true: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> Ints:
    """Count instances by true class (rows) and predicted class (columns), shape (c, c).

    Args:
        true: labels from 0 to `classes` - 1, shape (n,).
        predicted: the same of the answers, shape (n,).
        classes: c.

    Raises:
        ValueError: as for `joint_counts`.

    >>> confusion([0, 0, 1], [0, 1, 1], 2)
    array([[1, 1],
           [0, 1]])
    """
    return joint_counts(true, predicted, (classes, classes))


def nats_to_bits(nats: npt.ArrayLike) -> Floats:
    """Convert nats, the unit of a natural-log cross entropy, to bits: nats / ln 2."""
    return np.asarray(np.asarray(nats, dtype=np.float64) / np.log(2))


def _counts(name: str, counts: npt.ArrayLike, empty: bool = False) -> Floats:
    k = np.asarray(counts, dtype=np.float64)
    if k.size == 0 or not np.all(np.isfinite(k) & (k >= 0)):
        raise ValueError(f"{name} must be finite and at least 0, but {counts!r} was passed")
    if not empty and k.sum() == 0:
        raise ValueError(f"{name} must hold at least one instance, but {counts!r} was passed")
    return k


def _positive(name: str, value: npt.ArrayLike) -> Floats:
    x = np.asarray(value, dtype=np.float64)
    if not np.all(np.isfinite(x) & (x > 0)):
        raise ValueError(f"{name} must be over 0, but {value!r} was passed")
    return x


def _mec(mec_bits: npt.ArrayLike) -> Floats:
    return _positive("mec_bits", mec_bits)
