"""Modules and digests of a tiny package."""

import ast

import pytest

from rethink import syntax
from rethink.syntax import code_digest, module_file, modules, slice_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in which alpha needs beta, which needs epsilon; gamma and a folder stand apart."""
    texts = {
        "alpha": "from rethink import beta",
        "beta": "from rethink.epsilon import thing",
        "gamma": "",
        "delta": "import rethink.alpha",
        "epsilon": "",
        "parts/one": "from rethink.parts import two",
        "parts/two": "import rethink.gamma",
    }
    for name, text in texts.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    monkeypatch.setattr(syntax, "PACKAGE", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from rethink import alpha", {"alpha", "beta", "epsilon"}),
        ("from rethink import gamma, nothing", {"gamma"}),
        ("from rethink.alpha import thing", {"alpha", "beta", "epsilon"}),
        ("import rethink.gamma", {"gamma"}),
        ("import rethink.beta as b", {"beta", "epsilon"}),
        ("from rethink import delta", {"alpha", "beta", "delta", "epsilon"}),
        ("def f():\n    from rethink import gamma as g", {"gamma"}),
        ("import rethink, numpy.linalg", set()),
        ("from numpy import alpha", set()),
        ("from rethink.parts import two", {"parts.two", "gamma"}),
        ("import rethink.parts.one", {"parts.one", "parts.two", "gamma"}),
        ("from rethink.parts.one import thing", {"parts.one", "parts.two", "gamma"}),
    ],
)
def test_modules_are_found_directly_and_through_one_another(package, line, found):
    assert modules([ast.parse(line)]) == found


def test_modules_of_this_package_are_found():
    found = modules([ast.parse("from rethink import study")])
    assert {"study", "trainer", "mlp", "data", "perturb", "records"} <= found
    assert "press" not in found


def test_a_digest_sees_code_and_no_words(package):
    def digest(text, function=None):
        module_file("gamma").write_text(text, encoding="utf-8")
        return code_digest({"gamma": function})

    plain = digest("def f():\n    return 1\n")
    assert digest('"""Words."""\n\ndef f():\n    "More."\n    # and more\n    return 1\n') == plain
    assert digest("def f():\n    return 2\n") != plain
    other = "def f():\n    return 1\n\ndef g():\n    return {}\n"
    assert digest(other.format(1), "f") == digest(other.format(2), "f")
    assert digest(other.format(1)) != digest(other.format(2))
    with pytest.raises(LookupError, match=r"gamma\.py has no function h"):
        code_digest({"gamma": "h"})


SLICED = {
    "tools": """
import numpy as np

STEP = 2
OTHER = 3

def scale(x):
    return x * STEP

def unused(x):
    return x * OTHER

class Kept:
    size: int = STEP
""",
    "parts/task": """
from rethink import tools
from rethink.tools import Kept as K
from rethink.parts import helper

def seconds():
    return tools.unused(1)

def run(x):
    from rethink.late import end
    return end(K(tools.scale(x)), table[x])

table = {1: helper.one}
""",
    "parts/helper": """
def one():
    return two()

def two():
    return 2

def three():
    return 3
""",
    "late": "def end(a, b):\n    return a\n\ndef never():\n    return 0\n",
}


@pytest.mark.parametrize(
    ("module", "old", "new", "seen"),
    [
        ("tools", "STEP = 2", "STEP = 4", True),
        ("tools", "OTHER = 3", "OTHER = 4", False),
        ("tools", "x * STEP", "x + STEP", True),
        ("tools", "x * OTHER", "x + OTHER", False),
        ("tools", "size: int", "width: int", True),
        ("parts/task", "tools.unused(1)", "1", False),
        ("parts/task", "K(tools.scale(x))", "tools.scale(x)", True),
        ("parts/helper", "return 2", "return 22", True),
        ("parts/helper", "return 3", "return 33", False),
        ("late", "return a", "return b", True),
        ("late", "return 0", "return 1", False),
        ("late", "return a", "return a  # words", False),
        ("late", "def never", "print(1)\n\ndef never", True),
    ],
)
def test_a_slice_sees_what_a_function_can_come_to_run(package, module, old, new, seen):
    for name, text in SLICED.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    before = slice_digest("parts.task", "run")
    assert slice_digest("parts.task", "run") == before
    text = SLICED[module].replace(old, new)
    assert text != SLICED[module]
    (package / f"{module}.py").write_text(text, encoding="utf-8")
    assert (slice_digest("parts.task", "run") != before) == seen


def test_a_slice_of_nothing_is_an_error(package):
    with pytest.raises(LookupError, match=r"alpha\.py defines no run"):
        slice_digest("alpha", "run")


def test_slices_of_this_package_reach_the_trainer(monkeypatch):
    def digest_without(name):
        whole = syntax._top

        def top(module):
            statements, places = whole(module)
            return statements, {k: v for k, v in places.items() if k != name}

        with monkeypatch.context() as patch:
            patch.setattr(syntax, "_top", top)
            return slice_digest("experiments.repetition", "run")

    real = slice_digest("experiments.repetition", "run")
    for needed in ("Stack", "StackedMLP", "randomize_labels", "split", "_loss"):
        assert digest_without(needed) != real, needed
    assert digest_without("publish") == real
