import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from nbformat.v4 import new_notebook, writes
from test_manuscript import SUMMARY, append, code, write_book, write_chapter
from typer.testing import CliRunner

from rethink import __main__ as cli
from rethink import data, manuscript, press, records, study
from rethink.manuscript import Edition, ParameterError, PressError

CHAPTERS = {
    "index": "# Tiny\n",
    "summary": SUMMARY,
    "01-one": code("def never():\n    from rethink import alpha"),
    "02-two": code("def never():\n    from rethink import beta", "print(1)"),
}


@pytest.fixture
def edition(tmp_path, monkeypatch):
    """A book without studies, on a machine without records, in a package of other modules."""
    package = tmp_path / "package"
    for name in ("alpha", "beta", "claims"):
        append(package / f"{name}.py", "")
    append(package / "published.csv")
    monkeypatch.setattr(manuscript, "__file__", str(package / "manuscript.py"))
    monkeypatch.setenv("RETHINK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RETHINK_RUNS", str(tmp_path / "none.npz"))
    root = write_book(tmp_path / "tiny", CHAPTERS)
    monkeypatch.chdir(root)
    return Edition.full(root)


@pytest.fixture(autouse=True)
def no_data(request, monkeypatch, small):
    monkeypatch.setattr(data, "fashion_mnist", lambda: small)


@pytest.fixture
def executed(monkeypatch):
    """The pages that were executed, in order; quick stand-ins for kernel and Jupyter Book."""
    names = []

    def execute(edition, page, mark, output=None):
        names.append(page)
        about = {"rethink": {"stamp": mark, "parameters": {}}}
        output = output or edition.book / f"{page}.ipynb"
        press.write_text(output, writes(new_notebook(metadata=about)))
        source = manuscript.read(edition.root, page)
        cells = [cell.source for cell in source.cells if cell.cell_type == "code"]
        found = {"values": {"cells": len(cells)}, "claims": {}}
        press.write_text(output.parent / "results" / f"{page}.json", json.dumps(found))

    monkeypatch.setattr(press, "execute", execute)
    monkeypatch.setattr(press, "render", render)
    return names


def render(edition):
    press.write_text(edition.html / "index.html", "")


def make(edition, names):
    """Make the book; return which pages that executed."""
    names.clear()
    cli.make(edition, False, None)
    return list(names)


def main(monkeypatch, *arguments):
    """Run the command line in this process; return the exit code."""
    monkeypatch.setattr(sys, "argv", ["rethink", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


def never(*_, **__):
    pytest.fail("work was done")


# ---- making a book -------------------------------------------------------------------------------


def test_a_book_is_made_once(edition, monkeypatch, capsys):
    """With a real kernel."""
    write_book(edition.root / "two", {"index": "# Tiny\n", "01-one": code("print(1)")})
    edition = Edition.full(edition.root / "two")
    monkeypatch.setattr(press, "render", render)
    cli.make(edition, False, None)
    said = capsys.readouterr()
    assert "Executing 2 of 2 pages" in said.err
    assert "01-one" in said.err
    assert said.out.strip() == str(edition.html / "index.html")
    assert '"1\\n"' in (edition.book / "01-one.ipynb").read_text(encoding="utf-8")

    monkeypatch.setattr(press, "execute", never)
    monkeypatch.setattr(press, "render", never)
    cli.make(edition, False, None)
    said = capsys.readouterr()
    assert said.out.startswith("Nothing to do, the book is up to date: ")
    assert not said.err


def test_pages_are_executed_in_order_and_summaries_last(edition, executed):
    assert make(edition, executed) == ["index", "01-one", "02-two", "summary"]
    assert make(edition, executed) == []


def test_after_an_edit_only_that_page_is_executed(edition, executed, capsys):
    make(edition, executed)
    append(edition.root / "chapters" / "02-two.md", "More prose.\n")
    capsys.readouterr()
    assert make(edition, executed) == ["02-two"]
    assert "Executing 1 of 4 pages" in capsys.readouterr().err
    assert make(edition, executed) == []


def test_after_a_change_of_what_a_page_found_summaries_are_executed_too(edition, executed):
    make(edition, executed)
    write_chapter(edition.root, "01-one", code("1", "2"))
    assert make(edition, executed) == ["01-one", "summary"]
    assert make(edition, executed) == []


def test_after_a_change_of_a_module_only_its_pages_are_executed(edition, executed, tmp_path):
    make(edition, executed)
    append(tmp_path / "package" / "beta.py")
    assert make(edition, executed) == ["02-two"]
    append(tmp_path / "package" / "published.csv")
    assert make(edition, executed) == ["summary"]
    append(edition.root / "requirements.txt")
    assert len(make(edition, executed)) == 4


def test_a_notebook_that_is_lost_or_of_another_text_is_executed_again(edition, executed):
    make(edition, executed)
    (edition.book / "01-one.ipynb").unlink()
    assert make(edition, executed) == ["01-one"]
    other = writes(new_notebook(metadata={"rethink": {"stamp": "other"}}))
    press.write_text(edition.book / "02-two.ipynb", other)
    assert make(edition, executed) == ["02-two"]


def test_a_book_that_was_executed_elsewhere_is_executed_here(edition, executed):
    make(edition, executed)
    shutil.rmtree(edition.build)
    assert len(make(edition, executed)) == 4


def test_what_was_executed_before_a_failure_is_not_executed_again(edition, executed, monkeypatch):
    execute = press.execute

    def fails(edition, page, *rest):
        if page == "02-two":
            raise PressError("no")
        execute(edition, page, *rest)

    with monkeypatch.context() as patch, pytest.raises(PressError, match="no"):
        patch.setattr(press, "execute", fails)
        cli.make(edition, False, None)
    assert executed == ["index", "01-one"]
    assert make(edition, executed) == ["02-two", "summary"]


def test_after_a_change_of_the_looks_it_is_only_rendered(edition, executed, monkeypatch):
    make(edition, executed)
    monkeypatch.setattr(press, "execute", never)
    rendered = []
    monkeypatch.setattr(press, "render", rendered.append)
    append(edition.root / "_config.yml")
    cli.make(edition, False, None)
    append(edition.root / "chapters" / "references.bib")
    cli.make(edition, False, None)
    assert rendered == [edition, edition]
    cli.make(edition, False, None)
    assert rendered == [edition, edition]


def test_a_book_whose_rendering_failed_is_not_up_to_date(edition, executed, monkeypatch):
    def fails(edition):
        raise PressError("no")

    make(edition, executed)
    append(edition.root / "_config.yml")
    with monkeypatch.context() as patch:
        patch.setattr(press, "render", fails)
        for _ in range(2):
            with pytest.raises(PressError, match="no"):
                cli.make(edition, False, None)
    (edition.html / "index.html").unlink()
    cli.make(edition, False, None)
    assert (edition.html / "index.html").exists()


def test_with_nothing_to_do_nothing_is_looked_up_unless_runs_are_to_be_fresh(
    edition, executed, monkeypatch
):
    make(edition, executed)
    calls = []
    train = cli.train
    monkeypatch.setattr(cli, "train", lambda *given: calls.append(given) or train(*given))
    cli.make(edition, False, None)
    assert not calls
    cli.make(edition, True, None)
    assert len(calls) == 1


def test_the_draft_is_a_book_of_its_own(edition, executed):
    text = "# One\n\n```{code-cell}\n:tags: [parameters]\n\nseeds = 5\n```\n"
    write_chapter(edition.root, "01-one", text)
    make(edition, executed)
    full = {path: path.read_bytes() for path in edition.book.rglob("*.*")}
    assert len(make(Edition.draft(edition.root), executed)) == 4
    assert {path: path.read_bytes() for path in edition.book.rglob("*.*")} == full
    assert make(edition, executed) == []
    append(edition.root / "chapters" / "drafts.yml", "02-two: {sedes: 1}\n")
    with pytest.raises(ParameterError, match="02-two has no parameter 'sedes'"):
        make(Edition.draft(edition.root), executed)
    assert not executed


def test_a_broken_note_of_what_was_executed_is_as_good_as_none(edition, executed):
    make(edition, executed)
    (edition.build / "executed.json").write_text("{")
    append(edition.root / "_config.yml")
    assert len(make(edition, executed)) == 4


def test_one_chapter_without_studies_is_no_reason_to_sample_records(edition, monkeypatch):
    """Nor does it count as a sample of the whole book."""
    file = edition.root / records.PUBLISHED
    append(file, "records")
    monkeypatch.setenv("RETHINK_RUNS", str(file))
    monkeypatch.setattr(records.Store, "__len__", lambda self: 5)
    monkeypatch.setattr(study, "audit", never)
    cli.train(edition, ["01-one"], False, None)
    assert "sampled" not in cli._load(edition)


# ---- the command line ----------------------------------------------------------------------------


def test_help_names_every_command():
    done = CliRunner().invoke(cli.app, ["--help"])
    assert done.exit_code == 0
    for command in ("book", "draft", "chapter", "html", "data", "test", "serve", "clean"):
        assert f" {command} " in done.output


def test_one_chapter_is_executed_into_the_book(edition, executed, monkeypatch, capsys):
    assert main(monkeypatch, "chapter", "01") == 0
    assert executed == ["01-one"]
    assert str(edition.book / "01-one.ipynb") in capsys.readouterr().out


def test_one_chapter_with_other_parameters_stays_out_of_the_book(edition, executed, monkeypatch):
    text = '# One\n\n```{code-cell}\n:tags: [parameters]\n\nseeds = 5\nname = "a"\n```\n'
    write_chapter(edition.root, "01-one", text)
    given = []
    execute = press.execute

    def spy(edition, *rest):
        given.append(edition.overrides)
        execute(edition, *rest)

    monkeypatch.setattr(press, "execute", spy)
    assert main(monkeypatch, "chapter", "01", "-p", "seeds", "2", "-p", "name", "b c") == 0
    assert given == [{"01-one": {"seeds": 2, "name": "b c"}}]
    assert not edition.book.exists()
    assert (edition.root / "_build" / "chapter" / "01-one.ipynb").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["99"], "index, summary, 01-one, 02-two, but '99' was given"),
        (["01", "-p", "nonsense", "1"], "01-one has no parameter 'nonsense'; it has: none"),
        (["01", "-p", "nonsense"], "a parameter needs a name and a value, but 'nonsense'"),
    ],
)
def test_a_wrong_name_stops_before_any_work(edition, monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(cli, "train", never)
    monkeypatch.setattr(press, "execute", never)
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
        cwd=Path(cli.__file__).parents[2],
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
        (PressError("chapter [03] broke"), 1, "rethink: chapter [03] broke\n"),
        (ParameterError("no such thing"), 2, "rethink: no such thing\n"),
        (data.DataError("no data"), 2, "rethink: no data\n"),
        (KeyboardInterrupt(), 130, "Stopped; nothing is half-written"),
    ],
)
def test_what_goes_wrong_is_one_message_and_an_exit_code(
    edition, monkeypatch, capsys, error, exit_code, words
):
    def fails(*_):
        raise error

    monkeypatch.setattr(cli, "make", fails)
    assert main(monkeypatch, "book") == exit_code
    said = capsys.readouterr()
    assert said.err.startswith(words)
    assert "Traceback" not in said.err
    assert not said.out


@pytest.mark.parametrize("command", ["book", "draft", "html", "serve", "clean", "test"])
def test_outside_of_a_book_no_command_does_anything(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(manuscript, "repository", lambda: None)
    assert main(monkeypatch, command) in (1, 2)
    assert "there is no book here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_wrong_options_are_refused(edition, monkeypatch, capsys):
    monkeypatch.setattr(cli, "make", never)
    assert main(monkeypatch, "book", "--runs", "old") == 2
    assert main(monkeypatch, "book", "--workers", "0") == 2
    assert main(monkeypatch, "bok") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_options_reach_the_work(edition, monkeypatch):
    calls = []
    monkeypatch.setattr(cli, "make", lambda *given: calls.append(given))
    assert main(monkeypatch, "book", "--runs", "fresh", "--workers", "1") == 0
    assert main(monkeypatch, "draft") == 0
    assert calls == [(edition, True, 1), (Edition.draft(edition.root), False, None)]


def test_a_check_that_fails_is_named_and_the_others_are_done(edition, monkeypatch, capsys):
    commands = []

    def run(command, cwd, check):
        commands.append(command)
        return subprocess.CompletedProcess(command, returncode=int("mypy" in command))

    monkeypatch.setattr(subprocess, "run", run)
    assert main(monkeypatch, "test") == 1
    assert "rethink: failed: types\n" in capsys.readouterr().err
    assert len(commands) == 5
    assert str(edition.root / "book" / "01-one.ipynb") in commands[-1]


def test_nothing_is_served_before_it_is_made(edition, monkeypatch, capsys):
    assert main(monkeypatch, "serve") == 1
    assert "no book to serve yet" in capsys.readouterr().err


def test_clean_deletes_what_was_built_only(edition, executed, monkeypatch):
    make(edition, executed)
    kept = sorted(edition.book.rglob("*"))
    assert main(monkeypatch, "clean") == 0
    assert not edition.build.exists()
    assert sorted(edition.book.rglob("*")) == kept
    assert main(monkeypatch, "clean") == 0


def test_data_says_where_they_are(monkeypatch, capsys, tmp_path):
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


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.6, "60 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (150.1, "3 min"),
        (7200, "120 min"),
        (float("inf"), "unknown time"),
    ],
)
def test_times_are_short(seconds, words):
    assert cli._time(seconds) == words


def test_a_book_in_another_place_is_the_same_book(edition, executed):
    elsewhere = replace(edition, build=edition.root / "elsewhere")
    assert len(make(edition, executed)) == 4
    assert len(make(elsewhere, executed)) == 4
    assert elsewhere.html.exists()
