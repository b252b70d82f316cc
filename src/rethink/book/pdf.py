"""The whole book as one page, and that page printed: the book as PDF."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag
from markupsafe import Markup

from rethink.book.browser import print_pdf
from rethink.book.pages import BookError, Edition, read_settings
from rethink.book.templates import fill
from rethink.paths import write_text

# What a page has for its reader on the screen: code is unfolded there, data is fetched.
SCREEN_ONLY = (
    "a.headerlink, script, details.above-input, summary, figcaption a.download, "
    "div.buttons, div.provenance > p"
)


def print_book(edition: Edition) -> tuple[Path, int]:
    """Print the rendered book, and return the PDF and how many pages it has.

    Raises:
        BookError: if nothing is rendered yet, or a page has nothing to print.
        BrowserError: if there is no browser, or an image or a formula is not whole.
    """
    if not (edition.html / "index.html").exists():
        raise BookError("there is no book to print yet; run `make book` first")
    config, toc = (read_settings(edition.root / name) for name in ("_config.yml", "_toc.yml"))
    before = {"chapters": [{"file": toc["root"]}, *toc.get("chapters", [])]}
    parts = [
        (part.get("caption", ""), [edition.html / f"{c['file']}.html" for c in part["chapters"]])
        for part in [before, *toc.get("parts", [])]
    ]
    pdf = edition.build / "book.pdf"
    # Beside the pages, so that it links to what they link to.
    whole = edition.html / Path(toc["root"]).parent / "whole.html"
    try:
        write_text(whole, one_page(parts, config["title"], config["author"]))
        return pdf, print_pdf(whole, pdf)
    finally:
        whole.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Printed:
    """A page of the book as it is printed.

    Attributes:
        name: of its file, without the ending.
        heading: in plain text.
        running_head: the heading, as a string of CSS.
        article: HTML.
    """

    name: str
    heading: str
    running_head: Markup
    article: Markup


def one_page(parts: Sequence[tuple[str, Sequence[Path]]], title: str, author: str) -> str:
    """Join rendered pages to one: a title page, the contents, then all pages in order.

    Ids get the name of their page in front, and links between the pages lead to them. Links to
    other files, which paper cannot follow, become plain text.

    Args:
        parts: the caption of each part (may be empty) and its pages, all in one folder.
        title: of the book.
        author: of the book.

    Returns:
        The text of an HTML file for the same folder.

    Raises:
        BookError: if a page has nothing to print.
    """
    files = [file.resolve() for _, pages in parts for file in pages]
    head: dict[str, None] = {}
    printed = {}
    for file in files:
        page = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        head |= dict.fromkeys(_styles_and_formulas(page))
        printed[file] = _printed(page, file, files)
    return fill(
        "whole_book.html",
        title=title,
        author=author,
        head=[Markup(each) for each in head],
        parts=[(caption, [printed[file.resolve()] for file in pages]) for caption, pages in parts],
    )


def _styles_and_formulas(page: BeautifulSoup) -> list[str]:
    """Return what a page's head has of style sheets, and of scripts that set formulas."""
    scripts = [each for each in page.select("head script") if "mathjax" in str(each).lower()]
    return [str(each) for each in (*page.select("head link[rel=stylesheet]"), *scripts)]


def _printed(page: BeautifulSoup, file: Path, files: list[Path]) -> _Printed:
    """Return a page of the book as it is printed among others, which are all in ``files``."""
    article = page.select_one("article.bd-article")
    if article is None or article.h1 is None:
        raise BookError(f"{file} has no article with a heading to print")
    for each in article.select(SCREEN_ONLY):
        each.decompose()
    # What a reader of the screen may unfold, paper shows, except for code.
    for each in article.select("details"):
        each.name, each.attrs = "div", {}
    _lead_within(article, file, files)
    article["id"], article["style"] = file.stem, f"page: page-{file.stem}"
    heading = article.h1.get_text().strip()
    # CSS escapes quotes and backslashes as JSON does.
    running_head = Markup(json.dumps(heading, ensure_ascii=False))
    return _Printed(file.stem, heading, running_head, Markup(str(article)))


def _lead_within(article: Tag, file: Path, files: list[Path]) -> None:
    """Make ids of one page unique in the book, and links to pages lead within it."""
    for each in article.select("[id]"):
        each["id"] = f"{file.stem}--{each['id']}"
    for link in article.select("a[href]"):
        address = urlsplit(str(link["href"]))
        if address.scheme:
            continue
        target = (file.parent / unquote(address.path)).resolve() if address.path else file
        if target in files:
            anchor = f"--{address.fragment}" if address.fragment else ""
            link["href"] = f"#{target.stem}{anchor}"
        else:
            link.unwrap()
