"""What pip installs: the wheel, what it needs, and that it does its work with no more than that."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from rethink import paths
from rethink.book import card_page, pages
from rethink.instrument import measurement
from rethink.tables import read

ROOT = pages.root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# What nobody should have to install who only wants to measure.
HEAVY = {"torch", "matplotlib", "jupyter-book", "papermill", "ipykernel", "pytest", "ruff", "mypy"}


def requirements(name):
    """The lines of a file of requirements that name a package."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


PINS = {canonicalize_name(pin.name): pin.specifier for pin in requirements("constraints.txt")}


def needed(lines, extras=()):
    """The distributions that requirements name and bring along, by name, as installed here."""
    found = {}
    pending = [(Requirement(line), frozenset(extras)) for line in lines]
    seen = set()
    while pending:
        requirement, wanted = pending.pop()
        name = canonicalize_name(requirement.name)
        applies = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *wanted)
        )
        if not applies or (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        found[name] = metadata.distribution(name)
        inner = frozenset(requirement.extras)
        pending += [(Requirement(line), inner) for line in found[name].requires or ()]
    return found


def link_modules(distributions, folder):
    """Put modules of distributions into a folder, by links."""
    for distribution in distributions.values():
        tops = {file.parts[0] for file in distribution.files if file.parts[0] != ".."}
        for top in tops - {"__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(distribution.locate_file(top))


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A folder of modules as after `pip install` of the wheel in an empty environment."""
    folder = tmp_path_factory.mktemp("bare")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    modules = folder / "modules"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(modules)
    (about,) = metadata.distributions(name=paths.DISTRIBUTION, path=[str(modules)])
    link_modules(needed(about.requires), modules)
    return modules


@pytest.fixture
def call(bare, tmp_path):
    """Run Python in an empty folder, with nothing but those modules."""

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(bare), "HOME": str(tmp_path)}
        environment.pop("RETHINK_CACHE", None)
        command = [sys.executable, "-S", *arguments]  # -S: no modules of this environment
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


# ---- who only wants to measure -------------------------------------------------------------------


def test_nothing_heavy_is_needed():
    found = needed(PROJECT["dependencies"])
    assert {"numpy", "polars"} <= found.keys()
    assert not HEAVY & found.keys()


def test_the_bare_environment_has_the_package_and_nothing_heavy(call, bare):
    done = call("-c", "import rethink; print(rethink.__file__); import torch")
    assert done.stdout.strip() == str(bare / "rethink" / "__init__.py")
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'torch'\n")


def test_an_installed_package_belongs_to_no_repository(call, tmp_path):
    (tmp_path / "pyproject.toml").write_text("")  # of somebody's own project
    done = call("-c", "from rethink import paths; print(paths.repository(), paths.cache_folder())")
    assert done.stdout.split() == ["None", str(tmp_path / ".cache" / "rethink")], done.stderr


def test_the_command_says_what_it_can(call):
    done = call("-m", "rethink", "--help")
    assert done.returncode == 0, done.stderr
    assert "measure" in done.stdout


def write_csv(folder):
    rows = [f"{i},{i * i % 7},{'ab'[i % 2]}\n" for i in range(40)]
    (folder / "table.csv").write_text("x,y,class\n" + "".join(rows))
    return "table.csv"


def write_pictures(folder):
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(8):
            pixels = rng.integers(0, 256, (4, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{i}.png")
    return "pictures"


@pytest.mark.parametrize("source", [lambda folder: "iris", write_csv, write_pictures])
def test_it_measures_as_it_does_here(call, tmp_path, monkeypatch, source):
    name = source(tmp_path)
    done = call("-m", "rethink", "measure", name, "--json")
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    assert json.loads(done.stdout) == json.loads(
        json.dumps(measurement.measure(read.read(name)).to_dict())
    )


# ---- who wants a card ----------------------------------------------------------------------------


def test_the_repository_is_where_a_card_comes_from():
    assert paths.card_files() == ROOT


def test_an_installed_package_brings_what_a_card_is_made_from(bare, monkeypatch):
    monkeypatch.setattr(paths, "__file__", str(bare / "rethink" / "paths.py"))
    brought = paths.card_files()
    files = [str(file.relative_to(brought)) for file in brought.rglob("*") if file.is_file()]
    assert files == list(card_page.FILES)
    for file in files:
        assert (brought / file).read_bytes() == (ROOT / file).read_bytes(), file
    given = {"source": "iris", "seeds": 2}
    whole = pages.settings(ROOT, card_page.PAGE, given)
    assert pages.settings(brought, card_page.PAGE, given) == whole


PAGE = """
from nbformat.v4 import new_markdown_cell, new_notebook
from rethink.book import card_html, card_page
notebook = new_notebook(cells=[new_markdown_cell("It is $2^x$.")])
print(card_html.page(notebook, "A card", "made", {}))
"""


def test_what_a_card_needs_writes_a_page(bare, tmp_path):
    (about,) = metadata.distributions(name=paths.DISTRIBUTION, path=[str(bare)])
    found = needed(about.requires, ["card"])
    assert not {"jupyter-book", "sphinx"} & found.keys()
    modules = tmp_path / "modules"
    modules.mkdir()
    link_modules(found, modules)
    environment = {**os.environ, "PYTHONPATH": f"{bare}{os.pathsep}{modules}"}
    command = [sys.executable, "-S", "-c", PAGE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "<msup>" in done.stdout


# ---- who makes the book --------------------------------------------------------------------------


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_what_is_made_and_tested_with_is_pinned_and_allowed(extra):
    lines = EXTRAS[extra] if extra else PROJECT["dependencies"]
    for requirement in map(Requirement, lines):
        if requirement.name == paths.DISTRIBUTION:
            assert requirement.extras <= EXTRAS.keys()
            continue
        (pin,) = PINS[canonicalize_name(requirement.name)]
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), requirement
        (least,) = (s.version for s in requirement.specifier if s.operator == ">=")
        if extra:  # no older than what is tried here
            assert f"{pin.version}.".startswith(f"{least}."), requirement


def test_everything_that_they_bring_along_is_pinned():
    found = needed([f"{paths.DISTRIBUTION}[book,dev]"])
    assert {"sphinx", "pytest"} <= found.keys()
    assert found.keys() - PINS.keys() == {paths.DISTRIBUTION}


def test_the_file_of_requirements_names_what_the_book_is_made_with():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    named = requirements("requirements.txt")
    assert {each.name for each in named} == {
        "jupyter-book",
        "jupytext",
        "papermill",
        "nbval",
        "torch",
        "torchvision",
        "numpy",
        "matplotlib",
    }
    assert {canonicalize_name(each.name) for each in named} <= PINS.keys()
    assert not any(each.specifier for each in named)  # said once, in the file that this line names
    assert re.search(r"^-c constraints.txt$", text, re.MULTILINE)
    (extras,) = re.findall(r"^-e \.\[([\w,]+)\]", text, re.MULTILINE)
    assert set(extras.split(",")) == {"book", "dev"}


def test_make_asks_for_extras_that_there_are():
    (extras,) = re.findall(r"-e '\.\[([\w,]+)\]'", (ROOT / "Makefile").read_text())
    assert set(extras.split(",")) == EXTRAS.keys() - {"train", "card", "book", "dev"}
