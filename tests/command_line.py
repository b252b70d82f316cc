"""The command line in the process of a test."""

import sys

import pytest

from rethink import __main__ as cli


def main(monkeypatch, *arguments):
    """Run the command line in this process; return the exit code."""
    monkeypatch.setattr(sys, "argv", ["rethink", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code
