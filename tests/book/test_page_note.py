import subprocess
from dataclasses import replace

import pytest

from rethink.book import page_note
from rethink.book.page_note import PageResults
from tests.book.manuscripts import edition_of

ONE = '# One\n\n```{code-cell}\n:tags: [parameters]\n\nseeds = 5\nname = "a"\n```\n'
SHOWN = PageResults("0123456789abcdef", "fedcba9876543210", 35, 1, 5, 754.0)


@pytest.fixture
def edition(tmp_path):
    return edition_of(tmp_path / "tiny", ONE)


def rows(note):
    lines = [line.strip("| ").split(" | ") for line in note.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[-1] for cells in lines[1:]}


def test_a_note_says_what_the_page_was_made_from(edition):
    found = rows(page_note.note(edition, "01-one", SHOWN, "abc", 4.16))
    assert found["Edition"] == "Full edition"
    assert found["Parameters"] == "`seeds = 5`, `name = 'a'`"
    assert found["Runs"] == "35 training runs and 1 other measurement, 12.6 core minutes"
    assert found["Seeds"] == "0 to 4"
    assert found["Results"] == "digest `0123456789ab`"
    assert found["Data"] == "digest `fedcba987654`"
    assert found["Execution"] == "executed in 4.2 s"
    for library in ("Python 3.", "torch 2.", "numpy ", "scikit-learn "):
        assert library in found["Libraries"]


def test_a_page_without_runs_speaks_of_none(edition):
    note = page_note.note(edition, "index", PageResults("", "abc", 0, 0, 0, 0.0), "abc", None)
    found = rows(note)
    assert not {"Runs", "Seeds", "Results", "Libraries"} & set(found)
    assert found["Parameters"] == "none"
    assert found["Execution"] == "executed elsewhere"


def test_a_draft_says_so_with_its_own_parameters(edition):
    draft = replace(edition, overrides={"01-one": {"seeds": 2}})
    note = page_note.note(draft, "01-one", SHOWN, "abc", 1.0)
    assert rows(note)["Edition"] == "Draft with reduced parameters"
    assert rows(note)["Parameters"] == "`seeds = 2`, `name = 'a'`"
    assert "{dropdown} Draft with reduced parameters" in note


def test_the_commit_is_named_and_whether_files_differ_from_it(tmp_path, monkeypatch):
    def git(*words):
        name = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *name, *words], cwd=tmp_path, check=True, capture_output=True)

    assert page_note.commit(tmp_path) is None
    git("init")
    (tmp_path / "one").write_text("1")
    git("add", "one")
    git("commit", "-m", "One")
    clean = page_note.commit(tmp_path)
    assert len(clean) == 10
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "two").write_text("1")
    git("add", "book")
    assert page_note.commit(tmp_path) == clean, "what is made is no change of the code"
    assert page_note.commit(tmp_path / "book") is None, "a folder within another's repository"
    (tmp_path / "one").write_text("2")
    assert page_note.commit(tmp_path) == f"{clean} with changes"
    monkeypatch.setenv("PATH", "")
    assert page_note.commit(tmp_path) is None
