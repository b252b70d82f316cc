"""What is said of input that cannot be used, so that a terminal can show it."""


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
