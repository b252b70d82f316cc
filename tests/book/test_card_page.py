"""A small tenth chapter, executed with other parameters and made one HTML file."""

import base64
import hashlib
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bs4
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rethink.book import browser, card_page, pages
from rethink.book.pages import ParameterError, PressError
from rethink.errors import InputError
from tests.book.browsers import needs_browser
from tests.book.manuscripts import HEADER, append, code, figure, write_book

BOOK = pages.root()
TITLE = "A *plain* <b>table</b>_1.csv"

CHAPTER = """# Your data

Of {glue:text}`rows:,` rows {glue:text}`change:.1f` points, by {term}`Algorithm 1` and the
{term}`thresholds <threshold>` of [chapter 3](03-capacity); {numref}`fig-own` shows it, as
{numref}`fig-other` does, and {doc}`03-capacity` and the [end](the-end). See
[a site](https://example.org/x).

```{code-cell}
:tags: [parameters, hide-input]

source = "iris"
rows = 150
```

```{code-cell}
---
tags: [hide-input]
mystnb:
  figure:
    caption: |
      It rises with {term}`capacity`, to {glue:text}`rows` rows.
    name: fig-own
  image:
    alt: A line that rises from the lower left to the upper right
---
from matplotlib import pyplot as plt

from rethink.book import claims
from rethink.plots import figures

figures.use()
figure, ax = plt.subplots(figsize=(6.4, 2))
_ = ax.plot([0, rows], label="line")
```

```{code-cell}
:tags: [hide-input]

wide = "a name of a column that is so long that no telephone has room for it"
links = ("[last](the-end)", "[last](#the-end)", *10 * ("–",))
figures.table(("Column", *range(12)), [(wide, *12 * ("0.123",)), ("![x](y.png)", *links)])
print(source)
```

```{code-cell}
:tags: [remove-cell]

claims.values(rows=rows, change=-1.25)
```

```{note}
A note on [chapter 3](03-capacity).
```

(the-end)=
## The end

It is there.
"""


def book_of(folder, text=CHAPTER):
    """A book with a tenth chapter, in the style of the real one."""
    write_book(folder, {"index": "# Tiny\n", card_page.PAGE: text})
    (folder / "chapters" / "03-capacity.md").write_text(HEADER + "# 3. Capacity\n")
    for name in ("_static", "vendor"):
        (folder / "chapters" / name).symlink_to(BOOK / "chapters" / name)
    (folder / "_config.yml").write_text((BOOK / "_config.yml").read_text("utf-8"), "utf-8")
    return folder


@dataclass(frozen=True)
class Made:
    notebook: Path
    html: Path
    root: Path

    @property
    def soup(self):
        return bs4.BeautifulSoup(self.html.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = book_of(tmp_path_factory.mktemp("sheet") / "tiny")
    folder = root.parent / "new" / "card"
    parameters = {"source": "/data/a|b`c.csv", "rows": 1234}
    return Made(*card_page.make(root, parameters, folder, TITLE), root)


# A name of a class that would have formulas set, and run what hides in a style of a picture.
CLASS = 'a<span class="math"></span><svg><style><script nonce=card>alert(1)</script></style></svg>'


@pytest.fixture(scope="module")
def formulas(made):
    """The file of a notebook with formulas, with foreign things in what a cell showed."""
    foreign = '<img src="http://example.org/x.png" alt="gone"><script>alert(1)</script><b>kept</b>'
    foreign += CLASS + '<form action="http://example.org"><input><script>alert(2)</script></form>'
    foreign += "<template><b>alert(3)</b></template><noscript><b>alert(4)</b></noscript>"
    foreign += "<style>article { display: none }</style><i>after</i>"
    # For a browser the comment ends at once, and so does the section.
    foreign += "<!--><form><b>alert(5)</b></form>--><![CDATA[><b>alert(6)</b>]]>"
    cells = [
        new_markdown_cell("# One\n\nIt is $2^x$, {cite}`one`.\n\n$$y = \\sum_i x_i$$"),
        new_code_cell("1", outputs=[new_output("display_data", data={"text/html": foreign})]),
        figure(),
    ]
    entry = "@book{one, author={Ann One}, title={Ones}, publisher={P}, year={2001}}"
    (made.root / "chapters" / "references.bib").write_text(entry)
    html = made.root / "formulas.html"
    about = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    notebook = new_notebook(cells=cells, metadata=about)
    card_page.page(notebook, "Formulas", html, made.root, "A note *below*.")
    return Made(made.notebook, html, made.root)


# ---- what is in the file -------------------------------------------------------------------------


LOADING = ("src", "srcset", "poster", "data", "background", "action", "formaction", "xlink:href")


def loaded(soup):
    """Return what a browser would fetch for a page: addresses in elements and style sheets."""
    found = [str(each[name]) for each in soup(True) for name in LOADING if name in each.attrs]
    found += [str(each.get("href")) for each in soup.select("link, base, use, image")]
    styles = [each.get_text() for each in soup.select("style")]
    styles += [str(each["style"]) for each in soup.select("[style]")]
    for style in styles:
        found += re.findall(r"url\(\s*[\"']?([^)]{0,40})", style)
        found += re.findall(r"@import[^;]*", style)
    return found


@pytest.mark.parametrize("which", ["made", "formulas"])
def test_nothing_is_asked_for_from_elsewhere(which, request):
    soup = request.getfixturevalue(which).soup
    addresses = loaded(soup)
    assert addresses
    assert [address for address in addresses if not address.startswith("data:")] == []
    assert "@font-face" not in soup.style.get_text()
    policy = soup.select_one("meta[http-equiv]")["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert {"form-action 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert "nonce" not in policy


def test_a_file_without_formulas_is_small_and_has_no_script(made):
    assert made.soup.select("script") == []
    assert "script-src" not in made.soup.select_one("meta[http-equiv]")["content"]
    assert "/rethink-" not in made.html.read_text("utf-8"), "no temporary folder is named"
    assert made.html.stat().st_size < 300_000
    assert "fontawesome" not in made.html.read_text("utf-8").lower()


def test_formulas_bring_their_script_and_nothing_else_runs(formulas):
    soup = formulas.soup
    scripts = soup.select("script")
    assert len(scripts) == 2
    assert "MathJax" in scripts[0].get_text() and len(scripts[1].get_text()) > 1_000_000
    policy = soup.select_one("meta[http-equiv]")["content"]
    # What a browser hashes is the text as it stands in the file.
    texts = re.findall(r"<script>(.*?)</script>", formulas.html.read_bytes().decode(), re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    assert policy.partition("script-src ")[2] == " ".join(f"'sha256-{each}'" for each in digests)
    assert len(texts) == 2 and all(each.attrs == {} for each in scripts)


def test_what_a_table_brings_in_is_shown_and_not_run(formulas):
    soup = formulas.soup
    text = soup.select_one("article").get_text()
    assert "kept" in text and "gone" in text and "after" in text
    own = [each.extract() for each in soup.select("body > script")]
    assert len(own) == 2
    assert "alert" not in str(soup.body)
    assert "example.org" not in str(soup.body)
    assert soup.select("article :is(script, style, form, template, noscript)") == []


def test_pictures_are_whole_and_captions_numbered(made):
    (picture,) = made.soup.select("figure img")
    notebook = nbformat.read(made.notebook, as_version=4)
    (kept,) = [
        each.data["image/png"]
        for cell in notebook.cells
        for each in cell.get("outputs", [])
        if "image/png" in each.get("data", {})
    ]
    assert picture["src"] == "data:image/png;base64," + "".join(kept.split())
    assert picture["alt"] == "A line that rises from the lower left to the upper right"
    caption = made.soup.select_one("figcaption")
    assert caption.select_one(".caption-number").get_text() == "Fig. 1 "
    assert "It rises with capacity, to 1234 rows." in caption.get_text()


def test_the_data_behind_a_figure_is_in_the_file(formulas):
    link = formulas.soup.select_one("figcaption a.download")
    assert link["download"] == "fig-one.csv"
    assert link["href"] == "data:text/csv;base64,cGFuZWwsc2VyaWVzLHgseQoxLGxpbmUsMiwzCg=="


def test_a_page_says_what_the_chapter_handed_over(made):
    text = " ".join(made.soup.select_one("article").get_text().split())
    assert "Of 1,234 rows −1.2 points, by Algorithm 1 and the thresholds of chapter 3;" in text
    assert "Fig. 1 shows it, as a figure of the book does, and 3. Capacity and the end." in text
    assert "A note on chapter 3." in text
    assert "/data/a|b`c.csv" in made.soup.select_one(".provenance").get_text()


def test_links_lead_within_the_page_or_to_sites(made):
    soup = made.soup
    links = {str(link["href"]) for link in soup.select("article a[href]")}
    ids = {each["id"] for each in soup.select("[id]")}
    inside = {link[1:] for link in links if link.startswith("#")}
    assert inside <= ids
    words = [(link["href"], link.get_text()) for link in soup.select("article a[href]")]
    assert ("#fig-own", "Fig. 1") in words
    assert {text for link, text in words if link == "#the-end"} == {"end", "last", "#"}
    rest = {each for each in links if not each.startswith(("#", "data:text/csv"))}
    assert rest == {"https://example.org/x"}


def test_the_title_is_the_heading_letter_by_letter(made):
    assert made.soup.title.get_text() == TITLE
    heading = made.soup.h1
    heading.select_one("a.headerlink").decompose()
    assert heading.get_text() == TITLE
    assert len(made.soup.select("h1")) == 1


def test_code_is_folded_and_hidden_cells_stay_out(made):
    folded = made.soup.select("details.hide")
    assert len(folded) == 4, "the parameters, those given, and two cells"
    assert all(each.select("pre") for each in folded)
    assert "claims.values" not in made.soup.get_text()


def test_a_work_cited_is_listed_and_a_note_follows(formulas):
    text = formulas.soup.select_one("article").get_text()
    assert "Ann One. Ones. P, 2001." in text
    assert text.rstrip().endswith("A note below.")


# ---- execution -----------------------------------------------------------------------------------


def test_a_card_is_three_files_with_what_was_asked(made):
    folder = made.html.parent
    assert sorted(each.name for each in folder.iterdir()) == [
        "card.html",
        "card.ipynb",
        "card.json",
    ]
    found = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    given = {"source": "/data/a|b`c.csv", "rows": 1234}
    values = {"rows": 1234, "change": -1.25}
    assert found == {"title": TITLE, "parameters": given, "values": values}
    notebook = nbformat.read(made.notebook, as_version=4)
    nbformat.validate(notebook)
    (cell,) = [c for c in notebook.cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert 'source = "/data/a|b`c.csv"\nrows = 1234' in cell.source
    (own,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert 'source = "iris"' in own.source


FAULTS = {
    "from rethink.errors import InputError\n\nraise InputError('x.csv: no rows; give some')": (
        InputError,
        r"^x\.csv: no rows; give some$",
    ),
    "1 / 0": (
        PressError,
        rf"^chapters/{card_page.PAGE}\.md failed in code cell \d: ZeroDivisionError",
    ),
}


@pytest.mark.parametrize(("cell", "expected"), FAULTS.items(), ids=["input", "fault"])
def test_a_cell_that_fails_is_one_message_and_leaves_nothing(cell, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    text = code("source = 'iris'", cell).replace("cell}\n", "cell}\n:tags: [parameters]\n\n", 1)
    root = book_of(tmp_path / "tiny", text)
    append(tmp_path / "card" / "card.html", "the last good one")
    kind, words = expected
    with pytest.raises(kind, match=words) as error:
        card_page.make(root, {"source": "wine"}, tmp_path / "card", "t")
    assert type(error.value) is kind
    assert str(tmp_path) not in str(error.value)
    assert [each.name for each in (tmp_path / "card").iterdir()] == ["card.html"]
    assert (tmp_path / "card" / "card.html").read_text() == "the last good one"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_cannot_work_is_said_before_anything_is_executed(made, tmp_path, monkeypatch):
    monkeypatch.setattr(card_page.notebooks, "execute", lambda *_, **__: pytest.fail("ran"))
    with pytest.raises(ParameterError, match="has no parameter 'sauce'; it has: source, rows"):
        card_page.make(made.root, {"sauce": "x"}, tmp_path / "card", "t")
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="file is a file; name a folder"):
            card_page.make(made.root, {"rows": 1}, folder, "t")
    monkeypatch.setattr(card_page.os, "access", lambda *_: False)
    with pytest.raises(InputError, match="cannot be written to"):
        card_page.make(made.root, {"rows": 1}, tmp_path / "card", "t")
    assert not (tmp_path / "card").exists()


# ---- references to other pages -------------------------------------------------------------------


def test_a_notebook_without_a_heading_gets_the_title(made):
    notebook = new_notebook(cells=[new_markdown_cell("Words.")])
    card_page._put_title(notebook, "a_b")
    assert [cell.source for cell in notebook.cells] == ["# a\\_b", "Words."]


# ---- in a browser --------------------------------------------------------------------------------

PROBLEMS = """() => {
  const light = (text) => text.match(/[\\d.]+/g).slice(0, 3).reduce((a, b) => a + b / 3, 0);
  const style = (selector) => getComputedStyle(document.querySelector(selector));
  return {
    wide: document.scrollingElement.scrollWidth,
    paper: light(style("body").backgroundColor),
    ink: light(style("article p").color),
    figure: style("figure img").backgroundColor,
    title: document.querySelector("h1").getBoundingClientRect().height,
    broken: [...document.images].filter((image) => !image.naturalWidth).length,
    plain: [...document.querySelectorAll(".math")].filter(
      (each) => each.textContent.trim() && !each.querySelector("mjx-container")).length,
    set: document.querySelectorAll("mjx-container").length,
  };
}"""


def unreadable(axe, page):
    """Return what axe finds serious or critical, without its false alarm on bibliographies."""
    found = axe.run(page, options={"resultTypes": ["violations"], "preload": False}).response
    return [
        (rule["id"], node["target"])
        for rule in found["violations"]
        for node in rule["nodes"]
        if rule["impact"] in ("serious", "critical") and node["target"] != [".citation-list"]
    ]


@pytest.mark.parametrize("which", ["made", "formulas"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_file_opens_alone_and_can_be_read(which, scheme, request, tmp_path):
    needs_browser()
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="it is an extra")
    moved = tmp_path / "a folder" / "card.html"
    moved.parent.mkdir()
    moved.write_bytes(request.getfixturevalue(which).html.read_bytes())
    with browser.opened() as program:
        context = program.new_context(color_scheme=scheme, offline=True)
        page = context.new_page()
        asked, complaints = [], []
        page.on("request", lambda each: asked.append(each.url))
        page.on("console", lambda each: complaints.append(each.text))
        page.on("pageerror", lambda each: complaints.append(str(each)))
        page.goto(moved.as_uri())
        # The class's own formula is empty; MathJax has nothing to set there.
        empty = ["formula not typeset: "] if which == "formulas" else []
        assert page.evaluate(browser.READY, 20) == empty
        for width in (390, 1250):
            page.set_viewport_size({"width": width, "height": 900})
            found = page.evaluate(PROBLEMS)
            assert found["wide"] <= width
            assert found["broken"] == found["plain"] == 0
            assert found["set"] == (2 if which == "formulas" else 0)
            dark, bright = sorted((found["paper"], found["ink"]))
            assert dark < 60 and bright > 180
            assert (found["paper"] < 60) == (scheme == "dark")
            assert scheme == "light" or found["figure"] == "rgb(255, 255, 255)"
            assert unreadable(axe.Axe(), page) == []
        page.emulate_media(media="print")
        found = page.evaluate(PROBLEMS)
        assert found["paper"] > 240 and found["ink"] < 60 and found["title"] > 0
        assert [url for url in asked if not url.startswith(("data:", moved.as_uri()))] == []
        assert complaints == []
