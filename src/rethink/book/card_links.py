"""References to other pages of the book made plain text, for a page that stands alone."""

import copy
import re
from pathlib import Path
from urllib.parse import urlsplit

from nbformat import NotebookNode

_MARKUP = re.compile(
    r"""
    # What stays: code, verbatim or in a line, and formulas.
    ^[ ]*(?P<fence>`{3,}|~{3,})[ ]*(?:\{(?:code|code-block|math)\}|[\w+-]+)[^\n]*\n
      .*?^[ ]*(?P=fence)
    | (?<!`)(?P<ticks>`{1,2}|`{3,}(?![`{]))(?!`)(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`)
    | (?<!\\)\$\$.+?\$\$ | (?<!\\)\$[^$\n]+\$
    # What may lead elsewhere: a role, a link.
    | \{(?P<role>[\w:-]+)\}`(?P<said>[^`]+)`
    | (?<![!\\])\[(?P<text>(?:[^\[\]`]|`[^`]*`|\[[^\[\]]*\])*)\]\((?P<link>[^()\s]*)(?:\s"[^"]*")?\)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_TO_PAGES = ("term", "doc", "download")
_TO_PLACES = ("ref", "numref", "any", "link")
_LABEL = re.compile(r"^\s*(?:\(([^()\s]+)\)=\s*$|:name:\s*(\S+)|:label:\s*(\S+))", re.MULTILINE)


def plain(notebook: NotebookNode, root: Path) -> NotebookNode:
    """Return a copy whose references to other pages of the book are plain text.

    Terms of the glossary, links and references by name or number lose what they lead to and keep
    what they say; one without words says the title of its page. What leads to a place of the
    notebook itself, or to a site elsewhere, stays.
    """
    notebook = copy.deepcopy(notebook)
    figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in notebook.cells]
    own = {figure["name"] for figure in figures if "name" in figure}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            own |= {next(filter(None, each)) for each in _LABEL.findall(cell.source)}
    for cell, figure in zip(notebook.cells, figures, strict=True):
        if cell.cell_type == "markdown":
            cell.source = _plain(cell.source, own, root)
        if "caption" in figure:
            figure["caption"] = _plain(figure["caption"], own, root)
        for shown in cell.get("outputs", []):
            if "text/markdown" in shown.get("data", {}):
                # Words of a table may look like a picture.
                text = shown.data["text/markdown"].replace("![", "!\\[")
                shown.data["text/markdown"] = _plain(text, own, root)
    return notebook


def _plain(text: str, own: set[str], root: Path) -> str:
    """Make references plain in a text, except for those to its ``own`` places."""

    def written(match: re.Match[str]) -> str:
        if match["link"] is not None:
            role, words, target = "link", match["text"], match["link"]
        elif match["role"] is not None:
            role, words, target = match["role"], "", match["said"]
            if named := re.fullmatch(r"(.*?)\s*<([^<>]*)>", target, re.DOTALL):
                words, target = named.groups()
        else:
            return match[0]
        stays = target.removeprefix("#") in own or (role == "link" and urlsplit(target).scheme)
        if role not in _TO_PAGES and (role not in _TO_PLACES or stays):
            return match[0]
        if role == "numref":
            return re.sub(r"\s*(%s|\{number\})", "", words) or "a figure of the book"
        if words:
            return _plain(words, own, root)
        return target if role == "term" else _title(target, root)

    return _MARKUP.sub(written, text)


def _title(target: str, root: Path) -> str:
    """Return the title of another page of the book, or the name if there is no such page."""
    name = Path(target.partition("#")[0]).name.removesuffix(".md").removesuffix(".ipynb")
    file = root / "chapters" / f"{name}.md"
    if name and file.is_file():
        heading = re.search(r"^# (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        if heading:
            return heading[1].strip()
    return name or target.removeprefix("#")
