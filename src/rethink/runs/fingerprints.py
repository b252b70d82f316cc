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
    modules: dict[str, _Module] = {}

    def at(where: str) -> _Module:
        if where not in modules:
            source = module_file(where).read_text(encoding="utf-8")
            modules[where] = _module(PACKAGE, where, source)
        return modules[where]

    if name not in at(module).places:
        raise LookupError(f"{module}.py defines no {name} to take a fingerprint of")
    found: set[tuple[str, int]] = set()
    pending = [(module, name)]
    while pending:
        where, what = pending.pop()
        for place in at(where).places_of(what):
            if (where, place) not in found:
                found.add((where, place))
                pending += at(where).needed(place)
    texts = [at(where).plain(place) for where, place in found]
    digest = hashlib.sha256()
    for text in sorted(texts):
        if text:
            digest.update(f"{text}\0".encode())
    return digest.hexdigest()


_ALL, _ALWAYS = "*", ""  # no names of Python's


@lru_cache(maxsize=512)
def _module(package: Path, name: str, source: str) -> "_Module":
    """Return a module of a package; what is found out about it is kept with it."""
    return _Module(name, source)


class _Module:
    """The statements of a module, and what each defines, reads and says."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.statements = [each for each in ast.parse(source).body if not _is_text(each)]
        # Which statements define each name.
        self.places: dict[str, list[int]] = {_ALWAYS: []}
        for place, statement in enumerate(self.statements):
            for each in _defined(statement) or [_ALWAYS]:
                self.places.setdefault(each, []).append(place)
        self._needed: dict[int, list[tuple[str, str]]] = {}
        self._plain: dict[int, str] = {}

    def places_of(self, name: str) -> set[int]:
        """Return which statements define a name, with those that always count."""
        wanted = range(len(self.statements)) if name == _ALL else self.places.get(name, ())
        return {*wanted, *self.places[_ALWAYS]}

    def needed(self, place: int) -> list[tuple[str, str]]:
        """Return what a statement reads, as (module, name)."""
        if place not in self._needed:
            self._needed[place] = self._reads(self.statements[place])
        return self._needed[place]

    def plain(self, place: int) -> str:
        """Return a statement without comments, docstrings and where other code is kept.

        An import says nothing: those who read the name follow it.
        """
        if place not in self._plain:
            statement = self.statements[place]
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                self._plain[place] = ""
            else:
                bare = _Bare(self.imports(statement))
                self._plain[place] = ast.unparse(bare.visit(ast.parse(ast.unparse(statement))))
        return self._plain[place]

    def imports(self, statement: ast.stmt) -> "_Imports":
        """Return the imports by which a statement can know a name: its module's and its own."""
        found: _Imports = {}
        for each in (*self.statements, *ast.walk(statement)):
            if isinstance(each, (ast.Import, ast.ImportFrom)):
                for alias in each.names:
                    name = alias.asname or alias.name.split(".")[0]
                    found.setdefault(name, []).append(each)
        return found

    def _reads(self, statement: ast.stmt) -> list[tuple[str, str]]:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            return []
        imports = self.imports(statement)
        nodes = list(ast.walk(statement))
        owners = {id(node.value): node.attr for node in nodes if isinstance(node, ast.Attribute)}
        found: dict[tuple[str, str], None] = {}
        for node in nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found[self.name, node.id] = None
                for each in imports.get(node.id, ()):
                    for read in _imported_as(each, node.id, owners.get(id(node), _ALL)):
                        found[read] = None
        return [(where, what) for where, what in found if module_file(where).exists()]


# The import statements that bring a name.
_Imports = dict[str, list[ast.Import | ast.ImportFrom]]


def _defined(statement: ast.stmt) -> list[str]:
    """Return the names that a statement of a module defines."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return [(each.asname or each.name).split(".")[0] for each in statement.names]
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        written = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
        return [node.id for node in written if isinstance(node.ctx, ast.Store)]
    return []


def _imported_as(
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


class _Bare(ast.NodeTransformer):
    """Takes docstrings and this package's imports out, and modules off the names that they hold."""

    def __init__(self, imports: _Imports) -> None:
        self.imports = imports

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
        for each in self._of_package(node.id):
            return ast.copy_location(ast.Name(_own_name(each, node.id), node.ctx), node)
        return node

    def _is_module(self, name: str) -> bool:
        places = (f"{each.module}.{_own_name(each, name)}" for each in self._of_package(name))
        return any(module_file(place.removeprefix(f"{NAME}.")).exists() for place in places)

    def _of_package(self, name: str) -> list[ast.ImportFrom]:
        imports = self.imports.get(name, ())
        return [e for e in imports if isinstance(e, ast.ImportFrom) and _of_package(e)]


def _own_name(statement: ast.ImportFrom, name: str) -> str:
    """Return the name in its module of what is imported under another."""
    return next(each.name for each in statement.names if (each.asname or each.name) == name)


def _of_package(statement: ast.ImportFrom) -> bool:
    return (statement.module or "").split(".")[0] == NAME


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
