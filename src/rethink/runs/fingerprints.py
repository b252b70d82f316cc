"""What code depends on and what it is, read from its syntax, where comments do not count."""

import ast
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).parent


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


@lru_cache(maxsize=64)
def _imported_by(source: str) -> frozenset[str]:
    return frozenset(_imported([ast.parse(source)]))


def _imported(trees: Iterable[ast.AST]) -> set[str]:
    names: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rethink":
                # What is imported may be a module itself, or stand in one.
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
                names.add(str(node.module))
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
    return {name.removeprefix("rethink.") for name in names if name.startswith("rethink.")}


def code_digest(modules: dict[str, str | None]) -> str:
    """Return a digest of the syntax of modules of this package.

    Args:
        modules: names, each with the one function of it that counts, or None for all of it.

    Raises:
        LookupError: if a module has no such function.
    """
    digest = hashlib.sha256()
    for module, function in modules.items():
        tree = ast.parse(module_file(module).read_text(encoding="utf-8"))
        nodes: list[ast.AST] = [tree]
        if function:
            nodes = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function]
            if not nodes:
                raise LookupError(
                    f"{module}.py has no function {function} to take a fingerprint of"
                )
        for node in nodes:
            digest.update(_unparsed(node).encode())
    return digest.hexdigest()


def slice_digest(module: str, name: str) -> str:
    """Return a digest of all code of this package that a function can come to run.

    Followed are the names that a statement reads: its own module's, those imported from modules of
    this package, and attributes of such modules. Statements that define nothing always count.
    What is found by a text at run time is not seen.

    Args:
        module: such as ``experiments.labels``.
        name: of something defined there.

    Raises:
        LookupError: if the module does not define it.
    """
    found: set[tuple[str, int]] = set()
    pending = [(module, name)]
    if name not in _top(module)[1]:
        raise LookupError(f"{module}.py defines no {name} to take a fingerprint of")
    while pending:
        where, what = pending.pop()
        statements, places = _top(where)
        wanted = range(len(statements)) if what == _ALL else places.get(what, ())
        for place in {*wanted, *places[_ALWAYS]}:
            if (where, place) not in found:
                found.add((where, place))
                pending += _needed(where, statements[place])
    digest = hashlib.sha256()
    for where, place in sorted(found):
        statement = _top(where)[0][place]
        if not isinstance(statement, (ast.Import, ast.ImportFrom)):
            digest.update(f"{where}\0{_unparsed(statement)}\0".encode())
    return digest.hexdigest()


_ALL, _ALWAYS = "*", ""  # no names of Python's


def _top(module: str) -> tuple[list[ast.stmt], dict[str, list[int]]]:
    """Return a module's statements, and which of them define each name."""
    return _top_of(module_file(module).read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
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
    statements, places = _top(module)
    inside = [n for n in ast.walk(statement) if isinstance(n, (ast.Import, ast.ImportFrom))]
    found: list[tuple[str, str]] = []
    owners = {
        id(node.value): node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute)
    }
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.append((module, node.id))
            defining = [statements[place] for place in places.get(node.id, ())]
            for each in (*defining, *inside):
                if isinstance(each, (ast.Import, ast.ImportFrom)):
                    found += _imports(each, node.id, owners.get(id(node), _ALL))
    return [(where, what) for where, what in found if module_file(where).exists()]


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
        else:
            found.append((each.name, _ALL if "." in each.name and not each.asname else attribute))
    package = "rethink"
    return [
        (where.removeprefix(f"{package}."), what)
        for where, what in found
        if where.startswith(f"{package}.")
    ]


def _unparsed(node: ast.AST) -> str:
    """Return code without comments and docstrings."""
    copy = ast.parse(ast.unparse(node))
    for inner in ast.walk(copy):
        body = getattr(inner, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            body[:] = body[1:] or [ast.Pass()]
    return ast.unparse(copy)


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
