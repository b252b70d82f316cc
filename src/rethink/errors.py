"""What is said of input that cannot be used, so that a terminal can show it."""


def printable(text: str) -> str:
    """Return a text with escapes such as \\x1b for characters that would steer a terminal."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)


class InputError(ValueError):
    """What was given cannot be read as a table; one sentence says where, and what to do."""

    def __str__(self) -> str:
        """The sentence; names from files and of files may hold any character."""
        return printable(super().__str__())
