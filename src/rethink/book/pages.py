"""The manuscript: which pages there are, their parameters, and what each depends on.

A chapter is executed again when something that it depends on has changed: its text, its parameters,
a module it imports (or one that module imports), the pinned packages, the runs or benchmarks it
shows, or, for the pages that summarise the others, what those found. All that goes into one digest,
its stamp.
"""

import ast
import copy
import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jupytext
import yaml
from nbformat import NotebookNode

from rethink.errors import CommandError
from rethink.paths import repository
from rethink.runs import fingerprints

# What benchmarks measured, and what other tools say of themselves.
BENCHMARKS = (
    "book/bench.json",
    "book/peers.json",
    "book/streaming.json",
    "benchmarks/peers.csv",
)


class BookError(CommandError):
    """A chapter or the book cannot be made; the message says which, where and why."""

    exit_code = 1


class ParameterError(BookError):
    """A chapter or a parameter of one was named that there is not, or a value of no use."""

    exit_code = 2


class NoBookError(BookError):
    """There is no book here, or none that is made."""

    exit_code = 2


@dataclass(frozen=True)
class Edition:
    """Where a book is made from and put.

    Attributes:
        root: the repository.
        book: folder of the executed notebooks, their results and the run records.
        build: folder of the HTML and of what is kept about the last execution.
        overrides: per page, the parameters that differ from those in its text.
    """

    root: Path
    book: Path
    build: Path
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def full(cls, root: Path) -> "Edition":
        """Return the published edition: every parameter as written in the chapters."""
        return cls(root, root / "book", root / "_build")

    @classmethod
    def draft(cls, root: Path) -> "Edition":
        """Return the quick edition, with the reduced parameters of chapters/drafts.yml."""
        reduced = read_settings(root / "chapters" / "drafts.yml")
        for page, values in reduced.items():
            if page not in page_names(root) or not isinstance(values, dict):
                raise ParameterError(
                    f"chapters/drafts.yml: {page} needs to be a page with parameters"
                )
        build = root / "_build" / "draft"
        return cls(root, build / "book", build, reduced)

    @property
    def html(self) -> Path:
        """The folder of the rendered book."""
        return self.build / "html"


def root() -> Path:
    """Return the folder of the book: the one we stand in or above, else the package's repository.

    Raises:
        NoBookError: if there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, repository()):
        if folder and (folder / "_toc.yml").is_file() and (folder / "chapters").is_dir():
            return folder
    raise NoBookError(
        "there is no book here: run this in the folder that has _toc.yml and chapters"
    )


def read_settings(file: Path) -> dict[str, Any]:
    """Read a file of the book's settings, in YAML.

    Raises:
        BookError: if it cannot be read.
    """
    try:
        found = yaml.safe_load(file.read_bytes()) or {}
    except (yaml.YAMLError, UnicodeDecodeError, FileNotFoundError) as error:
        reason = " ".join(str(error).split())
        raise BookError(f"{file} cannot be read: {reason}; restore it") from error
    if not isinstance(found, dict):
        raise BookError(f"{file} must hold names with values; restore it")
    return found


def page_names(root: Path) -> list[str]:
    """Return the names of all pages, in the order of the table of contents.

    Raises:
        BookError: if it cannot be read.
    """
    toc = read_settings(root / "_toc.yml")
    try:
        files = [toc["root"]]
        for part in [toc, *toc.get("parts", [])]:
            files += [chapter["file"] for chapter in part.get("chapters", [])]
        return [Path(file).name for file in files]
    except (AttributeError, KeyError, TypeError) as error:
        raise BookError(
            f"{root / '_toc.yml'} must name a root, and chapters by their files; restore it"
        ) from error


def find_page(root: Path, name: str) -> str:
    """Return the page that a name, or the number it begins with, stands for.

    Raises:
        ParameterError: if there is none.
    """
    found = [page for page in page_names(root) if page == name or page.split("-")[0] == name]
    if len(found) != 1:
        raise ParameterError(
            f"chapter must be one of {', '.join(page_names(root))}, but {name!r} was given"
        )
    return found[0]


def read(root: Path, page: str) -> NotebookNode:
    """Read a chapter as a notebook, its cells named by their position.

    Raises:
        BookError: if the file is missing or cannot be read.
    """
    path = root / "chapters" / f"{page}.md"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BookError(f"_toc.yml names {page}, but chapters/{page}.md does not exist") from None
    except (OSError, UnicodeError) as error:
        raise BookError(f"chapters/{page}.md cannot be read as MyST: {error}") from error
    return copy.deepcopy(_parsed(page, text))


@lru_cache(maxsize=64)
def _parsed(page: str, text: str) -> NotebookNode:
    """Parse the text of a chapter, which is asked for many times in the making of a book."""
    try:
        notebook: NotebookNode = jupytext.reads(text, fmt="md:myst")
    except Exception as error:
        raise BookError(f"chapters/{page}.md cannot be read as MyST: {error}") from error
    try:
        defaults(notebook)
        _trees(notebook)
    except (SyntaxError, ValueError) as error:
        raise BookError(f"chapters/{page}.md: {error}") from None
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    notebook.metadata.pop("jupytext", None)
    return notebook


def defaults(notebook: NotebookNode) -> dict[str, Any]:
    """Return the parameters of a chapter with their values, from its cell tagged ``parameters``."""
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            for statement in ast.parse(cell.source).body:
                if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                    found[statement.targets[0].id] = ast.literal_eval(statement.value)
    return found


def settings(root: Path, page: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that a page is executed with.

    Raises:
        ParameterError: if an override names no parameter of the page, or is of another type.
    """
    values = defaults(read(root, page))
    for name, value in overrides.items():
        if name not in values:
            known = ", ".join(values) or "none"
            raise ParameterError(f"{page} has no parameter {name!r}; it has: {known}")
        if type(value) is not type(values[name]):
            kind = type(values[name]).__name__
            raise ParameterError(f"{page}: {name} must be of type {kind}, but {value!r} was given")
    return values | overrides


def _trees(notebook: NotebookNode) -> list[ast.Module]:
    return [ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"]


@dataclass(frozen=True)
class Request:
    """What a page asks of `study.results`: an experiment, and the parameters of its tasks."""

    experiment: str
    parameters: dict[str, Any]


def requests(root: Path, page: str, overrides: dict[str, Any]) -> list[Request]:
    """Return what a page shows that must be there before it is executed.

    It stands in its code as calls ``study.results("name", seeds=…)`` whose values are parameters of
    the page, or numbers or texts.

    Raises:
        BookError: if a call is written in another way.
    """
    values = settings(root, page, overrides)
    found = []
    for tree in _trees(read(root, page)):
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "study.results"):
                continue
            try:
                (name,) = (ast.literal_eval(argument) for argument in node.args)
                parameters = {
                    str(word.arg): values[word.value.id]
                    if isinstance(word.value, ast.Name)
                    else ast.literal_eval(word.value)
                    for word in node.keywords
                }
                if not isinstance(name, str) or "None" in parameters:
                    raise ValueError
            except (KeyError, ValueError):
                raise BookError(
                    f"{page}: write study.results('name', seeds=…) with parameters of the page, "
                    f"numbers or texts, not {ast.unparse(node)}"
                ) from None
            found.append(Request(name, parameters))
    return found


def stamp(edition: Edition, page: str, results_digest: str) -> str:
    """Return the digest of everything that a page's execution depends on.

    Args:
        edition: the book.
        page: its name.
        results_digest: digest of the results that the page shows.
    """
    notebook = read(edition.root, page)
    parts = [page, results_digest, json.dumps(edition.overrides.get(page, {}), sort_keys=True)]
    files = [edition.root / "chapters" / f"{page}.md", edition.root / "constraints.txt"]
    needed = fingerprints.modules(_trees(notebook))
    files += [fingerprints.module_file(name) for name in sorted(needed)]
    if "plots.figures" in needed:
        files += sorted(fingerprints.PACKAGE.rglob("*.mplstyle"))
    if "book.claims" in needed:
        files += sorted(fingerprints.PACKAGE.rglob("*.csv"))
    for name in BENCHMARKS:
        if any(Path(name).name in cell.source for cell in notebook.cells):
            files.append(edition.root / name)
    if summarises(notebook):
        others = [p for p in page_names(edition.root) if not summarises(read(edition.root, p))]
        results = [edition.book / "results" / f"{other}.json" for other in others]
        files += results
    digest = hashlib.sha256("\0".join(parts).encode())
    for file in (file for file in files if file.exists()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def inputs_digest(edition: Edition) -> str:
    """Return the digest of every file that goes into the book, and of what came out of it."""
    root = edition.root
    files = [root / name for name in ("_config.yml", "_toc.yml", "constraints.txt")]
    for folder in (root / "chapters", fingerprints.PACKAGE, edition.book):
        files += [f for f in folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.parent.name}/{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def shows_seconds(notebook: NotebookNode) -> bool:
    """Tell whether a page says how long something took, which differs where results do not."""
    return any(".seconds" in c.source for c in notebook.cells if c.cell_type == "code")


def shows_everything(notebook: NotebookNode) -> bool:
    """Tell whether a page says something of all results that the book shows."""
    calls = ("inputs.everything(", "inputs.studies(")
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return any(call in source for call in calls for source in sources)


def summarises(notebook: NotebookNode) -> bool:
    """Tell whether a page reads what the other chapters found, so that it comes after them."""
    return any("claims.all_settled" in c.source for c in notebook.cells if c.cell_type == "code")
