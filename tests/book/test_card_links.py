import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rethink.book import card_links
from tests.book.manuscripts import figure


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A {term}`null` and {term}`nulls <null>`.", "A null and nulls."),
        ("{term}`two\nlines <null>`", "two\nlines"),
        ("[chapter 3](03-capacity) and [it](03-capacity.md#x)", "chapter 3 and it"),
        ("[two\nlines](03-capacity)", "two\nlines"),
        ("[](03-capacity)", "3. Capacity"),
        ("{doc}`03-capacity`, {doc}`there <03-capacity>`", "3. Capacity, there"),
        ("{doc}`none`", "none"),
        ("{ref}`rest <rest-of>` {numref}`fig-far`", "rest a figure of the book"),
        ("{numref}`Figure %s <fig-far>`", "Figure"),
        ("[of {term}`bits <bit>` and `x`](units)", "of bits and `x`"),
        ("{download}`Data <x.csv>`", "Data"),
        ("([a](03-capacity), [b](03-capacity))", "(a, b)"),
    ],
)
def test_what_leads_to_other_pages_is_plain(text, shown, tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "03-capacity.md").write_text("# 3. Capacity\n")
    notebook = new_notebook(cells=[new_markdown_cell(text)])
    assert card_links.plain(notebook, tmp_path).cells[0].source == shown
    assert notebook.cells[0].source == text


@pytest.mark.parametrize(
    "text",
    [
        "{numref}`fig-one` and {ref}`it <here>`, [there](here), [so](#here)",
        "[a site](https://example.org/a_(b)), <https://example.org>, [me](mailto:a@b.org)",
        "{glue:text}`x:.2f` {cite}`one` {eq}`sum` {math}`a_b`",
        "`[x](y)` and ``{term}`null` ``, $[a](b)$ and $$[c](d)$$",
        "```python\nrows[0](units)\n\n{term}`null`\n```\n",
        "```{code-block} python\nrows[0](units)\n```\n",
        "![a picture](x.png) {abbr}`MEC (capacity)` [x] (y)",
    ],
)
def test_what_leads_nowhere_else_stays(text, tmp_path):
    cells = [new_markdown_cell("(here)=\n## Here"), new_markdown_cell(text), figure()]
    assert card_links.plain(new_notebook(cells=cells), tmp_path).cells[1].source == text


def test_text_in_directives_captions_and_tables_is_plain_too(tmp_path):
    table = new_output("display_data", data={"text/markdown": "| [x](units) | ![y](z) |"})
    cells = [
        new_markdown_cell(
            "```{note}\nA {term}`null`.\n```\n\nA {term}`null`.\n\n"
            ":::{tip}\n:name: own\nA {term}`null`, {ref}`own`.\n:::\n"
        ),
        figure(caption="A {term}`null`."),
        new_code_cell("", outputs=[table]),
    ]
    note, picture, shown = card_links.plain(new_notebook(cells=cells), tmp_path).cells
    assert "{term}" not in note.source and note.source.count("A null") == 3
    assert "{ref}`own`" in note.source
    assert picture.metadata["mystnb"]["figure"]["caption"] == "A null."
    assert shown.outputs[0].data["text/markdown"] == "| x | !\\[y](z) |"
