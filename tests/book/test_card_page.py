"""A small tenth chapter, executed with other parameters and made one HTML file."""

import errno
import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bs4
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rethink.book import browser, card_html, card_page
from rethink.book.pages import BookError, ParameterError
from rethink.errors import InputError, WritingError
from tests.book.browsers import needs_browser
from tests.book.manuscripts import append, code, figure, write_chapter

TITLE = "A *plain* <b>table</b>_1.csv"

CHAPTER = """# Your data

Of {glue:text}`rows:,` rows {glue:text}`change:.1f` points, by {term}`Algorithm 1` and the
{term}`thresholds <threshold>` of [chapter 3](03-capacity); [a figure](fig-own) shows it, and the
[end](the-end). It is $2^x$. See [a site](https://example.org/x).

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

(the-end)=
## The end

It is there.
"""


def root_of(folder, text=CHAPTER):
    """A folder with a tenth chapter and nothing else."""
    (folder / "chapters").mkdir(parents=True)
    write_chapter(folder, card_page.PAGE, text)
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
    root = root_of(tmp_path_factory.mktemp("card") / "tiny")
    folder = root.parent / "new" / "card"
    parameters = {"source": "/data/a|b`c.csv", "rows": 1234}
    return Made(*card_page.make(root, parameters, folder, TITLE), root)


@pytest.fixture(scope="module")
def hostile(made):
    """The file of a notebook whose cells showed what a table's own words may bring in."""
    words = '<img src="http://example.org/x.png" alt="gone"><script>alert(1)</script><b>kept</b>'
    words += "<svg><style><script>alert(2)</script></style></svg><i>after</i>"
    words += '<form action="http://example.org"><input></form><!--><b>alert(3)</b>-->'
    words += "![lost](http://example.org/y.png) [out](javascript:alert(4)) {term}`x` $y$"
    blocks = "<script>alert(5)</script>\n\n<style>main { display: none }</style>\n\n"
    shown = [
        new_output("display_data", data={"text/markdown": f"| a |\n| --- |\n| {words} |"}),
        new_output("display_data", data={"text/markdown": blocks}),
        new_output("display_data", data={"text/html": words, "text/plain": words}),
        new_output("stream", name="stdout", text=words),
    ]
    cells = [
        new_markdown_cell("# One\n\nIt is $2^x$.\n\n$$y = \\sum_i x_i$$"),
        new_code_cell("1", outputs=shown),
        figure(),
    ]
    html = made.root / "hostile.html"
    about = {"Source": words}
    html.write_text(card_html.page(new_notebook(cells=cells), words, words, about), "utf-8")
    return Made(made.notebook, html, made.root)


# ---- what is in the file -------------------------------------------------------------------------


LOADING = ("src", "srcset", "poster", "data", "background", "action", "formaction", "xlink:href")
RUNNING = "script, form, iframe, object, embed, link, base, svg, template, noscript"


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


@pytest.mark.parametrize("which", ["made", "hostile"])
def test_nothing_is_asked_for_from_elsewhere_and_nothing_runs(which, request):
    soup = request.getfixturevalue(which).soup
    addresses = loaded(soup)
    assert addresses
    assert [address for address in addresses if not address.startswith("data:")] == []
    assert soup.select(RUNNING) == []
    assert [name for each in soup(True) for name in each.attrs if name.startswith("on")] == []
    policy = set(soup.select_one("meta[http-equiv]")["content"].split("; "))
    assert policy == {
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        "form-action 'none'",
        "base-uri 'none'",
    }


def test_a_file_is_small_and_names_no_temporary_folder(made):
    assert "/rethink-" not in made.html.read_text("utf-8")
    assert made.html.stat().st_size < 100_000


def test_what_a_table_brings_in_is_shown_as_it_is_written(hostile):
    soup = hostile.soup
    assert len(soup.select("style")) == 1 and soup.head.style
    assert [link["href"] for link in soup.select("a")] == [
        "data:text/csv;base64,cGFuZWwsc2VyaWVzLHgseQoxLGxpbmUsMiwzCg=="
    ]
    (cell,) = soup.select("td:not(footer *)")
    words = cell.get_text()
    for written in ("<script>alert(1)</script>", "<b>kept</b>", "-->", "lost", "{term}x $y$"):
        assert written in words
    (title,) = soup.select("h1")
    assert title.get_text() == soup.title.get_text() == soup.select_one("footer td").get_text()
    assert title.get_text().startswith('<img src="http://example.org/x.png" alt="gone"><script>')
    assert "alert(5)" in soup.main.get_text() and "main { display: none }" in soup.main.get_text()


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
    caption = " ".join(made.soup.select_one("figcaption").get_text().split())
    assert caption == "Fig. 1 It rises with capacity, to 1234 rows. Data"


def test_the_data_behind_a_figure_is_in_the_file(hostile):
    link = hostile.soup.select_one("figcaption a")
    assert link["download"] == "fig-one.csv"
    assert link["href"] == "data:text/csv;base64,cGFuZWwsc2VyaWVzLHgseQoxLGxpbmUsMiwzCg=="


def test_a_page_says_what_the_chapter_handed_over(made):
    text = " ".join(made.soup.main.get_text().split())
    assert "Of 1,234 rows −1.2 points, by Algorithm 1 and the thresholds of chapter 3;" in text
    assert "source = '/data/a|b`c.csv', rows = 1234" in made.soup.footer.get_text()


def test_links_lead_within_the_page_or_to_sites(made):
    soup = made.soup
    words = [(link["href"], link.get_text()) for link in soup.select("a[href]")]
    assert words.pop(3) == (soup.select_one("figcaption a")["href"], "Data")
    assert words == [
        ("#fig-own", "a figure"),
        ("#the-end", "end"),
        ("https://example.org/x", "a site"),
        ("#the-end", "last"),
        ("#the-end", "last"),
    ]
    assert {"fig-own", "the-end"} <= {each["id"] for each in soup.select("[id]")}


def test_the_title_is_the_heading_letter_by_letter(made):
    assert made.soup.title.get_text() == TITLE
    assert [each.get_text() for each in made.soup.select("h1")] == [TITLE]


def test_code_is_folded_and_hidden_cells_stay_out(made):
    folded = made.soup.select(".cell details:not([open])")
    assert len(folded) == 4, "the parameters, those given, and two cells"
    assert all(each.select("pre") for each in folded)
    assert "claims.values" not in made.soup.get_text()


def test_a_card_names_no_commit_where_none_is_known(made):
    text = made.soup.get_text()
    assert "Made by rethink " in text
    assert "commit" not in text


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
        BookError,
        rf"^chapters/{card_page.PAGE}\.md failed in code cell \d: ZeroDivisionError",
    ),
}


@pytest.mark.parametrize(("cell", "expected"), FAULTS.items(), ids=["input", "fault"])
def test_a_cell_that_fails_is_one_message_and_leaves_nothing(cell, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    text = code("source = 'iris'", cell).replace("cell}\n", "cell}\n:tags: [parameters]\n\n", 1)
    root = root_of(tmp_path / "tiny", text)
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
    for ending in ("json", "ipynb", "html"):
        taken = tmp_path / ending
        (taken / f"card.{ending}").mkdir(parents=True)
        with pytest.raises(InputError, match=rf"card\.{ending} is a folder; name another"):
            card_page.make(made.root, {"rows": 1}, taken, "t")
    wrong = r'must be letters of UTF-8, but "\\udcff\.csv" was given; a file can be renamed$'
    for name in ("source", "title"):
        given = {"source": "x.csv", "title": "t"} | {name: "\udcff.csv"}
        title = given.pop("title")
        with pytest.raises(InputError, match=f"^{name} {wrong}"):
            card_page.make(made.root, given, tmp_path / "card", title)
    monkeypatch.setattr(card_page.os, "access", lambda *_: False)
    with pytest.raises(InputError, match="cannot be written to"):
        card_page.make(made.root, {"rows": 1}, tmp_path / "card", "t")
    assert not (tmp_path / "card").exists()


@pytest.mark.parametrize("ending", ["json", "ipynb", "html"])
def test_a_card_for_which_there_is_no_room_leaves_the_earlier_one(
    made, tmp_path, monkeypatch, ending
):
    def execute(edition, page, mark, output, strict):
        shutil.copy(made.notebook, output)
        append(output.parent / "results" / "card.json", '{"values": {}, "claims": {}}')

    monkeypatch.setattr(card_page.notebooks, "execute", execute)
    folder = tmp_path / "card"
    card_page.make(made.root, {"rows": 1}, folder, "one")
    before = {each: each.read_bytes() for each in folder.iterdir()}
    assert len(before) == 3
    write = Path.write_bytes

    def full(self, content):
        if self.name == f"card.{ending}":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, content)

    with (
        monkeypatch.context() as patch,
        pytest.raises(WritingError, match=rf"card\.{ending}: No space left on device; make room"),
    ):
        patch.setattr(Path, "write_bytes", full)
        card_page.make(made.root, {"rows": 1}, folder, "two")
    assert {each: each.read_bytes() for each in folder.iterdir()} == before


def test_a_second_card_is_refused_a_folder_in_which_one_is_made(made, tmp_path, monkeypatch):
    folder = tmp_path / "new" / "card"

    def execute(*_):
        assert folder.exists()
        with pytest.raises(
            InputError, match=r"^another process is making a card in .*/card; wait for it, or name"
        ):
            card_page.make(made.root, {"rows": 1}, folder, "two")
        raise BookError("the first one fails")

    monkeypatch.setattr(card_page, "_execute", execute)
    for _ in range(2):
        with pytest.raises(BookError, match="the first one fails"):
            card_page.make(made.root, {"rows": 1}, folder, "one")
        assert list(tmp_path.iterdir()) == []


# ---- in a browser --------------------------------------------------------------------------------

PROBLEMS = """() => {
  const light = (text) => text.match(/[\\d.]+/g).slice(0, 3).reduce((a, b) => a + b / 3, 0);
  const style = (selector) => getComputedStyle(document.querySelector(selector));
  return {
    wide: document.scrollingElement.scrollWidth,
    paper: light(style("body").backgroundColor),
    ink: light(style("main p").color),
    figure: style("figure img").backgroundColor,
    title: document.querySelector("h1").getBoundingClientRect().height,
    footer: [...document.querySelectorAll("footer :is(summary, td)")].map(
      (each) => each.getBoundingClientRect().height),
    broken: [...document.images].filter((image) => !image.naturalWidth).length,
    set: [...document.querySelectorAll("math")].filter(
      (each) => each.getBoundingClientRect().height > 10).length,
  };
}"""


def unreadable(axe, page):
    """Return what axe finds serious or critical."""
    found = axe.run(page, options={"resultTypes": ["violations"], "preload": False}).response
    return [
        (rule["id"], node["target"])
        for rule in found["violations"]
        for node in rule["nodes"]
        if rule["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("which", ["made", "hostile"])
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
        assert page.evaluate(browser.READY, 20) == []
        for width in (390, 1000, 1250):
            page.set_viewport_size({"width": width, "height": 900})
            found = page.evaluate(PROBLEMS)
            assert found["wide"] <= width
            assert found["broken"] == 0
            assert found["set"] == (2 if which == "hostile" else 1)
            dark, bright = sorted((found["paper"], found["ink"]))
            assert dark < 60 and bright > 180
            assert (found["paper"] < 60) == (scheme == "dark")
            assert scheme == "light" or found["figure"] == "rgb(255, 255, 255)"
            assert unreadable(axe.Axe(), page) == []
        page.emulate_media(media="print")
        found = page.evaluate(PROBLEMS)
        assert found["paper"] > 240 and found["ink"] < 60 and found["title"] > 0
        assert all(height > 0 for height in found["footer"]), "how it was made is printed"
        assert [url for url in asked if not url.startswith(("data:", moved.as_uri()))] == []
        assert complaints == []
