import pytest

from rethink.errors import InputError, printable


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
