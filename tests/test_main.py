import ast
import errno
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from rethink import __main__ as cli
from rethink import data, paths
from rethink.book import build, inputs, notebooks, pages
from rethink.book.browser import BrowserError
from rethink.book.pages import BookError, Edition, ParameterError
from rethink.errors import InputError, WritingError
from rethink.runs import tracking
from rethink.runs.workers import LostWorkersError, Workers, WorkersError
from tests.book.builds import make, never
from tests.book.manuscripts import write_chapter
from tests.command_line import main

ROOT = pages.root()


def test_help_names_every_command():
    done = CliRunner().invoke(cli.app, ["--help"])
    assert done.exit_code == 0
    for command in ("book", "draft", "chapter", "html", "pdf", "data", "test", "serve", "clean"):
        assert f" {command} " in done.output


def test_one_chapter_is_executed_into_the_book(edition, executed, monkeypatch, capsys):
    assert main(monkeypatch, "chapter", "01") == 0
    assert executed == ["01-one"]
    assert str(edition.book / "01-one.ipynb") in capsys.readouterr().out


def test_one_chapter_with_other_parameters_stays_out_of_the_book(edition, executed, monkeypatch):
    text = '# One\n\n```{code-cell}\n:tags: [parameters]\n\nseeds = 5\nname = "a"\n```\n'
    write_chapter(edition.root, "01-one", text)
    given = []
    execute = notebooks.execute

    def spy(edition, *rest):
        given.append(edition.overrides)
        execute(edition, *rest)

    monkeypatch.setattr(notebooks, "execute", spy)
    assert main(monkeypatch, "chapter", "01", "-p", "seeds", "2", "-p", "name", "b c") == 0
    assert given == [{"01-one": {"seeds": 2, "name": "b c"}}]
    assert not edition.book.exists()
    assert (edition.root / "_build" / "chapter" / "01-one.ipynb").exists()


def test_runs_are_tracked_after_the_book_is_made(edition, monkeypatch):
    calls = []
    monkeypatch.setattr(build, "make", lambda *_: calls.append("made"))
    monkeypatch.setattr(tracking, "check", lambda name: calls.append(f"checked {name}"))
    monkeypatch.setattr(inputs, "track", lambda _, name: calls.append(f"tracked {name}"))
    assert main(monkeypatch, "book", "--track", "wandb") == 0
    assert calls == ["checked wandb", "made", "tracked wandb"]


def test_an_unknown_tracker_is_refused_before_any_work(edition, monkeypatch, capsys):
    monkeypatch.setattr(build, "make", never)
    assert main(monkeypatch, "book", "--track", "mlflow") == 2
    assert "rethink: TRACK must be wandb, but 'mlflow' was passed\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["99"], "index, summary, 01-one, 02-two, but '99' was given"),
        (["01", "-p", "nonsense", "1"], "01-one has no parameter 'nonsense'; it has: none"),
        (["01", "-p", "nonsense"], "a parameter needs a name and a value, but 'nonsense'"),
    ],
)
def test_a_wrong_name_stops_before_any_work(edition, monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(inputs, "make_results", never)
    monkeypatch.setattr(notebooks, "execute", never)
    assert main(monkeypatch, "chapter", *arguments) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert len(said.err.splitlines()) == 1
    assert not said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["99"], "rethink: chapter must be one of index, "),
        (["03", "-p", "nonsense", "1"], "rethink: 03-capacity has no parameter 'nonsense'"),
    ],
)
def test_a_wrong_name_is_one_clear_line(arguments, words):
    done = subprocess.run(
        [sys.executable, "-m", "rethink", "chapter", *arguments],
        cwd=pages.root(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr.startswith(words)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        (BookError("chapter [03] broke"), 1, "rethink: chapter [03] broke\n"),
        (ParameterError("no such thing"), 2, "rethink: no such thing\n"),
        (data.DataError("no data"), 2, "rethink: no data\n"),
        (BrowserError("no browser"), 2, "rethink: no browser\n"),
        (tracking.TrackingError("no tracker"), 2, "rethink: no tracker\n"),
        (WorkersError("no workers"), 2, "rethink: no workers\n"),
        (LostWorkersError("workers died"), 1, "rethink: workers died\n"),
        (InputError("no \x1btable"), 2, "rethink: no \\x1btable\n"),
        (WritingError("no room"), 2, "rethink: no room\n"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/book"),
            2,
            "rethink: /book: Permission denied; change that, or name another place\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/build"),
            2,
            "rethink: /build: No space left on device; make room there\n",
        ),
        (MemoryError(), 2, "rethink: there is too little memory for that\n"),
        (KeyboardInterrupt(), 130, "Stopped; nothing is half-written"),
    ],
)
def test_what_goes_wrong_is_one_message_and_an_exit_code(
    edition, monkeypatch, capsys, error, exit_code, words
):
    monkeypatch.setattr(cli, "_leave_output", lambda: None)

    def fails(*_):
        raise error

    monkeypatch.setattr(build, "make", fails)
    assert main(monkeypatch, "book") == exit_code
    said = capsys.readouterr()
    assert said.err.startswith(words)
    assert "Traceback" not in said.err
    assert not said.out


@pytest.mark.parametrize("command", ["book", "draft", "html", "serve", "clean", "test"])
def test_outside_of_a_book_no_command_does_anything(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pages, "repository", lambda: None)
    assert main(monkeypatch, command) in (1, 2)
    assert "there is no book here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_wrong_options_are_refused(edition, monkeypatch, capsys):
    monkeypatch.setattr(build, "make", never)
    assert main(monkeypatch, "book", "--runs", "old") == 2
    assert main(monkeypatch, "book", "--workers", "0") == 2
    assert main(monkeypatch, "bok") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_options_reach_the_work(edition, monkeypatch):
    calls = []
    monkeypatch.setattr(build, "make", lambda *given: calls.append(given))
    assert main(monkeypatch, "book", "--runs", "fresh", "--workers", "1") == 0
    assert main(monkeypatch, "draft") == 0
    assert main(monkeypatch, "book", "--device", "auto", "--dask", "tcp://here:8786") == 0
    assert calls == [
        (edition, True, Workers(1)),
        (Edition.draft(edition.root), False, Workers()),
        (edition, False, Workers(None, "auto", "tcp://here:8786")),
    ]


def test_a_check_that_fails_is_named_and_the_others_are_done(edition, monkeypatch, capsys):
    commands = []

    def run(command, cwd, check):
        commands.append(command)
        return subprocess.CompletedProcess(command, returncode=int("mypy" in command))

    monkeypatch.setattr(subprocess, "run", run)
    assert main(monkeypatch, "test") == 1
    assert "rethink: failed: types\n" in capsys.readouterr().err
    assert len(commands) == 6
    assert str(edition.root / "book" / "01-one.ipynb") in commands[-1]


def test_nothing_is_served_before_it_is_made(edition, monkeypatch, capsys):
    assert main(monkeypatch, "serve") == 1
    assert "no book to serve yet" in capsys.readouterr().err


def test_a_port_that_is_taken_is_one_sentence(edition, executed, monkeypatch, capsys):
    make(edition, executed)
    capsys.readouterr()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(monkeypatch, "serve", "--port", str(port)) == 2
    said = f"rethink: port {port} cannot be had: Address already in use; choose another, or 0"
    assert capsys.readouterr().err.startswith(said)


def test_what_cannot_be_deleted_is_said(edition, executed, monkeypatch, capsys):
    make(edition, executed)
    capsys.readouterr()

    def fails(_):
        raise OSError(errno.EROFS, "Read-only file system", "a file below")

    monkeypatch.setattr(shutil, "rmtree", fails)
    assert main(monkeypatch, "clean") == 2
    assert "_build: Read-only file system; change that" in capsys.readouterr().err


def test_clean_deletes_what_was_built_only(edition, executed, monkeypatch):
    make(edition, executed)
    kept = sorted(edition.book.rglob("*"))
    assert main(monkeypatch, "clean") == 0
    assert not edition.build.exists()
    assert sorted(edition.book.rglob("*")) == kept
    assert main(monkeypatch, "clean") == 0


def test_data_says_where_they_are(edition, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("RETHINK_CACHE", str(tmp_path))
    assert main(monkeypatch, "data") == 0
    assert capsys.readouterr().out == f"small: 1,001 + 203 images\nverified, in {tmp_path}\n"


# ---- small parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ("chapter 03 -p seeds 2", "chapter 03 -p seeds=2"),
        ("-p a 1 --parameter b -2", "-p a=1 --parameter b=-2"),
        ("-p a=1 03", "-p a=1 03"),
        ("-p a b=c", "-p a=b=c"),
        ("-p a=1", "-p a=1"),
        ("-p a", "-p a"),
        ("-p", "-p"),
        ("book --workers 2", "book --workers 2"),
        ("", ""),
    ],
)
def test_papermills_way_to_give_a_parameter_is_joined(given, joined):
    arguments = given.split()
    assert cli._join_parameters(arguments) == joined.split()
    assert arguments == given.split(), "what was given is left alone"


def test_values_are_pythons_or_text():
    given = ["a=1", "b=0.5", "c=True", "d=[1, 2]", "e='x'", "f=x", "g=y=z", "h=", "i=-3", "j=03"]
    expected = [1, 0.5, True, [1, 2], "x", "x", "y=z", "", -3, "03"]
    assert cli._parameters(given) == dict(zip("abcdefghij", expected, strict=True))


# ---- where only measuring is installed -----------------------------------------------------------

# A finder that knows none of the modules that extras bring.
BLOCKING = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Missing())
from rethink.__main__ import main
main()
"""
BLOCKED = {*cli.OPTIONAL, "importlinter", "mypy", "pytest", "pypdf", "playwright", "wandb", "dask"}


def installed_without(*arguments, blocked=BLOCKED):
    """Run the command line in a process that finds none of some modules."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKING, ",".join(blocked), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_measuring_needs_no_extra():
    done = installed_without("measure", "iris", "--fail-under", "0.99")
    assert "150 x 4 features" in done.stdout
    assert done.returncode == 1
    assert "separation is" in done.stderr
    assert installed_without("--help").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (["--help"], {"numpy", "polars", "scipy", "sklearn", "torch", "jupytext"}),
        (["measure", "iris"], {"sklearn", "scipy.stats", "joblib", "torch", "matplotlib"}),
    ],
)
def test_what_a_command_does_not_need_is_not_loaded(arguments, unused):
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        "from rethink.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "rethink.__main__" in loaded
    assert not loaded & unused


@pytest.mark.parametrize("command", sorted(set(cli.EXTRAS) - {"measure", "data"}))
def test_what_needs_an_extra_says_which(command):
    given = {"card": ["iris"], "chapter": ["03"]}
    done = installed_without(command, *given.get(command, []))
    assert done.returncode == 2
    assert not done.stdout
    words = rf"rethink: \w+ is not installed, which `rethink {command}` needs; pip install '(.*)'\n"
    assert re.fullmatch(words, done.stderr)[1] == f"{paths.DISTRIBUTION}[{cli.EXTRAS[command]}]"


def test_data_sets_that_need_an_extra_say_which():
    done = installed_without("measure", "mnist")
    assert done.returncode == 2
    assert done.stderr.endswith(f"pip install '{paths.DISTRIBUTION}[train]'\n")
    assert len(done.stderr.splitlines()) == 1


def test_a_module_that_is_no_extra_is_a_defect():
    done = installed_without("measure", "iris", blocked={"scipy"})
    assert "Traceback" in done.stderr
    assert done.returncode == 1


def test_every_command_has_the_extra_that_there_is():
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = {each for extra in cli.EXTRAS.values() for each in extra.split(",")}
    assert named <= set(about["project"]["optional-dependencies"])
    assert {each.name or each.callback.__name__ for each in cli.app.registered_commands} == set(
        cli.EXTRAS
    )


def imported_by(folder):
    """Names of all modules of other projects that are imported somewhere in a folder."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module)
    names = {name.split(".")[0] for name in found}
    return names - set(sys.stdlib_module_names) - {"rethink"}


def test_every_module_that_an_extra_brings_is_known():
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    usual = {Requirement(each).name for each in about["project"]["dependencies"]}
    come_with_these = {"threadpoolctl", "pygments", "markdown_it"}
    say_so_themselves = {"distributed", "playwright", "pypdf", "wandb"}

    distributions = metadata.packages_distributions()
    extra = {
        name for name in imported_by(Path(cli.__file__).parent)
        if not usual & {each.lower() for each in distributions.get(name, [])}
    }  # fmt: skip
    assert extra - come_with_these - say_so_themselves <= cli.OPTIONAL
