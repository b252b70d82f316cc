from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from rethink.book import browser
from rethink.book import pdf as printing
from rethink.book.pages import BookError, page_names, root
from tests.book.browsers import needs_browser


def rendered(folder: Path, name: str, article: str, head: str = "") -> Path:
    html = folder / f"{name}.html"
    html.write_text(
        f'<html><head>{head}<script src="theme.js"></script></head><body><div class="sidebar">'
        f'Search</div><article class="bd-article">{article}</article></body></html>',
        encoding="utf-8",
    )
    return html


def joined(tmp_path: Path) -> Path:
    """Join two pages that link to each other and name things alike."""
    one = rendered(
        tmp_path,
        "one",
        '<h1>One<a class="headerlink" href="#one">#</a></h1><p id="same">'
        '<a href="two.html">two</a> <a href="two.html#same">its p</a> <a href="#same">here</a> '
        '<a href="https://example.org/x">far</a> <a href="../table.csv">a file</a></p>'
        '<figure><figcaption>It <a class="download" href="x.csv">Data</a></figcaption></figure>'
        '<details class="hide above-input"><summary>Show</summary>code</details>'
        '<details class="hide below-input"><summary>Show</summary>folded result</details>',
        '<link rel="stylesheet" href="a.css"><link rel="icon" href="i.png">',
    )
    two = rendered(
        tmp_path,
        "two",
        '<h1>"Two"</h1><p id="same"><a href="one.html#same">back</a></p>',
        '<link rel="stylesheet" href="a.css"><link rel="stylesheet" href="b.css">'
        '<script>window.MathJax = {}</script><script defer src="../tex-chtml.js?mathjax"></script>',
    )
    output = tmp_path / "whole.html"
    parts = [("", [one]), ("The part", [two])]
    output.write_text(printing.one_page(parts, "The title", "The author"), encoding="utf-8")
    return output


def test_pages_joined_to_one(tmp_path: Path) -> None:
    soup = BeautifulSoup(joined(tmp_path).read_text(encoding="utf-8"), "html.parser")
    assert soup.title.string == "The title"
    assert [each["href"] for each in soup.select("head link")] == ["a.css", "b.css"]
    assert [each.get("src") for each in soup.select("script")] == [None, "../tex-chtml.js?mathjax"]
    ids = [each["id"] for each in soup.select("[id]")]
    assert ids == ["one", "one--same", "two", "two--same"]
    links = [each["href"] for each in soup.select("article a")]
    assert links == ["#two", "#two--same", "#one--same", "https://example.org/x", "#one--same"]
    assert [each["href"] for each in soup.select("nav a")] == ["#one", "#two"]
    assert [each["data-page-of"] for each in soup.select("nav span")] == ["one", "two"]
    assert [each.get_text() for each in soup.select("h1")] == ["Contents", "One", '"Two"']
    text = soup.body.get_text(" ", strip=True)
    assert "a file" in text and "The part" in text and "folded result" in text
    assert not any(word in text for word in ("code", "Show", "Search", "Data", "#"))
    assert r'content: "\"Two\""' in soup.style.string


def test_a_page_without_a_heading_is_not_printed(tmp_path: Path) -> None:
    bare = rendered(tmp_path, "bare", "<p>text</p>")
    with pytest.raises(BookError, match=r"bare\.html has no article with a heading"):
        printing.one_page([("", [bare])], "t", "a")


def test_the_style_of_the_book_on_paper(tmp_path: Path) -> None:
    needs_browser()
    from pypdf import PdfReader

    html = joined(tmp_path)
    sheet = root() / "chapters" / "_static" / "print.css"
    (tmp_path / "a.css").write_bytes(sheet.read_bytes())
    text = html.read_text(encoding="utf-8")
    script = '<script defer="" src="../tex-chtml.js?mathjax"></script>'
    assert script in text
    html.write_text(text.replace(script, ""), encoding="utf-8")
    pdf = tmp_path / "whole.pdf"
    assert browser.print_pdf(html, pdf) == 4
    texts = [each.extract_text().split() for each in PdfReader(pdf).pages]
    # The title page has no number, and the contents know on which pages the others begin.
    assert texts[0] == ["The", "title", "The", "author"]
    assert texts[1].count("3") == 1 and texts[1].count("4") == 1 and texts[1].count("2") == 1
    assert texts[1].index("3") > texts[1].index("One")
    assert "One" in texts[2] and '"Two"' in texts[3] and "4" in texts[3]


def test_a_book_that_is_not_rendered_is_not_printed(tiny_book) -> None:
    with pytest.raises(BookError, match="no book to print yet; run `make book`"):
        printing.print_book(tiny_book)


def test_the_whole_book_can_be_printed(rendered) -> None:
    """Every figure and heading is there; pages of the PDF keep the numbers of the site."""
    needs_browser()
    from pypdf import PdfReader

    file, count = printing.print_book(rendered)
    printed = PdfReader(file)
    assert len(printed.pages) == count
    assert not (rendered.html / "book" / "whole.html").exists()
    files = [rendered.html / "book" / f"{page}.html" for page in page_names(rendered.root)]
    soups = [BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser") for file in files]
    figures = [each.get_text().strip() for soup in soups for each in soup.select(".caption-number")]
    text = " ".join(" ".join(page.extract_text().split()) for page in printed.pages)
    assert len(figures) > 30
    assert [figure for figure in figures if figure not in text] == []
    headings = [soup.select_one("article h1").contents[0].strip() for soup in soups]
    marks = [mark.title for mark in printed.outline if not isinstance(mark, list)]
    assert [mark for mark in marks if mark in headings] == headings
