"""What code depends on and what it is, read from its syntax, where comments do not count."""

import ast
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from rethink import HOMES

NAME = "rethink"
PACKAGE = Path(__file__).parents[1]


def module_file(name: str) -> Path:
    """Return the file of a module of this package, such as ``mec`` or ``experiments.labels``."""
    return PACKAGE.joinpath(*name.split(".")).with_suffix(".py")


def modules(trees: Iterable[ast.AST]) -> set[str]:
    """Return the modules of this package that code imports, directly or through one another."""
    found: set[str] = set()
    pending = _imported(trees)
    while pending:
        name = pending.pop()
        path = module_file(name)
        if name not in found and path.exists():
            found.add(name)
            pending |= _imported_by(path.read_text(encoding="utf-8"))
    return found


@lru_cache(maxsize=256)
def _imported_by(source: str) -> frozenset[str]:
    return frozenset(_imported([ast.parse(source)]))


def _imported(trees: Iterable[ast.AST]) -> set[str]:
    names: set[str] = set()
    for tree in trees:
        faces = _names_of_the_package(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and _of_package(node):
                # What is imported may be a module itself, or stand in one.
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
                names.add(str(node.module))
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names |= {f"{NAME}.{node.attr}" for face in faces if face == node.value.id}
    found = {name.removeprefix(f"{NAME}.") for name in names if name.startswith(f"{NAME}.")}
    return {HOMES.get(name, name) for name in found}


def _names_of_the_package(tree: ast.AST) -> set[str]:
    """Return by which names code knows the package itself, such as ``rethink``."""
    aliases = [a for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    own = {alias.asname or NAME for alias in aliases if alias.name == NAME}
    through = {NAME for a in aliases if a.name.startswith(f"{NAME}.") and not a.asname}
    return own | through


def slice_digest(module: str, name: str) -> str:
    """Return a digest of all code of this package that a function can come to run.

    Followed are the names that a statement reads: its own module's, those imported from modules of
    this package, and attributes of such modules. Statements that define nothing always count. What
    is found by a text at run time is not seen. In which module a statement stands does not count,
    nor does by which way it is imported: code that was moved is the same code.

    Args:
        module: such as ``experiments.labels``.
        name: of something defined there.

    Raises:
        LookupError: if the module does not define it.
    """
    if name not in _top(module)[1]:
        raise LookupError(f"{module}.py defines no {name} to take a fingerprint of")
    found: set[tuple[str, int]] = set()
    pending = [(module, name)]
    while pending:
        where, what = pending.pop()
        statements, places = _top(where)
        wanted = range(len(statements)) if what == _ALL else places.get(what, ())
        for place in {*wanted, *places[_ALWAYS]}:
            if (where, place) not in found:
                found.add((where, place))
                pending += _needed(where, statements[place])
    texts = []
    for where, place in found:
        statement = _top(where)[0][place]
        if not isinstance(statement, (ast.Import, ast.ImportFrom)):
            texts.append(_plain(where, statement))
    digest = hashlib.sha256()
    for text in sorted(texts):
        digest.update(f"{text}\0".encode())
    return digest.hexdigest()


_ALL, _ALWAYS = "*", ""  # no names of Python's


def _top(module: str) -> tuple[list[ast.stmt], dict[str, list[int]]]:
    """Return a module's statements, and which of them define each name."""
    return _top_of(module_file(module).read_text(encoding="utf-8"))


@lru_cache(maxsize=256)
def _top_of(source: str) -> tuple[list[ast.stmt], dict[str, list[int]]]:
    statements = [each for each in ast.parse(source).body if not _is_text(each)]
    places: dict[str, list[int]] = {_ALWAYS: []}
    for place, statement in enumerate(statements):
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            names = [statement.name]
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            names = [(each.asname or each.name).split(".")[0] for each in statement.names]
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            written = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
            names = [n.id for n in written if isinstance(n.ctx, ast.Store)]
        else:
            names = []
        for each in names or [_ALWAYS]:
            places.setdefault(each, []).append(place)
    return statements, places


def _needed(module: str, statement: ast.stmt) -> list[tuple[str, str]]:
    """Return what a statement reads, as (module, name)."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return []  # those who read the name follow it
    found: list[tuple[str, str]] = []
    owners = {
        id(node.value): node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute)
    }
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.append((module, node.id))
            for each in _imports_of(module, statement, node.id):
                found += _imports(each, node.id, owners.get(id(node), _ALL))
    return [(where, what) for where, what in found if module_file(where).exists()]


def _imports_of(module: str, statement: ast.stmt, name: str) -> list[ast.Import | ast.ImportFrom]:
    """Return the imports by which a statement can know a name: its module's and its own."""
    statements, places = _top(module)
    defining = [statements[place] for place in places.get(name, ())]
    return [
        each
        for each in (*defining, *ast.walk(statement))
        if isinstance(each, (ast.Import, ast.ImportFrom))
        and any((alias.asname or alias.name.split(".")[0]) == name for alias in each.names)
    ]


def _imports(
    statement: ast.Import | ast.ImportFrom, name: str, attribute: str
) -> list[tuple[str, str]]:
    """Return what a name stands for if this statement imports it, and is read with an attribute."""
    found = []
    for each in statement.names:
        if (each.asname or each.name.split(".")[0]) != name:
            continue
        if isinstance(statement, ast.ImportFrom):
            source = str(statement.module)
            found += [(f"{source}.{each.name}", attribute), (source, each.name)]
        elif "." in each.name and not each.asname:
            found += [(each.name, _ALL), (each.name.split(".")[0], attribute)]
        else:
            found.append((each.name, attribute))
    # What the package itself offers stands in one of its modules.
    found = [
        (f"{NAME}.{HOMES[what]}", what) if where == NAME and what in HOMES else (where, what)
        for where, what in found
    ]
    return [
        (where.removeprefix(f"{NAME}."), what)
        for where, what in found
        if where.startswith(f"{NAME}.")
    ]


def _plain(module: str, statement: ast.stmt) -> str:
    """Return code without comments and docstrings, and without where other code is kept."""
    bare = _Bare(module, statement).visit(ast.parse(ast.unparse(statement)))
    return ast.unparse(bare)


class _Bare(ast.NodeTransformer):
    """Takes docstrings and this package's imports out, and modules off the names that they hold."""

    def __init__(self, module: str, statement: ast.stmt) -> None:
        self.module, self.statement = module, statement

    def visit(self, node: ast.AST) -> Any:
        """Go through a node, then put something where a body has lost all."""
        node = super().visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = body[1:] if body and _is_text(body[0]) else body
            body[:] = [
                each
                for each in kept
                if not (isinstance(each, ast.ImportFrom) and _of_package(each))
            ] or [ast.Pass()]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Write what stands in a module of this package by its own name."""
        if isinstance(node.value, ast.Name) and self._is_module(node.value.id):
            return ast.copy_location(ast.Name(node.attr, ast.Load()), node)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Write what was imported under another name by its own."""
        for each in _imports_of(self.module, self.statement, node.id):
            if isinstance(each, ast.ImportFrom) and _of_package(each):
                own = next(a.name for a in each.names if (a.asname or a.name) == node.id)
                return ast.copy_location(ast.Name(own, node.ctx), node)
        return node

    def _is_module(self, name: str) -> bool:
        for each in _imports_of(self.module, self.statement, name):
            if isinstance(each, ast.ImportFrom) and _of_package(each):
                own = next(a.name for a in each.names if (a.asname or a.name) == name)
                place = f"{each.module}.{own}".removeprefix(f"{NAME}.")
                if module_file(place).exists():
                    return True
        return False


def _of_package(statement: ast.ImportFrom) -> bool:
    return (statement.module or "").split(".")[0] == NAME


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
