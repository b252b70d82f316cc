"""Where results are kept: one file each in a folder of this machine, behind the published ones."""

import hashlib
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from rethink.paths import cache_folder, repository, write_bytes
from rethink.runs.tasks import Arrays

# The results of the published book, of training runs and of all other measurements.
PUBLISHED = Path("book", "records.npz")


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
        """Return the result under a key, or None."""
        found = self.published.get(name)
        if found is not None:
            return found
        try:
            content = (self.folder / f"{name}.npz").read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                return _checked(dict(file))
        except FileNotFoundError:
            return None
        except Exception:
            # Spoiled, by a full disk or a crash: whatever it is, it is made again.
            return None

    def put(self, name: str, result: Arrays) -> None:
        """Write a result, whole or not at all."""
        write_arrays(self.folder / f"{name}.npz", result)

    @property
    def published(self) -> Mapping[str, Arrays]:
        """The published results by their keys; they are read once."""
        if self._published is None:
            self._published = {}
            if self.file and self.file.exists():
                with np.load(self.file, allow_pickle=False) as file:
                    for entry in file.files:
                        name, _, array = entry.partition("/")
                        self._published.setdefault(name, {})[array] = file[entry]
        return self._published


def publish(path: Path, results: Mapping[str, Arrays]) -> bool:
    """Write all results into one compact file; return whether that changed it.

    A file that holds the same results is left alone, though it took other seconds to get them.
    """
    there = Store(path.parent, path).published
    if there.keys() == results.keys():
        kept = [there[name] for name in results]
        if result_digest(kept) == result_digest(results.values()):
            return False
    entries = {
        f"{name}/{part}": array for name in sorted(results) for part, array in results[name].items()
    }
    return write_arrays(path, entries)


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
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    if path.exists() and path.read_bytes() == buffer.getvalue():
        return False
    write_bytes(path, buffer.getvalue())
    return True


def _checked(result: Arrays) -> Arrays | None:
    """Return a result if it is one; another archive may have its name."""
    return result if "about" in result else None
