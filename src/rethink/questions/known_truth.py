"""Data sets whose truth is known, to see what a measure makes of them."""

from typing import Any

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.intp]


def permuted_pixels(images: Images, seed: int) -> Images:
    """Shuffle every image's pixels on their own, shape (n, d): sums stay, positions are lost."""
    return np.random.default_rng([seed, 22]).permuted(images, axis=1)


def one_permutation(images: Images, seed: int) -> Images:
    """Shuffle all images' pixels alike, shape (n, d): no distance, sum or dense layer can tell."""
    return images[:, np.random.default_rng([seed, 23]).permutation(images.shape[1])]


def teacher(images: npt.NDArray[Any], classes: int, seed: int) -> Ints:
    """Label images, shape (n, d), by the largest of `classes` random linear functions of pixels.

    Pixels are standardised, the functions too; an offset to each makes the classes about equally
    frequent. A linear classifier can learn these labels without error. Returns shape (n,).
    """
    rng = np.random.default_rng([seed, 24])
    mean, sd = images.mean(axis=0), images.std(axis=0)
    weights = rng.standard_normal((images.shape[1], classes)) / np.where(sd > 0, sd, 1)[:, None]
    scores = images @ weights - mean @ weights
    scores /= np.where(scores.std(axis=0) > 0, scores.std(axis=0), 1)
    offsets = np.zeros(classes)
    for rate in np.geomspace(2, 0.05, 100):
        chosen = (scores + offsets).argmax(axis=1)
        offsets += rate * (1 / classes - np.bincount(chosen, minlength=classes) / len(images))
    return np.asarray((scores + offsets).argmax(axis=1))


def noise(n: int, d: int, classes: int, seed: int) -> tuple[Images, Ints]:
    """Bytes drawn evenly, shape (n, d), and balanced labels in random order, shape (n,)."""
    rng = np.random.default_rng([seed, 25])
    return rng.integers(0, 256, (n, d), dtype=np.uint8), rng.permutation(np.arange(n) % classes)
