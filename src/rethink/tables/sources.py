"""Where tables come from: Parquet, NPZ, folders of images, data sets by name, Python's objects.

What would take more memory than `memory.require` allows is refused before it is read.
"""

import contextlib
import glob
import gzip
import logging
import math
import os
import socket
import subprocess
import sys
import threading
import warnings
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rethink.errors import InputError
from rethink.tables import bundled, memory, text_files
from rethink.tables.encode import Choices, did_you_mean
from rethink.tables.table import Table, from_matrix

# By name, what `torchvision.datasets` calls them.
TORCHVISION = {
    "mnist": "MNIST",
    "kmnist": "KMNIST",
    "qmnist": "QMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "svhn": "SVHN",
}
NAMED = ("fashion-mnist", *bundled.COLUMNS, *TORCHVISION)
_SILENCE = 10  # seconds without an answer after which a server is given up
_NPZ_NAMES = (("X", "y"), ("x", "y"), ("x_train", "y_train"), ("train_images", "train_labels"))
# Names of images end so. No other decoders of Pillow's are tried: that of EPS runs Ghostscript.
_IMAGES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
_DESCRIPTORS = threading.RLock()  # held while descriptor 2, one for the process, is another


def paths_of(source: str | Path) -> list[Path]:
    """Return the file or folder of this name, or what a pattern fits, in the order of their names.

    Raises:
        InputError: it can be no path.
    """
    path = Path(source)
    try:
        if path.exists():
            return [path]
        return sorted(Path(p) for p in glob.glob(str(source), recursive=True))  # noqa: PTH207  absolute patterns
    except (OSError, ValueError) as error:  # a name too long, or with a null character
        why = getattr(error, "strerror", None) or error  # without the name once more
        raise InputError(f"{str(source)[:80]!r} is no path: {why}") from error


class Files(NamedTuple):
    """What a source names, looked up and looked into once."""

    name: str  # as it was given
    format: str  # text, Parquet, NPZ, folder of images or named data set
    paths: tuple[Path, ...]  # regular files, or the folder; none of a data set
    data_set: str = ""  # one of `NAMED`


def files_of(source: str | Path | Files) -> Files:
    """Return the files that a path or a pattern names, or the folder, or the data set.

    Raises:
        InputError: there is none, or files are of several formats, or no regular ones.
    """
    if isinstance(source, Files):
        return source
    name = str(source)
    if not name:
        raise InputError("the source is empty; name a file, a pattern, a folder or a data set")

    found = paths_of(name)
    if Path(name).is_dir():
        return Files(name, "folder of images", (Path(name),))
    paths = tuple(path for path in found if not path.is_dir())
    if not paths:
        return Files(name, "named data set", (), find(name))

    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} is no regular file; write what it gives into a file first")
    formats = sorted({format_of(path) for path in paths})
    if len(formats) > 1:
        raise InputError(f"{name} names files of several formats: {', '.join(formats)}")
    return Files(name, formats[0], paths)


def format_of(path: Path) -> str:
    """Return what a file is by its first bytes: "Parquet", "NPZ" or "text"; raises InputError."""
    with reading(str(path)), path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PAR1"):
        return "Parquet"
    if start.startswith(b"\x93NUMPY"):
        raise InputError(
            f"{path} is one array without labels; save both by np.savez(path, X=.., y=..)"
        )
    if start.startswith(b"PK"):
        return "NPZ"
    return "text"


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever a library makes of a broken file into one sentence."""
    try:
        yield
    except InputError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # files break in too many ways
        text = str(error).strip()
        detail = text.splitlines()[0][:200] if text else type(error).__name__
        raise InputError(f"{what} cannot be read: {detail}") from error


@contextlib.contextmanager
def silence_libraries() -> Iterator[None]:
    """Keep off standard error what goes there past Python: reports of Rust's panics, of libtiff."""
    if sys.stderr is None:  # closed: descriptor 2 may by now be anything, such as Polars' own
        yield
        return
    # Without the lock, a thread could save the other's redirection, and restore it for good.
    with _DESCRIPTORS:
        try:
            saved = os.dup(2)
        except OSError:  # there is none
            yield
            return
        with open(os.devnull, "w") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(saved, 2)
                os.close(saved)


# Says which file it reads, so that the last one said is the one that it ended at. Names come and
# go between null characters, since arguments may not be so many, and names have line feeds.
_PROBE = """
import os, sys
import polars as pl
for name in sys.stdin.buffer.read().split(b"\\0"):
    sys.stdout.buffer.write(name + b"\\0")
    sys.stdout.flush()
    path = os.fsdecode(name)
    lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    if len(lazy.collect_schema()) * lazy.select(pl.len()).collect().item() <= int(sys.argv[1]):
        lazy.collect()
"""


def _probe(paths: list[Path]) -> None:
    """Read files in another process, since a damaged size makes Polars end its own."""
    fields = int(memory.SHARE * memory.available() / memory.FIELD)  # more are refused unread
    command = [sys.executable, "-c", _PROBE, str(fields)]
    done = subprocess.run(command, input=b"\0".join(map(os.fsencode, paths)), capture_output=True)
    if done.returncode < 0:  # by a signal; an exception comes again, with its message
        path = os.fsdecode(done.stdout.rstrip(b"\0").rpartition(b"\0")[2])
        raise InputError(f"{path} cannot be read: it is damaged inside, or larger than memory")


def read_parquet(paths: list[Path]) -> pl.DataFrame:
    """Read Parquet files of one schema, one below the other; raises InputError."""
    frames: list[pl.DataFrame] = []
    rows = text = 0
    _probe(paths)
    for path in paths:
        with reading(str(path)), silence_libraries():
            lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
            width = len(lazy.collect_schema())
            rows += int(lazy.select(pl.len()).collect().item())
            what = text_files.with_others(path, paths)
            memory.require(what, memory.of_frame(rows, width))
            text += text_bytes(lazy)
            memory.require(what, memory.of_frame(rows, width, text))
            frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
            if frames and frame.schema != frames[0].schema:
                raise InputError(
                    f"{path} has other columns or types than {paths[0]}: files read together must "
                    "have the same ones, in the same order"
                )
            frames.append(frame)
    return pl.concat(frames)


def text_bytes(frame: pl.LazyFrame) -> int:
    """Return the bytes of all text in a data frame, which are counted a part at a time."""
    lengths = frame.select(pl.col(pl.String).str.len_bytes().sum()).collect(engine="streaming")
    return sum(lengths.row(0)) if lengths.width else 0


def read_npz(path: Path, choices: Choices) -> Table:
    """Read arrays X and y, by these or similar names, from an NPZ; raises InputError."""
    with reading(str(path)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as of arrays from Python 2, which are whole
        if not zipfile.is_zipfile(path):
            raise InputError(f"{path} is no NPZ, although it begins like one; it may be cut off")
        # NumPy would leave a file that it opened itself open, were it broken.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = list(arrays)
            for x, y in _NPZ_NAMES:
                if x in names and y in names:
                    shape, dtype = _header(arrays.zip, y)
                    labels = memory.CHARACTER * math.prod(shape) * dtype.itemsize
                    features = memory.of_array(*_header(arrays.zip, x))
                    memory.require(str(path), features + labels)
                    return from_matrix(
                        arrays[x], as_series("y", arrays[y]), choices, f"{path} ({x}, {y})"
                    )
        raise InputError(
            f"{path} must have arrays X and y, but has {', '.join(names[:10]) or 'none'}"
        )


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and the type of an array of an NPZ, by its header alone."""
    with archive.open(name if name in archive.namelist() else f"{name}.npy") as file:
        # Version 3.0 differs from 2.0 in how names of fields are encoded, which are not looked at.
        old = np.lib.format.read_magic(file) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    return shape, dtype


def find(name: str) -> str:
    """Return the one of `NAMED` that is meant, in upper or lower case, with whatever dashes.

    Raises InputError if there is none, with names near to it, of files too.
    """
    plain = {known.replace("-", ""): known for known in NAMED}
    found = plain.get(name.lower().replace("-", "").replace("_", ""))
    if found:
        return found
    try:
        here = sorted(map(str, Path(name).parent.iterdir()))
    except OSError:
        raise InputError(f"there is no {name!r}, nor a folder that it could be in") from None
    raise InputError(f"there is no {name!r}{did_you_mean(name, [*here, *NAMED])}")


def read_named(name: str, choices: Choices) -> Table:
    """Return the training rows of one of `NAMED`; raises InputError if they cannot be had."""
    if name == "fashion-mnist":
        from rethink.data import DataError, fashion_mnist

        try:
            data = fashion_mnist()
        except DataError as error:
            raise InputError(str(error)) from error
        pixels, labels = data.train_images.reshape(-1, 28, 28), pl.Series("y", data.train_labels)
        return from_matrix(pixels, labels, choices, "Fashion-MNIST, training", data.classes)
    if name in TORCHVISION:
        pixels, digits, classes = _torchvision(name)
        labels = pl.Series("y", digits)
        return from_matrix(pixels, labels, choices, f"{name}, training", classes)
    source = f"{name}, of scikit-learn"
    with reading(f"{source},"):
        found = bundled.load(name)
    return from_matrix(
        found.features,
        pl.Series("y", found.labels),
        choices,
        source,
        found.classes,
        columns=found.columns,
        shape=found.shape,
    )


def _torchvision(name: str) -> tuple[NDArray[np.uint8], NDArray[np.intp], tuple[str, ...]]:
    """Return images (n, h, w[, channels]), labels and classes, from the cache or downloaded."""
    from rethink._torchvision import import_torchvision
    from rethink.paths import cache_folder

    datasets = import_torchvision().datasets
    kind = getattr(datasets, TORCHVISION[name])
    part: dict[str, Any] = {"split": "train"} if name == "svhn" else {"train": True}
    cache = cache_folder()
    if issubclass(kind, datasets.MNIST):  # the others verify their files themselves
        _verify_digits(name, kind, cache)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as of pickles from Python 2, which are verified
        try:
            data = kind(cache, **part, download=False)
        except Exception:  # not there, or broken
            before = socket.getdefaulttimeout()
            socket.setdefaulttimeout(_SILENCE)
            try:
                cache.mkdir(parents=True, exist_ok=True)
                # Standard output is for results; the bars go to standard error.
                with contextlib.redirect_stdout(sys.stderr):
                    data = kind(cache, **part, download=True)
            except Exception as error:
                detail = (str(error).strip() or type(error).__name__).splitlines()[-1]
                raise InputError(
                    f"{name} is not in {cache}, or not as it was published, and cannot be "
                    f"downloaded ({detail[:200]}); put its files where torchvision looks for them "
                    "there, or start again with a network"
                ) from error
            finally:
                socket.setdefaulttimeout(before)
    pixels = np.asarray(data.data)
    if name == "svhn":  # channels come first, and the labels have another name
        digits = tuple(str(k) for k in range(10))
        return pixels.transpose(0, 2, 3, 1), np.asarray(data.labels), digits
    labels = np.asarray(data.targets)
    # QMNIST tells of the writer in further columns.
    return pixels, labels[:, 0] if labels.ndim == 2 else labels, tuple(data.classes)


def _verify_digits(name: str, kind: Any, cache: Path) -> None:
    """Refuse files of MNIST, KMNIST or QMNIST in the cache that are not those published.

    Torchvision has checksums of the packed files only, and reads the unpacked ones, or those of an
    older version of its own, without any. So what is unpacked must equal the packed file beside it.
    """
    from rethink._torchvision import import_torchvision

    check_integrity = import_torchvision().datasets.utils.check_integrity
    folder = cache / kind.__name__
    again = f"move {folder} away, and it is downloaded anew"
    if any((folder / "processed").glob("*.pt")):
        raise InputError(
            f"{name} has files of an older torchvision in {folder / 'processed'}, which cannot be "
            f"verified; {again}"
        )
    resources = kind.resources["train"] if isinstance(kind.resources, dict) else kind.resources[:2]
    for source, checksum in resources:
        packed = folder / "raw" / Path(source).name
        unpacked = packed.with_suffix("")
        if not unpacked.exists():
            continue  # torchvision unpacks it then, from a file that it verifies
        with reading(str(packed)):
            if not packed.exists():
                raise InputError(
                    f"{unpacked} cannot be verified without {packed.name}, whose checksum is known;"
                    f" put that beside it, or {again}"
                )
            if not (
                check_integrity(packed, checksum)
                and gzip.decompress(packed.read_bytes()) == unpacked.read_bytes()
            ):
                raise InputError(f"{unpacked} is not {name} as it was published; {again}")


def read_images(folder: Path, choices: Choices) -> Table:
    """Read images from one folder for each class, gray or RGB, pixels row by row."""
    with reading(str(folder)):
        classes = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
        if not classes:
            raise InputError(
                f"{folder} must have one folder of images for each class, but has none; name files "
                f"of tables by a pattern such as {folder}/*.csv"
            )
        files = [
            (p, k)
            for k, c in enumerate(classes)
            for p in sorted(c.rglob("*"))
            if p.suffix.lower() in _IMAGES and not _hidden(p.relative_to(c)) and p.is_file()
        ]
        if not files:
            raise InputError(f"{folder} has folders, but no images in them ({', '.join(_IMAGES)})")
    arrays: list[NDArray[np.uint8]] = []
    for path, _ in files:
        arrays.append(_read_image(path))
        if len(arrays) == 1:
            memory.require(str(folder), memory.of_array((len(files), *arrays[0].shape), np.uint8))
        if arrays[-1].shape[:2] != arrays[0].shape[:2]:
            raise InputError(
                f"{path} has {_size(arrays[-1])} pixels, but {files[0][0]} has {_size(arrays[0])};"
                " bring all images to one size first"
            )
    notes = [f"{c} has no images" for k, c in enumerate(classes) if k not in {k for _, k in files}]
    gray = all(a.ndim == 2 for a in arrays)
    if not gray and any(a.ndim == 2 for a in arrays):
        notes.append("gray images among coloured ones were given three equal channels")
        arrays = [np.repeat(a[..., None], 3, axis=2) if a.ndim == 2 else a for a in arrays]
    labels = pl.Series("y", [k for _, k in files])
    names = tuple(c.name for c in classes)
    return from_matrix(np.stack(arrays), labels, choices, str(folder), names, notes)


def _read_image(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of an image, of shape (height, width) or (height, width, 3)."""
    from PIL import Image

    log = logging.getLogger("PIL")
    if not log.hasHandlers():  # then errors that it logs would go to the screen
        log.addHandler(logging.NullHandler())
    with (
        reading(str(path)),
        silence_libraries(),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        formats = [*{*_IMAGES.values()}]
        with Image.open(path, formats=formats) as image:
            # All checksums of a PNG: pixels are read without the last of them.
            image.verify()
        with Image.open(path, formats=formats) as image:
            pixels = _pixels(image, path)
            said = [str(warning.message).strip() for warning in warned]
            damage = [text for text in said if not text.startswith("Metadata Warning")]
            # Other formats warn of what they have beside the pixels. What a TIFF warns of, but for
            # too many entries, are tags that were skipped: they say what the pixels mean.
            if image.format == "TIFF" and damage:
                raise InputError(f"{path} is damaged ({damage[0]}); mend it, or take it out")
    return pixels


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _size(array: NDArray[np.uint8]) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"


def _pixels(image: Any, path: Path) -> NDArray[np.uint8]:
    if getattr(image, "n_frames", 1) > 1:
        raise InputError(f"{path} has several frames; save the one that counts as a PNG")
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("RGBA", "LA"):
        if image.getchannel("A").getextrema() != (255, 255):
            raise InputError(f"{path} is transparent in part; put it on a background first")
        image = image.convert("RGB" if image.mode == "RGBA" else "L")
    if image.mode == "1":
        image = image.convert("L")
    if image.mode not in ("L", "RGB"):
        raise InputError(f"{path} has colour mode {image.mode}; convert it to 8-bit gray or RGB")
    return np.asarray(image)


def as_array(values: Any) -> NDArray[Any]:
    """Return what NumPy makes of arrays, tensors, columns and lists; raises InputError."""
    if hasattr(values, "detach"):  # a tensor, without an import of torch
        values = values.detach().cpu().numpy()
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if isinstance(values, np.ma.MaskedArray):
        raise InputError("an array is masked: set what is masked to NaN, and pass a plain array")
    if hasattr(values, "toarray"):
        raise InputError("an array is sparse: pass what its toarray() returns")
    return np.asarray(values)


def as_frame(x: Any) -> pl.DataFrame | None:
    """Return a data frame as Polars has it, None for what is none."""
    if isinstance(x, pl.LazyFrame):
        return x.collect()
    if isinstance(x, pl.DataFrame):
        return x
    if hasattr(x, "iloc") and hasattr(x, "columns"):
        names, _ = text_files.unique([str(name) for name in x.columns], x.shape[1])
        return pl.DataFrame([_pandas(name, x.iloc[:, k]) for k, name in enumerate(names)])
    array = as_array(x)
    if array.dtype.kind in "OUSM" and array.ndim == 2:
        return pl.DataFrame([as_series(str(k + 1), array[:, k]) for k in range(array.shape[1])])
    return None


def _pandas(name: str, column: Any) -> pl.Series:
    kind = getattr(column.dtype, "kind", "O")
    if getattr(column.dtype, "ordered", False):
        names = [str(c) for c in column.cat.categories]
        values = [names[k] if k >= 0 else None for k in column.cat.codes]
        return pl.Series(name, values, dtype=pl.Enum(names))
    if kind in "biuf" and isinstance(column.dtype, np.dtype):
        return pl.Series(name, column.to_numpy())
    return as_series(name, column.to_numpy(dtype=object))


def as_series(name: str, array: NDArray[Any]) -> pl.Series:
    """Return a column of numbers, booleans or else text, with null for what is not known."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"{name} must have one value a row, but shape {array.shape} was passed")
    if array.dtype.kind in "biuf":
        return pl.Series(name, np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
    if array.dtype.kind == "m":
        array = array.astype("timedelta64[us]").astype(object)
    if array.dtype.kind not in "OUSM":
        raise InputError(f"{name} must be numbers or text, but dtype {array.dtype} was passed")
    if array.dtype.kind == "M":
        array = array.astype("datetime64[us]").astype(object)
    for value in array:
        if isinstance(value, (list, tuple, dict, set, np.ndarray)):
            raise InputError(f"{name} must have one value a row, but has a {type(value).__name__}")
    values = [value if _is_known(value) else None for value in array.tolist()]
    types = {type(value) for value in values if value is not None}
    if types == {bool} or (types and types <= {int, float} and _fits(values)):
        return pl.Series(name, values, strict=False)
    if types and all(issubclass(kind, timedelta) for kind in types):
        return pl.Series(name, values, dtype=pl.Duration("us"))
    text = [v.decode() if isinstance(v, bytes) else v if v is None else str(v) for v in values]
    return pl.Series(name, text, dtype=pl.String)


def _is_known(value: Any) -> bool:
    try:
        return value is not None and bool(value == value)
    except TypeError:  # pandas.NA is neither equal to itself nor different
        return False


def _fits(values: list[Any]) -> bool:
    return all(v is None or isinstance(v, float) or abs(v) < 2**53 for v in values)
