"""How a book is made: train what is missing, execute what is stale, render; and say so meanwhile.

What takes seconds to import is imported where it is needed, so that a call with nothing to do is
over at once.
"""

import functools
import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from rethink.manuscript import (
    Edition,
    PressError,
    inputs_digest,
    pages,
    read,
    settings,
    stamp,
    studies,
    summarises,
)
from rethink.workers import LOCAL, Workers

# Everything said about the work goes to standard error.
console = Console(stderr=True, highlight=False)

SECONDS_PER_PAGE = 7.0  # before this machine has executed a page, whose time is then kept
SAMPLE_SECONDS = 20.0  # for the sample of published records that is trained again


def make(edition: Edition, fresh: bool, workers: Workers) -> None:
    """Train what is missing, execute what is stale and render, saying what is done."""
    start = time.perf_counter()
    complete, index = edition.build / "complete", edition.html / "index.html"
    before = complete.read_text(encoding="utf-8") if complete.exists() else ""
    if not fresh and index.exists() and before == inputs_digest(edition):
        print(f"Nothing to do, the book is up to date: {index}")
        return
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
            seconds = execute(edition, page, mark)
        console.print(f"  {page}  {seconds:.1f} s")
        state[page] = {"stamp": mark, "seconds": round(seconds, 1)}
        press.write_text(edition.build / "executed.json", json.dumps(state, indent=1))
    executed = time.perf_counter()
    render_book(edition)
    press.write_text(complete, inputs_digest(edition))
    spent = {
        "data and runs": trained - start,
        "execution": executed - trained,
        "rendering": time.perf_counter() - executed,
    }
    console.print("Took " + ", ".join(f"{name} {_time(s)}" for name, s in spent.items()) + ".")
    print(index)


def train(
    edition: Edition, names: list[str], fresh: bool, workers: Workers = LOCAL
) -> dict[str, str]:
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
        _sample(edition, specs, data, store, workers)
    if published and names == pages(edition.root):
        records.publish(edition.root / records.PUBLISHED, whole)
    if fresh:
        shutil.rmtree(source.folder, ignore_errors=True)
    return {page: records.result_digest(whole[name(spec)] for spec in plan[page]) for page in names}


def _train_missing(specs: list[Any], data: Any, store: Any, workers: Workers) -> None:
    """Train what has no record, showing which stacks are under way and how long is left."""
    from rethink import records, sweep

    missing = [s for s in specs if store.get(records.key(s, data.digest)) is None]
    if not missing:
        return
    with workers.connected(data):
        at_once = min(workers.number(), len(sweep.stacks(missing)))
        # Two busy cores of one processor are slower than one alone: the estimate is a rough one.
        expected = sweep.unit_seconds(data) * sum(map(sweep.cost, missing)) / at_once
        console.print(
            f"Training {len(missing)} networks with {at_once} workers: about {_time(expected)}. "
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


def _sample(edition: Edition, specs: list[Any], data: Any, store: Any, workers: Workers) -> None:
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
    with workers.connected(data):
        audits = study.audit(specs, data, store, SAMPLE_SECONDS)
    _judge(audits, [audit for audit in audits if not audit.passed])
    state["sampled"] = _digest(file)
    press.write_text(edition.build / "executed.json", json.dumps(state, indent=1))


def _compare(pairs: list[tuple[Any, Any]]) -> None:
    """Hold all fresh records against those there were.

    On another type of machine a difference is news and no fault: the fresh ones take their place.
    """
    from rethink import study

    audits = [study.compare(old, new) for old, new in pairs if old is not None]
    _judge(audits, [audit for audit in audits if audit.same_machine and not audit.equal])


def _judge(audits: list[Any], failed: list[Any]) -> None:
    """Say how retrained records compare, and refuse those that failed."""
    if not audits:
        return
    equal = sum(audit.equal for audit in audits)
    largest = max(audit.difference for audit in audits)
    console.print(
        f"  {equal} of {len(audits)} retrained records are equal bit for bit"
        + ("." if equal == len(audits) else f"; accuracies differ by {largest:.4f} at most.")
    )
    for audit in failed:
        raise PressError(
            f"the record of {audit.spec} does not stand: trained again for {audit.epochs} epochs "
            f"its accuracies differ by up to {audit.difference:.4f}. Restore book/runs.npz, or "
            "delete it and train all records anew with `make book`."
        )


def _stale(edition: Edition, page: str, digest: str, state: dict[str, Any]) -> bool:
    """Tell whether a page must be executed: something changed, or it never was on this machine."""
    mark = stamp(edition, page, digest)
    notebook = edition.book / f"{page}.ipynb"
    if state.get(page, {}).get("stamp") != mark or not notebook.exists():
        return True
    found = json.loads(notebook.read_text(encoding="utf-8"))
    return bool(found["metadata"].get("rethink", {}).get("stamp") != mark)


def execute(edition: Edition, page: str, mark: str, output: Path | None = None) -> float:
    """Execute a page and return the seconds it took."""
    from rethink import press

    start = time.perf_counter()
    press.execute(edition, page, mark, output)
    return time.perf_counter() - start


def render_book(edition: Edition) -> None:
    """Render the executed notebooks, showing that it is under way."""
    from rethink import press

    with console.status("rendering, a few seconds"):
        press.render(edition)


def _load(edition: Edition) -> dict[str, Any]:
    """Return what is known of earlier executions on this machine: stamps and seconds."""
    try:
        text = (edition.build / "executed.json").read_text(encoding="utf-8")
        return dict(json.loads(text))
    except (FileNotFoundError, ValueError):
        return {}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def _time(seconds: float) -> str:
    if seconds == float("inf"):
        return "unknown time"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
