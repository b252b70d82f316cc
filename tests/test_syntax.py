"""Modules and digests of a tiny package."""

import ast

import pytest

from rethink import syntax
from rethink.syntax import code_digest, module_file, modules


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
