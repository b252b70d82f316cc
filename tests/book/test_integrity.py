import json
import shutil

import nbformat
import pytest
from nbformat.v4 import new_notebook

from rethink import checksums
from rethink.book import integrity, notebooks, pages
from rethink.runs import store
from tests.book.builds import make, make_it, never
from tests.book.manuscripts import append, figure, handed_over
from tests.command_line import main

# ---- one page ------------------------------------------------------------------------------------


@pytest.fixture
def page(tmp_path):
    """The notebook of an executed page with a figure, and a function that changes it."""
    cells = [handed_over("x", 1, 0.0), figure()]
    about = {"rethink": {"stamp": "mark", "parameters": {}}}
    notebooks.keep(new_notebook(cells=cells, metadata=about), tmp_path / "page.ipynb")
    return tmp_path / "page.ipynb"


def changed(file, change):
    """Change the JSON of a file in place."""
    whole = json.loads(file.read_text())
    change(whole)
    file.write_text(json.dumps(whole, indent=1))


CHANGES = {
    "a handed over number": lambda whole: whole["cells"][0]["outputs"][0]["data"].update(
        {"application/papermill.record/text/plain": "2"}
    ),
    "a picture": lambda whole: whole["cells"][1]["outputs"][0]["data"].update(
        {"image/png": "aaaa"}
    ),
    "the data of a figure": lambda whole: whole["cells"][1]["outputs"][0]["data"].update(
        {"text/csv": "another"}
    ),
    "a caption": lambda whole: whole["cells"][1]["metadata"]["mystnb"]["figure"].update(
        {"caption": "It falls."}
    ),
    "code": lambda whole: whole["cells"][0].update({"source": "x = 2"}),
    "a cell more": lambda whole: whole["cells"].append(whole["cells"][0]),
    "a cell less": lambda whole: whole["cells"].pop(),
    "the order": lambda whole: whole["cells"].reverse(),
    "the stamp": lambda whole: whole["metadata"]["rethink"].update({"stamp": "another"}),
    "parameters": lambda whole: whole["metadata"]["rethink"].update({"parameters": {"seeds": 1}}),
    "the digest": lambda whole: whole["metadata"]["rethink"].pop("digest"),
    "the digest of results": lambda whole: whole["metadata"]["rethink"].pop("results"),
    "all that is said of it": lambda whole: whole["metadata"].pop("rethink"),
}


def test_a_page_as_it_was_executed_has_its_stamp(page):
    assert integrity.stamp_of(page.parent, "page") == "mark"
    changed(page, lambda whole: None)  # another layout of the same JSON
    assert integrity.stamp_of(page.parent, "page") == "mark"
    notebook = nbformat.read(page, as_version=4)
    nbformat.validate(notebook)
    nbformat.write(notebook, page)
    assert integrity.stamp_of(page.parent, "page") == "mark"


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_is_changed_in_a_notebook_it_has_no_stamp(page, what):
    changed(page, CHANGES[what])
    assert integrity.stamp_of(page.parent, "page") is None


def test_changed_results_take_the_stamp_of_their_page(page):
    results = page.parent / "results" / "page.json"
    whole = results.read_bytes()
    results.write_bytes(whole.replace(b'"value": 1', b'"value": 2'))
    assert integrity.stamp_of(page.parent, "page") is None
    results.unlink()
    assert integrity.stamp_of(page.parent, "page") is None
    results.write_bytes(whole)
    assert integrity.stamp_of(page.parent, "page") == "mark"


# ---- the whole book ------------------------------------------------------------------------------


@pytest.fixture
def made(measuring, executed, monkeypatch):
    """A book that measures, as it was made; nothing is executed any more."""
    make_it(measuring)
    monkeypatch.setattr(notebooks, "execute", never)
    return measuring


def faults(edition):
    return {name: what for kind in integrity.check(edition) for name, what in kind.faults.items()}


def test_a_book_as_it_was_made_has_no_faults(made, monkeypatch, capsys):
    assert faults(made) == {}
    capsys.readouterr()
    assert main(monkeypatch, "verify") == 0
    assert capsys.readouterr().out.splitlines() == [
        "notebooks: 4 of 4 as they were made",
        "results: 4 of 4 as they were made",
        "records, ledger and cover: 2 of 2 as they were made",
        "rendered files: 1 of 1 as they were made",
    ]
    shutil.rmtree(made.build)
    assert main(monkeypatch, "verify") == 0
    assert capsys.readouterr().out.endswith("as they were made\nrendered files: none here\n")


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("02-two.ipynb", "is not as it was executed"),
        ("results/02-two.json", "is not as it was when its page was executed"),
        ("records.npz", "is not as it was made"),
        ("ledger.csv", "is not as it was made"),
    ],
)
def test_what_differs_is_named(made, monkeypatch, capsys, file, what):
    (made.book / file).write_bytes((made.book / file).read_bytes().replace(b"1", b"2"))
    assert faults(made)[file] == what
    capsys.readouterr()
    assert main(monkeypatch, "verify") == 1
    said = capsys.readouterr()
    assert f"    book/{file} {what}\n" in said.err
    assert "`git checkout book` restores what was committed" in said.err
    assert "Traceback" not in said.err
    (made.book / file).unlink()
    assert faults(made)[file] == "is missing"


def test_a_cover_and_pages_that_were_changed_are_named(made):
    append(made.book / "cover.png", "a picture")
    assert faults(made) == {"cover.png": "has no digest in book/SHA256SUMS"}
    checksums.record(made.book, ["cover.png"])
    append(made.html / "index.html", "another number")
    append(made.html / "more.html", "another page")
    assert faults(made) == {
        "index.html": "is not as it was made",
        "more.html": "has no digest in html/SHA256SUMS",
    }
    (made.html / "index.html").unlink()
    (made.book / "cover.png").unlink()
    assert faults(made) == {
        "cover.png": "is missing",
        "index.html": "is missing",
        "more.html": "has no digest in html/SHA256SUMS",
    }


def test_what_belongs_to_no_page_is_named(made):
    shutil.copy(made.book / "01-one.ipynb", made.book / "other.ipynb")
    append(made.book / "results" / "other.json", "{}")
    assert faults(made) == {
        "other.ipynb": "belongs to no page",
        "results/other.json": "belongs to no page",
    }


def test_notebooks_from_before_there_were_digests_are_not_as_executed(made):
    changed(made.book / "01-one.ipynb", CHANGES["the digest"])
    assert faults(made) == {
        "01-one.ipynb": "is not as it was executed",
        "results/01-one.json": "is not known, since its notebook is not as it was executed",
    }


def test_lost_digests_are_no_traceback(made):
    (made.book / checksums.NAME).write_bytes(b"\xff\x00")
    assert faults(made) == {
        name: "has no digest in book/SHA256SUMS" for name in ("records.npz", "ledger.csv")
    }
    assert store.Store(made.root, made.book / "records.npz").published


@pytest.mark.parametrize("here", [True, False])
def test_nothing_to_verify_is_said(edition, executed, monkeypatch, capsys, tmp_path, here):
    if not here:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(pages, "repository", lambda: None)
    assert main(monkeypatch, "verify") == 2
    words = "there is no book to verify yet; run `make book` first" if here else "no book here"
    assert words in capsys.readouterr().err


def test_a_draft_has_no_records(edition, executed):
    (edition.root / "chapters" / "drafts.yml").write_text("")
    draft = pages.Edition.draft(edition.root)
    make(draft, executed)
    assert faults(draft) == {}
