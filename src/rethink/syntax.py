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
            for inner in ast.walk(node):
                body = getattr(inner, "body", None)
                if isinstance(body, list) and body and _is_text(body[0]):
                    body[:] = body[1:] or [ast.Pass()]
            digest.update(ast.unparse(node).encode())
    return digest.hexdigest()


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
