"""Specifications and run records: what a member measured, under a key that says what decided it.

The key is made from the specification, the digest of the data and the fingerprint of the code that
decides a result. Change the training code and every key changes: an old record can go stale, but
it cannot be taken for a new one.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink.paths import cache_folder, repository, write_bytes
from rethink.protocol import Record, Spec
from rethink.runs.fingerprints import code_digest

# What decides a result: two modules whole, and one function each of two more.
FINGERPRINTED: dict[str, str | None] = {
    "mlp": None,
    "trainer": None,
    "data": "split",
    "perturb": "randomize_labels",
}

PUBLISHED = Path("book", "runs.npz")
MEASURED = Path("book", "measurements.npz")


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Return a digest of the training code's syntax, which comments and docstrings do not touch."""
    return code_digest(FINGERPRINTED)


def key(spec: Spec, data_digest: str) -> str:
    """Return the name that a specification's record is kept under."""
    # Equal specifications have one key, whether a share is given as 1 or 1.0.
    values: dict[str, Any] = {
        name: float(value) for name, value in asdict(spec).items() if name != "hidden"
    }
    values |= {name: int(values[name]) for name in ("seed", "epochs", "batch")}
    values["hidden"] = [int(units) for units in spec.hidden]
    parts = json.dumps([values, data_digest, fingerprint()], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:20]


def pack(record: Record) -> dict[str, NDArray[Any]]:
    """Turn a record into named arrays; text becomes bytes, so that nothing needs pickle."""
    about = {"spec": asdict(record.spec), "environment": record.environment}
    text = json.dumps({**about, "seconds": round(record.seconds, 3)}, sort_keys=True)
    arrays: dict[str, NDArray[Any]] = {"about": np.frombuffer(text.encode(), np.uint8)}
    for each in fields(Record):
        value = getattr(record, each.name)
        if isinstance(value, np.ndarray):
            arrays[each.name] = value
    return arrays | {f"curves.{name}": curve for name, curve in record.curves.items()}


def unpack(arrays: dict[str, NDArray[Any]]) -> Record:
    """Turn named arrays back into the record they came from."""
    rest: dict[str, Any] = dict(arrays)
    about = json.loads(rest.pop("about").tobytes())
    spec = about.pop("spec")
    spec["hidden"] = tuple(spec["hidden"])
    curves = {n.removeprefix("curves."): rest.pop(n) for n in list(rest) if n.startswith("curves.")}
    return Record(spec=Spec(**spec), curves=curves, **about, **rest)


def result_digest(records: Iterable[Record]) -> str:
    """Return a digest of what records measured, leaving out time and machine."""
    return arrays_digest(pack(replace(record, seconds=0.0, environment={})) for record in records)


def arrays_digest(results: Iterable[dict[str, NDArray[Any]]]) -> str:
    """Return a digest of named arrays: their names, types, shapes and content."""
    digest = hashlib.sha256()
    for arrays in results:
        for name, array in sorted(arrays.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


class Store:
    """Results in a folder of this machine, behind the published ones.

    A result is a set of named arrays: a packed record, or what an experiment measured.

    Args:
        folder: where results are written, one file each.
        published: the file with the results of the published book, or None to ignore them.
    """

    def __init__(self, folder: Path, published: Path | None) -> None:
        """Read nothing yet."""
        self.folder = folder
        self.published = published
        self._published: dict[str, dict[str, NDArray[Any]]] | None = None

    @classmethod
    def here(cls, published: Path = PUBLISHED) -> "Store":
        """Return the store of this machine, behind the published results of this repository.

        The environment variable RETHINK_RUNS names another file of published records, beside which
        measurements are looked for; one that does not exist stands for none.

        Args:
            published: the file of the published results, `PUBLISHED` or `MEASURED`.
        """
        named, root = os.environ.get("RETHINK_RUNS"), repository()
        file = root / published if root else None
        if named:
            file = Path(named) if published == PUBLISHED else Path(named).with_name(published.name)
        return cls(cache_folder() / published.stem, file)

    def get(self, name: str) -> Record | None:
        """Return the record under a key, or None."""
        found = self.arrays(name)
        try:
            return unpack(found) if found is not None else None
        except Exception:
            # Spoiled, whatever it is: the member is trained again.
            return None

    def put(self, name: str, record: Record) -> None:
        """Write a record, whole or not at all."""
        self.put_arrays(name, pack(record))

    def arrays(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Return the arrays under a key, or None."""
        found = self._from_published().get(name)
        if found is not None:
            return found
        try:
            content = (self.folder / f"{name}.npz").read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                return dict(file)
        except FileNotFoundError:
            return None
        except Exception:
            # Spoiled, by a full disk or a crash: whatever it is, it is made again.
            return None

    def put_arrays(self, name: str, arrays: dict[str, NDArray[Any]]) -> None:
        """Write arrays, whole or not at all."""
        write_arrays(self.folder / f"{name}.npz", arrays)

    def _from_published(self) -> dict[str, dict[str, NDArray[Any]]]:
        if self._published is None:
            self._published = {}
            if self.published and self.published.exists():
                with np.load(self.published, allow_pickle=False) as file:
                    for entry in file.files:
                        name, _, array = entry.partition("/")
                        self._published.setdefault(name, {})[array] = file[entry]
        return self._published

    def __len__(self) -> int:
        """Count the published results."""
        return len(self._from_published())


def publish(path: Path, results: dict[str, dict[str, NDArray[Any]]]) -> bool:
    """Write all results into one compact file; return whether that changed it.

    A file that holds the same results is left alone, though it took other seconds to get them.
    """
    there = Store(path.parent, path)
    kept = [there.arrays(name) or {} for name in results] if len(there) == len(results) else []
    if kept and shown_digest(kept) == shown_digest(results.values()):
        return False
    entries = {
        f"{name}/{part}": array for name in sorted(results) for part, array in results[name].items()
    }
    return write_arrays(path, entries)


def shown_digest(results: Iterable[dict[str, NDArray[Any]]]) -> str:
    """Return a digest of results without what is said about them: task, machine and time."""
    return arrays_digest(
        {name: array for name, array in each.items() if name != "about"} for each in results
    )


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> bool:
    """Write arrays as a compressed .npz, whole or not at all; return whether the file changed."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    if path.exists() and path.read_bytes() == buffer.getvalue():
        return False
    write_bytes(path, buffer.getvalue())
    return True
