"""The runs and measurements that pages show: made where they are missing, sampled, and compared.

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

from rethink.paths import write_text
from rethink.book.pages import Edition, PressError, Request, pages, read, requests, shows_seconds
from rethink.book.page_note import Shown
from rethink.progress import console, in_words
from rethink.runs.workers import LOCAL, Workers

SAMPLE_SECONDS = 20.0  # for the sample of published records that is trained again


def look(edition: Edition, names: list[str], sources: Any = None) -> dict[str, Shown]:
    """Say what pages show of the runs and measurements that there are.

    Args:
        edition: the book.
        names: its pages.
        sources: where runs and measurements are, by default here.

    Raises:
        PressError: if some are missing.
    """
    from rethink.runs import tasks, store
    from rethink.data import fashion_mnist

    data = fashion_mnist()
    found = {}
    trained, measured = sources or _stores()
    for page in names:
        asked = requests(edition.root, page, edition.overrides.get(page, {}))
        specs, tasks = (list(dict.fromkeys(wanted(asked, k))) for k in ("runs", "measure"))
        parts = [trained.arrays(store.key(spec, data.digest)) for spec in specs]
        parts += [measured.arrays(tasks.key(task, data.digest)) for task in tasks]
        timed = shows_seconds(read(edition.root, page))
        digest = store.arrays_digest if timed else store.shown_digest
        if None in parts:
            raise PressError(f"{page} shows runs that are not there; run `make book` first")
        found[page] = Shown(
            digest=digest(parts),
            data=data.digest,
            runs=len(specs),
            measurements=len(tasks),
            seeds=max((request.parameters["seeds"] for request in asked), default=0),
            seconds=sum(map(tasks.seconds, parts)),
        )
    return found


def train(
    edition: Edition, names: list[str], fresh: bool, workers: Workers = LOCAL
) -> dict[str, Shown]:
    """See to the runs and measurements that pages show, and say what each shows of them."""
    from rethink.runs import tasks, store
    from rethink.data import fashion_mnist
    from rethink.paths import cache_folder

    data = fashion_mnist()
    asked = {page: requests(edition.root, page, edition.overrides.get(page, {})) for page in names}
    specs = list(dict.fromkeys(s for each in asked.values() for s in wanted(each, "runs")))
    every = list(dict.fromkeys(t for each in asked.values() for t in wanted(each, "measure")))
    stores = _stores()
    published = edition.book == Edition.full(edition.root).book and not edition.overrides
    sources = stores
    if fresh:
        # A folder of its own, so that what an interrupted call did is not done again.
        fresh_folder = cache_folder() / "fresh"
        sources = [store.Store(fresh_folder / store.folder.name, None) for store in stores]
    _train_missing(specs, data, sources[0], workers)
    _measure_missing(every, data, sources[1], workers)
    sorts: list[list[Any]] = [specs, every]
    named: dict[Any, str] = {spec: store.key(spec, data.digest) for spec in specs}
    named |= {task: tasks.key(task, data.digest) for task in every}
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
        for file, sort in zip((store.PUBLISHED, store.MEASURED), sorts, strict=True):
            parts = {named[each]: found[named[each]] for each in sort}
            store.publish(edition.root / file, parts)
    # What pages will read: the published results before all others.
    shown = look(edition, names)
    if fresh:
        shutil.rmtree(fresh_folder, ignore_errors=True)
    return shown


def _stores() -> list[Any]:
    """Return where runs and where measurements are found here."""
    from rethink.runs import store

    return [store.Store.here(file) for file in (store.PUBLISHED, store.MEASURED)]


def track(edition: Edition, tracker: str) -> None:
    """Log every training run that the book shows, once it is made, and say where.

    Raises:
        TrackingError: as `tracking.track`.
    """
    from rethink.runs import tracking
    from rethink.paths import cache_folder

    with console.status("logging the training runs"):
        found = runs(edition)
        said = tracking.track(tracker, found, cache_folder() / "wandb")
    console.print(said, markup=False, soft_wrap=True)


def runs(edition: Edition) -> dict[str, Any]:
    """Return the record of every training run that the book shows, by its key.

    Raises:
        PressError: if some are missing.
    """
    from rethink.runs import store
    from rethink.data import fashion_mnist

    data, store = fashion_mnist(), store.Store.here()
    names = [
        store.key(spec, data.digest)
        for page in pages(edition.root)
        for spec in wanted(requests(edition.root, page, edition.overrides.get(page, {})), "runs")
    ]
    found = {name: store.get(name) for name in dict.fromkeys(names)}
    if None in found.values():
        raise PressError("some training runs are not there; run `make book` first")
    return found


def wanted(asked: list[Request], kind: str) -> list[Any]:
    """Return what requests of a kind stand for: specifications of runs, or tasks of experiments."""
    from rethink.runs import tasks, study

    find: Callable[..., list[Any]] = study.specifications if kind == "runs" else tasks.tasks
    return [each for r in asked if r.kind == kind for each in find(r.name, **r.parameters)]


def _train_missing(specs: list[Any], data: Any, store: Any, workers: Workers) -> None:
    """Train what has no record, showing which stacks are under way and how long is left."""
    from rethink.runs import store, sweep

    missing = [s for s in specs if store.get(store.key(s, data.digest)) is None]
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
    from rethink.runs import tasks

    missing = [t for t in tasks if store.arrays(tasks.key(t, data.digest)) is None]
    if not missing:
        return
    with workers.connected(data):
        at_once = min(workers.number(), len(missing))
        _work(
            f"Measuring {len(missing)} things more with {at_once} workers",
            sum(task.seconds for task in missing) / at_once,
            lambda show: tasks.measure_missing(missing, data, store, workers, show),
        )


def _work(what: str, expected: float, do: Callable[[Callable[[Any], None]], object]) -> None:
    """Say how long something takes, do it, and show how far it is."""
    console.print(f"{what}: about {in_words(expected)}. Ctrl-C loses only what is under way.")
    start = time.perf_counter()
    with console.status("starting") as status:
        said = start

        def show(progress: Any) -> None:
            nonlocal said
            names = ", ".join(
                f"{len(stack)} × {list(stack[0].hidden)} epoch {epochs} of {stack[0].epochs}"
                for stack, epochs in progress.running
            )
            line = f"{progress.done:4.0%} done, {in_words(progress.left)} left"
            line += f": {names}" if names else ""
            status.update(line)
            if not console.is_terminal and time.perf_counter() - said > 20:
                said = time.perf_counter()
                console.print(f"  {line}", soft_wrap=True)

        do(show)
    console.print(f"  done in {in_words(time.perf_counter() - start)}")


def _sample(
    edition: Edition,
    specs: list[Any],
    tasks: list[Any],
    data: Any,
    stores: list[Any],
    workers: Workers,
) -> None:
    """Do a random sample of what is published again, once for each state of it."""
    from rethink.runs import store, study

    state = load(edition)
    files = [edition.root / file for file in (store.PUBLISHED, store.MEASURED)]
    digest = "".join(map(_digest, files))
    if state.get("sampled") == digest:
        return
    console.print(
        f"Checking a random sample of {len(stores[0])} published records and {len(stores[1])} "
        f"measurements: about {in_words(2 * SAMPLE_SECONDS)}."
    )
    with workers.connected(data):
        audits = study.audit(specs, data, stores[0], SAMPLE_SECONDS)
    _judge(audits, [audit for audit in audits if not audit.passed])
    _judge_measured(study.repeat(tasks, data, stores[1], SAMPLE_SECONDS))
    state["sampled"] = digest
    write_text(edition.build / "executed.json", json.dumps(state, indent=1))


def _compare(pairs: list[tuple[Any, Any]]) -> None:
    """Hold all fresh records against those there were.

    On another type of machine a difference is news and no fault: the fresh ones take their place.
    """
    from rethink.runs import study

    audits = [study.compare(old, new) for old, new in pairs if old is not None]
    _judge(audits, [audit for audit in audits if audit.same_machine and not audit.equal])


def _compare_measured(triples: list[tuple[Any, Any, Any]]) -> None:
    """Hold all fresh measurements against those there were, in the same way."""
    from rethink.runs import tasks, study

    _judge_measured(
        [
            study.Repeat(task, tasks.same_machine(old, new), tasks.equal(old, new))
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


def load(edition: Edition) -> dict[str, Any]:
    """Return what is known of earlier executions on this machine: stamps and seconds."""
    try:
        text = (edition.build / "executed.json").read_text(encoding="utf-8")
        return dict(json.loads(text))
    except (FileNotFoundError, TypeError, ValueError):
        return {}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


