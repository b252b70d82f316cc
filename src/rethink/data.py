"""Data sets, verified on each load, and how their rows are split.

`fashion_mnist` reads the four files of Fashion-MNIST from the cache, laid out as torchvision does,
whatever put them there, and fetches those that are missing or broken. What is verified is their
content, not the compressed files: Debian compressed its copy anew, so that the same images have
other checksums there.
"""

import contextlib
import gzip
import hashlib
import logging
import subprocess
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink._torchvision import download_fashion_mnist
from rethink.errors import CommandError
from rethink.paths import cache_folder, scratch_folder, write_bytes

SYSTEM_COPY = Path("/usr/share/datasets/fashion-mnist")
DEBIAN_PACKAGE = "dataset-fashion-mnist"
# A source is a name and a function that gets an empty scratch folder and returns the folder that
# has the files, as they are or as .gz. Any exception means that it has nothing, and says why.
Source = tuple[str, Callable[[Path], Path]]

_RAW = Path("FashionMNIST", "raw")  # where torchvision looks, in the cache
_log = logging.getLogger("rethink")


class DataError(CommandError):
    """A data set cannot be had, or is not what it should be."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory; all arrays are read-only.

    Images are uint8 of shape (n, 784), from 0 (background) to 255; labels are uint8 of shape (n,),
    indices into `classes`. `digest` is a SHA-256 in hexadecimal over dtype, shape and SHA-256
    of the bytes of training images, training labels, test images and test labels, in this order.
    """

    name: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    classes: tuple[str, ...]
    digest: str


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a data set, as int64 indices of shape (n,); `leaking` has rows trained on in it."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    leaking: NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """One IDX file: its name, the shape of its uint8 array, the SHA-256 of the array's bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str


@dataclass(frozen=True)
class Collection:
    """What is known beforehand of a balanced data set in the format of Fashion-MNIST.

    `parts` are training images, training labels, test images and test labels.
    """

    name: str
    parts: tuple[Part, ...]
    classes: tuple[str, ...]


_SHA256 = (
    "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
)
_CLASSES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
FASHION_MNIST = Collection(
    "Fashion-MNIST",
    (
        Part("train-images-idx3-ubyte", (60_000, 28, 28), _SHA256[0]),
        Part("train-labels-idx1-ubyte", (60_000,), _SHA256[1]),
        Part("t10k-images-idx3-ubyte", (10_000, 28, 28), _SHA256[2]),
        Part("t10k-labels-idx1-ubyte", (10_000,), _SHA256[3]),
    ),
    tuple(_CLASSES.split(",")),
)


def fashion_mnist(cache: Path | None = None) -> Dataset:
    """Return Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 60,000 training and 10,000 test images.

    `cache` is `cache_folder()` unless given; the files are in its folder FashionMNIST/raw. Missing
    and broken ones come from the first of these that has a good copy: .gz files in that folder, the
    system's copy, torchvision's download, Debian's package. A broken file is set aside as
    <name>.broken, with a warning. Raises DataError where all that fails.
    """
    sources: tuple[Source, ...] = (
        (f"the system's copy in {SYSTEM_COPY}", lambda _: SYSTEM_COPY),
        ("torchvision's download", download_fashion_mnist),
        (f"Debian's package {DEBIAN_PACKAGE}", debian_package),
    )
    return load(FASHION_MNIST, cache or cache_folder(), sources)


def check_cache(cache: Path | None = None) -> list[str]:
    """Return the names of Fashion-MNIST's files that are there but broken; changes nothing."""
    raw = (cache or cache_folder()) / _RAW
    found = [(path, part) for part in FASHION_MNIST.parts for path in _present(raw, part)]
    return [path.name for path, part in found if _read(path, part)[1]]


def split(rows: int, seed: int, share: float = 1.0, validation: float = 0.2) -> Split:
    """Divide the indices 0 to `rows` - 1 at random, the same way for the same seed.

    The fraction `validation` of all rows is held out; of the others the fraction `share` is kept to
    train on. The rows held out do not depend on `share`, and a smaller share is part of a larger
    one. `leaking` has as many rows as `validation`, drawn from all rows anew, as happens where a
    notebook splits again before it evaluates: about 1 - `validation` of them are not held out.
    Raises ValueError for a fraction out of its range, or if a part would be empty.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, but {share!r} was passed")
    if not 0 < validation < 1:
        raise ValueError(f"validation must be above 0 and below 1, but {validation!r} was passed")
    held = round(validation * rows)
    kept = round(share * (rows - held))
    if held < 1 or kept < 1:
        raise ValueError(
            f"rows must be so many that no part is empty, but {rows!r} was passed, "
            f"which leaves {kept} to train on and {held} to validate"
        )
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(rows)
    return Split(order[held : held + kept], order[:held], rng.permutation(rows)[:held])


def randomize_labels(
    labels: NDArray[np.integer], share: float, classes: int, seed: int
) -> NDArray[np.int64]:
    """Replace the labels of a share of the rows by labels drawn uniformly from all classes.

    For one seed the rows nest: those replaced at a smaller share are replaced by the same labels
    at a larger one. A drawn label may equal the true one (one time in ``classes``), as in
    Zhang et al. 2017 (arXiv 1611.03530).

    Args:
        labels: shape (n,), integers from 0 to ``classes - 1``.
        share: between 0 and 1; round(share * n) rows are replaced.
        classes: number of classes to draw from.
        seed: decides which rows, and by what.

    Returns:
        A new array of shape (n,).

    Raises:
        ValueError: if ``share`` lies outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie between 0 and 1, but {share} was passed")
    generator = np.random.default_rng([seed, 3])
    rows = generator.permutation(len(labels))
    drawn = generator.integers(classes, size=len(labels))
    replaced = rows[: round(share * len(labels))]
    changed = np.asarray(labels, dtype=np.int64).copy()
    changed[replaced] = drawn[replaced]
    return changed


def load(collection: Collection, cache: Path, sources: Sequence[Source] = ()) -> Dataset:
    """Return a verified data set, with what the cache lacks from `sources`; raises DataError."""
    raw = cache / _RAW
    read = [_read(raw / part.name, part) for part in collection.parts]
    if any(fault for _, fault in read):
        try:
            _supply(collection, raw, sources)
        except OSError as error:
            raise DataError(
                f"The data cannot be put into {raw}: {_brief(error)}. Make that possible, or set "
                "RETHINK_CACHE to a folder that you may write to."
            ) from error
        read = [_read(raw / part.name, part) for part in collection.parts]
    # These are the files that torchvision's FashionMNIST reads, and a test holds the two against
    # each other. Its import takes seconds, and the bytes are at hand since they were verified.
    arrays: list[NDArray[np.uint8]] = []
    digest = hashlib.sha256()
    for (content, _), part in zip(read, collection.parts, strict=True):
        array = np.frombuffer(content, np.uint8, offset=len(_header(part)))
        arrays.append(array.reshape(part.shape[0], -1) if len(part.shape) > 1 else array)
        digest.update(f"{array.dtype} {arrays[-1].shape} {part.sha256} ".encode())
    for labels in arrays[1::2]:
        if len(set(np.bincount(labels, minlength=len(collection.classes)))) != 1:
            raise DataError(f"{collection.name} must have as many images of every class")
    images, labels, test_images, test_labels = arrays
    return Dataset(
        collection.name,
        images,
        labels,
        test_images,
        test_labels,
        collection.classes,
        digest.hexdigest(),
    )


def debian_package(scratch: Path, options: Sequence[str] = ()) -> Path:
    """Fetch Debian's package and unpack it, without being root; returns the files' folder.

    `options` go to the first attempt, with the system's package lists; the second fetches its own.
    """
    apt = ["apt-get", "-q", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::Retries=1"]
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    run = partial(subprocess.run, cwd=scratch, check=True, timeout=300, errors="replace", **quiet)
    try:
        run([*apt, *options, "download", DEBIAN_PACKAGE])
    except subprocess.SubprocessError:
        for folder in ("lists/partial", "cache/archives/partial"):
            (scratch / folder).mkdir(parents=True)
        apt += ["-o", f"Dir::State::lists={scratch}/lists", "-o", f"Dir::Cache={scratch}/cache"]
        # apt's own user may not write to our folder, and nobody else wants its lock.
        apt += ["-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=1"]
        # An update may fail in part, for one list or in a hook for root: the download decides.
        with contextlib.suppress(subprocess.SubprocessError):
            run([*apt, "update"])
        run([*apt, "download", DEBIAN_PACKAGE])
    run(["dpkg", "-x", next(scratch.glob("*.deb")), "unpacked"])
    return scratch / "unpacked" / SYSTEM_COPY.relative_to("/")


def _present(folder: Path, part: Part) -> list[Path]:
    return [path for path in (folder / part.name, folder / f"{part.name}.gz") if path.exists()]


def _read(path: Path, part: Part) -> tuple[bytes, str]:
    """Return a file's content, decompressed, and what is wrong with it (empty for nothing)."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        return b"", f"cannot be read: {_brief(error)}"
    header = _header(part)
    expected = len(header) + int(np.prod(part.shape))
    if len(data) != expected:
        return data, f"has {len(data):,} bytes where {expected:,} belong"
    found = hashlib.sha256(memoryview(data)[len(header) :]).hexdigest()
    return data, "" if data.startswith(header) and found == part.sha256 else "has altered bytes"


def _header(part: Part) -> bytes:
    """Return an IDX file's beginning: two zeros, the type (8 is uint8), the shape."""
    return bytes([0, 0, 8, len(part.shape)]) + np.array(part.shape, ">u4").tobytes()


def _supply(collection: Collection, raw: Path, sources: Sequence[Source]) -> None:
    """Put a good copy of every file of a collection into `raw`; raises DataError and OSError."""
    from filelock import FileLock

    raw.mkdir(parents=True, exist_ok=True)
    places: tuple[Source, ...] = ((f"files in {raw}", lambda _: raw), *sources)
    missing, tried = collection.parts, []
    # Without the lock a second process might set aside what the first has just put right.
    with FileLock(raw.parent / "lock"):
        for name, provide in places:
            with scratch_folder() as scratch:
                try:
                    folder = provide(scratch)
                except Exception as error:  # no source may keep the next one from its turn
                    tried.append(f"{name}: {_brief(error)}")
                    continue
                faults = {part: _copy(part, folder, raw) for part in missing}
            missing = tuple(part for part in missing if faults[part])
            if not missing:
                return
            tried.append(f"{name}: {', '.join(sorted(set(faults.values()) - {''}))}")
    raise DataError(
        f"{collection.name}: no good copy of {', '.join(part.name for part in missing)}. Tried: "
        f"{'; '.join(tried)}. Put these files, as they are or as .gz, into {raw} and start again."
    )


def _copy(part: Part, folder: Path, raw: Path) -> str:
    """Copy a file from `folder` to `raw`, unless it is there; returns what is wrong, if so."""
    fault = "not there"
    for path in _present(folder, part):
        data, fault = _read(path, part)
        if not fault:
            if path != raw / part.name:
                write_bytes(raw / part.name, data)
            break
        _log.warning("%s %s: %s", path, fault, "set aside" if folder == raw else "passed over")
        fault = f"{path.name} {fault}"
        if folder == raw:
            path.replace(path.with_name(f"{path.name}.broken"))
    return fault


def _brief(error: Exception) -> str:
    """Return the last line of what an error, or the command that failed, has to say."""
    text = str(getattr(error, "stderr", None) or error).strip()
    return text.splitlines()[-1] if text else type(error).__name__
