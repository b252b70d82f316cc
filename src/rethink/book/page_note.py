"""What is said at the end of each page: how it was made, and where to get it."""

import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rethink.book.pages import Edition, settings
from rethink.paths import DISTRIBUTION

LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "cleanlab", "matplotlib", "jupyter-book")


@dataclass(frozen=True)
class PageResults:
    """What a page shows of training runs and other measurements.

    Attributes:
        digest: of their results, without time and machine.
        data: digest of the data set they were made on.
        runs: number of training runs.
        measurements: number of other measurements.
        seeds: how many seeds these have at most; they are 0, 1 and so on.
        seconds: core seconds that all of them took, on the machine that made them.
    """

    digest: str
    data: str
    runs: int
    measurements: int
    seeds: int
    seconds: float


def commit(root: Path) -> str | None:
    """Return the commit that the code is at, with a word where files differ from it.

    What making the book writes itself, into book/, is no such difference. It is not known where
    this folder is not a repository's: an installed package may lie within somebody's own.
    """
    if not (root / ".git").exists():
        return None
    name = _git(root, "describe", "--always", "--abbrev=10")
    tracked = ("status", "--porcelain", "--untracked-files=no")
    changed = _git(root, *tracked, "--", ".", ":(exclude)book")
    return f"{name} with changes" if name and changed else name or None


def _git(root: Path, *words: str) -> str:
    command = ["git", "--no-optional-locks", *words]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def note(edition: Edition, page: str, shown: PageResults, code: str, seconds: float | None) -> str:
    """Return the note on how a page was made, in Markdown.

    Args:
        edition: the book.
        page: its name.
        shown: what it shows.
        code: the commit.
        seconds: what its execution took, or None if that was on another machine.
    """
    kind = "Draft with reduced parameters" if edition.overrides else "Full edition"
    values = settings(edition.root, page, edition.overrides.get(page, {}))
    took = "executed elsewhere" if seconds is None else f"executed in {seconds:.1f} s"
    rows = {
        "Edition": kind,
        "Code": f"commit {code}, version {version(DISTRIBUTION)}",
        "Parameters": _parameters(values),
        "Runs": f"{_count(shown.runs, 'training run')} and {_count(shown.measurements, 'other')} "
        f"{'measurement' if shown.measurements == 1 else 'measurements'}, "
        f"{shown.seconds / 60:.1f} core minutes",
        "Seeds": f"0 to {shown.seeds - 1}",
        "Results": f"digest `{shown.digest[:12]}`",
        "Data": f"digest `{shown.data[:12]}`",
        "Execution": took,
        "Libraries": ", ".join(versions(LIBRARIES)),
    }
    if seconds is None:
        # They are known of this machine only.
        del rows["Libraries"]
    if not shown.runs + shown.measurements:
        del rows["Runs"], rows["Seeds"], rows["Results"]
    table = "\n".join(f"| {name} | {text} |" for name, text in rows.items())
    return (
        "::::{div} provenance\n"
        f"{{download}}`Executed notebook <../{page}.ipynb>`, {{download}}`source <../{page}.md>`\n"
        f"\n:::{{dropdown}} {kind}, commit {code}, {took}\n"
        f"| How this page was made | |\n|---|---|\n{table}\n:::\n::::\n"
    )


def _parameters(values: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name} = {value!r}`" for name, value in values.items()) or "none"


def _count(number: int, what: str) -> str:
    plural = "" if number == 1 or what == "other" else "s"
    return f"{number} {what}{plural}"


def versions(names: Iterable[str]) -> list[str]:
    """Return Python and some libraries, each with its version."""
    return [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)]
