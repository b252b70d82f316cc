import hashlib
import re
import shutil
import subprocess
from dataclasses import replace

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from rethink.book import html as rendering
from rethink.book import integrity, notebooks
from rethink.book.pages import BookError, Edition, page_names, read, root
from rethink.errors import WritingError
from tests.book.manuscripts import HEADER, TABLE, append, code, edition_of, figure

BOOK = root()


def write_notebooks(edition):
    """Leave notebooks as if every chapter had been executed_book."""
    edition.book.mkdir(exist_ok=True)
    for page in page_names(edition.root):
        if not (edition.book / f"{page}.ipynb").exists():
            nbformat.write(read(edition.root, page), edition.book / f"{page}.ipynb")


def tree(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def text_of(edition, page):
    return re.sub(r"<[^>]+>", "", (edition.html / "book" / f"{page}.html").read_text("utf-8"))


# ---- what a page gets beside its text ------------------------------------------------------------


def test_the_data_behind_a_figure_is_a_file_of_its_name():
    empty = figure("panel,series,x,y\n", "fig-diagram")
    notebook = new_notebook(cells=[new_markdown_cell("# One"), figure(), empty])
    assert rendering.figure_tables(notebook) == {"fig-one": TABLE}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([figure(name="")], "cell 1 shows a figure without a name"),
        ([figure(), figure()], "cell 2 shows two figures named fig-one"),
    ],
)
def test_figures_need_names_of_their_own(cells, words):
    with pytest.raises(BookError, match=words):
        rendering.figure_tables(new_notebook(cells=cells))


def test_an_interrupted_exchange_is_mended(executed_book, tmp_path):
    edition = replace(executed_book, build=tmp_path)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "index.html").write_text("the last good one")
    (tmp_path / "source").write_text("in the way")
    write_notebooks(edition)
    with pytest.raises(OSError, match="source"):
        rendering.render(edition)
    assert (edition.html / "index.html").read_text() == "the last good one"


def test_a_caption_ends_with_a_link_to_the_data_and_a_page_with_its_note():
    notebook = new_notebook(cells=[figure(), figure("panel,series,x,y\n", "fig-diagram")])
    rendering.add_links_and_note(notebook, "made so")
    captions = [cell.metadata["mystnb"]["figure"]["caption"] for cell in notebook.cells[:2]]
    assert captions == ["It rises. {download}`Data <fig-one.csv>`", "It rises.\n"]
    assert notebook.cells[2].source == "made so"


def test_a_page_without_a_note_gets_no_cell():
    notebook = new_notebook(cells=[figure()])
    rendering.add_links_and_note(notebook, "")
    assert len(notebook.cells) == 1


def test_a_build_folder_without_room_is_one_sentence(executed_book, tmp_path, monkeypatch):
    edition = replace(executed_book, build=tmp_path)
    write_notebooks(edition)
    append(edition.html / "index.html", "the last good one")

    def full(command, **_):
        said = "…\nOSError: [Errno 28] No space left on device\n"
        return subprocess.CompletedProcess(command, 1, stdout=said)

    monkeypatch.setattr(subprocess, "run", full)
    with pytest.raises(WritingError, match=f"^{tmp_path}: No space left on device; make room"):
        rendering.render(edition)
    assert (edition.html / "index.html").read_text() == "the last good one"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["html", "render.log"]


def test_copies_without_room_are_one_sentence(executed_book, tmp_path, monkeypatch):
    edition = replace(executed_book, build=tmp_path)
    write_notebooks(edition)

    def full(source, target):
        raise shutil.Error([(source, target, "[Errno 28] No space left on device")])

    monkeypatch.setattr(shutil, "copy", full)
    with pytest.raises(WritingError, match=f"^{tmp_path}: No space left on device; make room"):
        rendering.render(edition)


# ---- rendering -----------------------------------------------------------------------------------


def test_a_book_is_rendered_only_when_all_of_it_was_executed(tiny_book):
    write_notebooks(tiny_book)
    (tiny_book.book / "01-one.ipynb").unlink()
    with pytest.raises(BookError, match="not executed yet: 01-one; run `make book`"):
        rendering.render(tiny_book)


def test_a_rendered_book_stays_until_a_better_one_is_there(executed_book, tmp_path):
    edition = replace(executed_book, build=tmp_path / "build")
    edition.build.mkdir()
    write_notebooks(edition)
    rendering.render(edition)
    text = text_of(edition, "01-one")
    assert "The answer is 212.5, as before." in text
    assert "5 all" in text
    assert (edition.html / "index.html").exists()
    assert (edition.html / "book" / "index.html").exists()
    assert sorted(path.name for path in edition.build.iterdir()) == ["html", "render.log"]
    assert integrity.check_html(edition).faults == {}
    assert integrity.check_html(edition).count > 100

    good = tree(edition.html)
    broken = replace(edition, root=tmp_path / "broken", book=tmp_path / "broken" / "book")
    shutil.copytree(executed_book.root, broken.root)
    (broken.book / "01-one.ipynb").unlink()
    text = "# One\n\nAs {ref}`nowhere` says.\n"
    (broken.root / "chapters" / "01-one.md").write_text(HEADER + text)
    write_notebooks(broken)
    with pytest.raises(BookError, match=r"(?s)Jupyter Book failed:.*nowhere"):
        rendering.render(broken)
    assert tree(edition.html) == good


def test_a_page_offers_what_was_executed_its_source_and_its_data(tmp_path):
    edition = edition_of(tmp_path / "tiny", "# One\n")
    shutil.copy(BOOK / "_config.yml", edition.root)
    (edition.root / "chapters" / "vendor").mkdir()
    edition.book.mkdir()
    cells = [new_markdown_cell("# One"), figure()]
    nbformat.write(new_notebook(cells=cells), edition.book / "01-one.ipynb")
    write_notebooks(edition)
    note = "{download}`notebook <../01-one.ipynb>` {download}`source <../01-one.md>`"
    rendering.render(
        edition, {"01-one": f"{note} {{download}}`all <all.csv>`"}, {"all.csv": "a\n1\n"}
    )
    html = (edition.html / "book" / "01-one.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(\.\./_downloads/[^"]+)"', html)
    found = {link.rpartition("/")[2]: edition.html / "book" / link for link in links}
    assert sorted(found) == ["01-one.ipynb", "01-one.md", "all.csv", "fig-one.csv"]
    executed_one = (edition.book / "01-one.ipynb").read_bytes()
    assert found["01-one.ipynb"].resolve().read_bytes() == executed_one
    source = (edition.root / "chapters" / "01-one.md").read_bytes()
    assert found["01-one.md"].resolve().read_bytes() == source
    assert found["fig-one.csv"].resolve().read_text() == TABLE
    assert found["all.csv"].resolve().read_text() == "a\n1\n"


def test_negative_numbers_have_a_minus_sign(tmp_path):
    text = "# One\n\n{glue:text}`down:.1f` {glue:text}`down:+.2f` {glue:text}`up` - not `-1`\n"
    values = "from rethink.book import claims\nclaims.values(down=-1.25, up=3)"
    edition = edition_of(
        tmp_path / "tiny", text + code(values).replace("cell}", "cell}\n:tags: [remove-cell]\n")
    )
    notebooks.execute(edition, "01-one", "mark")
    write_notebooks(edition)
    rendering.render(edition)
    assert "\u22121.2 \u22121.25 3 - not -1" in text_of(edition, "01-one")


def test_a_draft_says_so_on_every_page(tmp_path):
    edition = edition_of(tmp_path / "tiny", "# One\n")
    for overrides, count in (({}, 0), ({"01-one": {"seeds": 1}}, 1)):
        made = replace(edition, overrides=overrides)
        write_notebooks(made)
        rendering.render(made)
        for page in page_names(edition.root):
            assert text_of(made, page).count("Its numbers mean nothing.") == count
            html = (made.html / "book" / f"{page}.html").read_text(encoding="utf-8")
            assert ("Draft: Tiny</title>" in html) == bool(count)


def test_formulas_are_drawn_by_our_own_copy(tmp_path):
    folder = edition_of(tmp_path / "tiny", "# One\n\nIt is $2^x$.\n").root
    shutil.copy(BOOK / "_config.yml", folder)
    shutil.copytree(BOOK / "chapters" / "vendor", folder / "chapters" / "vendor")
    edition = Edition.full(folder)
    write_notebooks(edition)
    rendering.render(edition)
    html = (edition.html / "book" / "01-one.html").read_text(encoding="utf-8")
    (script,) = re.findall(r'src="([^"?]*tex-svg[^"?]*)', html)
    copy = (edition.html / "book" / script).resolve()
    assert copy.is_relative_to(edition.html.resolve())
    assert copy.read_bytes() == (folder / "chapters/vendor/mathjax/tex-svg.js").read_bytes()
    other = (edition.html / "book" / "index.html").read_text(encoding="utf-8")
    assert "tex-svg" not in other, "pages without formulas do not load it"
