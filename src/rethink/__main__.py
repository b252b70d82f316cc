"""The command line: ``rethink``. The Makefile sets up and calls it.

Each command imports what it needs itself: to help and to measure takes less than to make a book,
and an installation that only measures has no more.
"""

import functools
import io
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from rethink.errors import NO_ROOM, CommandError, LimitError, writing_error

# What pip is to install for each command; the others need no extra.
EXTRAS = {
    "book": "book",
    "draft": "book",
    "chapter": "book",
    "html": "book",
    "pdf": "book,browser",
    "verify": "book",
    "serve": "book",
    "clean": "book",
    "test": "book,dev",
    "card": "card",
    "measure": "train",  # of torchvision's data sets
    "data": "train",
}
# The modules that come with these extras, and that something imports which a command may run.
OPTIONAL = {
    "IPython", "bs4", "cleanlab", "docutils", "ipykernel", "jinja2", "jupyter_book", "jupyter_core",
    "jupytext", "markupsafe", "matplotlib", "mdit_py_plugins", "myst_nb", "nbclient", "nbformat",
    "papermill", "sphinx", "torch", "torchvision", "traitlets", "yaml",
}  # fmt: skip

# The check of imports has no module that `python -m` runs.
IMPORTS = "from importlinter.cli import lint_imports_command as check; check()"

app = typer.Typer(
    help="Make the book that measures generalization, or measure data of your own.",
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

Source = Annotated[
    str,
    typer.Argument(
        help="A CSV or Parquet file or a pattern for several, an NPZ (X, y), a folder with a "
        "folder of images for each class, or a data set by name: fashion-mnist, iris, ..."
    ),
]
Target = Annotated[str | None, typer.Option(help="The column of labels; by default the last one.")]
Header = Annotated[
    bool | None,
    typer.Option(help="Whether the first line has names; found out if not said."),
]
Missing = Annotated[
    Literal["fill", "drop", "error"],
    typer.Option(help="Fill missing values (median; a class of their own), drop rows, or refuse."),
]
MissingValues = Annotated[
    list[str] | None,
    typer.Option("--missing-value", help="A text that means missing; may be repeated."),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kind", help="COLUMN=KIND: number, boolean, date, category or drop; may be repeated."
    ),
]
Codes = Annotated[
    Literal["alphabetical", "frequency"], typer.Option(help="Order of the codes of categories.")
]
Constant = Annotated[Literal["keep", "drop"], typer.Option(help="Columns that never vary.")]
Fractions = Annotated[
    Literal["error", "classes"], typer.Option(help="Many labels that are fractions.")
]
Decimal = Annotated[str, typer.Option(help="Decimal sign: . or ,")]
Delimiter = Annotated[str | None, typer.Option(help="What parts the fields of a text file.")]
Encoding = Annotated[str | None, typer.Option(help="Of a text file, if it is not UTF-8.")]


@app.command()
def book(
    runs: Runs = "published",
    workers: Processes = None,
    device: Device = "cpu",
    dask: Dask = None,
    tracker: Tracker = None,
) -> None:
    """Make the book: train what is missing, execute what is stale, render it."""
    from rethink.book import build, inputs
    from rethink.book.pages import Edition, root
    from rethink.runs import tracking
    from rethink.runs.workers import Workers

    if tracker is not None:
        tracking.check(tracker)
    build.make(Edition.full(root()), runs == "fresh", Workers(workers, device, dask))
    if tracker is not None:
        inputs.track(Edition.full(root()), tracker)


@app.command()
def draft(workers: Processes = None, device: Device = "cpu", dask: Dask = None) -> None:
    """Make the same book with reduced parameters, in minutes, into _build/draft."""
    from rethink.book import build
    from rethink.book.pages import Edition, root
    from rethink.runs.workers import Workers

    build.make(Edition.draft(root()), False, Workers(workers, device, dask))


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
    from dataclasses import replace

    from rethink.book import build, inputs, pages
    from rethink.runs.workers import Workers

    here = pages.root()
    page = pages.find_page(here, name)
    given = _parameters(parameter or [])
    edition = pages.Edition.full(here)
    if given:
        pages.settings(here, page, given)
        folder = here / "_build" / "chapter"
        edition = replace(edition, build=folder, overrides={page: given})
    output = edition.build / f"{page}.ipynb" if given else edition.book / f"{page}.ipynb"
    with build.alone(edition):
        shown = inputs.make_results(edition, [page], False, Workers(workers, device, dask))[page]
        stamp = pages.stamp(edition, page, shown.digest)
        seconds = build.execute(edition, page, stamp, output)
    print(f"{page} took {seconds:.0f} s: {output}")


@app.command()
def html() -> None:
    """Render the notebooks that are executed already."""
    from rethink.book import build
    from rethink.book.pages import Edition, root

    build.publish(Edition.full(root()))


@app.command()
def verify() -> None:
    """Check, without executing anything, that what the book is made of is as it was made."""
    from rethink.book import integrity, pages

    edition = pages.Edition.full(pages.root())
    if not any(edition.book.glob("*.ipynb")):
        raise pages.NoBookError("there is no book to verify yet; run `make book` first")
    kinds = integrity.check(edition)
    faults = [
        f"{(kind.folder / name).relative_to(edition.root)} {what}"
        for kind in kinds
        for name, what in kind.faults.items()
    ]
    for kind in kinds:
        print(f"{kind.name}: {kind.count - len(kind.faults)} of {kind.count} as they were made")
    if not edition.html.exists():
        print("rendered files: none here")
    if faults:
        raise pages.BookError(
            "not as made:\n" + "\n".join(f"    {fault}" for fault in faults) + "\n"
            "`make book` makes this again, and `git checkout book` restores what was committed."
        )


@app.command()
def pdf(workers: Processes = None, device: Device = "cpu", dask: Dask = None) -> None:
    """Make the book and print it to _build/book.pdf, through Chromium or Chrome."""
    from rethink.book import browser, build
    from rethink.book.pages import Edition, root
    from rethink.book.pdf import print_book
    from rethink.progress import console
    from rethink.runs.workers import Workers

    browser.find()
    build.make(Edition.full(root()), False, Workers(workers, device, dask))
    with console.status("printing, some ten seconds"):
        file, count = print_book(Edition.full(root()))
    print(f"{file}: {count} pages")


@app.command()
def data() -> None:
    """Fetch and verify the data set."""
    from rethink.data import fashion_mnist
    from rethink.paths import cache_folder

    found = fashion_mnist()
    print(f"{found.name}: {len(found.train_images):,} + {len(found.test_images):,} images")
    print(f"verified, in {cache_folder()}")


@app.command()
def test(
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Leave out tests that are slow, and the notebooks."),
    ] = False,
) -> None:
    """Run all checks: style, imports, types, unit tests, and the book against its re-execution."""
    import subprocess

    from rethink.book import pages
    from rethink.progress import console

    here = pages.root()
    tool = functools.partial(subprocess.run, cwd=here, check=False)
    python = [sys.executable, "-m"]
    notebooks = [str(here / "book" / f"{page}.ipynb") for page in pages.page_names(here)]
    nbval = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval.cfg"]
    side_by_side = [*python, "pytest", "--numprocesses", "auto", "--dist"]
    fast = ["-m", "not slow"] if quick else []
    steps = {
        "format": [*python, "ruff", "format", "--check", "."],
        "lint": [*python, "ruff", "check", "."],
        "imports": [sys.executable, "-c", IMPORTS],
        "types": [*python, "mypy"],
        "unit tests and checks of the book": [*side_by_side, "worksteal", "-rs", *fast],
        # All cells of a notebook in one process, since they share a kernel.
        "notebooks": [*side_by_side, "loadscope", "-p", "no:cacheprovider", *nbval, *notebooks],
    }
    if quick:
        del steps["notebooks"]
        console.print(
            "Left out: the notebooks, and the tests that tests/conftest.py lists as slow."
        )
    failed = []
    for step, command in steps.items():
        console.print(f"[bold]{step}[/bold]")
        if tool(command).returncode:
            failed.append(step)
    if failed:
        raise pages.BookError(f"failed: {', '.join(failed)}")


@app.command()
def measure(
    source: Source,
    target: Target = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all measures as JSON, in full precision.")
    ] = False,
    digits: Annotated[
        int | None, typer.Option(help="Cut row sums off after so many decimals, as nntailoring.")
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Exit with 1 if a measure, named as in the JSON (thresholds.total), is under a "
            "value; a mere number is held against separation. May be repeated.",
        ),
    ] = None,
    fail_over: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="The same if a measure is over a value."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides subsets, halves and folds.")] = 0,
    header: Header = None,
    missing: Missing = "fill",
    missing_value: MissingValues = None,
    kind: Kinds = None,
    order: Codes = "alphabetical",
    constant: Constant = "keep",
    fractions: Fractions = "error",
    decimal: Decimal = ".",
    delimiter: Delimiter = None,
    encoding: Encoding = None,
) -> None:
    """Measure labelled data before anything is trained: capacity, nulls, whether it is enough."""
    import json

    from rethink.instrument import command

    least = command.limits(fail_under or [])
    most = command.limits(fail_over or [], "--fail-over")
    chosen = (missing, missing_value, kind, order, constant, fractions)
    options = command.options(header, *chosen, decimal, delimiter, encoding)
    found = command.measure(source, target, options, digits, seed)
    measured = found.to_dict()
    missed = command.missed(measured, least) + command.missed(measured, most, over=True)
    if as_json:
        _say(json.dumps(measured, indent=1, allow_nan=False))
    else:
        _say(str(found))
    if missed:
        raise LimitError("; ".join(missed))


@app.command()
def card(
    source: Source,
    target: Target = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where card.html, .ipynb and .json go.")
    ] = Path("card"),
    minutes: Annotated[
        float, typer.Option(min=0.2, max=60, help="For training; half is planned.")
    ] = 1.0,
    seeds: Annotated[int, typer.Option(min=2, max=20, help="Splits, and networks of a kind.")] = 5,
    header: Header = None,
    missing: Missing = "fill",
    missing_value: MissingValues = None,
    kind: Kinds = None,
    order: Codes = "alphabetical",
    constant: Constant = "keep",
    fractions: Fractions = "error",
    decimal: Decimal = ".",
    delimiter: Delimiter = None,
    encoding: Encoding = None,
) -> None:
    """Ask the nine questions of labelled data, with training: one notebook and one page."""
    from rethink.book import card_page
    from rethink.instrument import command
    from rethink.paths import card_files

    chosen = (missing, missing_value, kind, order, constant, fractions)
    options = command.options(header, *chosen, decimal, delimiter, encoding)
    for file in card_page.card(card_files(), source, target, options, output, minutes, seeds):
        print(file)


@app.command()
def serve(port: Annotated[int, typer.Option(min=0, max=65535)] = 8000) -> None:
    """Serve the book on this machine until Ctrl-C."""
    import http.server

    from rethink.book import pages

    folder = pages.Edition.full(pages.root()).html
    if not (folder / "index.html").exists():
        raise pages.BookError("there is no book to serve yet; run `make book` first")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise pages.ParameterError(
            f"port {port} cannot be had: {error.strerror}; choose another, or 0 for any that is "
            "free: `rethink serve --port 0`"
        ) from error
    with server:
        print(f"http://127.0.0.1:{server.server_address[1]}/ (Ctrl-C stops it)", flush=True)
        server.serve_forever()


@app.command()
def clean() -> None:
    """Delete what was built; data and run records of this machine stay in the cache."""
    import shutil

    from rethink.book.pages import root

    built = root() / "_build"
    try:
        shutil.rmtree(built)
    except FileNotFoundError:
        return
    except OSError as error:
        # It names a file in a folder below.
        if said := writing_error(OSError(error.errno, error.strerror), built):
            raise said from error
        raise


def _parameters(given: list[str]) -> dict[str, Any]:
    """Read ``NAME=VALUE`` pairs; values are Python's, anything else is text."""
    import ast

    from rethink.book.pages import ParameterError

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


def _say(text: str) -> None:
    """Print results; a reader who has seen enough of them is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _leave_output()
    except OSError as error:
        _leave_output()
        if said := writing_error(error, "the output"):
            raise said from error
        raise


def _leave_output() -> None:
    """Let nothing that is left of the output be written at exit, which would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _what_to_install(error: ModuleNotFoundError, arguments: list[str]) -> str:
    """Say which extra has a module that is not installed; raises what is no such case."""
    from rethink.paths import DISTRIBUTION

    missing = (error.name or "").split(".")[0]
    if missing not in OPTIONAL:
        raise error
    command = next((word for word in arguments if word in EXTRAS), "book")
    return (
        f"{missing} is not installed, which `rethink {command}` needs; "
        f"pip install '{DISTRIBUTION}[{EXTRAS[command]}]'"
    )


def _stop(sentence: object, code: int) -> NoReturn:
    """Say what is wrong and end."""
    from rethink.progress import console

    console.print(f"rethink: {sentence}", style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def main() -> None:
    """Run the command line; turn what can go wrong into one message and an exit code."""
    logging.basicConfig(format="%(message)s")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal has no letter for is escaped
            stream.reconfigure(errors="backslashreplace")
    arguments = _join_parameters(sys.argv[1:])
    try:
        app(arguments)
    except CommandError as error:
        _stop(error, error.exit_code)
    except ModuleNotFoundError as error:
        _stop(_what_to_install(error, arguments), 2)
    except MemoryError:
        _stop("there is too little memory for that", 2)
    except OSError as error:
        refusal = writing_error(error)
        if refusal is None:
            raise
        if error.errno in NO_ROOM:
            _leave_output()
        _stop(refusal, refusal.exit_code)
    except SystemExit as stop:
        # Typer has already turned Ctrl-C into this code.
        if stop.code == 130:
            from rethink.progress import console

            console.print("Stopped; nothing is half-written.")
        raise


if __name__ == "__main__":
    main()
