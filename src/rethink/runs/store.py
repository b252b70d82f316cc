"""Where results are kept: one file each in a folder of this machine, behind the published ones."""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from rethink import checksums
from rethink.errors import CommandError
from rethink.paths import cache_folder, repository, write_bytes, write_files
from rethink.runs.tasks import Arrays

# The results of the published book, of training runs and of all other measurements.
PUBLISHED = Path("book", "records.npz")
# What the key of a result is called beside its arrays.
_KEY = "key"


class RecordsError(CommandError):
    """Published results are damaged or were changed; the message says what restores them."""


class Store:
    """Results in a folder of this machine, behind the published ones.

    Args:
        folder: where results are written, one file each.
        published: the file with the results of the published book, or None to ignore them.
    """

    def __init__(self, folder: Path, published: Path | None) -> None:
        """Read nothing yet."""
        self.folder = folder
        self.file = published
        self._published: dict[str, Arrays] | None = None

    @classmethod
    def here(cls) -> "Store":
        """Return the store of this machine, behind the published results of this repository.

        The environment variable RETHINK_RECORDS names another file of published results; one that
        does not exist stands for none.
        """
        named, root = os.environ.get("RETHINK_RECORDS"), repository()
        file = root / PUBLISHED if root else None
        return cls(cache_folder() / "records", Path(named) if named else file)

    def get(self, name: str) -> Arrays | None:
        """Return the result under a key, or None.

        Raises:
            RecordsError: as `published`.
        """
        found = self.published.get(name)
        if found is not None:
            return found
        try:
            kept = _arrays((self.folder / f"{name}.npz").read_bytes())
            # One without a key was kept before there were any.
            same = str(kept.pop(_KEY, name)) == name
            return _checked(kept) if same else None
        except FileNotFoundError:
            return None
        except Exception:
            # Spoiled, by a full disk or a crash: whatever it is, it is made again.
            return None

    def put(self, name: str, result: Arrays) -> None:
        """Write a result, whole or not at all."""
        # With its key, so that the file of another one in its place is not taken for it.
        write_arrays(self.folder / f"{name}.npz", result | {_KEY: np.array(name)})

    @property
    def published(self) -> Mapping[str, Arrays]:
        """The published results by their keys; they are read once.

        Raises:
            RecordsError: if their file is damaged, or not as it was published.
        """
        if self._published is None:
            self._published = _published(self.file) if self.file else {}
        return self._published


def _published(file: Path) -> dict[str, Arrays]:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {}
    digest = checksums.digest(content)
    if checksums.recorded(file.parent).get(file.name, digest) != digest:
        said = f"its digest is not the one in {checksums.NAME}"
        raise _spoiled(file, said, file.with_name(checksums.NAME))
    found: dict[str, Arrays] = {}
    try:
        for entry, values in _arrays(content).items():
            name, _, part = entry.partition("/")
            found.setdefault(name, {})[part] = values
    except Exception as error:  # whatever the reading of a spoiled archive raises
        raise _spoiled(file, str(error) or type(error).__name__) from error
    if not all(map(_checked, found.values())):
        raise _spoiled(file, "it holds something else than results")
    return found


def _spoiled(file: Path, what: str, *others: Path) -> RecordsError:
    files = " ".join(map(str, (file, *others)))
    return RecordsError(
        f"{file} is damaged, or was changed since it was published ({what}); restore it, as by "
        f"`git checkout {files}`, or delete it, and all is made anew"
    )


def publish(path: Path, results: Mapping[str, Arrays]) -> bool:
    """Write all results into one compact file; return whether that changed it.

    A file that holds the same results is left alone, though it took other seconds to get them. The
    digest of the file is recorded beside it.

    Raises:
        RecordsError: if the file that is there is damaged, or not as it was published.
        WritingError: if it cannot be written; what was there stays.
    """
    there = Store(path.parent, path).published
    if there.keys() == results.keys():
        kept = [there[name] for name in results]
        if result_digest(kept) == result_digest(results.values()):
            if path.exists() and path.name not in checksums.recorded(path.parent):
                checksums.record(path.parent, [path.name])
            return False
    entries = {
        f"{name}/{part}": array for name in sorted(results) for part, array in results[name].items()
    }
    content = _archive(entries)
    others = checksums.recorded(path.parent)
    others.pop(path.name, None)
    known = others | {path.name: checksums.digest(content)}
    changed = not path.exists() or path.read_bytes() != content
    sums = path.with_name(checksums.NAME)
    # Without a digest meanwhile: a kill leaves old or new records, and none that seem damaged.
    write_files(
        [
            (sums, checksums.as_text(others)),
            (path, content),
            (sums, checksums.as_text(known)),
        ]
    )
    return changed


def result_digest(results: Iterable[Arrays]) -> str:
    """Return a digest of what was measured, without what is said about it: machine and time."""
    return whole_digest(
        {name: array for name, array in each.items() if name != "about"} for each in results
    )


def whole_digest(results: Iterable[Arrays]) -> str:
    """Return a digest of results: the names, types, shapes and content of their arrays."""
    digest = hashlib.sha256()
    for arrays in results:
        for name, array in sorted(arrays.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def write_arrays(path: Path, arrays: Arrays) -> bool:
    """Write arrays as a compressed .npz, whole or not at all; return whether the file changed."""
    content = _archive(arrays)
    if path.exists() and path.read_bytes() == content:
        return False
    write_bytes(path, content)
    return True


def _archive(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _arrays(content: bytes) -> Arrays:
    """Return the arrays of an archive; of a spoiled one, raises an error of any kind."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            # NumPy writes neither; one that is spoiled can hide the next entry in them.
            if entry.comment or entry.extra:
                raise ValueError(f"{entry.filename} is damaged")
            # Whole, or its checksum would not be looked at.
            file = io.BytesIO(archive.read(entry))
            values = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):
                raise ValueError(f"{entry.filename} is longer than its array")
            found[entry.filename.removesuffix(".npy")] = values
    return found


def _checked(result: Arrays) -> Arrays | None:
    """Return a result if it is one; another archive may have its name."""
    return result if "about" in result else None
