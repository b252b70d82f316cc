"""The command line: ``rethink``. The Makefile sets up and calls it."""

import ast
import functools
import http.server
import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from rethink.manuscript import (
    Edition,
    ParameterError,
    PressError,
    find_page,
    inputs_digest,
    pages,
    read,
    root,
    settings,
    stamp,
    studies,
    summarises,
)

app = typer.Typer(
    help="Make the book that measures generalization, or parts of it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# Everything said about the work goes to standard error.
console = Console(stderr=True, highlight=False)

SECONDS_PER_PAGE = 9.0  # before this machine has executed a page, whose time is then kept
SAMPLE_SECONDS = 20.0  # for the sample of published records that is trained again

Runs = Annotated[
    Literal["published", "fresh"],
    typer.Option(help="Take training runs from the published records, or train every one anew."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Training processes; by default one a core.")
]


@app.command()
def book(runs: Runs = "published", workers: Workers = None) -> None:
    """Make the book: train what is missing, execute what is stale, render it."""
    make(Edition.full(root()), runs == "fresh", workers)


@app.command()
def draft(workers: Workers = None) -> None:
    """Make the same book with reduced parameters, in minutes, into _build/draft."""
    make(Edition.draft(root()), False, workers)


@app.command()
def chapter(
    name: Annotated[str, typer.Argument(help="A page, such as 03 or 03-capacity.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="NAME VALUE, instead of the chapter's own value."),
    ] = None,
    workers: Workers = None,
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
    digest = train(edition, [page], False, workers)[page]
    output = edition.build / f"{page}.ipynb" if given else edition.book / f"{page}.ipynb"
    seconds = _execute(edition, page, stamp(edition, page, digest), output)
    print(f"{page} took {seconds:.0f} s: {output}")


@app.command()
def html() -> None:
    """Render the notebooks that are executed already."""
    _render(Edition.full(root()))


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
        "unit tests and checks of the book": [*python, "pytest"],
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


# ---- how a book is made --------------------------------------------------------------------------


def make(edition: Edition, fresh: bool, workers: int | None) -> None:
    """Train what is missing, execute what is stale and render, saying what is done."""
    start = time.perf_counter()
    complete, index = edition.build / "complete", edition.html / "index.html"
    before = complete.read_text(encoding="utf-8") if complete.exists() else ""
    if not fresh and index.exists() and before == inputs_digest(edition):
        print(f"Nothing to do, the book is up to date: {index}")
        return
    # Imported late here and below: they take seconds, which a call with nothing to do should not.
    from rethink import press

    order = pages(edition.root)
    for page in order:
        settings(edition.root, page, edition.overrides.get(page, {}))
    digests = train(edition, order, fresh, workers)
    trained = time.perf_counter()
    state = _load(edition)
    order.sort(key=lambda page: summarises(read(edition.root, page)))
    left = [page for page in order if _stale(edition, page, digests[page], state)]
    expected = {page: state.get(page, {}).get("seconds", SECONDS_PER_PAGE) for page in order}
    if left:
        console.print(
            f"Executing {len(left)} of {len(order)} pages: about "
            f"{_time(sum(expected[page] for page in left))}."
        )
    count = 0
    for page in order:
        # A page that summarises the others is judged only now that they are done.
        if not _stale(edition, page, digests[page], state):
            continue
        count += 1
        rest = sum(expected[p] for p in left[count - 1 :])
        mark = stamp(edition, page, digests[page])
        with console.status(f"{page} ({count} of {max(count, len(left))}), {_time(rest)} left"):
            seconds = _execute(edition, page, mark)
        console.print(f"  {page}  {seconds:.1f} s")
        state[page] = {"stamp": mark, "seconds": round(seconds, 1)}
        press.write_text(edition.build / "executed.json", json.dumps(state, indent=1))
    executed = time.perf_counter()
    _render(edition)
    press.write_text(complete, inputs_digest(edition))
    spent = {
        "data and runs": trained - start,
        "execution": executed - trained,
        "rendering": time.perf_counter() - executed,
    }
    console.print("Took " + ", ".join(f"{name} {_time(s)}" for name, s in spent.items()) + ".")
    print(index)


def train(edition: Edition, names: list[str], fresh: bool, workers: int | None) -> dict[str, str]:
    """See to the records that pages show; return, per page, the digest of what they measured."""
    from rethink import records, study
    from rethink.data import cache_folder, fashion_mnist

    data = fashion_mnist()
    plan = {
        page: [
            spec
            for call in studies(edition.root, page, edition.overrides.get(page, {}))
            for spec in study.specifications(*call)
        ]
        for page in names
    }
    specs = list(dict.fromkeys(spec for page in plan.values() for spec in page))
    store = records.Store.here()
    published = edition.book == Edition.full(edition.root).book and not edition.overrides
    source = store
    if fresh:
        # A folder of its own, so that what an interrupted call trained is not trained again.
        source = records.Store(cache_folder() / "fresh", None)
    _train_missing(specs, data, source, workers)
    name = functools.partial(records.key, data_digest=data.digest)
    found = {name(spec): source.get(name(spec)) for spec in specs}
    whole = {key: record for key, record in found.items() if record}
    if fresh:
        _compare([(store.get(key), record) for key, record in whole.items()])
        for key, record in whole.items():
            store.put(key, record)
    elif published and names == pages(edition.root) and specs and len(store):
        _sample(edition, specs, data, store)
    if published and names == pages(edition.root):
        records.publish(edition.root / records.PUBLISHED, whole)
    if fresh:
        shutil.rmtree(source.folder, ignore_errors=True)
    return {page: records.result_digest(whole[name(spec)] for spec in plan[page]) for page in names}


def _train_missing(specs: list[Any], data: Any, store: Any, workers: int | None) -> None:
    """Train what has no record, showing which stacks are under way and how long is left."""
    from rethink import records, sweep

    missing = [s for s in specs if store.get(records.key(s, data.digest)) is None]
    if not missing:
        return
    cores = min(workers or sweep.cores(), len(sweep.stacks(missing)))
    # Two busy cores of one processor are slower than one alone, so the estimate is a rough one.
    expected = sweep.unit_seconds(data) * sum(map(sweep.cost, missing)) / cores
    console.print(
        f"Training {len(missing)} networks on {cores} cores: about {_time(expected)}. "
        "Ctrl-C loses only what is under way."
    )
    start = time.perf_counter()
    with console.status("starting") as status:
        said = start

        def show(progress: sweep.Progress) -> None:
            nonlocal said
            names = ", ".join(
                f"{len(stack)} × {list(stack[0].hidden)} epoch {epochs} of {stack[0].epochs}"
                for stack, epochs in progress.running
            )
            line = f"{progress.done:4.0%} trained, {_time(progress.left)} left: {names}"
            status.update(line)
            if not console.is_terminal and time.perf_counter() - said > 20:
                said = time.perf_counter()
                console.print(f"  {line}", soft_wrap=True)

        sweep.train_missing(missing, data, store, workers, show)
    console.print(f"  trained in {_time(time.perf_counter() - start)}")


def _sample(edition: Edition, specs: list[Any], data: Any, store: Any) -> None:
    """Train a random sample of the published records again, once for each set of records."""
    from rethink import press, records, study

    state = _load(edition)
    file = edition.root / records.PUBLISHED
    if state.get("sampled") == _digest(file):
        return
    console.print(
        f"Checking a random sample of the {len(store)} published records: "
        f"about {_time(SAMPLE_SECONDS)}."
    )
    _judge(study.audit(specs, data, store, SAMPLE_SECONDS))
    state["sampled"] = _digest(file)
    press.write_text(edition.build / "executed.json", json.dumps(state, indent=1))


def _compare(pairs: list[tuple[Any, Any]]) -> None:
    """Hold all fresh records against those there were."""
    from rethink import study

    _judge([study.compare(old, new) for old, new in pairs if old is not None])


def _judge(audits: list[Any]) -> None:
    if not audits:
        return
    equal = sum(audit.equal for audit in audits)
    largest = max(audit.difference for audit in audits)
    console.print(
        f"  {equal} of {len(audits)} retrained records are equal bit for bit"
        + ("." if equal == len(audits) else f"; accuracies differ by {largest:.4f} at most.")
    )
    for audit in audits:
        if not audit.passed:
            raise PressError(
                f"the record of {audit.spec} does not stand: trained again for {audit.epochs} "
                f"epochs its accuracy differs by {audit.difference:.4f}. Train all records anew "
                "with RUNS=fresh, or restore book/runs.npz."
            )


def _stale(edition: Edition, page: str, digest: str, state: dict[str, Any]) -> bool:
    """Tell whether a page must be executed: something changed, or it never was on this machine."""
    mark = stamp(edition, page, digest)
    notebook = edition.book / f"{page}.ipynb"
    if state.get(page, {}).get("stamp") != mark or not notebook.exists():
        return True
    found = json.loads(notebook.read_text(encoding="utf-8"))
    return bool(found["metadata"].get("rethink", {}).get("stamp") != mark)


def _execute(edition: Edition, page: str, mark: str, output: Path | None = None) -> float:
    from rethink import press

    start = time.perf_counter()
    press.execute(edition, page, mark, output)
    return time.perf_counter() - start


def _render(edition: Edition) -> None:
    from rethink import press

    with console.status("rendering, about half a minute"):
        press.render(edition)


def _load(edition: Edition) -> dict[str, Any]:
    """Return what is known of earlier executions on this machine: stamps and seconds."""
    try:
        text = (edition.build / "executed.json").read_text(encoding="utf-8")
        return dict(json.loads(text))
    except (FileNotFoundError, ValueError):
        return {}


def _digest(file: Path) -> str:
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


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


def _time(seconds: float) -> str:
    if seconds == float("inf"):
        return "unknown time"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def main() -> None:
    """Run the command line; turn what can go wrong into one message and an exit code."""
    from rethink.data import DataError

    logging.basicConfig(format="%(message)s")
    run: Callable[..., Any] = functools.partial(app, _join_parameters(sys.argv[1:]))
    try:
        run()
    except (ParameterError, DataError) as error:
        console.print(f"rethink: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except PressError as error:
        console.print(f"rethink: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
    except SystemExit as stop:
        # Typer has already turned Ctrl-C into this code.
        if stop.code == 130:
            console.print("Stopped; nothing is half-written, and the same command goes on.")
        raise


if __name__ == "__main__":
    main()
