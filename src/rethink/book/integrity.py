"""Whether what a book is made of is as it was made: notebooks, results, records, pages.

An executed notebook carries two digests beside its stamp: of itself, and of its results. Those of
all other files stand in a file beside them. Nothing is executed to compare them.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rethink import checksums
from rethink.book.pages import Edition, page_names

# What is published before pages are executed, and what is made when all are.
RECORDS, LEDGER, COVER = "records.npz", "ledger.csv", "cover.png"


def seal(notebook: dict[str, Any], results: bytes) -> dict[str, Any]:
    """Return what the metadata of an executed notebook have of it, with its digests.

    Args:
        notebook: as read from the JSON of its file.
        results: content of the file of its results.
    """
    about = {**notebook["metadata"]["rethink"], "results": checksums.digest(results)}
    return {**about, "digest": _digest(notebook, about)}


def stamp_of(book: Path, page: str) -> str | None:
    """Return the stamp that a page was executed with; None unless page and results are as then."""
    about = _sealed(book, page)
    if about is None or _results_fault(book, page):
        return None
    return str(about.get("stamp"))


@dataclass(frozen=True)
class Kind:
    """Files of one kind that a book is made of.

    Attributes:
        name: of the kind, in the plural.
        folder: where they are.
        count: how many there are, or should be.
        faults: what differs, by the path of the file from there.
    """

    name: str
    folder: Path
    count: int
    faults: dict[str, str]


def check(edition: Edition) -> list[Kind]:
    """Compare everything that a book is made of with its digests."""
    pages, book = page_names(edition.root), edition.book
    notebooks = {f"{page}.ipynb": _notebook_fault(book, page) for page in pages}
    results = {f"results/{page}.json": _results_fault(book, page) for page in pages}
    notebooks |= _strays(book.glob("*.ipynb"), notebooks, book)
    results |= _strays((book / "results").glob("*"), results, book)
    kinds = [
        Kind("notebooks", book, len(notebooks), _faults(notebooks)),
        Kind("results", book, len(results), _faults(results)),
        check_others(edition),
    ]
    if edition.html.exists():
        kinds.append(check_html(edition))
    return kinds


def check_others(edition: Edition) -> Kind:
    """Compare records, ledger and cover with what they were when they were made."""
    names = [RECORDS, LEDGER, COVER]
    known = checksums.recorded(edition.book)
    # A book that measures nothing has no records, and one without a figure has no cover.
    names = [name for name in names if name in known or (edition.book / name).exists()]
    return Kind(
        "records, ledger and cover",
        edition.book,
        len(names),
        checksums.differences(edition.book, names),
    )


def check_html(edition: Edition) -> Kind:
    """Compare the rendered book with what it was when it was rendered."""
    files = {*checksums.recorded(edition.html), *checksums.files_of(edition.html)}
    return Kind(
        "rendered files",
        edition.html,
        len(files),
        checksums.differences(edition.html, sorted(files)),
    )


def _digest(notebook: dict[str, Any], about: dict[str, Any]) -> str:
    """Return the digest of a notebook but for the digest in it."""
    about = {name: value for name, value in about.items() if name != "digest"}
    whole = notebook | {"metadata": notebook["metadata"] | {"rethink": about}}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _sealed(book: Path, page: str) -> dict[str, Any] | None:
    """Return what an executed notebook says of itself; None if it is not as it was executed."""
    try:
        notebook = json.loads((book / f"{page}.ipynb").read_bytes())
        about = dict(notebook["metadata"]["rethink"])
        return about if about["digest"] == _digest(notebook, about) else None
    except (FileNotFoundError, KeyError, RecursionError, TypeError, ValueError):
        return None


def _notebook_fault(book: Path, page: str) -> str:
    if not (book / f"{page}.ipynb").exists():
        return "is missing"
    return "" if _sealed(book, page) else "is not as it was executed"


def _results_fault(book: Path, page: str) -> str:
    file = book / "results" / f"{page}.json"
    if not file.exists():
        return "is missing"
    about = _sealed(book, page)
    if about is None:
        return "is not known, since its notebook is not as it was executed"
    same = about.get("results") == checksums.digest(file.read_bytes())
    return "" if same else "is not as it was when its page was executed"


def _strays(files: Iterable[Path], known: dict[str, str], book: Path) -> dict[str, str]:
    names = (file.relative_to(book).as_posix() for file in files if file.is_file())
    return {name: "belongs to no page" for name in sorted(names) if name not in known}


def _faults(each: dict[str, str]) -> dict[str, str]:
    return {name: fault for name, fault in each.items() if fault}
