import ast
import doctest
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import rethink

ROOT = Path(rethink.__file__).parent


@pytest.mark.parametrize("name", rethink.__all__)
def test_every_name_is_what_stands_in_its_home(name):
    home = import_module(f"rethink.{rethink.HOMES[name]}")
    assert getattr(rethink, name) is getattr(home, name)
    assert getattr(rethink, name).__module__ == home.__name__, "it stands where it is defined"
    assert name in dir(rethink)
    assert getattr(rethink, name).__doc__


def test_no_name_is_that_of_a_module():
    modules = {path.stem for path in ROOT.iterdir()}
    assert not modules & set(rethink.__all__)


def test_editors_and_type_checkers_know_the_same_names():
    guarded = next(
        statement
        for statement in ast.parse(Path(rethink.__file__).read_text(encoding="utf-8")).body
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"
    )
    known = {
        alias.asname: each.module.removeprefix("rethink.")
        for each in guarded.body
        for alias in each.names
    }
    assert known == rethink.HOMES


def test_modules_and_unknown_names_are_not_mistaken():
    from rethink import mec

    assert rethink.mec is mec
    with pytest.raises(AttributeError, match="module 'rethink' has no attribute 'threshold'"):
        _ = rethink.threshold
    with pytest.raises(ImportError, match="cannot import name 'threshold' from 'rethink'"):
        exec("from rethink import threshold")


def test_everything_can_be_imported_at_once():
    found = {}
    exec("from rethink import *", found)
    assert set(rethink.__all__) <= set(found)


def loaded_by(code):
    """Names of the modules that are loaded once a new process has run some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"torch", "sklearn", "polars", "scipy", "numpy", "rich", "typer", "matplotlib"}


def test_importing_the_package_loads_nothing_else():
    assert not loaded_by("import rethink; dir(rethink)") & HEAVY


def test_counting_needs_numpy_alone():
    code = "import rethink; rethink.thresholds([1, 2], [0, 1]); rethink.network_mec((2, 1))"
    assert loaded_by(code) & HEAVY == {"numpy"}


def test_the_example_is_true():
    assert doctest.testmod(rethink) == (0, 4)
