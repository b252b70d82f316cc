"""Where modules and their tests are, and the import contract in pyproject.toml."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rethink.book import pages

ROOT = pages.root()
PACKAGE = ROOT / "src" / "rethink"


def held_against_the_contract(folder):
    """Return the exit code and the words of a check of the package in a copy of the repository."""
    # No colours; the package in this folder comes before the one that is installed.
    surroundings = os.environ | {"PYTHONPATH": str(folder / "src"), "NO_COLOR": "1"}
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def held_with(folder, file, line):
    """Return the same of a copy of the package in which a module has one line more."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "src" / "rethink", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    with (folder / "src" / "rethink" / file).open("a", encoding="utf-8") as module:
        module.write(f"\n\n{line}\n")
    return held_against_the_contract(folder)


def test_no_module_imports_from_a_higher_wing():
    code, said = held_against_the_contract(ROOT)
    assert code == 0, said
    assert "2 kept, 0 broken" in said


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("tables/table.py", "import rethink.book.build"),
        ("mec.py", "def late():\n    from rethink.plots import figures"),
    ],
)
def test_an_import_from_a_higher_wing_is_found_and_named(tmp_path, file, line):
    code, said = held_with(tmp_path, file, line)

    lower = "rethink." + file.removesuffix(".py").replace("/", ".")
    assert code == 1
    assert f"{lower} -> rethink." in said


def test_a_circle_inside_a_wing_is_found_and_named(tmp_path):
    line = "def late():\n    from rethink.instrument import measurement"
    code, said = held_with(tmp_path, "instrument/screen.py", line)
    assert code == 1
    assert ".screen -> .measurement" in said


def test_every_module_has_its_tests_at_the_same_place():
    modules = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]
    tested = [path for path in modules if path.name != "__init__.py"]
    wanted = {path: path.with_name(f"test_{path.stem.strip('_')}.py") for path in tested}
    assert [str(path) for path in wanted if not (ROOT / "tests" / wanted[path]).is_file()] == []


def test_no_module_is_left_out_of_format_and_lint():
    """A name such as "book" in ruff's exclusions takes the wing of that name with it."""
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seen = set(map(Path, done.stdout.splitlines()))
    written = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *ROOT.glob("chapters/*.py")]
    assert set(written) - seen == set()
    assert not any(path.is_relative_to(ROOT / "book") for path in seen)
