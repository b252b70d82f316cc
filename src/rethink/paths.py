"""Where things are on this machine, and files that are written whole or not at all."""

import os
from pathlib import Path

# What pip knows this package by.
DISTRIBUTION = "rethink-generalization"


def repository() -> Path | None:
    """Return the folder of the repository that holds this package, None where it is installed."""
    sources = Path(__file__).resolve().parents[1]
    # Not just any project around it: an installed package may lie in somebody's own.
    held = sources.name == "src" and (sources.parent / "pyproject.toml").is_file()
    return sources.parent if held else None


def card_files() -> Path:
    """Return the folder with the chapter that `rethink card` executes, in its folder `chapters`.

    It is the repository that holds this package; an installed one brings a copy of the chapter.
    """
    return repository() or Path(__file__).resolve().parent / "book" / "card_files"


def cache_folder() -> Path:
    """Return the folder for data and run records of this machine, which need not exist.

    It is the environment variable RETHINK_CACHE where that is set, else `.cache` in the repository
    that holds this package, else `~/.cache/rethink`.
    """
    named = os.environ.get("RETHINK_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    folder = repository()
    return folder / ".cache" if folder else Path.home() / ".cache" / "rethink"


def write_text(path: Path, text: str) -> None:
    """Write a text file with its folders, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file with its folders, whole or not at all.

    Raises:
        OSError: if that cannot be done; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
