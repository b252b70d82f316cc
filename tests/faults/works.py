"""What is disturbed: each prepares a folder, works in it, and says what stands there then."""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nbformat.v4 import new_notebook

from rethink import data, paths
from rethink.book import build, integrity, notebooks, pages
from rethink.book import html as rendering
from rethink.protocol import Spec
from rethink.runs.carry_out import do_missing
from rethink.runs.store import PUBLISHED, Store, publish, result_digest
from rethink.runs.tasks import key
from rethink.runs.workers import Workers
from tests.book.manuscripts import SUMMARY, append, code, figure, handed_over, write_book
from tests.runs.examples import task_of

State = dict[str, Any]

# What works import as they go, so that processes are forked with it: PyTorch takes seconds.
for module in ("torch._dynamo", "rethink.book.claims", "rethink.experiments.smallest",
               "rethink.experiments.training_runs", "rethink.runs.audit", "rethink.runs.machine",
               "rethink.instrument.entry", "threadpoolctl", "filelock"):  # fmt: skip
    importlib.import_module(module)


@dataclass(frozen=True)
class Work:
    """Something done in a folder.

    Attributes:
        prepare: makes the folder as it is before.
        do: does it, and returns nothing.
        state: says what stands there, such that == holds it against an undisturbed one.
        whole: says what is half done in a folder, in whatever state; nothing if all is whole.
    """

    prepare: Callable[[Path], None]
    do: Callable[[Path], None]
    state: Callable[[Path], State]
    whole: Callable[[Path], str]


def files(folder: Path) -> set[str]:
    """The names of all that lies in a folder; what is left over is among them."""
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*")}


# ---- writing -------------------------------------------------------------------------------------

NAMES = ("a/one", "a/two", "b/three")


def _old(folder: Path) -> None:
    paths.write_files((folder / name, b"old" * 1000) for name in NAMES)


def _write(folder: Path) -> None:
    paths.write_files((folder / name, b"new" * 2000) for name in NAMES)


def _written(folder: Path) -> State:
    return {name: (folder / name).read_bytes() for name in NAMES} | {"names": files(folder)}


def _old_or_new(folder: Path) -> str:
    wanted = (b"old" * 1000, b"new" * 2000)
    half = [name for name in NAMES if (folder / name).read_bytes() not in wanted]
    return f"half-written: {half}" if half else ""


# ---- training ------------------------------------------------------------------------------------

TASKS = [task_of(Spec((units,), seed, epochs=2)) for units in (3, 4) for seed in range(2)]


def random_data() -> data.Dataset:
    """Forty random pictures of ten classes, as Fashion-MNIST has them."""
    generator = np.random.default_rng(0)
    pictures = generator.integers(256, size=(40, 784), dtype=np.uint8)
    labels = np.arange(40, dtype=np.uint8) % 10
    classes = tuple("abcdefghij")
    return data.Dataset("random", pictures, labels, pictures[:20], labels[:20], classes, "random")


def _train(folder: Path) -> None:
    do_missing(TASKS, random_data(), Store(folder / "records", None), Workers(1))


def _trained(folder: Path) -> State:
    store = Store(folder / "records", None)
    found = {task.text: store.get(key(task, "random")) for task in TASKS}
    state: State = {text: each and result_digest([each]) for text, each in found.items()}
    return state | {"names": files(folder)}


# ---- a book --------------------------------------------------------------------------------------

CHAPTERS = {
    "index": "# Tiny\n",
    "01-one": code("def never():\n    study.results('smallest', seeds=1)"),
    "02-two": code("print(1)"),
    "summary": SUMMARY,
}


def book(folder: Path) -> pages.Edition:
    """The book in a folder."""
    return pages.Edition.full(folder / "tiny")


def _manuscript(folder: Path) -> None:
    write_book(folder / "tiny", CHAPTERS)


def _edited(folder: Path) -> None:
    _manuscript(folder)
    make_book(folder)
    append(folder / "tiny" / "chapters" / "02-two.md", code("print(2)"))
    # Published under other names: it will be published anew.
    published = folder / "tiny" / PUBLISHED
    old = Store(folder, published).published
    published.unlink()
    paths.write_bytes(published.with_name("SHA256SUMS"), b"")
    publish(published, {f"old{name}": each for name, each in old.items()})


def make_book(folder: Path, kernel: bool = False) -> None:
    """Make a book of random data, with stand-ins for kernel and Jupyter Book."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "fashion_mnist", random_data)
        patch.setenv("RETHINK_CACHE", str(folder / "cache"))
        patch.setenv("RETHINK_RECORDS", str(folder / "tiny" / PUBLISHED))
        # In this process: another one would have the real data.
        patch.setattr(Workers, "number", lambda self: 1)
        patch.setattr(rendering, "_jupyter_book", _render)
        if not kernel:
            patch.setattr(notebooks, "execute", _execute)
        build.make(book(folder), False, Workers(1))


def make_with_kernel(folder: Path) -> None:
    """Make a book with a real kernel for each page."""
    make_book(folder, kernel=True)


def _execute(edition: pages.Edition, page: str, mark: str, output: Path | None = None) -> None:
    source = pages.read(edition.root, page)
    letters = sum(len(cell.source) for cell in source.cells)
    shown = figure(name=f"fig-{page}")
    shown["id"] = page  # else a random one
    cells = [handed_over("letters", letters, 0.5), shown]
    about = {"rethink": {"stamp": mark, "parameters": {}}}
    notebook = new_notebook(cells=cells, metadata=about)
    notebooks.keep(notebook, output or edition.book / f"{page}.ipynb")


def _render(edition: pages.Edition, source: Path, work: Path) -> Path:
    built = work / "_build" / "html"
    for page in pages.page_names(edition.root):
        paths.write_text(built / f"{page}.html", (source / f"{page}.md").read_text())
    return built


def _made(folder: Path) -> State:
    edition = book(folder)
    published = Store(folder, folder / "tiny" / PUBLISHED).published
    state: State = {name: result_digest([each]) for name, each in published.items()}
    for file in sorted([*edition.book.rglob("*"), *edition.html.rglob("*")]):
        if file.is_file() and file.name not in ("records.npz", "SHA256SUMS"):
            state[file.relative_to(folder).as_posix()] = file.read_bytes()
    state["faults"] = [kind.faults for kind in integrity.check(edition) if kind.faults]
    kernel = {name for name in files(folder) if "/jupyter/" in name}
    return state | {"names": files(folder) - kernel}


def _readable(folder: Path) -> str:
    """Whether each file of a book is whole: JSON, digests, HTML that was there or is new."""
    edition = book(folder)
    for file in [*edition.book.glob("*.ipynb"), *edition.book.glob("results/*")]:
        json.loads(file.read_bytes())
    try:
        Store(folder, edition.root / PUBLISHED).published.keys()
    except Exception as error:
        return str(error)
    if edition.html.exists() and (differ := integrity.check_html(edition).faults):
        return f"half-rendered: {differ}"
    return ""


def _nothing(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _no_fault(folder: Path) -> str:
    return ""


WORKS = {
    "write": Work(_old, _write, _written, _old_or_new),
    "train": Work(_nothing, _train, _trained, _no_fault),
    "book": Work(_manuscript, make_book, _made, _readable),
    "edit": Work(_edited, make_book, _made, _readable),
    "kernel": Work(_manuscript, make_with_kernel, _made, _readable),
}


def step(folder: Path, name: str, what: str) -> Any:
    """Carry out one function of a work; for processes, which get names rather than functions."""
    if what == "state":
        # A call that finds nothing to do removes nothing: what it left to the next that works.
        for place in (folder / "tmp", folder / "records", folder / "cache" / "records"):
            if place.exists():
                paths.check_writable(place)
    return getattr(WORKS[name], what)(folder)
