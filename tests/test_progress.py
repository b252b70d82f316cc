import pytest

from rethink import progress


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.6, "60 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (150.1, "3 min"),
        (7200, "120 min"),
        (float("inf"), "unknown time"),
    ],
)
def test_times_are_short(seconds, words):
    assert progress.in_words(seconds) == words
