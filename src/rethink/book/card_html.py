"""An executed notebook as one HTML file that needs no other file and runs no script.

Of MyST's Markdown it shows what the card's chapter uses: numbers handed over by code, terms, names
of places, links, formulas, tables and figures. What else a chapter may hold is an error, so that it
is noticed where the chapter is written and not where a card is read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin
from mdit_py_plugins.myst_role import myst_role_plugin
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from rethink.book import claims
from rethink.book.html import figure_tables
from rethink.book.pages import BookError
from rethink.book.templates import fill

# Colours of code that can be told from their ground, by day and by night.
LIGHT, DARK = "a11y-high-contrast-light", "a11y-high-contrast-dark"


def page(notebook: NotebookNode, title: str, made: str, about: dict[str, str]) -> str:
    """Return an executed notebook as the text of an HTML file.

    Args:
        notebook: executed.
        title: the heading of the page in place of the notebook's own, in plain text.
        made: said at the end, where it can be opened to show more.
        about: what that is: name to plain text.

    Raises:
        BookError: if the notebook holds what such a page cannot show, or a figure has no name.
    """
    figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in notebook.cells]
    names = [figure["name"] for figure in figures if "name" in figure]
    values = {name: each["value"] for name, each in claims.results(notebook)["values"].items()}

    parsed = {
        cell.id: _PROSE.parse(cell.source)
        for cell in notebook.cells
        if cell.cell_type == "markdown"
    }
    targets = [t.content for tokens in parsed.values() for t in tokens if t.type == "myst_target"]
    env = {"known": _Known(values, {*names, *targets})}

    def prose(cell: NotebookNode) -> Markup:
        tokens = _without_title(parsed[cell.id])
        return Markup(_PROSE.renderer.render(tokens, _PROSE.options, env))

    def caption(text: str) -> Markup:
        return Markup(_PROSE.renderInline(text.strip(), env))

    def table(text: str) -> Markup:
        return Markup(_TABLES.render(text, env))

    return fill(
        "card.html",
        title=title,
        cells=notebook.cells,
        number={name: place for place, name in enumerate(names, start=1)},
        data=figure_tables(notebook),
        prose=prose,
        caption=caption,
        table=table,
        code=_code,
        colours_of_code={"light": _colours(LIGHT), "dark": _colours(DARK)},
        made=made,
        about=about,
    )


def _code(source: str) -> Markup:
    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


def _colours(style: str) -> Markup:
    return Markup(HtmlFormatter(style=style).get_token_style_defs("code"))


def _without_title(tokens: list[Token]) -> list[Token]:
    """Leave out the heading of the chapter, in whose place the page has its own."""
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            return tokens[:place] + tokens[place + 3 :]
    return tokens


# ---- Markdown ------------------------------------------------------------------------------------


@dataclass
class _Known:
    """What the rules below know of the page.

    Attributes:
        values: numbers that code handed over, by name.
        places: what links may lead to.
        link: whether the link that is open is one.
    """

    values: dict[str, float]
    places: set[str]
    link: bool = False


def _role(token: Token, known: _Known) -> str:
    """Write a term as its words, and a number that code handed over."""
    name = token.meta["name"]
    if name == "term":
        return escapeHtml(re.sub(r"\s*<[^<>]*>$", "", token.content))
    if name != "glue:text":
        raise _unknown(f"{{{name}}}`{token.content}`")
    key, _, form = token.content.partition(":")
    if key not in known.values:
        raise BookError(f"the chapter shows {key!r}, which no cell of it hands over")
    # A minus sign, and no hyphen.
    return escapeHtml(format(known.values[key], form).replace("-", "\u2212"))


def _target(token: Token, known: _Known) -> str:
    return f'<div id="{escapeHtml(token.content)}"></div>\n'


def _link_open(token: Token, known: _Known) -> str:
    """Keep links to places of this page and to sites; of one to another page stay the words."""
    address = str(token.attrs["href"])
    place = address.removeprefix("#")
    if place in known.places:
        address = f"#{place}"
    known.link = place in known.places or address.startswith(("https://", "http://", "mailto:"))
    return f'<a href="{escapeHtml(address)}">' if known.link else ""


def _link_close(token: Token, known: _Known) -> str:
    return "</a>" if known.link else ""


def _image(token: Token, known: _Known) -> str:
    """Write the words of a picture, which would have to be fetched."""
    return escapeHtml(token.content)


def _html_block(token: Token, known: _Known) -> str:
    """Keep the frame that `figures.table` puts around a table; show all other HTML as text."""
    frame = re.fullmatch(r'<div class="\w+">|</div>', token.content.strip())
    return token.content if frame else escapeHtml(token.content)


def _html_inline(token: Token, known: _Known) -> str:
    return escapeHtml(token.content)


def _fence(token: Token, known: _Known) -> str:
    if token.info.strip().startswith("{") or token.type == "colon_fence":
        raise _unknown(f"{token.markup}{token.info}")
    return f'<pre tabindex="0">{escapeHtml(token.content)}</pre>\n'


def _formula(token: Token, known: _Known) -> str:
    """Write a formula in MathML, which browsers set by themselves."""
    alone = token.type == "math_block"
    try:
        formula = tex2mathml(token.content.strip(), as_block=alone)
    except MathError as error:
        raise BookError(f"the formula {token.content.strip()} cannot be set: {error}") from None
    return f'<div class="wide" tabindex="0">{formula}</div>\n' if alone else formula


def _numbered_formula(token: Token, known: _Known) -> str:
    raise _unknown(f"the number of the formula {token.content.strip()}")


def _unknown(written: str) -> BookError:
    return BookError(
        f"the page of a card cannot show {written}; rethink.book.card_html says what it can"
    )


# The rules for what a cell shows, where the names of somebody's table stand: nothing of it is
# fetched or run, and there are neither roles nor formulas in it.
_SHOWN = {
    "link_open": _link_open,
    "link_close": _link_close,
    "image": _image,
    "html_block": _html_block,
    "html_inline": _html_inline,
    # The keyboard scrolls only what it can reach.
    "table_open": lambda token, known: '<div class="wide" tabindex="0"><table>\n',
    "table_close": lambda token, known: "</table></div>\n",
}
# And for what the chapter's author wrote.
_WRITTEN = _SHOWN | {
    "myst_role": _role,
    "myst_target": _target,
    "myst_line_comment": lambda token, known: "",
    "fence": _fence,
    "colon_fence": _fence,
    "math_inline": _formula,
    "math_block": _formula,
    "math_block_label": _numbered_formula,
}


def _parser(rules: dict[str, Callable[[Token, _Known], str]], *plugins: Any) -> MarkdownIt:
    """Return a parser of Markdown with tables, which writes tokens by these rules."""
    parser = MarkdownIt("commonmark").enable("table")
    for plugin in plugins:
        parser.use(plugin)

    def rendering(rule: Callable[[Token, _Known], str]) -> Callable[..., str]:
        return lambda self, tokens, place, options, env: rule(tokens[place], env["known"])

    for name, rule in rules.items():
        parser.add_render_rule(name, rendering(rule))
    return parser


_TABLES = _parser(_SHOWN)
_PROSE = _parser(
    _WRITTEN, myst_role_plugin, myst_block_plugin, colon_fence_plugin, dollarmath_plugin
)
