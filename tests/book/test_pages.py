import os
from dataclasses import replace

import pytest

from rethink.book import pages as paging
from rethink.book.pages import (
    BookError,
    Edition,
    ParameterError,
    Request,
    defaults,
    find_page,
    inputs_digest,
    page_names,
    read,
    requests,
    root,
    settings,
    shows_everything,
    stamp,
    summarises,
)
from rethink.runs import fingerprints
from tests.book.manuscripts import HEADER, ONE, SUMMARY, append, code, write_book, write_chapter

TWO = """# Two

```{code-cell}
def never():
    from rethink import gamma
```
"""

TINY = {
    "index": "# Tiny\n",
    "setup": "# Set-up\n",
    "01-one": ONE,
    "02-two": TWO,
    "summary": SUMMARY,
}


@pytest.fixture
def book(tmp_path):
    return write_book(tmp_path / "tiny", TINY)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in which alpha needs beta, which needs epsilon, and gamma stands apart."""
    folder = tmp_path / "package"
    folder.mkdir()
    for name, text in {
        "alpha": "from rethink.beta import thing\n",
        "beta": "import numpy\n\ndef late():\n    import rethink.epsilon as e\n",
        "gamma": "import json\n",
        "delta": "from rethink import alpha, delta\n",
        "epsilon": "",
        "book/claims": "",
    }.items():
        append(folder / f"{name}.py", text)
    (folder / "ledger").mkdir()
    (folder / "ledger" / "01-one.csv").write_text("id\n")
    monkeypatch.setattr(fingerprints, "PACKAGE", folder)
    return folder


# ---- pages ---------------------------------------------------------------------------------------


def test_pages_come_in_the_order_of_the_table_of_contents(book):
    assert page_names(book) == ["index", "setup", "01-one", "02-two", "summary"]


def test_pages_outside_of_parts_come_first(book):
    toc = "root: book/z\nchapters:\n- file: book/y\nparts:\n- chapters:\n  - file: book/a\n"
    (book / "_toc.yml").write_text(toc)
    assert page_names(book) == ["z", "y", "a"]


def test_a_page_is_found_by_name_and_by_number(book):
    assert find_page(book, "02-two") == find_page(book, "02") == "02-two"
    assert find_page(book, "summary") == "summary"


@pytest.mark.parametrize("name", ["2", "two", "", "99", "02-tw"])
def test_a_page_that_there_is_not_is_an_error_that_names_those_there_are(book, name):
    with pytest.raises(ParameterError) as error:
        find_page(book, name)
    assert f"{name!r} was given" in str(error.value)
    assert "index, setup, 01-one, 02-two, summary" in str(error.value)


def test_a_number_that_two_pages_begin_with_stands_for_neither(book):
    append(book / "_toc.yml", "  - file: book/02-again\n")
    with pytest.raises(ParameterError, match="02-two, summary, 02-again"):
        find_page(book, "02")


def test_cells_are_named_by_their_position(book):
    notebook = read(book, "01-one")
    assert [cell.id for cell in notebook.cells] == [f"cell-{n}" for n in range(4)]
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code"] * 2
    assert notebook == read(book, "01-one")
    assert "jupytext" not in notebook.metadata
    assert notebook.metadata.kernelspec.name == "python3"


def test_a_chapter_that_is_missing_is_an_error(book):
    (book / "chapters" / "02-two.md").unlink()
    with pytest.raises(BookError, match=r"chapters/02-two\.md does not exist"):
        read(book, "02-two")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", (HEADER + "```{code-cell}\n:tags: [a\n\n1\n```\n").encode()]
)
def test_a_chapter_that_cannot_be_read_is_an_error(book, content):
    (book / "chapters" / "02-two.md").write_bytes(content)
    with pytest.raises(BookError, match=r"chapters/02-two\.md cannot be read as MyST: .+"):
        read(book, "02-two")


# ---- parameters ----------------------------------------------------------------------------------


def test_parameters_are_those_of_the_tagged_cell(book):
    assert defaults(read(book, "01-one")) == {"seeds": 5, "share": 0.5, "name": "all"}
    assert defaults(read(book, "02-two")) == {}


def test_an_override_replaces_only_what_it_names(book):
    assert settings(book, "01-one", {}) == {"seeds": 5, "share": 0.5, "name": "all"}
    assert settings(book, "01-one", {"seeds": 2}) == {"seeds": 2, "share": 0.5, "name": "all"}


def test_an_unknown_parameter_is_an_error_that_says_which_there_are(book):
    with pytest.raises(ParameterError, match=r"01-one has no parameter 'sedes'.* seeds, share, na"):
        settings(book, "01-one", {"sedes": 2})
    with pytest.raises(ParameterError, match="02-two has no parameter 'seeds'; it has: none"):
        settings(book, "02-two", {"seeds": 2})


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [("seeds", "2", "int"), ("seeds", 2.0, "int"), ("seeds", True, "int"), ("share", 1, "float")],
)
def test_a_value_of_another_type_is_an_error(book, name, value, kind):
    with pytest.raises(ParameterError, match=f"01-one: {name} must be of type {kind}, but") as e:
        settings(book, "01-one", {name: value})
    assert repr(value) in str(e.value)


def test_the_draft_has_the_reduced_parameters_and_folders_of_its_own(book):
    draft, full = Edition.draft(book), Edition.full(book)
    assert draft.overrides == {"01-one": {"seeds": 2}}
    assert full.overrides == {}
    assert draft.book == book / "_build" / "draft" / "book"
    assert full.book == book / "book"
    assert draft.html != full.html


# ---- studies and modules -------------------------------------------------------------------------


def runs(name, seeds, epochs):
    return Request("training_runs", {"study": name, "seeds": seeds, "epochs": epochs})


def test_studies_have_numbers_and_parameters_and_follow_overrides(book):
    assert requests(book, "01-one", {}) == [runs("capacity", 5, 30)]
    assert requests(book, "01-one", {"seeds": 2}) == [runs("capacity", 2, 30)]
    assert requests(book, "02-two", {}) == []


def test_all_studies_of_a_page_are_found(book):
    calls = [
        f'study.results("training_runs", study="{name}", epochs=3, seeds=2).curve()'
        for name in ("a", "b")
    ]
    write_chapter(book, "02-two", code(f"both = [{calls[0]}]", f"def late():\n    {calls[1]}"))
    assert requests(book, "02-two", {}) == [runs("a", 2, 3), runs("b", 2, 3)]


def test_measurements_are_asked_for_in_the_same_way(book):
    write_chapter(book, "02-two", code("study.results('labels', seeds=4).one()"))
    assert requests(book, "02-two", {}) == [Request("labels", {"seeds": 4})]


@pytest.mark.parametrize(
    "call",
    [
        "study.results()",
        "study.results(name, seeds=5, epochs=3)",
        "study.results('labels', 5)",
        "study.results('labels', seeds=2 * 2)",
        "study.results('labels', seeds=elsewhere)",
        "study.results(5, seeds=5)",
        "study.results('labels', **values)",
    ],
)
def test_a_study_written_in_another_way_is_an_error_that_shows_it(book, call):
    write_chapter(book, "02-two", code(call))
    with pytest.raises(BookError) as error:
        requests(book, "02-two", {})
    assert str(error.value).startswith("02-two: write study.results('name', ")
    assert str(error.value).endswith(call)


def test_code_that_is_no_python_is_an_error_that_names_the_chapter(book):
    write_chapter(book, "02-two", code("x = 1", "x = = 2"))
    for look in (
        lambda: requests(book, "02-two", {}),
        lambda: stamp(Edition.full(book), "02-two", ""),
    ):
        with pytest.raises(BookError, match="02-two"):
            look()


@pytest.mark.parametrize("parameter", ["seeds = 2 * 5", "seeds = ="])
def test_a_parameter_that_is_no_plain_value_is_an_error_that_names_the_chapter(book, parameter):
    text = f"# Two\n\n```{{code-cell}}\n:tags: [parameters]\n\n{parameter}\n```\n"
    write_chapter(book, "02-two", text)
    with pytest.raises(BookError, match="02-two"):
        settings(book, "02-two", {})


def test_a_page_that_lists_everything_is_told_from_its_code(book):
    assert not any(shows_everything(read(book, page)) for page in page_names(book))
    for call in ("inputs.studies()", "inputs.everything()"):
        write_chapter(book, "02-two", code(f"asked = {call}"))
        assert shows_everything(read(book, "02-two"))
    assert [page for page in page_names(book) if shows_everything(read(book, page))] == ["02-two"]


def test_a_page_that_summarises_is_told_from_its_code(book):
    write_chapter(book, "02-two", "# Two\n\nThis `claims.all_settled` is prose.\n")
    assert [page for page in page_names(book) if summarises(read(book, page))] == ["summary"]


# ---- the stamp -----------------------------------------------------------------------------------


def look(book, page="01-one", runs="runs", **overrides):
    return stamp(replace(Edition.full(book), overrides=overrides), page, runs)


@pytest.mark.parametrize("name", ["alpha", "beta", "epsilon"])
def test_a_stamp_changes_with_a_module_the_page_needs(book, package, name):
    before = look(book)
    append(package / f"{name}.py")
    assert look(book) != before


def test_a_stamp_changes_with_text_packages_runs_and_parameters(book, package):
    marks = [look(book), look(book, runs="others"), look(book, **{"01-one": {"seeds": 2}})]
    marks.append(look(book, **{"01-one": {"seeds": 3}}))
    marks.append(look(book, page="02-two"))
    append(book / "constraints.txt")
    marks.append(look(book))
    append(book / "chapters" / "01-one.md", "More prose.\n")
    marks.append(look(book))
    assert len(set(marks)) == len(marks)


def test_a_stamp_changes_with_the_benchmarks_that_the_page_shows(book, package):
    measured, before = book / "book" / "bench.json", look(book)
    append(measured, "{}")
    assert look(book) == before
    write_chapter(book, "01-one", code("x = 1", 'x = "bench.json"'))
    shown = look(book)
    append(measured, " ")
    assert look(book) != shown


def test_a_stamp_does_not_change_with_anything_else(book, package):
    before = look(book)
    assert look(book, **{"02-two": {"seeds": 2}}) == before
    append(package / "gamma.py")
    append(package / "ledger" / "01-one.csv")
    append(book / "chapters" / "02-two.md")
    append(book / "chapters" / "references.bib")
    append(book / "_toc.yml")
    append(book / "book" / "results" / "01-one.json")
    append(book / "book" / "results" / "02-two.json")
    os.utime(book / "chapters" / "01-one.md", (0, 0))
    assert look(book) == before


def test_a_stamp_does_not_depend_on_where_the_book_is(book, package, tmp_path):
    there = write_book(tmp_path / "there", TINY)
    assert look(there) == look(book)


@pytest.mark.parametrize("page", ["setup", "01-one"])
def test_the_stamp_of_a_summary_changes_with_what_other_pages_settled(book, package, page):
    results = book / "book" / "results"
    append(results / f"{page}.json", "{}")
    before = look(book, "summary")
    append(results / f"{page}.json", " ")
    assert look(book, "summary") != before


def test_the_stamp_of_a_summary_changes_with_the_published_claims_and_not_with_itself(
    book, package
):
    before = look(book, "summary")
    append(book / "book" / "results" / "summary.json", "{}")
    assert look(book, "summary") == before
    append(package / "ledger" / "01-one.csv")
    assert look(book, "summary") != before


@pytest.mark.parametrize(
    "change",
    [
        "_config.yml",
        "_toc.yml",
        "constraints.txt",
        "chapters/setup.md",
        "chapters/references.bib",
        "chapters/_static/style.css",
        "book/01-one.ipynb",
        "book/results/01-one.json",
        "../package/gamma.py",
        "../package/ledger/01-one.csv",
    ],
)
def test_the_digest_of_all_inputs_changes_with_each(book, package, change):
    edition = Edition.full(book)
    before = inputs_digest(edition)
    append(book / change)
    assert inputs_digest(edition) != before


def test_the_digest_of_all_inputs_does_not_change_with_what_is_built(book, package):
    edition = Edition.full(book)
    before = inputs_digest(edition)
    append(edition.html / "index.html")
    append(package / "__pycache__" / "gamma.pyc")
    append(book / "tests" / "test_more.py")
    os.utime(book / "_toc.yml", (0, 0))
    assert inputs_digest(edition) == before


# ---- where the book is ---------------------------------------------------------------------------


def test_the_book_is_found_from_its_folder_and_from_below(book, monkeypatch):
    below = book / "a" / "b"
    below.mkdir(parents=True)
    for folder in (book, book / "chapters", below):
        monkeypatch.chdir(folder)
        assert root() == book


def test_elsewhere_the_book_is_that_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (root() / "src" / "rethink").is_dir()


def test_without_any_book_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paging, "repository", lambda: None)
    (tmp_path / "_toc.yml").write_text("")
    with pytest.raises(BookError, match="there is no book here"):
        root()


@pytest.mark.parametrize(
    "content",
    [b"root: [", b"\xff\xfe\x00", b"- a list", b"chapters: []", b"root: a\nparts: 1\n", b""],
)
def test_a_damaged_table_of_contents_is_one_sentence(book, content):
    (book / "_toc.yml").write_bytes(content)
    with pytest.raises(BookError, match=r"_toc\.yml .*; restore it$") as error:
        page_names(book)
    assert "\n" not in str(error.value)


def test_damaged_settings_of_the_draft_are_one_sentence(book):
    (book / "chapters" / "drafts.yml").write_bytes(b"01-one: {")
    with pytest.raises(BookError, match=r"drafts\.yml cannot be read: .*; restore it$"):
        Edition.draft(book)
