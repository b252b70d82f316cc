import re

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rethink.book import card_html, card_page, pages
from rethink.book.pages import BookError
from tests.book.manuscripts import figure

VALUES = {"rows": "1234", "change": "-1.25", "share": "0.5", "kept": "0.9533"}


def given(values):
    """A cell that handed numbers over, as `claims.values` does."""
    prefix = "application/papermill.record/"
    outputs = [
        new_output(
            "display_data",
            data={f"{prefix}text/plain": text},
            metadata={
                "scrapbook": {"name": name, "mime_prefix": prefix},
                "rethink": {"tolerance": 0.0},
            },
        )
        for name, text in values.items()
    ]
    return new_code_cell("", outputs=outputs, metadata={"tags": ["remove-cell"]})


def shown(*cells):
    """The page of some cells and those that they refer to."""
    here = new_markdown_cell("(here)=\n## Here")
    html = card_html.page(new_notebook(cells=[given(VALUES), *cells, here]), "T", "M", {})
    return BeautifulSoup(html, "html.parser")


def prose(text):
    """The first paragraph of a page of a text."""
    return shown(new_markdown_cell(text)).p.decode_contents()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{glue:text}`rows:,` of {glue:text}`rows`", "1,234 of 1234"),
        ("{glue:text}`change:.1f` {glue:text}`share:.0%` {glue:text}`kept`", "−1.2 50% 0.9533"),
        ("A {term}`null` and {term}`nulls <null>`.", "A null and nulls."),
        ("{term}`two\nlines <null>`", "two lines"),
        ("[chapter 3](03-capacity) and [it](03-capacity.md#x)", "chapter 3 and it"),
        ("[of {term}`bits <bit>` and `x`](units)", "of bits and <code>x</code>"),
        ("[there](here) [so](#here)", '<a href="#here">there</a> <a href="#here">so</a>'),
        ("[a](none), [b](https://e.org/?a&b)", 'a, <a href="https://e.org/?a&amp;b">b</a>'),
        ("<mailto:a@b.org>", '<a href="mailto:a@b.org">mailto:a@b.org</a>'),
        ("`[x](y)` and ``{term}`null` ``", "<code>[x](y)</code> and <code>{term}`null` </code>"),
        ("![a *picture*](x.png)", "a *picture*"),
        ('a <div class="a">b', 'a &lt;div class="a"&gt;b'),
        ("**a** -1 &amp; 2", "<strong>a</strong> -1 &amp; 2"),
    ],
)
def test_what_a_chapter_may_write(text, written):
    assert prose(text) == written


def test_formulas_are_set_without_a_script():
    page = shown(new_markdown_cell("It is $2^{x}$ and $[a](b)$.\n\n$$\n\\frac{a}{b}\n$$\n"))
    assert [each.get("display") for each in page.select("math")] == [None, None, "block"]
    assert "".join(page.select_one("msup").stripped_strings) == "2x"
    assert "".join(page.select_one("mfrac").stripped_strings) == "ab"
    assert page.select("a") == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{glue:text}`none:.2f`", "shows 'none', which no cell"),
        ("{cite}`one`", "cannot show {cite}`one`"),
        ("```{note}\nA note.\n```", "cannot show ```{note}"),
        (":::{div} a\nA note.\n:::", "cannot show :::{div} a"),
        (r"$\nonsense{x}$", r"the formula \nonsense{x} cannot be set"),
        ("$$x$$ (label)", "cannot show the number of the formula x"),
    ],
)
def test_what_cannot_be_shown_is_said(text, named):
    with pytest.raises(BookError, match=re.escape(named)):
        shown(new_markdown_cell(text))
    with pytest.raises(BookError, match=re.escape(named)):
        shown(new_markdown_cell(f"> {text}".replace("\n", "\n> ")))


def test_code_is_shown_where_a_chapter_shows_it():
    hidden = new_code_cell("x = 1", metadata={"tags": ["hide-input"]})
    page = shown(new_code_cell("y = '<b>'"), hidden, figure())
    assert [
        ("open" in each.attrs, each.pre.get_text()) for each in page.select(".cell details")
    ] == [
        (True, "y = '<b>'\n"),
        (False, "x = 1\n"),
    ]


def test_a_table_keeps_its_frame_and_scrolls_in_its_own():
    text = '<div class="answers">\n\n| A | B |\n| --- | --- |\n| [x](here) | <b> |\n\n</div>'
    output = new_output("display_data", data={"text/markdown": text, "text/plain": "?"})
    page = shown(new_code_cell("", outputs=[output]))
    (table,) = page.select(".answers > .wide[tabindex='0'] > table")
    assert [each.get_text() for each in table.select("th, td")] == ["A", "B", "x", "<b>"]
    assert table.a["href"] == "#here"


def test_captions_are_numbered_and_offer_the_data():
    second = figure("panel,series,x,y\n", "fig-two", "Of {glue:text}`rows` *rows*.")
    page = shown(figure(), second)
    one, two = page.select("figure")
    assert " ".join(one.figcaption.get_text().split()) == "Fig. 1 It rises. Data"
    assert " ".join(two.figcaption.get_text().split()) == "Fig. 2 Of 1234 rows."
    assert (one["id"], two["id"], one.img["alt"]) == ("fig-one", "fig-two", "a line that rises")
    assert one.a["download"] == "fig-one.csv" and two.a is None


def test_the_tenth_chapter_holds_nothing_that_the_page_cannot_show():
    chapter = pages.read(pages.root(), card_page.PAGE)
    for cell in chapter.cells:
        if cell.cell_type == "code":
            cell.outputs = figure().outputs if "mystnb" in cell.metadata else []
    asked = re.findall(r"\{glue:text\}`(\w+)", "".join(cell.source for cell in chapter.cells))
    chapter.cells.append(given(dict.fromkeys(asked, "0.5")))
    html = card_html.page(chapter, "T", "M", {})
    page = BeautifulSoup(html, "html.parser")
    assert len(page.select("figure")) == 4
    assert len(page.select("h2")) >= 6
    for place in page.select("a[href^='#']"):
        assert page.select_one(f"[id='{place['href'][1:]}']")
    assert "{" not in "".join(each.get_text() for each in page.select("p, figcaption"))
