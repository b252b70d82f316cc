"""Style sheets cut down to what a page needs, so that the page can carry them itself."""

import re
from collections.abc import Iterator
from pathlib import Path

from bs4 import Tag

# The styles of light and of dark pages: paper is light.
_LIGHT, _DARK = "print, (prefers-color-scheme: light)", "screen and (prefers-color-scheme: dark)"
_STRING = r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\''

# Brackets, three deep.
_ROUND = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"


def names(page: Tag) -> set[str]:
    """Return the names that a style sheet can know elements by: ``p``, ``.class`` and ``#id``."""
    found = set()
    for each in page.find_all(True):
        found.add(each.name)
        found |= {f".{name}" for name in each.get_attribute_list("class") if name}
        found |= {f"#{name}" for name in each.get_attribute_list("id") if name}
    return found


def whole(file: Path) -> str:
    """Return a style sheet without comments, with those that it imports in their place."""
    text = file.read_text(encoding="utf-8")
    text = re.sub(rf"({_STRING})|/\*.*?\*/", lambda m: m[1] or "", text, flags=re.DOTALL)
    return re.sub(r'@import "([^"]+)";', lambda m: whole(file.parent / m[1]), text)


def needed(css: str, there: set[str]) -> str:
    """Return what of a style sheet can concern a page, for light and dark after its reader's wish.

    The theme's fonts, which are symbols for its buttons, and what it would load are left out.
    """
    kept = []
    for selector, block in _rules(css):
        if selector.startswith("@page"):
            kept.append(f"{selector}{{{block}}}")
        elif selector.startswith(("@media", "@supports")):
            inner = needed(block, there)
            kept.append(f"{selector}{{{inner}}}\n" if inner else "")
        elif not selector.startswith("@"):
            parts = [part for part in _split(selector) if _concerns(part, there)]
            block = re.sub(r"url\((?![\"']?data:)[^)]*\)", "none", block)
            if parts:
                kept.append(_both_themes(f"{','.join(parts)}{{{block}}}\n"))
    return "".join(kept)


def _both_themes(rule: str) -> str:
    """Let a rule of the light theme hold on light pages, and one of the dark theme on dark ones.

    The page says that it is light. So the dark rules are given that name, where dark is wanted.
    """
    if "data-theme" not in rule:
        return rule
    swapped = {"light": "dark", "dark": "light"}
    other = re.sub(r"(\[data-theme=[\"']?)(light|dark)", lambda m: m[1] + swapped[m[2]], rule)
    return f"@media {_LIGHT}{{{rule}}}@media {_DARK}{{{other}}}\n"


def _rules(css: str) -> Iterator[tuple[str, str]]:
    """Divide a style sheet without comments into its rules: selector, and what stands in braces."""
    depth, start, opened = 0, 0, 0
    for match in re.finditer(rf"{_STRING}|url\([^\"')]*\)|[{{}};]", css, re.DOTALL):
        if match[0] == "{":
            depth += 1
            opened = match.start() if depth == 1 else opened
        elif match[0] == "}":
            depth -= 1
            if not depth:
                yield css[start:opened].strip(), css[opened + 1 : match.start()].strip()
                start = match.end()
        elif match[0] == ";" and not depth:
            start = match.end()


def _split(selector: str) -> list[str]:
    """Divide a list of selectors at its commas, but not within brackets."""
    return [part.strip() for part in re.findall(rf"(?:[^,(\[]|{_ROUND}|\[[^\]]*\])+", selector)]


def _concerns(selector: str, there: set[str]) -> bool:
    """Tell whether all classes, ids and elements of a selector are there; of (…) none is asked."""
    bare = re.sub(rf"\[(?:{_STRING}|[^\]])*\]", "", selector)
    while (inner := re.sub(r"\([^()]*\)", "", bare)) != bare:
        bare = inner
    bare = re.sub(r"::?[\w-]+", "", bare)
    names = re.findall(r"[.#]?(?:[\w-]|\\.)+", bare)
    return all(name.replace("\\", "") in there for name in names)
