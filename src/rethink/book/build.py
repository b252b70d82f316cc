"""How a book is made: see to its runs, execute what is stale, render; and say so meanwhile.

What takes seconds to import is imported where it is needed, so that a call with nothing to do is
over at once.
"""

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rethink import checksums
from rethink.book.inputs import keep, load, look, make_results, training_runs
from rethink.book.integrity import COVER, LEDGER, check_html, check_others, stamp_of
from rethink.book.page_note import PageResults, commit, note
from rethink.book.pages import (
    BookError,
    Edition,
    inputs_digest,
    page_names,
    read,
    settings,
    stamp,
    summarises,
)
from rethink.paths import check_writable, exclusive, write_files, write_text
from rethink.progress import console, in_words
from rethink.runs.workers import Workers, cores

SECONDS_PER_PAGE = 7.0  # before this machine has executed a page, whose time is then kept


def make(edition: Edition, fresh: bool, workers: Workers) -> None:
    """Train what is missing, execute what is stale and render, saying what is done.

    Raises:
        BookError: if something cannot be made; or, if all was made from nothing, if a result lies
            further from what it was than its page allows. Then the new book is there all the same.
    """
    with alone(edition):
        _make(edition, fresh, workers)


def _make(edition: Edition, fresh: bool, workers: Workers) -> None:
    start = time.perf_counter()
    complete, index = edition.build / "complete", edition.html / "index.html"
    before = complete.read_bytes() if complete.exists() else b""
    same = index.exists() and before == _whole_state(edition).encode("utf-8")
    if same and not fresh and not check_html(edition).faults:
        print(f"Nothing to do, the book is up to date: {index}")
        return
    from rethink.book import claims, notebooks

    order = page_names(edition.root)
    for page in order:
        settings(edition.root, page, edition.overrides.get(page, {}))
    # What could not be written or compared is said before the work and not after it.
    check_writable(edition.book)
    results = _results(edition) if fresh else {}
    shown = make_results(edition, order, fresh, workers)
    trained = time.perf_counter()
    state = load(edition)
    _execute_stale(edition, order, shown, state, workers.count or cores())
    others = {LEDGER: claims.whole_ledger(edition.book).encode("utf-8")}
    # What the README shows.
    if cover := notebooks.picture(edition.book / f"{page_names(edition.root)[0]}.ipynb"):
        others[COVER] = cover
    write_files((edition.book / name, content) for name, content in others.items())
    checksums.record(edition.book, others)
    executed = time.perf_counter()
    # What is edited while pages are executed or rendered is not in the book.
    whole = _whole_state(edition)
    late = [page for page in order if _stale(edition, page, shown[page].digest, state)]
    render_book(edition, shown)
    if late:
        console.print(f"Edited meanwhile: {', '.join(late)}; call `make book` again.")
    else:
        write_text(complete, whole)
    spent = {
        "data and runs": trained - start,
        "execution": executed - trained,
        "rendering": time.perf_counter() - executed,
    }
    console.print("Took " + ", ".join(f"{name} {in_words(s)}" for name, s in spent.items()) + ".")
    print(index)
    now = _results(edition)
    moved = [f"{p}: {each}" for p in results for each in claims.differences(results[p], now[p])]
    if moved:
        raise BookError(
            "made from nothing, some results lie further from what they were than their pages "
            "allow:\n" + "\n".join(f"    {line}" for line in moved)
        )


def _execute_stale(
    edition: Edition,
    order: list[str],
    shown: dict[str, PageResults],
    state: dict[str, Any],
    at_once: int,
) -> None:
    """Execute what is stale, pages side by side, and note in the state what is executed.

    Pages that summarise the others are judged and executed only when those are done.

    Raises:
        BookError: if a page fails: the first one that does. Those under way are finished, and what
            was executed stays.
    """
    from rethink.book import notebooks

    def stale(pages: list[str]) -> list[str]:
        return [page for page in pages if _stale(edition, page, shown[page].digest, state)]

    def expected(page: str) -> float:
        return float(state.get(page, {}).get("seconds", SECONDS_PER_PAGE))

    summaries = [page for page in order if summarises(read(edition.root, page))]
    left = stale(order)
    if left:
        about = max(sum(map(expected, left)) / at_once, *map(expected, left), 0.0)
        console.print(f"Executing {len(left)} of {len(order)} pages: about {in_words(about)}.")

    with notebooks.surroundings(edition), console.status("starting") as status:
        for pages in ([page for page in order if page not in summaries], summaries):
            # The long ones first, so that no core is left alone with one at the end.
            now = sorted(stale(pages), key=expected, reverse=True)
            # Threads, since the work is done by the kernels, which are processes of their own.
            pool = ThreadPoolExecutor(at_once)
            marks = {page: stamp(edition, page, shown[page].digest) for page in now}
            jobs = {
                pool.submit(_execute_in_thread, edition, page, marks[page]): page for page in now
            }
            try:
                for done in as_completed(jobs):
                    page, seconds = jobs.pop(done), done.result()
                    console.print(f"  {page}  {seconds:.1f} s")
                    state[page] = {"stamp": marks[page], "seconds": round(seconds, 1)}
                    keep(edition, state)
                    rest = sum(map(expected, jobs.values())) / at_once
                    status.update(f"{len(jobs)} pages left, {in_words(rest)}")
            except KeyboardInterrupt:
                console.print("Stopping as soon as the pages under way are executed.")
                raise
            finally:
                pool.shutdown(cancel_futures=True)


def publish(edition: Edition) -> None:
    """Render what is executed already.

    Raises:
        BookError: if a page was executed in another state than that of today, or is not as it was
            executed: which.
    """
    with alone(edition):
        _publish(edition)


def _publish(edition: Edition) -> None:
    order = page_names(edition.root)
    missing = [page for page in order if not (edition.book / f"{page}.ipynb").exists()]
    if missing:
        raise BookError(f"not executed yet: {', '.join(missing)}; run `make book` first")
    shown = look(edition, order)
    marks = {page: stamp(edition, page, shown[page].digest) for page in order}
    executed = {page: stamp_of(edition.book, page) for page in order}
    changed = [page for page in order if executed[page] is None]
    changed += check_others(edition).faults
    if changed:
        raise BookError(
            f"not as they were made: {', '.join(changed)}; `make book` makes them again, and "
            "`git checkout book` restores what was committed"
        )
    stale = [page for page in order if executed[page] != marks[page]]
    if stale:
        raise BookError(
            f"stale, since something that they depend on has changed: {', '.join(stale)}; run "
            "`make book`, which executes them again"
        )
    render_book(edition, shown)
    print(edition.html / "index.html")


def alone(edition: Edition) -> AbstractContextManager[None]:
    """Hold a book's folder, so that no second process works in it meanwhile."""
    refusal = BookError(f"another process is making the book in {edition.build}")
    return exclusive(edition.build / "lock", refusal)


def _results(edition: Edition) -> dict[str, Any]:
    """Return what executed pages found, by page."""
    from rethink.book import claims

    files = sorted((edition.book / "results").glob("*.json"))
    return {file.stem: claims.read_results(file) for file in files}


def _stale(edition: Edition, page: str, digest: str, state: dict[str, Any]) -> bool:
    """Tell whether a page must be executed: something changed, or it never was on this machine."""
    mark = stamp(edition, page, digest)
    known = state.get(page, {}).get("stamp")
    return bool(known != mark or stamp_of(edition.book, page) != mark)


def _whole_state(edition: Edition) -> str:
    """Return what decides every byte of the rendered book: its pages name the commit, too."""
    return f"{inputs_digest(edition)} {commit(edition.root)}"


def execute(edition: Edition, page: str, mark: str, output: Path | None = None) -> float:
    """Execute a page and return the seconds it took."""
    from rethink.book import notebooks

    start = time.perf_counter()
    notebooks.execute(edition, page, mark, output)
    return time.perf_counter() - start


def _execute_in_thread(edition: Edition, page: str, mark: str) -> float:
    """Execute a page as `execute` does, and close what Jupyter opens for each thread."""
    from jupyter_core.utils import ensure_event_loop

    try:
        return execute(edition, page, mark)
    finally:
        ensure_event_loop().close()


def render_book(edition: Edition, shown: dict[str, PageResults]) -> None:
    """Render the executed notebooks, showing that it is under way."""
    from rethink.book import html

    state, code = load(edition), commit(edition.root) or "unknown"

    def seconds(page: str) -> float | None:
        known = state.get(page, {})
        return known.get("seconds") if known.get("stamp") == stamp_of(edition.book, page) else None

    notes = {page: note(edition, page, each, code, seconds(page)) for page, each in shown.items()}
    with console.status("rendering, a few seconds"):
        html.render(edition, notes, _downloads(edition))


def _downloads(edition: Edition) -> dict[str, str]:
    """Return what the run log offers as files."""
    from rethink.book import run_tables

    if "runs" not in page_names(edition.root):
        return {}
    found = training_runs(edition)
    return {"runs.csv": run_tables.runs_csv(found), "curves.csv": run_tables.curves_csv(found)}
