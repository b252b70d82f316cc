import errno
import shutil

import pytest

from rethink.errors import InputError, WritingError, printable, writing_error


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a name, 猫 and é", "a name, 猫 and é"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("two\nlines\t\x9b", "two\\nlines\\t\\x9b"),
        ("\u202eback", "\\u202eback"),
    ],
)
def test_what_would_steer_a_terminal_is_escaped(text, shown):
    assert printable(text) == shown
    assert str(InputError(text)) == shown


def test_want_of_room_or_of_a_right_is_a_sentence_that_names_the_file():
    error = PermissionError(errno.EACCES, "Permission denied", "/a\x1b")
    said = "/a\\x1b: Permission denied; change that, or name another place"
    assert str(writing_error(error, "elsewhere")) == said
    error = OSError(errno.ENOSPC, "No space left on device", "/from", None, "/to")
    assert str(writing_error(error)) == "/to: No space left on device; make room there"
    error = OSError(errno.ENOSPC, "No space left on device")
    assert str(writing_error(error)) == "a file: No space left on device; make room there"
    several = shutil.Error([("/from", "/to", "[Errno 30] Read-only file system: '/to'")])
    assert str(writing_error(several, "/to")).startswith("/to: Read-only file system;")
    sentence = WritingError("said before")
    assert writing_error(sentence, "elsewhere") is sentence


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "x"), OSError("x"), OSError()])
def test_other_errors_are_no_want_of_room_or_rights(error):
    assert writing_error(error) is None
