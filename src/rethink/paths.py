"""Where things are on this machine, and files that are written whole or not at all."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rethink.errors import NO_ROOM, CommandError, WritingError, error_number, writing_error

if TYPE_CHECKING:
    from filelock import FileLock

# What pip knows this package by.
DISTRIBUTION = "rethink-generalization"
# What the names of folders for a time begin and end with, and the file in each that is locked.
_SCRATCH = ".rethink-"
_ENDING = "-scratch"
_IN_USE = ".in-use"


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
    """Write a text file as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file with its folders, whole or not at all.

    Raises:
        WritingError: if that cannot be done; what was there stays.
    """
    write_files([(path, content)])


def write_files(contents: Iterable[tuple[Path, bytes]]) -> None:
    """Write files with their folders: none gets its name before all are written.

    They get their names in this order. One that comes twice has its first content until all before
    the second are there.

    Raises:
        WritingError: if that cannot be done; what was there stays.
    """
    with ExitStack() as stack:
        written = {}
        for path, content in contents:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = stack.enter_context(scratch_folder(path.parent)) / path.name
                temporary.write_bytes(content)
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            except OSError as error:
                raise _not_written(error, path) from error
            written[temporary] = path
        for temporary, path in written.items():
            try:
                temporary.replace(path)
            except OSError as error:
                raise _not_written(error, path) from error


def _not_written(error: OSError, path: Path) -> WritingError:
    if isinstance(error, WritingError):
        return error
    # The file by the name that it was to have.
    said = writing_error(OSError(error.errno, error.strerror, str(path)))
    return said or WritingError(f"{path} cannot be written: {error}")


def check_writable(folder: Path) -> None:
    """Make a folder if there is none, and find out before long work whether it can be written to.

    Raises:
        WritingError: if it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(error, folder) from error
    with scratch_folder(folder):
        pass


@contextmanager
def scratch_folder(within: Path | None = None) -> Iterator[Path]:
    """Give the block an empty folder of its own, by default among this machine's temporary files.

    It is removed at the end. Those that killed processes left there are removed at the beginning:
    each is locked as long as somebody works in it.

    Raises:
        WritingError: if there can be none, or it has no room for what is written to it.
    """
    try:
        parent = within or Path(tempfile.gettempdir())
    except OSError as error:
        if said := writing_error(error):
            raise said from error
        raise
    _remove_left(parent)
    folder, lock = _locked_folder(parent, _SCRATCH if within else _SCRATCH.removeprefix("."))
    try:
        (empty := folder / "files").mkdir()
        yield empty
    except Exception as error:
        if said := _no_room(error, folder):
            raise said from error
        raise
    finally:
        _remove(folder)
        lock.release()


def _remove(folder: Path) -> None:
    """Remove a scratch folder; whoever is killed meanwhile leaves one that can be told as such."""
    shutil.rmtree(folder / "files", ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _locked_folder(parent: Path, prefix: str) -> tuple[Path, "FileLock"]:
    """Return a new folder, and the lock in it that says that it is in use."""
    from filelock import FileLock

    while True:
        folder = None
        try:
            folder = Path(tempfile.mkdtemp(_ENDING, prefix, parent))
            lock = FileLock(folder / _IN_USE)
            # Somebody who tidies up may have been here between these two lines: then once more.
            with suppress(FileExistsError, FileNotFoundError):
                lock.acquire()
                return folder, lock
        except OSError as error:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            if said := writing_error(error, parent):
                raise said from error
            raise


def _remove_left(parent: Path) -> None:
    """Remove the scratch folders in a folder that nobody works in any more."""
    from filelock import FileLock, Timeout

    # By the lock file, so that nothing is taken for one that is not.
    for prefix in (_SCRATCH, _SCRATCH.removeprefix(".")):
        for file in parent.glob(f"{prefix}*/{_IN_USE}"):
            lock = FileLock(file, timeout=0)
            with suppress(OSError, Timeout), lock:
                _remove(file.parent)
        for folder in parent.glob(f"{prefix}*{_ENDING}"):
            # One whose files are there without the lock was made again, by a process that it was
            # taken from: a kernel that outlives what started it. In ours they go before the lock.
            if (folder / "files").exists() and not (folder / _IN_USE).exists():
                _remove(folder)
            # One that has no such file yet, or no more, is empty.
            with suppress(OSError):
                folder.rmdir()


def _no_room(error: Exception, folder: Path) -> WritingError | None:
    """Return an error as a sentence if it comes from a scratch folder that has no room."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, CommandError):
        number = error_number(cause)
        file = getattr(cause, "filename2", None) or getattr(cause, "filename", None)
        within = file is not None and Path(os.fsdecode(file)).is_relative_to(folder)
        if number is not None and (within or (file is None and number in NO_ROOM)):
            return writing_error(OSError(number, os.strerror(number)), folder.parent)
        cause = cause.__cause__
    return None


@contextmanager
def exclusive(lock: Path, refusal: Exception) -> Iterator[None]:
    """Hold a lock file during the block, so that no second process does the same meanwhile.

    It is removed at the end: `filelock` sees that one which it waited for is gone. What killed
    processes left beside it is removed, too, also where the block finds nothing to do.

    Raises:
        Exception: the refusal, if one does.
        WritingError: if the file cannot be written.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock, timeout=0)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held.acquire()
    except Timeout:
        raise refusal from None
    except OSError as error:
        if said := writing_error(error, lock):
            raise said from error
        raise
    try:
        _remove_left(lock.parent)
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        held.release()
