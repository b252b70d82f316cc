"""One executed notebook as one HTML file: a page of the book that stands alone.

The file asks for nothing else, from the network or from a disk: style sheets, pictures and the data
behind figures are in it, and there is a script only where a formula needs MathJax.
"""

import base64
import glob
import hashlib
import json
import mimetypes
import os
import re
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import yaml
from bs4 import BeautifulSoup, Tag
from bs4.element import PreformattedString
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from papermill.exceptions import PapermillExecutionError

from rethink.book import notebooks, card_links, card_css
from rethink.book.pdf import element, styles_and_formulas
from rethink.errors import InputError
from rethink.instrument.command import read, reading
from rethink.progress import console
from rethink.tables import sources
from rethink.paths import DISTRIBUTION, write_bytes, write_text
from rethink.book.pages import Edition, PressError, settings
from rethink.book.page_note import LIBRARIES, commit, versions
from rethink.book.html import render

# The chapter that asks the nine questions of a table.
PAGE = "10-your-data"
# What the three files are called.
NAME = "card"
# What could run, load, restyle or send, or is read otherwise by a browser than by a parser.
FOREIGN = "script, style, template, noscript, form, iframe, object, embed, link, meta, base"


def card(
    root: Path,
    source: str,
    target: str | None,
    options: dict[str, Any],
    folder: Path,
    minutes: float,
    seeds: int,
) -> list[Path]:
    """Ask the nine questions of a source; returns the files of the answers.

    Raises:
        InputError: if it cannot be measured, or not within the time.
        PressError: if the chapter fails on it.
    """
    from rethink.instrument import training
    from rethink.tables import large_tables

    if large_tables.is_large(source):
        raise InputError(
            f"{source} is larger than is read into memory; `rethink measure` takes it, and a card "
            "can be made of a random part of its rows"
        )
    with console.status(reading(source)):
        table = read(source, target, options)
    plan = training.plan(
        len(table.labels), table.features.shape[1], len(table.classes), minutes, seeds, table.shape
    )
    console.print(str(plan), markup=False, soft_wrap=True)
    # The notebook runs elsewhere: what is a path here must be one there.
    if Path(source).exists():
        source = str(Path(source).absolute())
    elif sources.paths_of(source):
        source = str(Path(glob.escape(str(Path.cwd()))) / source)
    parameters = {
        "source": source,
        "target": target or "",
        "options": options,
        "minutes": minutes,
        "patience": 1.0,
        "seeds": seeds,
    }
    name = Path(source).name
    with console.status(f"executing and rendering, about {plan.total / 60 + 0.5:.1f} min"):
        return list(make(root, parameters, folder, f"Nine questions to {name}"))


def make(root: Path, parameters: dict[str, Any], folder: Path, title: str) -> tuple[Path, Path]:
    """Execute the chapter with other parameters; write notebook, page and numbers, or nothing.

    The third file, ``card.json``, has the title, the parameters that differ from the chapter's, and
    the ``values`` that the chapter handed over.

    Args:
        root: the repository, in which the chapter is executed: a file is best named in full.
        parameters: name to value, of the types that they have in the chapter.
        folder: where the files go; it is made if need be.
        title: the heading of the page, in plain text.

    Returns:
        The notebook and the HTML file.

    Raises:
        InputError: if the folder cannot be written to, or the chapter refuses its input.
        ParameterError: if the chapter has no such parameter, or one of another type.
        PressError: if a cell fails otherwise, or Jupyter Book does: where, and why.
    """
    settings(root, PAGE, parameters)
    _check_writable(folder)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="rethink-") as temporary:
        work = Path(temporary)
        edition = Edition(root, work, work, {PAGE: parameters})
        executed = work / f"{NAME}.ipynb"
        try:
            notebooks.execute(edition, PAGE, NAME, executed, strict=False)
        except PressError as error:
            # The press has read the error of the cell, and wants to be read itself.
            cause = error.__context__
            if isinstance(cause, PapermillExecutionError) and cause.ename == InputError.__name__:
                raise InputError(cause.evalue) from None
            # What was executed goes with the folder.
            raise PressError(str(error).partition("\nWhat was executed is in ")[0]) from None
        results = json.loads((work / "results" / f"{PAGE}.json").read_text(encoding="utf-8"))
        values = {name: each["value"] for name, each in results["values"].items()}
        notebook = nbformat.read(executed, as_version=4)  # type: ignore[no-untyped-call]
        note = _note(root, settings(root, PAGE, parameters), time.perf_counter() - began)
        page(notebook, title, work / f"{NAME}.html", root, note)
        found = {"title": title, "parameters": parameters, "values": values}
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        write_text(work / f"{NAME}.json", text)
        for kind in ("json", "ipynb", "html"):
            write_bytes(folder / f"{NAME}.{kind}", (work / f"{NAME}.{kind}").read_bytes())
    return folder / f"{NAME}.ipynb", folder / f"{NAME}.html"


def page(notebook: NotebookNode, title: str, output: Path, root: Path, note: str = "") -> None:
    """Render an executed notebook as one HTML file; what was there stays if that fails.

    Args:
        notebook: executed; it is not changed.
        title: the heading of the page in place of the notebook's own, in plain text.
        output: the file.
        root: the repository, whose style the page has.
        note: what is said at the end of the page, in MyST Markdown.

    Raises:
        PressError: if Jupyter Book reports a problem.
    """
    with tempfile.TemporaryDirectory(prefix="rethink-") as temporary:
        edition = _book_of_one(Path(temporary), root)
        notebook = card_links.plain(notebook, root)
        _put_title(notebook, title)
        if any("{cite" in cell.source for cell in notebook.cells if cell.cell_type == "markdown"):
            text = "## References\n\n```{bibliography}\n```"
            notebook.cells.append(new_markdown_cell(text, id="references"))  # type: ignore[no-untyped-call]
        content = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
        write_text(edition.book / f"{NAME}.ipynb", content)
        render(edition, {NAME: note})
        write_text(output, _alone(edition.html, edition.html / "book" / f"{NAME}.html", title))


def _check_writable(folder: Path) -> None:
    """Find out before minutes of work, and without a trace, whether files can be written."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir():
        raise InputError(f"{there} is a file; name a folder to write the card to")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{there} cannot be written to; name another folder for the card")


def _note(root: Path, values: dict[str, Any], seconds: float) -> str:
    """Say how the page was made, in Markdown."""

    def code(text: str) -> str:
        # A name may hold what Markdown would read.
        fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
        return f"{fence} {text} {fence}".replace("|", "\\|")

    made = f"rethink {version(DISTRIBUTION)}, commit {commit(root)}, in {seconds:.0f} s"
    rows = {
        "Parameters": ", ".join(code(f"{name} = {value!r}") for name, value in values.items()),
        "Libraries": ", ".join(versions(LIBRARIES)),
    }
    table = "\n".join(f"| {name} | {text} |" for name, text in rows.items())
    return (
        f"::::{{div}} provenance\n:::{{dropdown}} Made by {made}\n"
        f"| How this page was made | |\n|---|---|\n{table}\n:::\n::::\n"
    )


def _put_title(notebook: NotebookNode, title: str) -> None:
    """Make a plain text the heading of a notebook, in place of the one that it has."""
    heading = "# " + re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(title.split()))
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (old := re.search(r"^# .+$", cell.source, re.M)):
            cell.source = cell.source[: old.start()] + heading + cell.source[old.end() :]
            return
    notebook.cells.insert(0, new_markdown_cell(heading, id="title"))  # type: ignore[no-untyped-call]


def _book_of_one(folder: Path, root: Path) -> Edition:
    """Lay out a book of one page in the style of another, and return it."""
    chapters = folder / "chapters"
    chapters.mkdir()
    for name in ("_static", "vendor", "references.bib"):
        (chapters / name).symlink_to((root / "chapters" / name).resolve())
    # Nothing of it is shown: what is rendered is the executed notebook.
    write_text(chapters / f"{NAME}.md", "")
    write_text(folder / "_config.yml", (root / "_config.yml").read_text(encoding="utf-8"))
    toc = yaml.safe_dump({"format": "jb-book", "root": f"book/{NAME}"})
    write_text(folder / "_toc.yml", toc)
    return Edition.full(folder)


def _alone(html: Path, file: Path, title: str) -> str:
    """Return the article of a rendered page as HTML that needs no other file.

    Args:
        html: the folder of the rendered book.
        file: the page.
        title: what stands in the title bar.

    Raises:
        PressError: if the page has no article.
    """
    rendered = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
    article = rendered.select_one("article.bd-article")
    if article is None or rendered.body is None:
        raise PressError(f"{file} has no article")
    formulas = bool(article.select(".math"))
    head = styles_and_formulas(rendered)
    # Of the page around the article nothing stays but what holds it: the style sheets know it so.
    around: Tag = article
    while around is not rendered.body and around.parent is not None:
        for each in [*around.previous_siblings, *around.next_siblings]:
            each.extract()
        around = around.parent
    # What a table's own words may have brought in.
    for each in article.select(FOREIGN):
        each.decompose()
    # A browser may end a comment or the like before the parser does, and read the rest as elements.
    for hidden in article.find_all(string=lambda each: isinstance(each, PreformattedString)):
        hidden.extract()
    # The theme's script would let the keyboard scroll what is too wide.
    for each in article.select("pre, .pst-scrollable-table-container, div.math"):
        each["tabindex"] = "0"
    for image in article.select("img"):
        source = _local(str(image.get("src", "")), file, html)
        if source is None:
            image.replace_with(str(image.get("alt", "")))
        else:
            image["src"] = _data(source)
            del image["srcset"]
    _keep_links(article, file, html)
    whole = BeautifulSoup("", "html.parser")

    tag = partial(element, whole)
    root = tag(whole, "html", lang="en", **{"data-theme": "light"})
    top = tag(root, "head")
    tag(top, "meta", charset="utf-8")
    tag(top, "meta", name="viewport", content="width=device-width, initial-scale=1")
    scripts = []
    for each in head if formulas else []:
        if each.name == "script":
            text = each.get_text()
            if each.get("src"):
                source = file.parent / urlsplit(str(each["src"])).path
                text = source.read_text(encoding="utf-8")
            scripts.append(text.replace("</script", "<\\/script"))
    # The browser itself sees to it that nothing is fetched or sent, and nothing runs but MathJax:
    # a script is known by its text, since a name in the table could repeat a word.
    allowed = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    allowed += "; form-action 'none'; base-uri 'none'"
    allowed += f"; script-src {' '.join(map(_hash, scripts))}" if scripts else ""
    tag(top, "meta", **{"http-equiv": "Content-Security-Policy", "content": allowed})
    tag(top, "title", title)
    body = tag(root, "body", **{"class": "sheet"})
    for each in [*rendered.body.children]:
        body.append(each)
    there = card_css.names(whole) | ({"mjx-container"} if formulas else set())
    sheets = [str(each["href"]) for each in head if each.name == "link"]
    css = "".join(card_css.whole(file.parent / urlsplit(sheet).path) for sheet in sheets)
    tag(top, "style", card_css.needed(css, there).replace("</", "<\\/"))
    for text in scripts:
        tag(body, "script", text)
    return f"<!DOCTYPE html>\n{whole}\n"


def _hash(script: str) -> str:
    """Return the source expression by which a content security policy allows a script's text."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _keep_links(article: Tag, file: Path, html: Path) -> None:
    """Keep links within the page and to other sites; take files for download into the page."""
    names = {str(each["id"]) for each in article.select("[id]")}
    for link in article.select("a[href]"):
        address = urlsplit(str(link["href"]))
        target = _local(address.path, file, html)
        if address.scheme in ("http", "https", "mailto"):
            continue
        # A table of a cell names a place of the page as it would name a file.
        here = not (address.path and address.fragment) or target == file.resolve()
        place = unquote(address.fragment or address.path)
        if here and place in names:
            link["href"] = f"#{place}"
        elif target is not None and "download" in link.attrs:
            link["href"], link["download"] = _data(target), target.name
        else:
            link.unwrap()


def _local(address: str, file: Path, html: Path) -> Path | None:
    """Return the file of the rendered book that a page means by an address, if there is one."""
    parts = urlsplit(address)
    target = (file.parent / unquote(parts.path)).resolve()
    inside = not parts.scheme and target.is_relative_to(html.resolve())
    return target if inside and target.is_file() else None


def _data(file: Path) -> str:
    """Return a file as a data: address."""
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
