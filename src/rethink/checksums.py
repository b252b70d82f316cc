"""Digests of files, in a file beside them that ``sha256sum --check`` reads, too."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rethink.paths import write_bytes

# The file with the digests of others in its folder, and below.
NAME = "SHA256SUMS"


def digest(content: bytes) -> str:
    """Return the digest of a file's content."""
    return hashlib.sha256(content).hexdigest()


def recorded(folder: Path) -> dict[str, str]:
    """Return the digests that a folder's files had when they were made, by their names.

    A line that says nothing of the kind is passed over: then nothing is known of its file.
    """
    try:
        text = (folder / NAME).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    found = re.findall(r"^([0-9a-f]{64}) [ *](.+)$", text, re.MULTILINE)
    return {name: known for known, name in found}


def as_text(digests: Mapping[str, str]) -> bytes:
    """Return digests, by names, as the content of the file."""
    lines = [f"{known}  {name}\n" for name, known in sorted(digests.items())]
    return "".join(lines).encode("utf-8")


def record(folder: Path, names: Iterable[str]) -> None:
    """Record the digests of some files in a folder, beside those that are recorded already.

    Raises:
        WritingError: if that cannot be written.
    """
    found = {name: digest((folder / name).read_bytes()) for name in names}
    write_bytes(folder / NAME, as_text(recorded(folder) | found))


def files_of(folder: Path) -> list[str]:
    """Return the names of all files in a folder and below, without that of the digests."""
    files = (file for file in folder.rglob("*") if file.is_file())
    names = (file.relative_to(folder).as_posix() for file in files)
    return sorted(name for name in names if name != NAME)


def differences(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Say which files of a folder are not as they were made, and how; none if all are."""
    known, found = recorded(folder), {}
    for name in names:
        file = folder / name
        if not file.is_file():
            found[name] = "is missing"
        elif name not in known:
            found[name] = f"has no digest in {folder.name}/{NAME}"
        elif digest(file.read_bytes()) != known[name]:
            found[name] = "is not as it was made"
    return found
