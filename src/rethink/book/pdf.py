"""The whole book as one page, and that page printed: the book as PDF."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

from rethink.book.browser import print_pdf
from rethink.book.pages import Edition, PressError

# What a page has for its reader on the screen: code is unfolded there, data is fetched.
SCREEN_ONLY = (
    "a.headerlink, script, details.above-input, summary, figcaption a.download, "
    "div.buttons, div.provenance > p"
)


def print_book(edition: Edition) -> tuple[Path, int]:
    """Print the rendered book, and return the PDF and how many pages it has.

    Raises:
        PressError: if nothing is rendered yet.
        BrowserError: if there is no browser, or an image or a formula is not whole.
    """
    if not (edition.html / "index.html").exists():
        raise PressError("there is no book to print yet; run `make book` first")
    config, toc = (
        yaml.safe_load((edition.root / name).read_text(encoding="utf-8"))
        for name in ("_config.yml", "_toc.yml")
    )
    parts = [
        (part.get("caption", ""), [edition.html / f"{c['file']}.html" for c in part["chapters"]])
        for part in [
            {"chapters": [{"file": toc["root"]}, *toc.get("chapters", [])]},
            *toc.get("parts", []),
        ]
    ]
    pdf = edition.build / "book.pdf"
    # Beside the pages, so that it links to what they link to.
    whole = edition.html / Path(toc["root"]).parent / "whole.html"
    try:
        bind(parts, whole, config["title"], config["author"])
        return pdf, print_pdf(whole, pdf)
    finally:
        whole.unlink(missing_ok=True)


def bind(
    parts: Sequence[tuple[str, Sequence[Path]]],
    output: Path,
    title: str,
    author: str,
) -> None:
    """Join rendered pages to one: a title page, the contents, then all pages in order.

    Ids get the name of their page in front, and links between the pages lead to them. Links to
    other files, which paper cannot follow, become plain text.

    Args:
        parts: the caption of each part (may be empty) and its pages, all in one folder.
        output: the page to write, in the same folder.
        title: of the book.
        author: of the book.

    Raises:
        PressError: if a page has nothing to print.
    """
    files = [file.resolve() for _, pages in parts for file in pages]
    soups = [BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser") for file in files]
    book = BeautifulSoup("", "html.parser")

    tag = partial(element, book)
    html = tag(book, "html", lang="en", **{"data-theme": "light"})
    head = tag(html, "head")
    tag(head, "meta", charset="utf-8")
    tag(head, "title", title)
    seen = set()
    for soup in soups:
        for each in styles_and_formulas(soup):
            if str(each) not in seen:
                seen.add(str(each))
                head.append(each)
    main = tag(tag(html, "body", class_="whole-book"), "main", class_="bd-main")
    front = tag(main, "section", class_="title-page")
    tag(front, "p", title, class_="book-title")
    tag(front, "p", author, class_="book-author")
    contents = tag(main, "nav", class_="book-contents")
    tag(contents, "h1", "Contents")
    soup_of = dict(zip(files, soups, strict=True))
    running = []
    for caption, pages in parts:
        if caption:
            tag(contents, "p", caption, class_="part")
        entries = tag(contents, "ul")
        for file in map(Path.resolve, pages):
            article = soup_of[file].select_one("article.bd-article")
            if article is None or article.h1 is None:
                raise PressError(f"{file} has no article with a heading to print")
            for each in article.select(SCREEN_ONLY):
                each.decompose()
            # What a reader of the screen may unfold, paper shows, except for code.
            for each in article.select("details"):
                each.name, each.attrs = "div", {}
            _lead_within(article, file, files)
            heading = article.h1.get_text().strip()
            entry = tag(entries, "li")
            tag(entry, "a", heading, href=f"#{file.stem}")
            tag(entry, "span", **{"data-page-of": file.stem})
            article["id"], article["style"] = file.stem, f"page: page-{file.stem}"
            running.append(
                f"@page page-{file.stem} {{ @top-center {{ content: {_quoted(heading)}; }} }}"
            )
            main.append(article)
    tag(head, "style", "\n".join(running))
    output.write_text(f"<!DOCTYPE html>\n{book}", encoding="utf-8")


def element(page: BeautifulSoup, parent: Tag, kind: str, text: str = "", **attributes: str) -> Tag:
    """Append a new element; ``class_`` stands for the attribute ``class``."""
    made = page.new_tag(kind, attrs={k.rstrip("_"): v for k, v in attributes.items()})
    made.string = text
    parent.append(made)
    return made


def styles_and_formulas(soup: BeautifulSoup) -> list[Tag]:
    """Return what a page's head has of style sheets, and of scripts that set formulas."""
    scripts = [s for s in soup.select("head script") if "mathjax" in str(s).lower()]
    return [*soup.select("head link[rel=stylesheet]"), *scripts]


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


def _quoted(text: str) -> str:
    """Return a text as a string of CSS."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
