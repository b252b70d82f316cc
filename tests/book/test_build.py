import json
import shutil
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from nbformat.v4 import new_notebook, writes

from rethink import paths
from rethink.book import build, inputs, notebooks, pages
from rethink.book import html as rendering
from rethink.book.claims import ResultsError
from rethink.book.pages import BookError, Edition, ParameterError
from rethink.errors import WritingError
from rethink.runs import fingerprints, store, tasks
from rethink.runs.workers import Workers
from tests.book.builds import EXPERIMENT, make, make_it, never, render
from tests.book.manuscripts import append, code, write_book, write_chapter

# ---- making a book -------------------------------------------------------------------------------


def test_a_book_is_made_once(edition, monkeypatch, capsys):
    """With a real kernel."""
    write_book(edition.root / "two", {"index": "# Tiny\n", "01-one": code("print(1)")})
    edition = Edition.full(edition.root / "two")
    monkeypatch.setattr(rendering, "render", render)
    build.make(edition, False, Workers(1))
    said = capsys.readouterr()
    assert "Executing 2 of 2 pages" in said.err
    assert "01-one" in said.err
    assert said.out.strip() == str(edition.html / "index.html")
    assert '"1\\n"' in (edition.book / "01-one.ipynb").read_text(encoding="utf-8")

    monkeypatch.setattr(notebooks, "execute", never)
    monkeypatch.setattr(rendering, "render", never)
    build.make(edition, False, Workers(1))
    said = capsys.readouterr()
    assert said.out.startswith("Nothing to do, the book is up to date: ")
    assert not said.err


def test_pages_are_executed_in_order_and_summaries_last(edition, executed):
    assert make(edition, executed) == ["index", "01-one", "02-two", "summary"]
    assert make(edition, executed) == []


def test_pages_are_executed_side_by_side_and_summaries_after_them(edition, executed, monkeypatch):
    execute, order = notebooks.execute, []
    together = threading.Barrier(3, timeout=10)

    def executes(edition, page, *rest):
        if page != "summary":
            together.wait()
        execute(edition, page, *rest)
        order.append(page)

    monkeypatch.setattr(notebooks, "execute", executes)
    build.make(edition, False, Workers(3))
    assert sorted(order[:3]) == ["01-one", "02-two", "index"]
    assert order[3:] == ["summary"]
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
    append(tmp_path / "package" / "ledger" / "01-one.csv")
    assert make(edition, executed) == ["summary"]
    append(edition.root / "constraints.txt")
    assert len(make(edition, executed)) == 4


def test_a_notebook_that_is_lost_or_of_another_text_is_executed_again(edition, executed):
    make(edition, executed)
    (edition.book / "01-one.ipynb").unlink()
    assert make(edition, executed) == ["01-one"]
    other = writes(new_notebook(metadata={"rethink": {"stamp": "other"}}))
    paths.write_text(edition.book / "02-two.ipynb", other)
    assert make(edition, executed) == ["02-two"]


def test_a_book_that_was_executed_elsewhere_is_executed_here(edition, executed):
    make(edition, executed)
    shutil.rmtree(edition.build)
    assert len(make(edition, executed)) == 4


def test_what_was_executed_before_a_failure_is_not_executed_again(edition, executed, monkeypatch):
    execute = notebooks.execute

    def fails(edition, page, *rest):
        if page == "02-two":
            raise BookError("no")
        execute(edition, page, *rest)

    with monkeypatch.context() as patch, pytest.raises(BookError, match="no"):
        patch.setattr(notebooks, "execute", fails)
        build.make(edition, False, Workers(1))
    assert executed == ["index", "01-one"]
    assert make(edition, executed) == ["02-two", "summary"]


def test_after_a_change_of_the_looks_it_is_only_rendered(edition, executed, monkeypatch):
    make(edition, executed)
    monkeypatch.setattr(notebooks, "execute", never)
    rendered = []
    monkeypatch.setattr(rendering, "render", lambda edition, *_: rendered.append(edition))
    append(edition.root / "_config.yml")
    build.make(edition, False, Workers(1))
    append(edition.root / "chapters" / "references.bib")
    build.make(edition, False, Workers(1))
    assert rendered == [edition, edition]
    build.make(edition, False, Workers(1))
    assert rendered == [edition, edition]


def test_a_book_whose_rendering_failed_is_not_up_to_date(edition, executed, monkeypatch):
    def fails(edition, *_):
        raise BookError("no")

    make(edition, executed)
    append(edition.root / "_config.yml")
    with monkeypatch.context() as patch:
        patch.setattr(rendering, "render", fails)
        for _ in range(2):
            with pytest.raises(BookError, match="no"):
                build.make(edition, False, Workers(1))
    (edition.html / "index.html").unlink()
    build.make(edition, False, Workers(1))
    assert (edition.html / "index.html").exists()


def test_with_nothing_to_do_nothing_is_looked_up_unless_runs_are_to_be_fresh(
    edition, executed, monkeypatch
):
    make(edition, executed)
    calls = []
    made = build.make_results
    monkeypatch.setattr(build, "make_results", lambda *given: calls.append(given) or made(*given))
    build.make(edition, False, Workers(1))
    assert not calls
    build.make(edition, True, Workers(1))
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


@pytest.mark.parametrize(
    ("content", "again"),
    [
        (b"{", 4),
        (b"", 4),
        (b"[1]", 4),
        (b"\xff\x00", 4),
        (b'{"01-one": 5, "02-two": {"stamp": 1}, "index": {"stamp": "a", "seconds": "b"}}', 4),
        (None, 1),
    ],
)
def test_a_broken_note_of_what_was_executed_is_as_good_as_none(edition, executed, content, again):
    make(edition, executed)
    note = edition.build / "executed.json"
    if content is None:
        kept = json.loads(note.read_text())
        inputs.keep(edition, kept | {"01-one": kept["01-one"] | {"seconds": None}})
    else:
        note.write_bytes(content)
    append(edition.root / "_config.yml")
    assert len(make(edition, executed)) == again


def test_seconds_that_were_changed_are_not_shown(edition, executed):
    make(edition, executed)
    note = edition.build / "executed.json"
    before = inputs.load(edition)
    note.write_bytes(note.read_bytes().replace(b'"seconds": 0.', b'"seconds": 8.'))
    assert inputs.load(edition) == {}
    append(edition.root / "_config.yml")
    assert len(make(edition, executed)) == 4
    assert inputs.load(edition).keys() == before.keys()


def test_a_broken_mark_of_the_whole_state_is_as_good_as_none(edition, executed, monkeypatch):
    make(edition, executed)
    (edition.build / "complete").write_bytes(b"\xff\xfe")
    monkeypatch.setattr(notebooks, "execute", never)
    build.make(edition, False, Workers(1))
    assert (edition.build / "complete").read_text()


def test_an_edit_while_the_book_is_made_is_not_lost(edition, executed, monkeypatch, capsys):
    def renders(edition, *_):
        render(edition, *_)
        append(edition.root / "chapters" / "01-one.md", "Late.\n")

    execute = notebooks.execute

    def executes(edition, page, *rest):
        execute(edition, page, *rest)
        if page == "summary":
            append(edition.root / "chapters" / "02-two.md", "Later.\n")

    with monkeypatch.context() as patch:
        patch.setattr(notebooks, "execute", executes)
        make(edition, executed)
        assert "Edited meanwhile: 02-two; call" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(rendering, "render", renders)
        assert make(edition, executed) == ["02-two"]
    assert make(edition, executed) == ["01-one"]
    assert make(edition, executed) == []


def test_one_process_at_a_time_makes_a_book(edition, executed):
    with build.alone(edition):
        for work in (lambda: make(edition, executed), lambda: build.publish(edition)):
            with pytest.raises(BookError, match="another process is making the book"):
                work()
    assert len(make(edition, executed)) == 4


def test_results_made_from_nothing_are_held_against_those_there_were(edition, executed):
    make(edition, executed)
    build.make(edition, True, Workers(1))
    write_chapter(edition.root, "02-two", code("1", "2", "3"))
    with pytest.raises(BookError, match=r"allow:\n    02-two: cells was 2 and is 3$"):
        build.make(edition, True, Workers(1))
    assert make(edition, executed) == []


# ---- rendering what is executed already ----------------------------------------------------------


def test_what_is_executed_is_rendered_with_a_note_on_each_page(edition, executed, monkeypatch):
    make(edition, executed)
    given = {}
    monkeypatch.setattr(rendering, "render", lambda edition, notes, downloads: given.update(notes))
    build.publish(edition)
    assert list(given) == ["index", "summary", "01-one", "02-two"]
    assert "executed in 0." in given["01-one"]
    shutil.rmtree(edition.build)
    build.publish(edition)
    assert "executed elsewhere" in given["01-one"]


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("chapters/01-one.md", "01-one"),
        ("constraints.txt", "index, summary, 01-one, 02-two"),
        ("../package/beta.py", "02-two"),
    ],
)
def test_what_is_stale_is_not_rendered(edition, executed, monkeypatch, file, stale):
    make(edition, executed)
    monkeypatch.setattr(rendering, "render", never)
    append(edition.root / file, "\n")
    with pytest.raises(BookError, match=f"has changed: {stale}; run `make book`"):
        build.publish(edition)


def test_a_page_that_summarises_others_is_stale_once_they_found_something_else(
    edition, executed, monkeypatch
):
    make(edition, executed)
    monkeypatch.setattr(rendering, "render", never)
    write_chapter(edition.root, "01-one", code("1", "2"))
    (shown,) = inputs.look(edition, ["01-one"]).values()
    build.execute(edition, "01-one", pages.stamp(edition, "01-one", shown.digest))
    with pytest.raises(BookError, match="has changed: summary; run `make book`"):
        build.publish(edition)


# What may become of a file, from its content.
SPOILED = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "zeros": lambda whole: bytes(len(whole)),
    "no text": lambda whole: b"\xff\xfe" + whole,
    "a list": lambda whole: b"[]",
    "another number": lambda whole: whole.replace(b"2", b"3"),
    "nothing in it": lambda whole: b"{}",
}


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("file", ["02-two.ipynb", "results/02-two.json"])
def test_a_page_that_was_changed_or_damaged_is_not_rendered_but_executed_again(
    edition, executed, monkeypatch, capsys, how, file
):
    make(edition, executed)
    before = (edition.book / file).read_bytes()
    (edition.book / file).write_bytes(SPOILED[how](before))
    with (
        monkeypatch.context() as patch,
        pytest.raises(BookError, match=r"^not as they were made: 02-two; `make book` makes"),
    ):
        patch.setattr(rendering, "render", never)
        build.publish(edition)
    assert make(edition, executed) == ["02-two"]
    assert (edition.book / file).read_bytes() == before
    build.publish(edition)


@pytest.mark.parametrize("how", ["empty", "another number"])
def test_a_ledger_that_was_changed_is_not_rendered_but_made_again(
    edition, executed, monkeypatch, how
):
    make(edition, executed)
    file = edition.book / "ledger.csv"
    before = file.read_bytes()
    file.write_bytes(SPOILED[how](before))
    with (
        monkeypatch.context() as patch,
        pytest.raises(BookError, match=r"^not as they were made: ledger\.csv;"),
    ):
        patch.setattr(rendering, "render", never)
        build.publish(edition)
    assert make(edition, executed) == []
    assert file.read_bytes() == before


def test_a_rendered_book_that_was_changed_is_rendered_again(edition, executed, monkeypatch):
    make(edition, executed)
    monkeypatch.setattr(notebooks, "execute", never)
    append(edition.html / "index.html", "another number")
    build.make(edition, False, Workers(1))
    assert (edition.html / "index.html").read_text() == ""
    append(edition.html / "more.html", "another page")
    rendered = []
    monkeypatch.setattr(rendering, "render", lambda *_: rendered.append(1))
    build.make(edition, False, Workers(1))
    assert rendered


def test_damaged_results_are_refused_before_all_is_made_anew(edition, executed, monkeypatch):
    make(edition, executed)
    file = edition.book / "results" / "02-two.json"
    file.write_text('{"values": {"cells": {"value": "x"}}}')
    monkeypatch.setattr(build, "make_results", never)
    with pytest.raises(ResultsError, match=f"^{file} is damaged; restore it, as by `git checkout"):
        build.make(edition, True, None)


def test_a_book_that_cannot_be_written_is_refused_before_the_work(edition, executed, monkeypatch):
    make(edition, executed)
    shutil.rmtree(edition.book)
    edition.book.write_text("a file in its place")
    monkeypatch.setattr(build, "make_results", never)
    with pytest.raises(WritingError, match="tiny/book: File exists; change that"):
        build.make(edition, False, Workers(1))


def test_what_is_not_executed_is_not_rendered(edition, executed, monkeypatch):
    make(edition, executed)
    monkeypatch.setattr(rendering, "render", never)
    (edition.book / "01-one.ipynb").unlink()
    with pytest.raises(BookError, match="not executed yet: 01-one; run `make book` first"):
        build.publish(edition)


def test_pages_whose_measurements_are_lost_are_not_rendered(measuring, executed, monkeypatch):
    make_it(measuring)
    monkeypatch.setenv("RETHINK_CACHE", str(measuring.root / "empty"))
    (measuring.root / store.PUBLISHED).unlink()
    with pytest.raises(BookError, match="02-two shows results that are not there"):
        build.publish(measuring)


# ---- measurements --------------------------------------------------------------------------------


def test_a_changed_measurement_makes_its_page_stale(measuring, executed, monkeypatch):
    make_it(measuring)
    executed.clear()
    (fingerprints.PACKAGE / "experiments" / "tiny.py").write_text(
        EXPERIMENT.replace("seed + 1", "seed + 3")
    )
    module = SimpleNamespace()
    exec(EXPERIMENT.replace("seed + 1", "seed + 3"), vars(module))
    monkeypatch.setitem(sys.modules, "rethink.experiments.tiny", module)
    tasks.fingerprint.cache_clear()
    make_it(measuring)
    assert executed[0] == "02-two"
    assert "01-one" not in executed


def test_a_book_in_another_place_is_the_same_book(edition, executed):
    elsewhere = replace(edition, build=edition.root / "elsewhere")
    assert len(make(edition, executed)) == 4
    assert len(make(elsewhere, executed)) == 4
    assert elsewhere.html.exists()
