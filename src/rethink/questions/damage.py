"""Controlled damage to a data set, to see what a network makes of it.

Images are uint8 of shape (n, features), 0 to 255, each a square of grey pixels row by row. Damage
of every kind is put on one axis by the signal-to-noise ratio that it leaves: see `snr_db`.

Sources: Zhang et al. 2017 (arXiv 1611.03530) for random labels; the kinds and the five severities
of drift follow Hendrycks and Dietterich 2019 (arXiv 1903.12261), in steps that suit 28 x 28 pixels.
"""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Images = NDArray[np.uint8]

# What severities 1 to 5 are. Rotation: degrees anticlockwise. Shift: pixels to the right. Blur:
# standard deviation of the Gaussian, in pixels. Contrast: factor on the distance from the image's
# mean. Brightness: added to every pixel, black being 0 and white 1.
DRIFTS: dict[str, tuple[float, float, float, float, float]] = {
    "rotation": (5, 10, 20, 30, 45),
    "shift": (1, 2, 3, 4, 6),
    "blur": (0.5, 0.75, 1, 1.5, 2),
    "contrast": (0.8, 0.6, 0.4, 0.2, 0.1),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
}


@dataclass(frozen=True, eq=False)
class Noisy:
    """Images with noise.

    Attributes:
        images: float32 of shape (n, features), black being 0 and white 1.
        sd: standard deviation of the noise drawn, on that scale.
        db: signal-to-noise ratio of what is in `images`, after clipping if they were clipped.
    """

    images: NDArray[np.float32]
    sd: float
    db: float


@dataclass(frozen=True, eq=False)
class Jpegs:
    """Images as they come back from JPEG.

    Attributes:
        images: decoded, uint8 of shape (n, features).
        file_bytes: mean size of a file.
        scan_bytes: mean size of what codes the pixels; headers and tables, the rest, are the same
            in every file and need not be sent with each.
    """

    images: Images
    file_bytes: float
    scan_bytes: float


def snr_db(images: Images, damaged: npt.ArrayLike) -> float:
    """Return the signal-to-noise ratio of damaged images, in dB: 10 log10(signal / noise).

    Signal is the mean square of the pixels with black as 0 and white as 1, over all images given:
    their power, mean included, not their variance (for Fashion-MNIST the variance is 2.2 dB less).
    Noise is the mean square of the difference. Undamaged images give infinity.

    Args:
        images: undamaged, uint8 of shape (n, features).
        damaged: shape (n, features), uint8, or numbers with black as 0 and white as 1.

    Raises:
        ValueError: if the shapes differ, or all of `images` is black.
    """
    clean, noisy = as_shares(images), as_shares(damaged)
    if clean.shape != noisy.shape:
        raise ValueError(f"damaged must have images' shape {clean.shape}, not {noisy.shape}")
    noise = float(np.square(noisy - clean).mean(dtype=np.float64))
    return 10 * math.log10(_power(clean) / noise) if noise else math.inf


def add_noise(images: Images, db: float, seed: int, clip: bool = True) -> Noisy:
    """Add Gaussian noise, independent for each pixel, at a signal-to-noise ratio.

    Signal power is that of `snr_db`, over all images given, so that every image gets noise of the
    same strength. For one seed the noise at two ratios is the same but for its strength.

    Args:
        images: uint8 of shape (n, features).
        db: ratio before clipping, in dB.
        seed: decides the noise.
        clip: keep pixels between black and white, as a camera would. It takes away noise: the
            ratio afterwards, the result's `db`, is higher and cannot fall far below 0 dB.

    Raises:
        ValueError: if `db` is not finite, or all of `images` is black.
    """
    if not math.isfinite(db):
        raise ValueError(f"db must be finite, but {db} was passed")
    clean = as_shares(images)
    sd = math.sqrt(_power(clean)) * 10 ** (-db / 20)
    noise = np.random.default_rng([seed, 5]).standard_normal(clean.shape, dtype=np.float32)
    noisy = clean + np.float32(sd) * noise
    if clip:
        noisy = noisy.clip(0, 1)
    return Noisy(noisy, sd, snr_db(images, noisy))


def jpeg(images: Images, quality: int) -> Jpegs:
    """Compress each image as a grey JPEG of its own (libjpeg, standard tables) and decode it.

    Args:
        images: uint8 of shape (n, features), features being a square number.
        quality: 1 to 95.

    Raises:
        ValueError: if `quality` is out of range, or the images are not square.
    """
    if not 1 <= quality <= 95:
        raise ValueError(f"quality must lie between 1 and 95, but {quality} was passed")
    decoded = np.empty_like(images)
    in_files = in_scans = 0
    for number, pixels in enumerate(_squares(images)):
        with io.BytesIO() as file:
            Image.fromarray(pixels).save(file, "JPEG", quality=quality)
            in_files += len(file.getvalue())
            in_scans += _scan_bytes(file.getvalue())
            decoded[number] = np.asarray(Image.open(file)).ravel()
    return Jpegs(decoded, in_files / len(images), in_scans / len(images))


def quantize(images: Images, levels: int) -> Images:
    """Round pixels to evenly spaced grey levels, black and white among them.

    Args:
        images: uint8 of any shape.
        levels: 2 to 256; a pixel then carries at most log2(levels) bits.

    Raises:
        ValueError: if `levels` is out of range.
    """
    if not 2 <= levels <= 256:
        raise ValueError(f"levels must lie between 2 and 256, but {levels} was passed")
    step = 255 / (levels - 1)
    values = np.rint(np.rint(np.arange(256) / step) * step).astype(np.uint8)
    return values[images]


def drift(images: Images, kind: str, severity: int) -> Images:
    """Alter all images alike, as a camera that was moved or set differently would.

    What leaves the image is lost; what enters it is black. Results are rounded to grey levels.

    Args:
        images: uint8 of shape (n, features), features being a square number.
        kind: one of `DRIFTS`, which says what the severities are.
        severity: 1 to 5; 0 alters nothing.

    Raises:
        ValueError: if `kind` or `severity` is unknown, or the images are not square.
    """
    if kind not in DRIFTS:
        raise ValueError(f"kind must be one of {', '.join(DRIFTS)}, but was {kind!r}")
    if severity not in range(6):
        raise ValueError(f"severity must be 0, 1, 2, 3, 4 or 5, but was {severity}")
    if severity == 0:
        return images.copy()
    amount, pixels = DRIFTS[kind][severity - 1], _squares(images).astype(np.float32)
    if kind == "rotation":
        pixels = ndimage.rotate(pixels, amount, axes=(2, 1), reshape=False, order=1)
    elif kind == "shift":
        pixels = ndimage.shift(pixels, (0, 0, amount), order=0)
    elif kind == "blur":
        pixels = ndimage.gaussian_filter(pixels, (0, amount, amount), mode="constant")
    elif kind == "contrast":
        mean = pixels.mean(axis=(1, 2), keepdims=True)
        pixels = mean + np.float32(amount) * (pixels - mean)
    else:
        pixels = pixels + np.float32(255 * amount)
    return np.rint(pixels).clip(0, 255).astype(np.uint8).reshape(images.shape)


def first_crossing(levels: npt.ArrayLike, values: npt.ArrayLike, target: float) -> float:
    """Return the level of damage at which a measured curve first falls to a target.

    Between two levels the curve is taken as straight. A curve that is down at its first level
    crosses at minus infinity, one that never is at plus infinity, where the levels rise; where they
    fall, as dB do with more noise, it is the other way round. So the result is always a bound.

    Args:
        levels: from the mildest to the strongest damage, strictly rising or falling, shape (k,),
            k being 2 or more.
        values: at these levels, shape (k,).
        target: what the curve is to fall to; NaN gives NaN.

    Raises:
        ValueError: if the shapes differ, k is under 2, or levels neither rise nor fall.
    """
    x, y = np.asarray(levels, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
        raise ValueError(
            "levels and values must have one shape (k,), k being 2 or more, "
            f"but had {x.shape} and {y.shape}"
        )
    steps = np.diff(x)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError(f"levels must rise or fall throughout, but were {x.tolist()}")
    if math.isnan(target):
        return math.nan
    beyond = -math.inf if (steps < 0).any() else math.inf
    down = np.flatnonzero(y <= target)
    if not down.size:
        return beyond
    k = int(down[0])
    if k == 0:
        return float(x[0]) if y[0] == target else -beyond
    return float(x[k - 1] + (y[k - 1] - target) / (y[k - 1] - y[k]) * (x[k] - x[k - 1]))


def half_fall(levels: npt.ArrayLike, accuracy: npt.ArrayLike, clean: float, chance: float) -> float:
    """Return the level at which accuracy has lost half of what it has, undamaged, over chance.

    It is NaN for a network no better than chance, which has nothing to lose. Levels, result and
    errors are otherwise those of `first_crossing`.
    """
    return first_crossing(levels, accuracy, (clean + chance) / 2 if clean > chance else math.nan)


def point_fall(levels: npt.ArrayLike, accuracy: npt.ArrayLike, clean: float) -> float:
    """Return the level at which accuracy is a percentage point under `clean`; see `half_fall`."""
    return first_crossing(levels, accuracy, clean - 0.01)


def as_shares(images: npt.ArrayLike) -> NDArray[np.float32]:
    """Return pixels as float32: bytes are divided by 255, other numbers are taken as they are."""
    pixels: NDArray[Any] = np.asarray(images)
    return pixels.astype(np.float32) / np.float32(255 if pixels.dtype == np.uint8 else 1)


def _power(shares: NDArray[np.float32]) -> float:
    power = float(np.square(shares).mean(dtype=np.float64))
    if not power:
        raise ValueError("images must hold a signal, but every pixel was black")
    return power


def _squares(images: Images) -> Images:
    side = math.isqrt(images.shape[-1])
    if side**2 != images.shape[-1]:
        raise ValueError(f"images must be square, but one had {images.shape[-1]} pixels")
    return images.reshape(-1, side, side)


def _scan_bytes(file: bytes) -> int:
    """Return how many bytes of a baseline JPEG code pixels: from the end of the scan's header."""
    place = 2  # after the marker that every file begins with
    while True:
        marker, length = file[place + 1], int.from_bytes(file[place + 2 : place + 4], "big")
        place += 2 + length
        if marker == 0xDA:  # the scan; two bytes that end the image follow it
            return len(file) - place - 2
