"""Memory-equivalent capacity (MEC): what a table of data asks for, and what a network offers.

Algorithm 1 puts the rows on a line by the sum of their features and counts label changes between
neighbours. Rows with equal sums have no order of their own, so the count is given as its exact
expectation over all orders of the ties, with the attainable extremes. A random order of the same
labels (`null`) and the cost of writing them down (`dictionary_bits`) make it readable.

Sources: Algorithms 1 and 2 as in the report and in nntailoring; the four rules of Friedland, Metere
and Krell, arXiv:1810.02328; runs of several kinds, Barton and David, Biometrika 44 (1957).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from rethink import ties

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
CountingRule = Literal["report", "four-rules", "tfmeter"]


class _Result:
    _shown: ClassVar[tuple[str, ...]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Fields and derived values as plain Python values."""
        return {name: np.asarray(getattr(self, name)).tolist() for name in self._shown}

    def __str__(self) -> str:
        """Name and value on each line, arrays rounded."""
        width = 18
        lines = []
        for name in self._shown:
            value = np.asarray(getattr(self, name))
            text = np.array2string(value, precision=2, threshold=60, prefix=" " * width)
            lines.append(f"{name:<{width}}{text}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Thresholds(_Result):
    """Label changes along the line, per class, and the capacities made of them.

    Those are functions of the expected counts, not expectations of functions of the counts.
    """

    classes: npt.NDArray[Any]  # distinct labels, sorted, shape (c,)
    class_counts: Ints  # rows n_c of each class, shape (c,)
    features: int | None  # columns behind each sum, d; None where unknown
    expected: Floats  # expected thresholds t_c into each class over the orders of ties, shape (c,)
    minimum: int  # fewest thresholds in all that an order of the ties gives
    maximum: int  # most thresholds in all that an order of the ties gives
    _shown = ("classes", "class_counts", "instances", "features", "expected", "minimum", "maximum",
              "total", "bits", "bits_weighted", "decision_points")  # fmt: skip

    @property
    def instances(self) -> int:
        """Rows in all, n."""
        return int(self.class_counts.sum())

    @property
    def total(self) -> float:
        """Expected thresholds over all classes, t."""
        return float(self.expected.sum())

    @property
    def clusters(self) -> float:
        """Runs of one label along the line, t + 1."""
        return self.total + 1

    @property
    def bits(self) -> float:
        """Capacity as in the report's first edition, sum_c (1 / p_c) log2(t_c + 1)."""
        return float(_inverse_share_bits(self.expected, self.class_counts))

    @property
    def bits_times_features(self) -> float:
        """Capacity as in the report's second edition, `bits` times d."""
        return self.bits * self._d

    @property
    def bits_weighted(self) -> float:
        """The same sum with p_c for a weight, sum_c p_c log2(t_c + 1)."""
        return float(self.class_counts @ np.log2(self.expected + 1) / self.instances)

    @property
    def decision_points(self) -> int:
        """Comparisons of a balanced search among the clusters, ceil(log2(t + 1))."""
        return int(decision_points(self.total))

    @property
    def max_capacity_bits(self) -> float:
        """The binary form's upper limit, t (d + 1) + t."""
        return self.total * (self._d + 1) + self.total

    @property
    def estimated_capacity_bits(self) -> int:
        """The binary form's estimate, ceil(log2(t + 1)) d."""
        return self.decision_points * self._d

    @property
    def _d(self) -> int:
        if self.features is None:
            raise ValueError(
                "features must be given to count bits per feature, but None was passed"
            )
        return self.features


@dataclass(frozen=True, eq=False)
class Null(_Result):
    """Label changes along a line whose order knows nothing of the labels."""

    class_counts: Ints  # rows of each class, shape (c,)
    expected: Floats  # expected changes into each class, n_c (n - n_c) / n, shape (c,)
    sd: float  # standard deviation of the changes in all
    _shown = ("class_counts", "expected", "total", "sd")

    @property
    def total(self) -> float:
        """Expected changes in all, (n^2 - sum_c n_c^2) / n."""
        return float(self.expected.sum())

    def z(self, total: float) -> float:
        """Standard deviations from the expectation to `total`; NaN where every order is alike.

        For an expectation over ties this is cautious: averaging over the orders of a tie leaves
        the null's mean as it is and can only narrow its spread.
        """
        return (float(total) - self.total) / self.sd if self.sd > 0 else float("nan")


@dataclass(frozen=True, eq=False)
class Progression(_Result):
    """Algorithm 1 on random subsets of growing size; axes (share, repeat, class)."""

    shares: Floats  # share of the rows in each subset, shape (s,)
    instances: Ints  # rows in each subset, shape (s,)
    class_counts: Ints  # rows of each class in each subset, shape (s, r, c)
    expected: Floats  # expected thresholds into each class, shape (s, r, c)
    null_totals: Floats  # thresholds expected of as many rows in random order, shape (s,)
    _shown = ("shares", "instances", "totals", "null_totals", "bits", "decision_points")

    @property
    def totals(self) -> Floats:
        """Expected thresholds over all classes, shape (s, r)."""
        return np.asarray(self.expected.sum(axis=-1))

    @property
    def bits(self) -> Floats:
        """Capacity as in the report's first edition, shape (s, r)."""
        return _inverse_share_bits(self.expected, self.class_counts)

    @property
    def decision_points(self) -> Ints:
        """Comparisons of a balanced search, ceil(log2(t + 1)), shape (s, r)."""
        return decision_points(self.totals)


@dataclass(frozen=True)
class PerceptronMEC(_Result):
    """Capacity of a fully connected network, layer by layer."""

    sizes: tuple[int, ...]  # inputs, then the units of each layer
    rule: CountingRule
    layers: tuple[int, ...]  # bits of each layer of weights, one fewer than sizes
    _shown = ("sizes", "rule", "layers", "bits")

    @property
    def bits(self) -> int:
        """Bits in all; the rule "report" counts the outputs once more."""
        return sum(self.layers) + (self.sizes[-1] if self.rule == "report" else 0)


def thresholds(
    values: npt.ArrayLike, labels: npt.ArrayLike, features: int | None = None
) -> Thresholds:
    """Count the thresholds of Algorithm 1, over every order of the ties at once.

    A threshold into class c is a pair of neighbours of which the second has label c and the first
    has not. If all orders of tied rows are equally likely, a tie of n rows with n_c of class c
    holds n_c (n - n_c) / n of them, and two neighbouring ties of g and h rows have
    (1 - g_c / g) h_c / h between them.

    Read literally, Algorithm 1 begins in class 0, so it also counts the first row unless that is
    of class 0. This depends on how classes are numbered and is left out: one threshold at the
    most, a few thousandths of a bit where classes have thousands.

    Args:
        values: features, shape (n, d), which are summed (integers in int64, floats in float64,
            whose last digits depend on the order of columns); or the sums, shape (n,). All finite,
            sums included.
        labels: shape (n,), of any type that NumPy can sort.
        features: d, where `values` holds sums.

    Raises:
        ValueError: `values`, `labels` or `features` are not as described.

    >>> result = thresholds([1, 2, 2, 3], ["a", "a", "b", "a"])
    >>> result.expected, result.minimum, result.maximum
    (array([1., 1.]), 2, 2)
    """
    sums, classes, codes, features = _line(values, labels, features)
    tied = ties.tabulate(_keys(sums, codes, len(classes)), len(classes))
    expected = ties.expected(tied, len(classes))
    return Thresholds(classes, np.bincount(codes), features, expected, *ties.extremes(tied))


def thresholds_in_order(
    values: npt.ArrayLike, labels: npt.ArrayLike, features: int | None = None
) -> Thresholds:
    """Count as published code does, with tied rows left in the order in which they came.

    Arguments and errors as for `thresholds`. One order is one count: minimum, maximum and total
    agree.

    >>> thresholds_in_order([2, 1, 2, 2], ["a", "a", "b", "a"]).expected
    array([1., 1.])
    """
    sums, classes, codes, features = _line(values, labels, features)
    n = len(codes)
    line = codes[np.sort(_keys(sums, np.arange(n), n)) % n]
    counts = np.bincount(line[1:][line[1:] != line[:-1]], minlength=len(classes))
    total = int(counts.sum())
    return Thresholds(
        classes, np.bincount(codes), features, counts.astype(np.float64), total, total
    )


def null(class_counts: npt.ArrayLike) -> Null:
    """Label changes that a random order of the same labels would show.

    With n rows, n_c of class c, and S_k the sum of the n_c^k, the mean is (n^2 - S_2) / n and the
    variance (S_2 (S_2 + n (n + 1)) - 2 n S_3 - n^3) / (n^2 (n - 1)): the Wald-Wolfowitz runs test
    for several classes. Raises ValueError if `class_counts` are not counts, or all zero.

    >>> result = null([6000] * 10)
    >>> result.total, round(result.sd, 2)
    (54000.0, 73.48)
    """
    counts = _class_counts(class_counts)
    n = int(counts.sum())
    # Python's integers: the terms cancel, and n^4 would not fit in 64 bits.
    square, cube = (sum(int(k) ** power for k in counts) for power in (2, 3))
    numerator = square * (square + n * (n + 1)) - 2 * n * cube - n**3
    variance = numerator / (n**2 * (n - 1)) if n > 1 else 0.0
    return Null(counts, counts * (n - counts) / n, variance**0.5)


def dictionary_bits(class_counts: npt.ArrayLike) -> float:
    """Bits that write every label down by an ideal code, -sum_c n_c log2 p_c.

    Takes rows per class, not labels. Raises ValueError if they are not counts, or all zero.

    >>> round(dictionary_bits([6000] * 10), 2)
    199315.69
    """
    counts = _class_counts(class_counts)
    counts = counts[counts > 0]
    return float(counts @ np.log2(counts.sum() / counts))


def progression(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    shares: npt.ArrayLike,
    repeats: int,
    seed: int,
) -> Progression:
    """Algorithm 2: Algorithm 1 on random subsets of growing size.

    Each subset is drawn anew without replacement; its thresholds are expectations over the ties
    inside it, its class shares its own.

    Args:
        values: as for `thresholds`.
        labels: as for `thresholds`.
        shares: shares of the rows, each over 0 and at most 1, shape (s,).
        repeats: subsets of each share; a share of 1 has but one, repeated.
        seed: decides the subsets.

    Raises:
        ValueError: as for `thresholds`; or a share is outside (0, 1], or `repeats` under 1.
    """
    sums, classes, codes, _ = _line(values, labels, None)
    share = np.asarray(shares, dtype=np.float64)
    if share.ndim != 1 or not np.all((share > 0) & (share <= 1)):
        raise ValueError(f"shares must be a list of numbers in (0, 1], but {shares!r} was passed")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, but {repeats!r} was passed")
    n, c = len(codes), len(classes)
    instances = np.maximum(1, np.rint(share * n)).astype(np.intp)
    # Rows drawn from a sorted line fall into its ties: one sort serves all subsets.
    whole = ties.tabulate(_keys(sums, codes, c), c)
    entries = ties.entries(whole)
    rng = np.random.default_rng([seed, 2])  # 2: a stream of its own beside others of this seed
    class_counts = np.empty((len(share), repeats, c), dtype=np.intp)
    expected = np.empty((len(share), repeats, c))
    for i, m in enumerate(instances):
        for j in range(repeats if m < n else 1):
            tied = whole
            if m < n:
                tied = ties.subset(whole, entries[rng.choice(n, size=m, replace=False)])
            # From j on: the whole is computed once and fills every repeat.
            class_counts[i, j:] = np.bincount(tied.label, weights=tied.rows, minlength=c)
            expected[i, j:] = ties.expected(tied, c)
    # Two neighbours differ as often in a subset as in the whole, and m rows have m - 1 pairs.
    null_totals = null(np.bincount(codes)).total * (instances - 1) / max(n - 1, 1)
    return Progression(share, instances, class_counts, expected, null_totals)


def perceptron_mec(sizes: Sequence[int], rule: CountingRule = "four-rules") -> PerceptronMEC:
    """Capacity of a fully connected network with biases, in bits.

    The first layer stores its parameters, (k_0 + 1) k_1 bits. A later layer stores its parameters
    too, but no more than reaches it at one bit a unit.

    Args:
        sizes: inputs, then the units of each layer, such as (784, 256, 128, 128, 10).
        rule: "four-rules" bounds a later layer by the units of the layer before it
            (arXiv:1810.02328); "report" does so and then adds the number of outputs; "tfmeter"
            bounds it by the narrowest of all the layers before it, inputs apart.

    Raises:
        ValueError: `sizes` are not two or more positive integers, or the rule is unknown.

    >>> sizes = (784, 256, 128, 128, 10)
    >>> perceptron_mec(sizes).bits, perceptron_mec(sizes, "report").bits
    (201472, 201482)
    """
    try:
        units = tuple(int(k) for k in sizes)
    except (TypeError, ValueError):  # no sequence, or not of numbers
        units = ()
    if len(units) < 2 or min(units) < 1 or units != tuple(sizes):
        raise ValueError(f"sizes must be two or more positive integers, but {sizes!r} was passed")
    if rule not in get_args(CountingRule):
        raise ValueError(f"rule must be one of {get_args(CountingRule)}, but {rule!r} was passed")
    layers = [(units[0] + 1) * units[1]]
    for i in range(1, len(units) - 1):
        reaching = min(units[1 : i + 1]) if rule == "tfmeter" else units[i]
        layers.append(min((units[i] + 1) * units[i + 1], reaching))
    return PerceptronMEC(units, rule, tuple(layers))


def _inverse_share_bits(expected: Floats, class_counts: Ints) -> Floats:
    """Sum of log2(t_c + 1) / p_c over the last axis; an absent class adds nothing."""
    n = class_counts.sum(axis=-1, keepdims=True)
    # An absent class has no thresholds: its logarithm is 0 whatever stands in for its share.
    return np.asarray((n / np.maximum(class_counts, 1) * np.log2(expected + 1)).sum(axis=-1))


def decision_points(totals: npt.ArrayLike) -> Ints:
    """Return comparisons of a balanced search among clusters, ceil(log2(t + 1)), for each total t.

    >>> decision_points([0.0, 3.0, 3.1]).tolist()
    [0, 2, 3]
    """
    # Rounded first: a sum of fractions a hair over a power of two must not cost a whole step.
    clusters = np.round(np.asarray(totals, dtype=np.float64) + 1, 6)
    return np.asarray(np.ceil(np.log2(clusters)), dtype=np.intp)


def _class_counts(class_counts: npt.ArrayLike) -> Ints:
    counts = np.asarray(class_counts)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any() or not counts.any():
        raise ValueError(
            "class_counts must be a list of integers from 0 up, not all 0, "
            f"but {class_counts!r} was passed"
        )
    return counts.astype(np.intp)


def _line(
    values: npt.ArrayLike, labels: npt.ArrayLike, features: int | None
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Ints, int | None]:
    """Check the input; return row sums, classes, labels as indices into the classes, and d."""
    x, y = np.asarray(values), np.asarray(labels)
    if x.ndim not in (1, 2) or x.size == 0 or x.dtype.kind not in "biuf":
        raise ValueError(
            "values must be real numbers of shape (n,) or (n, d), "
            f"but dtype {x.dtype} of shape {x.shape} was passed"
        )
    if y.shape != x.shape[:1]:
        raise ValueError(f"labels must have shape {x.shape[:1]}, but shape {y.shape} was passed")
    if x.ndim == 2:
        if features not in (None, x.shape[1]):
            raise ValueError(f"features must be {x.shape[1]} here, but {features!r} was passed")
        features = x.shape[1]
    sums = _sums(x)
    return sums, *_classes(y), features


def _sums(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sum each row; raises ValueError where that is not finite."""
    if x.dtype.kind == "f":
        # A sum tells whether all of its row is finite, which saves a pass over the rows.
        with np.errstate(invalid="ignore", over="ignore"):
            sums = x.sum(axis=1, dtype=np.float64) if x.ndim == 2 else x
        if not np.isfinite(sums).all():
            bad = [*x[~np.isfinite(x)], "a row whose sum is too large for float64"]
            raise ValueError(f"values must be finite, but {bad[0]} was passed")
        return sums
    if x.ndim == 1:
        return x
    accumulator: npt.DTypeLike = np.int64
    if x.dtype.kind in "iu" and x.dtype.itemsize < 8:
        # The smallest type that no sum overflows takes half the time for bytes.
        limits = np.iinfo(x.dtype)
        accumulator = np.min_scalar_type(x.shape[1] * (limits.min or limits.max))
    return np.asarray(x.sum(axis=1, dtype=accumulator))


def _classes(y: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Ints]:
    """Return the distinct labels, sorted, and each label as an index into them."""
    if y.dtype.kind in "iu" and y.min() >= 0 and y.max() <= len(y):
        # Counting small integers takes a tenth of the time that sorting them does.
        index = y.astype(np.intp)
        present = np.bincount(index) > 0
        return np.flatnonzero(present).astype(y.dtype), (np.cumsum(present) - 1)[index]
    try:
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise ValueError(f"labels must be sortable, but {error}") from error
    if np.any(classes != classes):  # NaN, the one label unlike itself
        raise ValueError("labels must all be known, but NaN was passed")
    return classes, codes


def _keys(sums: npt.NDArray[Any], codes: Ints, n_codes: int) -> npt.NDArray[np.int64]:
    """Sum and code of each row as one integer, since plain integers sort ten times as fast.

    Sums that are no integers or leave no room for the code are replaced by their ranks.
    """
    room = np.iinfo(np.int64).max // n_codes
    if sums.dtype.kind == "f" or int(sums.max()) >= room or int(sums.min()) < -room:
        sums = np.unique(sums, return_inverse=True)[1]
    return sums.astype(np.int64) * n_codes + codes
