"""The floors of the README against the imports of the code."""

import ast
import re

from rethink.book import pages
from rethink.runs import fingerprints

README = (pages.root() / "README.md").read_text(encoding="utf-8")
FLOORS = {
    name.strip("/"): int(floor)
    for floor, names in re.findall(r"^\| (\d+) \| (`[^|]+`) \|", README, re.MULTILINE)
    for name in re.findall(r"`([\w/]+)`", names)
}


def room(module):
    """The room of the table that a module of the package is in."""
    return module.removeprefix("rethink.").split(".")[0]


def imported(path):
    """The rooms that a file imports, at its top or within its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rethink"):
            names = [alias.name for alias in node.names]
            found |= set(names) if node.module == "rethink" else {room(node.module)}
    return found


def rooms():
    files = [path for path in fingerprints.PACKAGE.rglob("*.py") if path.stem != "__init__"]
    return {
        path: room(".".join(path.relative_to(fingerprints.PACKAGE).with_suffix("").parts))
        for path in files
    }


def test_every_room_has_its_floor():
    assert {name for name in rooms().values() if name != "_torchvision"} == set(FLOORS)


def test_no_room_imports_from_a_higher_floor():
    wrong = [
        f"{path.stem} (floor {FLOORS[name]}) imports {other} (floor {FLOORS[other]})"
        for path, name in rooms().items()
        if name in FLOORS
        for other in imported(path) & set(FLOORS)
        if FLOORS[other] > FLOORS[name]
    ]
    assert wrong == []
