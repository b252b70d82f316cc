"""What is said of what cannot be done, so that a terminal can show it."""

import errno
import os
import re

# What bars from a file or a folder although the code is right: want of room, or of a right.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
NO_RIGHT = {
    errno.EACCES,
    errno.EEXIST,
    errno.EIO,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def printable(text: str) -> str:
    """Return a text with escapes such as \\x1b for characters that would steer a terminal."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)


class CommandError(Exception):
    """What ends a command: one sentence says what is wrong, where, and what to do.

    Its kinds stand beside what raises them.
    """

    exit_code = 2  # 2: asked for what cannot be; 1: tried, and failed


class LimitError(CommandError):
    """A measure is beyond a limit that was set."""

    exit_code = 1


class InputError(CommandError, ValueError):
    """What was given cannot be read as a table; one sentence says where, and what to do."""

    def __str__(self) -> str:
        """The sentence; names from files and of files may hold any character."""
        return printable(super().__str__())


class WritingError(CommandError, OSError):
    """There is no room for a file, or no right to it; one sentence names it."""


def error_number(error: BaseException) -> int | None:
    """Return the system's number of an error, or None.

    Errors that gather several, and what is known of those of other processes, have it in their
    words only.
    """
    words = re.search(r"\[Errno (\d+)\]", str(error))
    return int(words[1]) if words else getattr(error, "errno", None)


def writing_error(error: OSError, place: object = "") -> WritingError | None:
    """Return an error as one sentence, or None if it is want of neither room nor rights.

    Args:
        error: what the system said.
        place: what was to be written, where the error does not know.
    """
    if isinstance(error, WritingError):
        return error
    number = error_number(error)
    file = printable(str(error.filename2 or error.filename or place or "a file"))
    if number is None:
        return None
    # What the standard library's tempfile says if it finds no place.
    if number == errno.ENOENT and "No usable temporary directory" in str(error):
        return WritingError(
            f"{error.strerror}; make room in one, or name another in the environment variable "
            "TMPDIR"
        )
    if number in NO_ROOM:
        return WritingError(f"{file}: {os.strerror(number)}; make room there")
    if number in NO_RIGHT:
        return WritingError(f"{file}: {os.strerror(number)}; change that, or name another place")
    return None
