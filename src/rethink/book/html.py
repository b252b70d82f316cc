"""From the executed notebooks to the HTML of the book."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from rethink import checksums
from rethink.book.pages import BookError, Edition, page_names, read_settings
from rethink.errors import writing_error
from rethink.paths import write_text

DRAFT = (
    "<strong>Draft.</strong> Made with reduced parameters, to see that everything works. "
    "Its numbers mean nothing."
)


def render(
    edition: Edition, notes: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None
) -> None:
    """Render the executed notebooks to HTML; the last good book stays if that fails.

    Args:
        edition: the book.
        notes: per page, what is said at its end on how it was made, in Markdown.
        files: what pages offer for download beside the data of their figures: name to text.

    Raises:
        BookError: if a chapter is not executed yet or Jupyter Book reports a problem.
        WritingError: if there is no room for it.
    """
    missing = [p for p in page_names(edition.root) if not (edition.book / f"{p}.ipynb").exists()]
    if missing:
        raise BookError(f"not executed yet: {', '.join(missing)}; run `make book` first")
    source, work = edition.build / "source", edition.build / "work"
    for folder in (source, work):
        shutil.rmtree(folder, ignore_errors=True)
    old = edition.build / "old"
    if old.exists() and not edition.html.exists():
        # Where an earlier call was interrupted between the last two steps.
        old.rename(edition.html)
    try:
        _lay_out(edition, source, notes or {}, files or {})
        built = _jupyter_book(edition, source, work)
        _correct(built)
        checksums.record(built, checksums.files_of(built))
        if edition.html.exists():
            shutil.rmtree(old, ignore_errors=True)
            edition.html.rename(old)
        built.rename(edition.html)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if said := writing_error(error, edition.build):
            raise said from error
        raise
    finally:
        for folder in (source, work):
            shutil.rmtree(folder, ignore_errors=True)


def _jupyter_book(edition: Edition, source: Path, work: Path) -> Path:
    """Call Jupyter Book and return the folder of what it made."""
    program = str(Path(sys.executable).with_name("jupyter-book"))
    command = [program, "build", str(source), "--path-output", str(work)]
    options = ["-W", "-n", "--keep-going", "--quiet"]
    done = subprocess.run(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=source,
        check=False,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    write_text(edition.build / "render.log", done.stdout)
    built = work / "_build" / "html"
    if done.returncode or not (built / "index.html").exists():
        if said := writing_error(OSError(done.stdout), edition.build):
            raise said
        tail = done.stdout.splitlines()[-25:]
        raise BookError("Jupyter Book failed:\n" + "\n".join(f"    {line}" for line in tail))
    return built


def _correct(built: Path) -> None:
    """Set minus signs in numbers that code handed over, and take MathJax off where none is needed.

    Sphinx loads MathJax, which is large, also on the page that leads to those with formulas.
    """
    for page in built.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        done = re.sub(r'(<span class="pasted-text">)-(?=[.\d])', "\\1\u2212", text)
        if 'class="math' not in text:
            done = re.sub(r"<script[^>]*/mathjax/[^>]*></script>", "", done)
        page.write_text(done, encoding="utf-8")


def _lay_out(
    edition: Edition, source: Path, notes: Mapping[str, str], files: Mapping[str, str]
) -> None:
    """Lay out everything that Jupyter Book reads."""
    chapters, book = edition.root / "chapters", source / "book"
    book.mkdir(parents=True)
    config = read_settings(edition.root / "_config.yml")
    if edition.overrides:
        config["title"] = f"Draft: {config['title']}"
        config.setdefault("html", {})["announcement"] = DRAFT
    write_text(source / "_config.yml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    shutil.copy(edition.root / "_toc.yml", source)
    for folder in ("_static", "vendor"):
        if (chapters / folder).exists():
            shutil.copytree(chapters / folder, source / folder)
    shutil.copy(chapters / "references.bib", book)
    for table in edition.book.glob("*.csv"):
        shutil.copy(table, book)
    for name, text in files.items():
        write_text(book / name, text)
    for page in page_names(edition.root):
        notebook = nbformat.read(edition.book / f"{page}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        try:
            tables = figure_tables(notebook)
        except BookError as error:
            raise BookError(f"chapters/{page}.md: {error}") from None
        for name, text in tables.items():
            write_text(book / f"{name}.csv", text)
        # What is offered for download is what was executed, without links and note.
        shutil.copy(edition.book / f"{page}.ipynb", source / f"{page}.ipynb")
        shutil.copy(chapters / f"{page}.md", source / f"{page}.md")
        add_links_and_note(notebook, notes.get(page, ""))
        write_text(book / f"{page}.ipynb", nbformat.writes(notebook))  # type: ignore[no-untyped-call]


def figure_tables(notebook: NotebookNode) -> dict[str, str]:
    """Return the data behind each figure that shows some, by its name, as the text of a CSV file.

    Raises:
        BookError: if a figure has no name, or the name of another one.
    """
    found: dict[str, str] = {}
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            table = output.get("data", {}).get("text/csv")
            if table is None:
                continue
            name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
            if not name or name in found:
                fault = f"two figures named {name}" if name else "a figure without a name"
                raise BookError(
                    f"cell {number} shows {fault}; give it one in its options: mystnb, figure, name"
                )
            found[name] = table
    return {name: table for name, table in found.items() if len(table.splitlines()) > 1}


def add_links_and_note(notebook: NotebookNode, note: str) -> None:
    """Add to an executed notebook what its page shows besides: links to data, and a note."""
    tables = figure_tables(notebook)
    for cell in notebook.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        name = figure.get("name")
        if name in tables:
            figure["caption"] = f"{figure['caption'].strip()} {{download}}`Data <{name}.csv>`"
    if note:
        notebook.cells.append(new_markdown_cell(note, id="provenance"))  # type: ignore[no-untyped-call]
