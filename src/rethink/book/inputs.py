"""The results that pages show: made where they are missing, sampled, and compared.

What takes seconds to import is imported where it is needed, so that a call with nothing to do is
over at once.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rethink import checksums
from rethink.book.page_note import PageResults
from rethink.book.pages import (
    BookError,
    Edition,
    Request,
    page_names,
    read,
    requests,
    root,
    shows_everything,
    shows_seconds,
)
from rethink.paths import exclusive, scratch_folder, write_files
from rethink.progress import console, in_words
from rethink.runs.workers import LOCAL, Workers

if TYPE_CHECKING:
    from rethink.data import Dataset
    from rethink.protocol import Record
    from rethink.runs.audit import Audit, Coverage
    from rethink.runs.carry_out import Progress
    from rethink.runs.results import Results
    from rethink.runs.store import Store
    from rethink.runs.tasks import Arrays, Task

# What is known of executions, in the folder of what is built.
EXECUTED = "executed.json"
SAMPLE_SECONDS = 20.0  # of each core, for the sample of published results that is made again


def look(
    edition: Edition, names: list[str], there: "Store | None" = None
) -> dict[str, PageResults]:
    """Say what pages show of the results that there are.

    Args:
        edition: the book.
        names: its pages.
        there: where the results are, by default the store of this machine.

    Raises:
        BookError: if some are missing.
    """
    from rethink.data import fashion_mnist
    from rethink.runs import store, tasks

    data = fashion_mnist()
    there = there or store.Store.here()
    found = {}
    for page in names:
        asked = asked_by(edition, page)
        wanted = wanted_by(asked)
        results = [there.get(tasks.key(task, data.digest)) for task in wanted]
        known = [result for result in results if result is not None]
        if len(known) < len(wanted):
            raise BookError(f"{page} shows results that are not there; run `make book` first")
        timed = shows_seconds(read(edition.root, page))
        digest = store.whole_digest if timed else store.result_digest
        trained = sum(task.experiment == "training_runs" for task in wanted)
        found[page] = PageResults(
            digest=digest(known),
            data=data.digest,
            runs=trained,
            measurements=len(wanted) - trained,
            seeds=max((request.parameters.get("seeds", 0) for request in asked), default=0),
            seconds=sum(map(tasks.seconds, known)),
        )
    return found


def make_results(
    edition: Edition, names: list[str], fresh: bool, workers: Workers = LOCAL
) -> dict[str, PageResults]:
    """See to the results that pages show, and say what each shows of them.

    Args:
        edition: the book.
        names: its pages.
        fresh: whether all are made anew, whatever there is, and held against what there was.
        workers: who does it.

    Raises:
        BookError: if a result does not stand, or another process makes fresh ones in this cache;
            or, of fresh ones, not all could be compared. Then they are published all the same.
        RecordsError: if the published results are damaged.
    """
    from rethink.runs import store

    there = store.Store.here()
    # Read before any work: what is damaged could not be held against what is made.
    there.published.keys()
    if not fresh:
        return _make_results(edition, names, there, there, workers)
    # A folder of its own, so that what an interrupted call did is not done again.
    source = store.Store(there.folder.with_name("fresh"), None)
    refusal = BookError(f"another process is making all results anew in {source.folder}")
    with exclusive(source.folder.with_name("fresh.lock"), refusal):
        return _make_results(edition, names, there, source, workers)


def _make_results(
    edition: Edition, names: list[str], there: "Store", source: "Store", workers: Workers
) -> dict[str, PageResults]:
    """See to results as `make_results` does, in a store that is another one if all are fresh."""
    from rethink.data import fashion_mnist
    from rethink.runs import store, tasks

    data, fresh = fashion_mnist(), source is not there
    wanted = wanted_by([request for page in names for request in asked_by(edition, page)])
    keys = {task.text: tasks.key(task, data.digest) for task in wanted}
    _do_missing(wanted, data, source, workers)

    made = {task.text: source.get(keys[task.text]) or {} for task in wanted}
    published = edition.book == Edition.full(edition.root).book and not edition.overrides
    whole = published and names == page_names(edition.root)
    fault = ""
    if fresh:
        fault = _compare_all(wanted, list(there.published.values()), made, whole)
        for task in wanted:
            there.put(keys[task.text], made[task.text])
    elif whole and wanted and there.published:
        _sample(edition, wanted, data, there, workers)
    if whole:
        results = {keys[task.text]: made[task.text] for task in wanted}
        store.publish(edition.root / store.PUBLISHED, results)
    # What pages will read: the published results before all others.
    shown = look(edition, names)
    if fresh:
        shutil.rmtree(source.folder, ignore_errors=True)
    if fault:
        raise BookError(fault)
    return shown


def track(edition: Edition, tracker: str) -> None:
    """Log every training run that the book shows, once it is made, and say where.

    Raises:
        TrackingError: as `tracking.track`.
    """
    from rethink.paths import cache_folder
    from rethink.runs import tracking

    with console.status("logging the training runs"):
        said = tracking.track(tracker, training_runs(edition), cache_folder() / "wandb")
    console.print(said, markup=False, soft_wrap=True)


def training_runs(edition: Edition) -> dict[str, "Record"]:
    """Return the record of every training run that the book shows, by its key.

    Raises:
        BookError: if some are missing.
    """
    from rethink.data import fashion_mnist
    from rethink.runs import store, tasks
    from rethink.runs.training_results import record

    data, there = fashion_mnist(), store.Store.here()
    found = {}
    for task in wanted_by(asked_by_all(edition)):
        if task.experiment != "training_runs":
            continue
        name = tasks.key(task, data.digest)
        result = there.get(name)
        if result is None:
            raise BookError("some training runs are not there; run `make book` first")
        found[name] = record(result)
    return found


def everything() -> "dict[str, Results]":
    """Return all results that the pages of the book under way show, by experiment.

    For pages that say of all of them how many there are, or list them. In a draft they are those of
    its reduced parameters.
    """
    return _results(_asked_under_way(), lambda request: request.experiment)


def studies() -> "dict[str, Results]":
    """Return all training runs of `everything` by study; one of two counts for the first."""
    trained = [each for each in _asked_under_way() if each.experiment == "training_runs"]
    return _results(trained, lambda request: str(request.parameters["study"]))


def _asked_under_way() -> list[Request]:
    """Return what the pages of the book under way ask for."""
    overrides = json.loads(os.environ.get("RETHINK_REDUCED") or "{}")
    return asked_by_all(replace(Edition.full(root()), overrides=overrides))


def _results(asked: list[Request], group: "Callable[[Request], str]") -> "dict[str, Results]":
    """Return the results that are asked for, each in the group of the first request for it."""
    from rethink.data import fashion_mnist
    from rethink.runs.store import Store
    from rethink.runs.study import results_of

    groups: dict[str, list[Task]] = {}
    seen: set[str] = set()
    for request in asked:
        new = [task for task in wanted_by([request]) if task.text not in seen]
        seen |= {task.text for task in new}
        if new:
            groups.setdefault(group(request), []).extend(new)
    data, store = fashion_mnist(), Store.here()
    return {name: results_of(groups[name], data, store) for name in sorted(groups)}


def asked_by(edition: Edition, page: str) -> list[Request]:
    """Return what a page asks for; one that asks for `everything`, for what all pages do."""
    if shows_everything(read(edition.root, page)):
        return asked_by_all(edition)
    return requests(edition.root, page, edition.overrides.get(page, {}))


def asked_by_all(edition: Edition) -> list[Request]:
    """Return what the pages of the book ask for, in their order, each once."""
    found: list[Request] = []
    for page in page_names(edition.root):
        asked = requests(edition.root, page, edition.overrides.get(page, {}))
        found += [request for request in asked if request not in found]
    return found


def wanted_by(asked: Sequence[Request]) -> "list[Task]":
    """Return the tasks that requests stand for, each once."""
    from rethink.runs import tasks

    wanted = [task for each in asked for task in tasks.tasks(each.experiment, **each.parameters)]
    return list({task.text: task for task in wanted}.values())


def _do_missing(wanted: "list[Task]", data: "Dataset", store: "Store", workers: Workers) -> None:
    """Do what has no result, showing what is under way and how long is left."""
    from rethink.runs.carry_out import do_missing, missing_of
    from rethink.runs.tasks import groups

    missing = missing_of(wanted, data, store)
    if not missing:
        return
    trained = sum(task.experiment == "training_runs" for task in missing)
    with workers.connected(data):
        at_once = min(workers.number(), len(groups(missing)))
        # Two busy cores of one processor are slower than one alone: the estimate is a rough one.
        expected = sum(task.seconds for task in missing) / at_once
        _work(
            f"Training {trained} networks and measuring {len(missing) - trained} things more with "
            f"{at_once} workers",
            expected,
            lambda show: do_missing(missing, data, store, workers, show),
        )


def _work(what: str, expected: float, do: "Callable[[Callable[[Progress], None]], object]") -> None:
    """Say how long something takes, do it, and show how far it is."""
    console.print(f"{what}: about {in_words(expected)}. Ctrl-C loses only what is under way.")
    start = time.perf_counter()
    with console.status("starting") as status:
        said = start

        def show(progress: "Progress") -> None:
            nonlocal said
            names = ", ".join(
                f"{len(group)} × {group[0].label} {share:.0%}" for group, share in progress.running
            )
            line = f"{progress.done:4.0%} done, {in_words(progress.left)} left"
            line += f": {names}" if names else ""
            status.update(line)
            if not console.is_terminal and time.perf_counter() - said > 20:
                said = time.perf_counter()
                console.print(f"  {line}", soft_wrap=True, markup=False)

        do(show)
    console.print(f"  done in {in_words(time.perf_counter() - start)}")


def _sample(
    edition: Edition, wanted: "list[Task]", data: "Dataset", store: "Store", workers: Workers
) -> None:
    """Do a random sample of what is published again, once for each state of it."""
    from rethink.runs import store as stores
    from rethink.runs.audit import compare, sample
    from rethink.runs.carry_out import do_missing
    from rethink.runs.tasks import key

    state = load(edition)
    digest = _digest(edition.root / stores.PUBLISHED)
    if state.get("sampled") == digest:
        return
    console.print(
        f"Checking a random sample of {len(store.published)} published results: about "
        f"{in_words(SAMPLE_SECONDS)}."
    )
    with (
        workers.connected(data),
        scratch_folder() as folder,
    ):
        drawn = sample(wanted, SAMPLE_SECONDS * workers.number())
        again = stores.Store(folder, None)
        do_missing([shorter for _, shorter in drawn], data, again, workers)
        audits = []
        for task, shorter in drawn:
            old, new = store.get(key(task, data.digest)), again.get(key(shorter, data.digest))
            if old is not None and new is not None:
                audits.append(compare(shorter, old, new))
    _report(audits)
    _refuse(audits)
    state["sampled"] = digest
    keep(edition, state)


def _compare_all(
    wanted: "list[Task]", published: "list[Arrays]", made: "dict[str, Arrays]", whole: bool
) -> str:
    """Hold fresh results against the published ones, whatever their keys; return what is amiss.

    On another type of machine the fresh results take the place of the old ones all the same, also
    of those that lie further away than they may: that is said when they are published.

    Raises:
        BookError: if a result of this type of machine does not stand.
    """
    from rethink.runs.audit import compare_all

    if not published:
        console.print("  Nothing is published yet, so there is nothing to hold them against.")
        return ""
    coverage = compare_all(wanted, published, made)
    _report(coverage.audits)
    _refuse([audit for audit in coverage.audits if audit.same_machine])
    elsewhere = [_fault(audit) for audit in coverage.audits if not audit.passed]
    gaps = [_gaps(coverage, len(wanted))] if whole else []
    return "\n".join(filter(None, [*gaps, *elsewhere]))


def _gaps(coverage: "Coverage", wanted: int) -> str:
    """Say what could not be compared; nothing if all was."""
    if coverage.whole:
        return ""
    said = [f"{len(coverage.audits)} of {wanted} results were compared"]
    if coverage.new:
        said.append(f"there was none to hold {', '.join(map(str, coverage.new[:3]))} against")
    if coverage.left:
        said.append(f"nothing asks for {', '.join(coverage.left[:3])} any more")
    more = max(0, len(coverage.new) - 3) + max(0, len(coverage.left) - 3)
    said += [f"and so for {more} more"] if more else []
    return "; ".join(said) + ". What was made is published: the next call compares all."


def _report(audits: "list[Audit]") -> None:
    """Say how repeated results compare."""
    for kind, some in (
        ("training runs", [a for a in audits if a.task.experiment == "training_runs"]),
        ("other measurements", [a for a in audits if a.task.experiment != "training_runs"]),
    ):
        equal = sum(audit.equal for audit in some)
        elsewhere = sum(not audit.same_machine for audit in some)
        apart = [audit for audit in some if audit.furthest and not audit.equal]
        line = f"  {equal} of {len(some)} {kind} made again are equal bit for bit"
        if elsewhere:
            line += f", {elsewhere} of them held against another type of machine"
        if apart:
            worst = max(apart, key=lambda audit: audit.furthest.ratio if audit.furthest else 0.0)
            line += f"; furthest apart lies {worst.furthest}, of {worst.task}"
        if some:
            console.print(f"{line}.", soft_wrap=True)


def _refuse(audits: "list[Audit]") -> None:
    """Raise BookError for the first result that does not stand."""
    for audit in audits:
        if not audit.passed:
            raise BookError(
                f"{_fault(audit)} Restore book/records.npz, or delete it and make all anew with "
                "`make book`."
            )


def _fault(audit: "Audit") -> str:
    """Say that a result does not stand."""
    far = f": {audit.furthest}" if audit.furthest and audit.furthest.difference else ""
    return f"the result of {audit.task} does not stand, since made again it is another{far}."


def keep(edition: Edition, state: dict[str, Any]) -> None:
    """Keep what is known of executions on this machine, with a digest that tells if it is spoiled.

    Raises:
        WritingError: if it cannot be written.
    """
    content = json.dumps(state, indent=1).encode("utf-8")
    sums = checksums.as_text({EXECUTED: checksums.digest(content)})
    write_files([(edition.build / EXECUTED, content), (edition.build / checksums.NAME, sums)])


def load(edition: Edition) -> dict[str, Any]:
    """Return what is known of earlier executions on this machine: stamps and seconds.

    What is spoiled is not known.
    """
    digests = checksums.recorded(edition.build)
    try:
        content = (edition.build / EXECUTED).read_bytes()
        if digests.get(EXECUTED) != checksums.digest(content):
            return {}
        known = dict(json.loads(content))
    except (FileNotFoundError, RecursionError, TypeError, ValueError):
        return {}
    return {name: each for name, each in known.items() if name == "sampled" or _is_known(each)}


def _is_known(page: Any) -> bool:
    """Tell whether that is what is kept of the execution of a page."""
    if not isinstance(page, dict):
        return False
    seconds = page.get("seconds")
    return isinstance(page.get("stamp"), str) and isinstance(seconds, int | float)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
