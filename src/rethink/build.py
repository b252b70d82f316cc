"""How a book is made: train what is missing, execute what is stale, render; and say so meanwhile.

What takes seconds to import is imported where it is needed, so that a call with nothing to do is
over at once.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from rethink.manuscript import (
    Edition,
    PressError,
    Request,
    inputs_digest,
    pages,
    read,
    requests,
    settings,
    stamp,
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
    from rethink import claims, press

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
    press.write_text(edition.book / "ledger.csv", claims.whole_ledger(edition.book))
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
    """See to the runs and measurements that pages show.

    Returns:
        Per page, the digest of what it shows of them.
    """
    from rethink import measurements, records
    from rethink.data import cache_folder, fashion_mnist

    data = fashion_mnist()
    asked = {page: requests(edition.root, page, edition.overrides.get(page, {})) for page in names}
    runs = {page: wanted(each, "runs") for page, each in asked.items()}
    tasks = {page: wanted(each, "measure") for page, each in asked.items()}
    specs = list(dict.fromkeys(spec for page in runs.values() for spec in page))
    every = list(dict.fromkeys(task for page in tasks.values() for task in page))
    stores = [records.Store.here(file) for file in (records.PUBLISHED, records.MEASURED)]
    published = edition.book == Edition.full(edition.root).book and not edition.overrides
    sources = stores
    if fresh:
        # A folder of its own, so that what an interrupted call did is not done again.
        fresh_folder = cache_folder() / "fresh"
        sources = [records.Store(fresh_folder / store.folder.name, None) for store in stores]
    _train_missing(specs, data, sources[0], workers)
    _measure_missing(every, data, sources[1], workers)
    sorts: list[list[Any]] = [specs, every]
    named: dict[Any, str] = {spec: records.key(spec, data.digest) for spec in specs}
    named |= {task: measurements.key(task, data.digest) for task in every}
    found = {
        named[each]: source.arrays(named[each]) or {}
        for source, sort in zip(sources, sorts, strict=True)
        for each in sort
    }
    whole = published and names == pages(edition.root)
    if fresh:
        old, new = stores[0], sources[0]
        _compare([(old.get(named[spec]), new.get(named[spec])) for spec in specs])
        _compare_measured([(t, stores[1].arrays(named[t]), found[named[t]]) for t in every])
        for store, sort in zip(stores, sorts, strict=True):
            for each in sort:
                store.put_arrays(named[each], found[named[each]])
    elif whole and specs and len(stores[0]):
        _sample(edition, specs, every, data, stores, workers)
    if whole:
        for file, sort in zip((records.PUBLISHED, records.MEASURED), sorts, strict=True):
            parts = {named[each]: found[named[each]] for each in sort}
            records.publish(edition.root / file, parts)
    if fresh:
        shutil.rmtree(fresh_folder, ignore_errors=True)
    return {
        page: records.shown_digest(found[named[each]] for each in (*runs[page], *tasks[page]))
        for page in names
    }


def wanted(asked: list[Request], kind: str) -> list[Any]:
    """Return what requests of a kind stand for: specifications of runs, or tasks of experiments."""
    from rethink import measurements, study

    find: Callable[..., list[Any]] = study.specifications if kind == "runs" else measurements.tasks
    return [each for r in asked if r.kind == kind for each in find(r.name, **r.parameters)]


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
        _work(
            f"Training {len(missing)} networks with {at_once} workers",
            expected,
            lambda show: sweep.train_missing(missing, data, store, workers, show),
        )


def _measure_missing(tasks: list[Any], data: Any, store: Any, workers: Workers) -> None:
    """Carry out what has no result, showing how long is left."""
    from rethink import measurements

    missing = [t for t in tasks if store.arrays(measurements.key(t, data.digest)) is None]
    if not missing:
        return
    with workers.connected(data):
        at_once = min(workers.number(), len(missing))
        _work(
            f"Measuring {len(missing)} things more with {at_once} workers",
            sum(task.seconds for task in missing) / at_once,
            lambda show: measurements.measure_missing(missing, data, store, workers, show),
        )


def _work(what: str, expected: float, do: Callable[[Callable[[Any], None]], object]) -> None:
    """Say how long something takes, do it, and show how far it is."""
    console.print(f"{what}: about {_time(expected)}. Ctrl-C loses only what is under way.")
    start = time.perf_counter()
    with console.status("starting") as status:
        said = start

        def show(progress: Any) -> None:
            nonlocal said
            names = ", ".join(
                f"{len(stack)} × {list(stack[0].hidden)} epoch {epochs} of {stack[0].epochs}"
                for stack, epochs in progress.running
            )
            line = f"{progress.done:4.0%} done, {_time(progress.left)} left"
            line += f": {names}" if names else ""
            status.update(line)
            if not console.is_terminal and time.perf_counter() - said > 20:
                said = time.perf_counter()
                console.print(f"  {line}", soft_wrap=True)

        do(show)
    console.print(f"  done in {_time(time.perf_counter() - start)}")


def _sample(
    edition: Edition,
    specs: list[Any],
    tasks: list[Any],
    data: Any,
    stores: list[Any],
    workers: Workers,
) -> None:
    """Do a random sample of what is published again, once for each state of it."""
    from rethink import press, records, study

    state = _load(edition)
    files = [edition.root / file for file in (records.PUBLISHED, records.MEASURED)]
    digest = "".join(map(_digest, files))
    if state.get("sampled") == digest:
        return
    console.print(
        f"Checking a random sample of {len(stores[0])} published records and {len(stores[1])} "
        f"measurements: about {_time(2 * SAMPLE_SECONDS)}."
    )
    with workers.connected(data):
        audits = study.audit(specs, data, stores[0], SAMPLE_SECONDS)
    _judge(audits, [audit for audit in audits if not audit.passed])
    _judge_measured(study.repeat(tasks, data, stores[1], SAMPLE_SECONDS))
    state["sampled"] = digest
    press.write_text(edition.build / "executed.json", json.dumps(state, indent=1))


def _compare(pairs: list[tuple[Any, Any]]) -> None:
    """Hold all fresh records against those there were.

    On another type of machine a difference is news and no fault: the fresh ones take their place.
    """
    from rethink import study

    audits = [study.compare(old, new) for old, new in pairs if old is not None]
    _judge(audits, [audit for audit in audits if audit.same_machine and not audit.equal])


def _compare_measured(triples: list[tuple[Any, Any, Any]]) -> None:
    """Hold all fresh measurements against those there were, in the same way."""
    from rethink import measurements, study

    _judge_measured(
        [
            study.Repeat(task, measurements.same_machine(old, new), measurements.equal(old, new))
            for task, old, new in triples
            if old is not None
        ]
    )


def _judge_measured(repeats: list[Any]) -> None:
    """Say how repeated measurements compare, and refuse those that failed."""
    if not repeats:
        return
    equal = sum(repeat.equal for repeat in repeats)
    console.print(f"  {equal} of {len(repeats)} repeated measurements are equal bit for bit.")
    for repeat in repeats:
        if not repeat.passed:
            raise PressError(
                f"the measurement {repeat.task} does not stand: done again it is another. Restore "
                "book/measurements.npz, or delete it and measure all anew with `make book`."
            )


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
