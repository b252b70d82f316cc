import errno
import json
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rethink.book import integrity, notebooks
from rethink.book.pages import BookError, ParameterError, read
from rethink.errors import WritingError
from tests.book.manuscripts import append, code, write_chapter

QUICK = """# One

```{code-cell}
:tags: [parameters, hide-input]

seeds = 5
name = "all"
```

```{code-cell}
import os

print(seeds, name, repr(os.environ["RETHINK_REDUCED"]))
```
"""


def notebook_of(edition, page="01-one"):
    return nbformat.read(edition.book / f"{page}.ipynb", as_version=4)


def results_of(edition):
    return json.loads((edition.book / "results" / "01-one.json").read_text(encoding="utf-8"))


# ---- execution -----------------------------------------------------------------------------------


def test_a_chapter_becomes_an_executed_notebook_with_results(executed_book):
    notebook = notebook_of(executed_book)
    nbformat.validate(notebook)
    source = read(executed_book.root, "01-one")
    assert [c.source for c in notebook.cells] == [c.source for c in source.cells]
    assert [c.id for c in notebook.cells] == [c.id for c in source.cells]
    about = notebook.metadata["rethink"]
    assert {**about, "digest": "", "results": ""} == {
        "stamp": "mark",
        "parameters": {},
        "digest": "",
        "results": "",
    }
    assert integrity.stamp_of(executed_book.book, "01-one") == "mark"
    (stream,) = notebook.cells[2].outputs
    assert stream.text == "some\n5 all\nbook '' tiny\n"
    found = results_of(executed_book)
    assert found["values"] == {"answer": {"tolerance": 0.1, "value": 212.5}}
    assert found["claims"]["input-784"]["verdict"] == "reproduced"
    assert not list((executed_book.build / "unfinished").iterdir())


def test_nothing_of_time_or_tool_stays_in_a_notebook(executed_book):
    text = (executed_book.book / "01-one.ipynb").read_text(encoding="utf-8")
    notebook = notebook_of(executed_book)
    assert "papermill" not in notebook.metadata
    assert "version" not in notebook.metadata.language_info
    for cell in notebook.cells:
        assert not {"papermill", "execution"} & set(cell.metadata)
    assert not re.search(r"start_time|duration|\d{4}-\d\d-\d\dT", text)
    assert str(executed_book.root) not in text


def test_a_second_execution_is_equal_byte_for_byte(executed_book, tmp_path):
    output = tmp_path / "again" / "01-one.ipynb"
    notebooks.execute(replace(executed_book, build=tmp_path), "01-one", "mark", output)
    assert output.read_bytes() == (executed_book.book / "01-one.ipynb").read_bytes()
    name = Path("results", "01-one.json")
    assert (output.parent / name).read_bytes() == (executed_book.book / name).read_bytes()


def test_other_parameters_are_shown_and_the_kernel_knows(tiny_book):
    write_chapter(tiny_book.root, "01-one", QUICK)
    changed = replace(tiny_book, overrides={"01-one": {"seeds": 2, "name": "few"}})
    notebooks.execute(changed, "01-one", "mark")
    notebook = notebook_of(tiny_book)
    (injected,) = [c for c in notebook.cells if c.id == "injected-parameters"]
    assert "hide-input" in injected.metadata.tags
    assert notebook.cells.index(injected) == 2, "just after the chapter's own parameters"
    assert "seeds = 2" in injected.source
    assert notebook.cells[3].outputs[0].text == "2 few '" + json.dumps(changed.overrides) + "'\n"
    assert notebook.metadata["rethink"]["parameters"] == {"seeds": 2, "name": "few"}
    assert results_of(tiny_book) == {"values": {}, "claims": {}}


def test_a_page_without_parameters_knows_that_others_are_reduced(tiny_book):
    write_chapter(tiny_book.root, "02-two", code("import os\nprint(os.environ['RETHINK_REDUCED'])"))
    for overrides, shown in (({}, "\n"), ({"01-one": {"seeds": 2}}, '{"01-one": {"seeds": 2}}\n')):
        notebooks.execute(replace(tiny_book, overrides=overrides), "02-two", "mark")
        notebook = nbformat.read(tiny_book.book / "02-two.ipynb", as_version=4)
        assert notebook.cells[-1].outputs[0].text == shown


def test_a_failing_cell_is_named_and_the_last_good_notebook_stays(tiny_book, monkeypatch):
    monkeypatch.setenv("RETHINK_BOOK", "elsewhere")
    monkeypatch.delenv("RETHINK_REDUCED", raising=False)
    write_chapter(tiny_book.root, "01-one", code("x = 1", "def late():\n    return x / 0\nlate()"))
    append(tiny_book.book / "01-one.ipynb", "the last good one")
    append(tiny_book.book / "results" / "01-one.json", "its results")
    with pytest.raises(BookError) as error:
        notebooks.execute(tiny_book, "01-one", "mark")
    message = str(error.value)
    assert message.startswith("chapters/01-one.md failed in code cell 2: ZeroDivisionError: ")
    assert "return x / 0" in message
    assert "\x1b" not in message
    assert len(message.splitlines()) < 16
    assert (tiny_book.book / "01-one.ipynb").read_text() == "the last good one"
    assert (tiny_book.book / "results" / "01-one.json").read_text() == "its results"
    unfinished = tiny_book.build / "unfinished" / "01-one.ipynb"
    assert str(unfinished) in message
    assert "ZeroDivisionError" in unfinished.read_text()
    assert os.environ["RETHINK_BOOK"] == "elsewhere"
    assert "RETHINK_REDUCED" not in os.environ


def test_standard_error_is_refused(tiny_book):
    write_chapter(tiny_book.root, "01-one", code("import warnings\nwarnings.warn('look out')"))
    append(tiny_book.book / "01-one.ipynb", "the last good one")
    with pytest.raises(BookError, match=r"01-one, .*cell \d wrote to standard error: .*look out"):
        notebooks.execute(tiny_book, "01-one", "mark")
    assert (tiny_book.book / "01-one.ipynb").read_text() == "the last good one"
    assert not (tiny_book.book / "results").exists()


def test_a_kernel_that_dies_is_an_error_that_names_the_chapter(tiny_book):
    write_chapter(tiny_book.root, "01-one", code("import os\nos._exit(1)"))
    with pytest.raises(BookError, match="01-one"):
        notebooks.execute(tiny_book, "01-one", "mark")


def test_a_kernel_needs_nothing_of_the_home_folder(tiny_book, tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file, so that there can be no folders in it")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    write_chapter(tiny_book.root, "01-one", code("print(get_ipython().ipython_dir)"))
    notebooks.execute(tiny_book, "01-one", "mark")
    (output,) = notebook_of(tiny_book).cells[1].outputs
    assert output.text == f"{tiny_book.build / 'jupyter'}\n"
    assert "IPYTHONDIR" not in os.environ


def test_the_file_of_a_kernel_is_in_the_build_and_goes_with_it(tiny_book, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    lines = "from ipykernel import get_connection_file\nprint(get_connection_file())"
    write_chapter(tiny_book.root, "01-one", code(lines))
    notebooks.execute(tiny_book, "01-one", "mark")
    (output,) = notebook_of(tiny_book).cells[1].outputs
    file = Path(output.text.strip())
    # In a folder that the next call removes if this one is killed.
    assert file.parents[2] == tiny_book.build and file.parents[1].name.startswith(".rethink-")
    assert not file.parents[1].exists()
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (
            "from rethink.errors import WritingError\nraise WritingError('/x: no room; make some')",
            r"^/x: no room; make some$",
        ),
        (
            "raise PermissionError(13, 'Permission denied', '/x')",
            r"^chapters/01-one\.md could not be executed: \[Errno 13\] Permission denied: '/x'$",
        ),
        (
            "raise OSError(28, 'No space left on device')",
            r"^chapters/01-one\.md could not be executed: \[Errno 28\] No space left on device$",
        ),
    ],
)
def test_what_a_kernel_may_not_write_is_one_sentence(tiny_book, cell, words):
    write_chapter(tiny_book.root, "01-one", code(cell))
    with pytest.raises(WritingError, match=words):
        notebooks.execute(tiny_book, "01-one", "mark")


def test_a_build_folder_without_room_is_one_sentence(tiny_book, monkeypatch):
    def fails(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(notebooks.papermill, "execute_notebook", fails)
    with pytest.raises(WritingError, match="_build: No space left on device; make room there"):
        notebooks.execute(tiny_book, "01-one", "mark")


@pytest.mark.parametrize("override", [{"sedes": 2}, {"seeds": "2"}])
def test_a_wrong_parameter_stops_it_before_anything_is_executed(tiny_book, override, monkeypatch):
    monkeypatch.setattr(
        notebooks.papermill, "execute_notebook", lambda *_, **__: pytest.fail("ran")
    )
    with pytest.raises(ParameterError, match="01-one"):
        notebooks.execute(replace(tiny_book, overrides={"01-one": override}), "01-one", "mark")


# ---- what is stripped ----------------------------------------------------------------------------


def out(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def test_streams_are_merged_however_many_pieces_they_came_in():
    picture = new_output("display_data", data={"text/plain": "x"})
    many = [out("a"), out("b"), picture, out("c"), out("d", "stderr"), out("e", "stderr"), out("f")]
    (cell,) = notebooks.clean(new_notebook(cells=[new_code_cell(outputs=many)])).cells
    shown = [(o.get("name", "picture"), o.get("text", "x")) for o in cell.outputs]
    assert shown == [
        ("stdout", "ab"),
        ("picture", "x"),
        ("stdout", "c"),
        ("stderr", "de"),
        ("stdout", "f"),
    ]


def test_what_papermill_and_the_kernel_leave_is_stripped():
    trace = {"papermill": {"duration": 1}, "execution": {"iopub": "now"}}
    cells = [
        new_markdown_cell(metadata=dict(trace)),
        new_code_cell(metadata={**trace, "tags": ["injected-parameters"]}, id="random"),
        new_code_cell(metadata={**trace, "tags": ["remove-cell"]}),
    ]
    about = {"papermill": {"version": "2"}, "language_info": {"name": "python", "version": "3.11"}}
    cleaned = notebooks.clean(new_notebook(cells=cells, metadata=about))
    assert cleaned.metadata == {"language_info": {"name": "python"}}
    assert cleaned.cells[1].id == "injected-parameters"
    assert [cell.metadata for cell in cleaned.cells] == [
        {},
        {"tags": ["injected-parameters", "hide-input"]},
        {"tags": ["remove-cell"]},
    ]


# ---- pictures ----------------------------------------------------------------------------------


def test_the_first_picture_of_a_notebook_is_found(tmp_path):
    cells = [
        new_code_cell(outputs=[out("text")]),
        *(
            new_code_cell(outputs=[new_output("display_data", data={"image/png": content})])
            for content in ("aGk=", "bm8=")
        ),
    ]
    path = tmp_path / "one.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    assert notebooks.picture(path) == b"hi"
    nbformat.write(new_notebook(cells=cells[:1]), path)
    assert notebooks.picture(path) == b""
