import base64
import socket
import sys
from pathlib import Path

import pytest

from rethink.book import browser
from rethink.book.browser import BrowserError
from tests.book.browsers import needs_browser

# One black pixel.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
# What MathJax leaves on a page when its promise is kept, without MathJax.
STUB = """<script>window.MathJax = {startup: {promise: new Promise((done) => setTimeout(() => {
  for (const each of document.querySelectorAll(".math")) each.innerHTML = "SET";
  done();
}, 300))}};</script>"""
SHEET = """<style>
@page { size: A4; margin: 20mm; @bottom-center { content: "page " counter(page); } }
article { break-before: page; }
</style>"""


def only(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Leave on PATH what is in this folder, and no other browser."""
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(browser, "_installed_by_playwright", lambda: None)


def program(path: Path) -> Path:
    path.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def page(folder: Path, body: str, head: str = "") -> Path:
    (folder / "pixel.png").write_bytes(PIXEL)
    html = folder / "page.html"
    html.write_text(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A title</title>{head}'
        f"</head><body>{body}</body></html>",
        encoding="utf-8",
    )
    return html


def titles(outline: list) -> list:
    """Return the titles of bookmarks, deeper ones in lists."""
    return [titles(each) if isinstance(each, list) else each.title for each in outline]


def test_the_named_browser_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "chromium")
    mine = program(tmp_path / "mine")
    only(monkeypatch, tmp_path)
    assert browser.find() == tmp_path / "chromium"
    monkeypatch.setenv(browser.VARIABLE, str(mine))
    assert browser.find() == mine


def test_names_are_tried_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, tmp_path)
    for name in ("chromium-browser", "chromium", "google-chrome"):
        made = program(tmp_path / name)
        assert browser.find() == made


def test_a_named_browser_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(browser.VARIABLE, "/no/such/browser")
    with pytest.raises(BrowserError, match="RETHINK_BROWSER names /no/such/browser"):
        browser.find()


def test_no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, tmp_path)
    with pytest.raises(BrowserError, match=r"no Chromium or Chrome is installed.*RETHINK_BROWSER"):
        browser.find()


def test_no_playwright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(browser.VARIABLE, str(program(tmp_path / "mine")))
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(BrowserError, match="Playwright is not installed; `make extras`"):
        browser.opened().__enter__()


def test_a_browser_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("playwright", reason="Playwright is an extra")
    monkeypatch.setenv(browser.VARIABLE, str(program(tmp_path / "mine")))
    with pytest.raises(BrowserError, match="mine does not start"):
        browser.opened().__enter__()


def test_a_page_is_printed_whole(tmp_path: Path) -> None:
    needs_browser()
    from pypdf import PdfReader

    html = page(
        tmp_path,
        '<h1>First</h1><p><a href="#far">see there</a> <span data-page-of="far"></span>.</p>'
        '<img src="pixel.png" loading="lazy"><table><tr><td>left</td><td>right</td></tr></table>'
        '<article><h1>Second</h1><p>before</p></article><article id="far"><h2>Third</h2>'
        '<p>Formula: <span class="math">raw</span></p></article>',
        SHEET + STUB.replace("SET", "<mjx-container>x + y</mjx-container>"),
    )
    pdf = tmp_path / "new" / "page.pdf"
    assert browser.print_pdf(html, pdf) == 3
    reader = PdfReader(pdf)
    texts = [" ".join(each.extract_text().split()) for each in reader.pages]
    assert len(texts) == 3
    for wanted in ("First", "see there 3.", "left right", "page 1"):
        assert wanted in texts[0]
    assert "Formula: x + y" in texts[2] and "raw" not in texts[2]
    assert titles(reader.outline) == ["First", "Second", ["Third"]]
    assert [len(each.images) for each in reader.pages] == [1, 0, 0]
    links = [each.get_object()["/Dest"] for each in reader.pages[0]["/Annots"]]
    assert [str(link) for link in links] == ["/far"]
    width, height = reader.pages[0].mediabox[2:]
    assert (round(width * 25.4 / 72), round(height * 25.4 / 72)) == (210, 297)
    assert reader.metadata.title == "A title"
    assert list(pdf.parent.iterdir()) == [pdf]


@pytest.mark.parametrize(
    ("body", "head", "message"),
    [
        ('<img src="gone.png">', "", r"broken image gone\.png"),
        ('<img src="page.html">', "", r"broken image page\.html"),
        ('<p class="math">\\(a^2\\)</p>', "", r"formula not typeset: \\\(a\^2\\\)"),
        (
            '<p class="math">raw</p>',
            STUB.replace("SET", "<mjx-container><g data-mjx-error='x'>bad</g></mjx-container>"),
            "formula not typeset: bad",
        ),
    ],
)
def test_what_is_not_whole_is_not_printed(
    tmp_path: Path, body: str, head: str, message: str
) -> None:
    needs_browser()
    pdf = tmp_path / "page.pdf"
    pdf.write_text("the last good one", encoding="utf-8")
    with pytest.raises(BrowserError, match=message):
        browser.print_pdf(page(tmp_path, body, head), pdf)
    assert pdf.read_text(encoding="utf-8") == "the last good one"


def test_a_formula_that_never_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_browser()
    monkeypatch.setattr(browser, "FORMULAS", 0.1)
    never = "<script>window.MathJax = {startup: {promise: new Promise(() => {})}};</script>"
    with pytest.raises(BrowserError, match="formula not typeset: late"):
        browser.print_pdf(page(tmp_path, '<i class="math">late</i>', never), tmp_path / "x.pdf")


def test_a_page_that_never_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_browser()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        script = f'<script src="http://127.0.0.1:{silent.getsockname()[1]}/x.js"></script>'
        monkeypatch.setattr(browser, "PATIENCE", 0.5)
        with pytest.raises(BrowserError, match=r"page\.html does not open: .*Timeout"):
            browser.print_pdf(page(tmp_path, "text", script), tmp_path / "x.pdf")


def test_printing_without_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(BrowserError, match=r"playwright.* is not installed; `make extras`"):
        browser.print_pdf(page(tmp_path, "text"), tmp_path / "x.pdf")


def test_a_missing_page(tmp_path: Path) -> None:
    pytest.importorskip("playwright", reason="Playwright is an extra")
    pytest.importorskip("pypdf", reason="pypdf is an extra")
    with pytest.raises(BrowserError, match=r"there is no page .*gone\.html"):
        browser.print_pdf(tmp_path / "gone.html", tmp_path / "x.pdf")
