"""Modules and digests of a tiny package."""

import ast

import pytest

from rethink.runs import fingerprints
from rethink.runs.fingerprints import modules, slice_digest


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
    monkeypatch.setattr(fingerprints, "PACKAGE", tmp_path)
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


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from rethink import thing", {"epsilon"}),
        ("from rethink import thing as t, gamma", {"epsilon", "gamma"}),
        ("import rethink\nrethink.thing()", {"epsilon"}),
        ("import rethink as r\ndef f():\n    return r.part", {"parts.two", "gamma"}),
        ("import rethink.gamma\nrethink.thing()", {"gamma", "epsilon"}),
        ("import rethink.gamma as g\ng.thing()", {"gamma"}),
        ("import rethink", set()),
        ("other.thing()", set()),
        ("from other import thing", set()),
    ],
)
def test_names_that_the_package_offers_are_found_at_home(package, monkeypatch, line, found):
    monkeypatch.setattr(fingerprints, "HOMES", {"thing": "epsilon", "part": "parts.two"})
    assert modules([ast.parse(line)]) == found


def test_names_that_this_package_offers_are_found_at_home():
    assert {"mec", "ties"} <= modules([ast.parse("from rethink import thresholds")])


def test_modules_of_this_package_are_found():
    found = modules([ast.parse("from rethink.runs import study")])
    assert {"runs.study", "runs.store", "runs.tasks", "data", "protocol"} <= found
    assert "book.notebooks" not in found
    assert "trainer" in modules([ast.parse("from rethink.experiments import training_runs")])


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


@pytest.mark.parametrize(
    ("imported", "called"),
    [
        ("from rethink import scale", "scale(x)"),
        ("from rethink import scale as s", "s(x)"),
        ("import rethink", "rethink.scale(x)"),
        ("import rethink as r", "r.scale(x)"),
        ("import rethink.late", "rethink.scale(x)"),
    ],
)
def test_a_slice_sees_the_code_behind_a_name_that_the_package_offers(
    package, monkeypatch, imported, called
):
    monkeypatch.setattr(fingerprints, "HOMES", {"scale": "tools"})
    for name, text in SLICED.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    task = package / "parts" / "task.py"
    task.write_text(f"{imported}\n\ndef run(x):\n    return {called}\n", encoding="utf-8")
    before = slice_digest("parts.task", "run")

    def digest_with(old, new):
        text = SLICED["tools"].replace(old, new)
        assert text != SLICED["tools"]
        (package / "tools.py").write_text(text, encoding="utf-8")
        return slice_digest("parts.task", "run")

    assert digest_with("x * STEP", "x + STEP") != before
    assert digest_with("STEP = 2", "STEP = 4") != before
    assert digest_with("x * OTHER", "x + OTHER") == before


def test_a_slice_of_nothing_is_an_error(package):
    with pytest.raises(LookupError, match=r"alpha\.py defines no run"):
        slice_digest("alpha", "run")


def test_slices_of_this_package_reach_the_trainer(monkeypatch):
    whole = fingerprints._Module.places_of

    def digest_without(name):
        def places_of(module, what):
            return set() if what == name else whole(module, what)

        with monkeypatch.context() as patch:
            patch.setattr(fingerprints._Module, "places_of", places_of)
            return slice_digest("experiments.repetition", "run")

    real = slice_digest("experiments.repetition", "run")
    for needed in ("Stack", "StackedMLP", "randomize_labels", "split", "_loss"):
        assert digest_without(needed) != real, needed
    assert digest_without("publish") == real


def moved(package):
    """The same code in other rooms, imported by other ways."""
    (package / "far").mkdir()
    task = (
        SLICED["parts/task"]
        .replace("from rethink import tools\n", "from rethink.far import instruments\n")
        .replace(
            "from rethink.tools import Kept as K\n", "from rethink.far.instruments import Kept\n"
        )
        .replace("from rethink.parts import helper\n", "from rethink.far.helper import one\n")
        .replace("tools.unused", "instruments.unused")
        .replace("tools.scale", "instruments.scale")
        .replace("K(", "Kept(")
        .replace("helper.one", "one")
        .replace("from rethink.late import end", "from rethink.far import late")
        .replace("return end(", "return late.end(")
    )
    for name, text in (
        ("far/instruments", SLICED["tools"]),
        ("far/helper", SLICED["parts/helper"]),
        ("far/late", SLICED["late"]),
        ("far/task", task),
    ):
        (package / f"{name}.py").write_text(text, encoding="utf-8")


def test_code_that_was_moved_is_the_same_code(package):
    for name, text in SLICED.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    moved(package)
    before, after = slice_digest("parts.task", "run"), slice_digest("far.task", "run")
    assert before == after
    path = package / "far" / "instruments.py"
    path.write_text(SLICED["tools"].replace("STEP = 2", "STEP = 4"), encoding="utf-8")
    assert slice_digest("far.task", "run") != before
