"""A card: the chapter that asks the nine questions, executed for somebody's own table.

What comes out is a notebook, a page that needs no other file, and the numbers on it.
"""

import glob
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
from papermill.exceptions import PapermillExecutionError

from rethink.book import card_html, notebooks
from rethink.book.page_note import LIBRARIES, commit, versions
from rethink.book.pages import BookError, Edition, settings
from rethink.errors import InputError
from rethink.instrument.command import read_table, reading_status
from rethink.paths import DISTRIBUTION, exclusive, scratch_folder, write_files
from rethink.progress import console
from rethink.tables import sources

# The chapter that asks the nine questions of a table.
PAGE = "10-your-data"
# What making a card reads of the folder that is called its root.
FILES = (f"chapters/{PAGE}.md",)
# What its numbers come from; the page is not made by Jupyter Book.
CARD_LIBRARIES = [name for name in LIBRARIES if name != "jupyter-book"]
# What the three files are called.
NAME = "card"


def card(
    root: Path,
    source: str,
    target: str | None,
    options: dict[str, Any],
    folder: Path,
    minutes: float,
    seeds: int,
) -> list[Path]:
    """Ask the nine questions of a source; returns the files of the answers.

    Raises:
        InputError: if it cannot be measured, or not within the time.
        BookError: if the chapter fails on it.
    """
    from rethink.instrument import training
    from rethink.tables import large_tables

    files = sources.files_of(source)
    if large_tables.is_large(files):
        raise InputError(
            f"{source} is larger than is read into memory; `rethink measure` takes it, and a card "
            "can be made of a random part of its rows"
        )
    with console.status(reading_status(source)):
        table = read_table(files, target, options)
    plan = training.plan(
        len(table.labels), table.features.shape[1], len(table.classes), minutes, seeds, table.shape
    )
    console.print(str(plan), markup=False, soft_wrap=True)
    # The notebook runs elsewhere: what is a path here must be one there.
    if files.paths and Path(source).exists():
        source = str(Path(source).absolute())
    elif files.paths:
        source = str(Path(glob.escape(str(Path.cwd()))) / source)
    parameters = {
        "source": source,
        "target": target or "",
        "options": options,
        "minutes": minutes,
        "patience": 1.0,
        "seeds": seeds,
    }
    name = Path(source).name
    with console.status(f"executing and rendering, about {plan.total / 60 + 0.5:.1f} min"):
        return list(make(root, parameters, folder, f"Nine questions to {name}"))


def make(root: Path, parameters: dict[str, Any], folder: Path, title: str) -> tuple[Path, Path]:
    """Execute the chapter with other parameters; write notebook, page and numbers, or nothing.

    The third file, ``card.json``, has the title, the parameters that differ from the chapter's, and
    the ``values`` that the chapter handed over.

    Args:
        root: the folder with `FILES`, in which the chapter is executed: a file is best named in
            full.
        parameters: name to value, of the types that they have in the chapter.
        folder: where the files go; it is made if need be.
        title: the heading of the page, in plain text.

    Returns:
        The notebook and the HTML file.

    Raises:
        InputError: if the folder cannot be written to, or another process makes a card in it; if a
            name that was given cannot be written down, or the chapter refuses its input.
        ParameterError: if the chapter has no such parameter, or one of another type.
        BookError: if a cell fails otherwise, or the page cannot show something: what, and why.
        WritingError: if there is no room for the files; those of an earlier card stay.
    """
    values = settings(root, PAGE, parameters)
    _check_writable(folder)
    _check_letters(parameters | {"title": title})
    began = time.perf_counter()
    with _alone(folder), scratch_folder() as work:
        executed = work / f"{NAME}.ipynb"
        edition = Edition(root, work, work, {PAGE: parameters})
        _execute(edition, executed)
        results = json.loads((work / "results" / f"{NAME}.json").read_text(encoding="utf-8"))
        notebook = nbformat.read(executed, as_version=4)  # type: ignore[no-untyped-call]

        code = f"rethink {version(DISTRIBUTION)}"
        if (known := commit(root)) is not None:
            code += f", commit {known}"
        made = f"Made by {code}, in {time.perf_counter() - began:.0f} s"
        about = {
            "Parameters": ", ".join(f"{name} = {value!r}" for name, value in values.items()),
            "Libraries": ", ".join(versions(CARD_LIBRARIES)),
        }
        page = card_html.page(notebook, title, made, about)
        found = {
            "title": title,
            "parameters": parameters,
            "values": {name: each["value"] for name, each in results["values"].items()},
        }
        numbers = json.dumps(found, indent=1, ensure_ascii=False) + "\n"

        files = {
            "json": numbers.encode("utf-8"),
            "ipynb": executed.read_bytes(),
            "html": page.encode("utf-8"),
        }
        write_files((_file(folder, ending), content) for ending, content in files.items())
    return _file(folder, "ipynb"), _file(folder, "html")


def _file(folder: Path, ending: str) -> Path:
    return folder / f"{NAME}.{ending}"


def _execute(edition: Edition, output: Path) -> None:
    """Execute the chapter; an input that it refuses is no fault of the chapter."""
    try:
        notebooks.execute(edition, PAGE, NAME, output, strict=False)
    except BookError as error:
        cause = error.__context__
        if isinstance(cause, PapermillExecutionError) and cause.ename == InputError.__name__:
            raise InputError(cause.evalue) from None
        # What was executed goes with the folder.
        raise BookError(str(error).partition("\nWhat was executed is in ")[0]) from None


def _check_writable(folder: Path) -> None:
    """Find out before minutes of work, and without a trace, whether files can be written."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir():
        raise InputError(f"{there} is a file; name a folder to write the card to")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{there} cannot be written to; name another folder for the card")
    for ending in ("json", "ipynb", "html"):
        if _file(folder, ending).is_dir():
            raise InputError(
                f"{_file(folder, ending)} is a folder; name another folder for the card"
            )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder, so that no second card is made in it meanwhile; leave none that is empty."""
    refusal = InputError(
        f"another process is making a card in {folder}; wait for it, or name another folder"
    )
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        with exclusive(folder / ".lock", refusal):
            yield
    finally:
        for each in new:
            with suppress(OSError):  # which says that it has files
                each.rmdir()


def _check_letters(given: dict[str, Any]) -> None:
    """Find out before minutes of work whether all that was given can be written to a file."""
    for name, value in given.items():
        text = json.dumps(value, ensure_ascii=False)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError(
                f"{name} must be letters of UTF-8, but {text} was given; a file can be renamed"
            ) from None
