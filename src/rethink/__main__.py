"""The command line: ``rethink``. The Makefile sets up and calls it."""

import ast
import functools
import http.server
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

import typer

from rethink.browser import BrowserError, find
from rethink.build import execute, make, publish
from rethink.manuscript import (
    Edition,
    ParameterError,
    PressError,
    find_page,
    pages,
    root,
    settings,
    stamp,
)
from rethink.supply import console, track, train
from rethink.tracking import TrackingError, check
from rethink.workers import LostWorkersError, Workers, WorkersError

app = typer.Typer(
    help="Make the book that measures generalization, or parts of it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Runs = Annotated[
    Literal["published", "fresh"],
    typer.Option(help="Take training runs from the published records, or train every one anew."),
]
Processes = Annotated[
    int | None, typer.Option("--workers", min=1, help="Training processes; by default one a core.")
]
Device = Annotated[
    Literal["cpu", "cuda", "auto"],
    typer.Option(help="Train on the processor, a GPU, or a GPU if this machine has one."),
]
Dask = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Train on the Dask cluster of this scheduler instead."),
]
Tracker = Annotated[
    str | None,
    typer.Option("--track", metavar="wandb", help="Log all training runs to Weights & Biases."),
]


@app.command()
def book(
    runs: Runs = "published",
    workers: Processes = None,
    device: Device = "cpu",
    dask: Dask = None,
    tracker: Tracker = None,
) -> None:
    """Make the book: train what is missing, execute what is stale, render it."""
    if tracker is not None:
        check(tracker)
    make(Edition.full(root()), runs == "fresh", Workers(workers, device, dask))
    if tracker is not None:
        track(Edition.full(root()), tracker)


@app.command()
def draft(workers: Processes = None, device: Device = "cpu", dask: Dask = None) -> None:
    """Make the same book with reduced parameters, in minutes, into _build/draft."""
    make(Edition.draft(root()), False, Workers(workers, device, dask))


@app.command()
def chapter(
    name: Annotated[str, typer.Argument(help="A page, such as 03 or 03-capacity.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="NAME VALUE, instead of the chapter's own value."),
    ] = None,
    workers: Processes = None,
    device: Device = "cpu",
    dask: Dask = None,
) -> None:
    """Execute one chapter; with other parameters it goes to _build/chapter, not into the book."""
    here = root()
    page = find_page(here, name)
    given = _parameters(parameter or [])
    edition = Edition.full(here)
    if given:
        settings(here, page, given)
        folder = here / "_build" / "chapter"
        edition = replace(edition, build=folder, overrides={page: given})
    shown = train(edition, [page], False, Workers(workers, device, dask))[page]
    output = edition.build / f"{page}.ipynb" if given else edition.book / f"{page}.ipynb"
    seconds = execute(edition, page, stamp(edition, page, shown.digest), output)
    print(f"{page} took {seconds:.0f} s: {output}")


@app.command()
def html() -> None:
    """Render the notebooks that are executed already."""
    publish(Edition.full(root()))


@app.command()
def pdf(workers: Processes = None, device: Device = "cpu", dask: Dask = None) -> None:
    """Make the book and print it to _build/book.pdf, through Chromium or Chrome."""
    from rethink.binding import print_book

    find()
    make(Edition.full(root()), False, Workers(workers, device, dask))
    with console.status("printing, some ten seconds"):
        file, count = print_book(Edition.full(root()))
    print(f"{file}: {count} pages")


@app.command()
def data() -> None:
    """Fetch and verify the data set."""
    from rethink.data import cache_folder, fashion_mnist

    found = fashion_mnist()
    print(f"{found.name}: {len(found.train_images):,} + {len(found.test_images):,} images")
    print(f"verified, in {cache_folder()}")


@app.command()
def test() -> None:
    """Run all checks: format, lint, types, unit tests, and the book against its re-execution."""
    here = root()
    tool = functools.partial(subprocess.run, cwd=here, check=False)
    python = [sys.executable, "-m"]
    notebooks = [str(here / "book" / f"{page}.ipynb") for page in pages(here)]
    nbval = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval.cfg"]
    steps = {
        "format": [*python, "ruff", "format", "--check", "."],
        "lint": [*python, "ruff", "check", "."],
        "types": [*python, "mypy"],
        "unit tests and checks of the book": [*python, "pytest", "-rs"],
        "notebooks": [*python, "pytest", "-p", "no:cacheprovider", *nbval, *notebooks],
    }
    failed = []
    for step, command in steps.items():
        console.print(f"[bold]{step}[/bold]")
        if tool(command).returncode:
            failed.append(step)
    if failed:
        raise PressError(f"failed: {', '.join(failed)}")


@app.command()
def serve(port: Annotated[int, typer.Option(min=0, max=65535)] = 8000) -> None:
    """Serve the book on this machine until Ctrl-C."""
    folder = Edition.full(root()).html
    if not (folder / "index.html").exists():
        raise PressError("there is no book to serve yet; run `make book` first")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/ (Ctrl-C stops it)", flush=True)
        server.serve_forever()


@app.command()
def clean() -> None:
    """Delete what was built; data and run records of this machine stay in the cache."""
    shutil.rmtree(root() / "_build", ignore_errors=True)


def _parameters(given: list[str]) -> dict[str, Any]:
    """Read ``NAME=VALUE`` pairs; values are Python's, anything else is text."""
    found: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ParameterError(f"a parameter needs a name and a value, but {pair!r} was given")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def _join_parameters(arguments: list[str]) -> list[str]:
    """Turn papermill's ``-p NAME VALUE`` into ``-p NAME=VALUE``, which the library can read."""
    joined, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        joined.append(word)
        if word in ("-p", "--parameter") and len(rest) > 1 and "=" not in rest[0]:
            joined.append(f"{rest.pop(0)}={rest.pop(0)}")
    return joined


def main() -> None:
    """Run the command line; turn what can go wrong into one message and an exit code."""
    from rethink.data import DataError

    logging.basicConfig(format="%(message)s")
    run: Callable[..., Any] = functools.partial(app, _join_parameters(sys.argv[1:]))
    try:
        run()
    except (ParameterError, BrowserError, DataError, TrackingError, WorkersError) as error:
        console.print(f"rethink: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except (PressError, LostWorkersError) as error:
        console.print(f"rethink: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
    except SystemExit as stop:
        # Typer has already turned Ctrl-C into this code.
        if stop.code == 130:
            console.print("Stopped; nothing is half-written, and the same command goes on.")
        raise


if __name__ == "__main__":
    main()
