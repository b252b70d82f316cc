"""How many bits it takes to send labels to somebody who has the inputs, by a network that learns.

Sender and receiver train the same network on the labels sent so far, and the next chunk of labels
is coded by its probabilities. No weights are sent, so that what was only memorized saves nothing:
a label costs less than log2(c) bits only if it was predicted before it was seen.

Source: Blier and Ollivier, "The Description Length of Deep Learning Models", arXiv:1802.07044,
section 3.3 (prequential or online code; Dawid, J. R. Stat. Soc. A 147 (1984)).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


def doubling(rows: int, chunks: int = 10) -> Ints:
    """Return where chunks of doubling size end, the last one at `rows`, shape (chunks,).

    Each chunk but the first is as long as all before it.

    Raises:
        ValueError: `chunks` is under 1, or `rows` are too few for the first to hold one.

    >>> doubling(48_000, 6).tolist()
    [1500, 3000, 6000, 12000, 24000, 48000]
    """
    if chunks < 1 or rows < 2 ** (chunks - 1):
        raise ValueError(
            "chunks must be at least 1, and rows at least 2^(chunks - 1), "
            f"but chunks = {chunks!r} and rows = {rows!r} were passed"
        )
    return np.array([-(-rows // 2**i) for i in reversed(range(chunks))], dtype=np.intp)


def label_bits(
    log_probabilities: npt.ArrayLike, labels: npt.ArrayLike, uniform: float = 0.0
) -> Floats:
    """Bits that a code by a classifier's probabilities spends on each label, shape (…, n).

    A label of probability p costs -log2 p. A classifier that is sure of the wrong class would pay
    without limit; mixed with the uniform distribution, q = (1 - u) p + u / c, it pays at most
    log2(c / u) and loses at most -log2(1 - u) elsewhere. To be a code, `uniform` must be chosen
    before the labels are seen.

    Args:
        log_probabilities: natural logarithms, shape (…, n, c).
        labels: from 0 to c - 1, shape (…, n).
        uniform: u, the weight of the uniform distribution, from 0 to 1.

    Raises:
        ValueError: shapes or labels do not fit, a row's probabilities do not sum to 1, or
            `uniform` is outside [0, 1].

    >>> label_bits(np.log([[0.5, 0.25, 0.25]]), [1]).tolist()
    [2.0]
    """
    logs, wanted = np.asarray(log_probabilities, dtype=np.float64), np.asarray(labels)
    if logs.ndim < 2 or wanted.shape != logs.shape[:-1]:
        raise ValueError(
            "log_probabilities must have shape (…, n, c) and labels (…, n), "
            f"but {logs.shape} and {wanted.shape} were passed"
        )
    if not 0 <= uniform <= 1:
        raise ValueError(f"uniform must lie in [0, 1], but {uniform!r} was passed")
    classes = logs.shape[-1]
    strange = wanted[(wanted < 0) | (wanted >= classes)]
    if strange.size:
        raise ValueError(f"labels must lie from 0 to {classes - 1}, but {strange[0]} was passed")
    sums = np.exp(logs).sum(axis=-1)
    if not np.allclose(sums, 1, atol=1e-5):
        bad = sums.ravel()[np.argmax(np.abs(sums - 1))]
        raise ValueError(f"probabilities must sum to 1 in every row, but a row sums to {bad}")
    chosen = np.take_along_axis(logs, wanted[..., None].astype(np.intp), axis=-1)[..., 0]
    if uniform == 0:
        return np.asarray(-chosen / np.log(2) + 0.0)  # + 0.0: certainty costs 0.0 and not -0.0
    return np.asarray(-np.log2((1 - uniform) * np.exp(chosen) + uniform / classes))


def prequential_bits(first: int, classes: int, bits: Sequence[npt.ArrayLike]) -> Floats:
    """Length of the code of each chunk, shape (…, chunks); their sum is the code length.

    The first chunk has nothing to learn from and costs log2(classes) bits a label. In all,
    n log2(classes) bits would be no compression.

    Args:
        first: labels in the first chunk.
        classes: c.
        bits: what each label of every further chunk costs, coded by what was learned from the
            chunks before it: one array of shape (…, n_i) a chunk.

    Raises:
        ValueError: `first` or `classes` is under 1, or costs are negative, not numbers, or of
            shapes that do not fit.

    >>> prequential_bits(2, 8, [[1.0, 0.5], [0.0, 0.0, 0.25, 0.0]]).tolist()
    [6.0, 1.5, 0.25]
    """
    for name, value in (("first", first), ("classes", classes)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, but {value!r} was passed")
    costs = [np.asarray(chunk, dtype=np.float64) for chunk in bits]
    if any(chunk.ndim < 1 or chunk.shape[:-1] != costs[0].shape[:-1] for chunk in costs):
        shapes = [chunk.shape for chunk in costs]
        raise ValueError(f"bits must have shapes (…, n_i), but shapes {shapes} were passed")
    for chunk in costs:
        if not np.all(chunk >= 0):
            raise ValueError(f"bits must be at least 0, but {chunk[~(chunk >= 0)][0]} was passed")
    lead = costs[0].shape[:-1] if costs else ()
    return np.stack(
        [np.full(lead, first * np.log2(classes)), *(chunk.sum(axis=-1) for chunk in costs)], axis=-1
    )
