"""The book as a whole: committed notebooks against their sources, records and re-execution."""

import csv
import json
import random
import re
import subprocess
import sys
from dataclasses import replace

import nbformat
import pytest

from rethink.book import claims, inputs, integrity, notebooks, pages, typed_numbers
from rethink.book.pages import Edition
from rethink.data import fashion_mnist
from rethink.runs import audit, store, tasks
from rethink.runs.carry_out import do_missing

ROOT = pages.root()
FULL = Edition.full(ROOT)
PAGES = pages.page_names(ROOT)
# Figures that show no data.
DIAGRAMS = {"fig-network"}
# Those that summarise the others come last, as in the book.
ORDER = sorted(PAGES, key=lambda page: pages.summarises(pages.read(ROOT, page)))


def executed(page):
    return nbformat.read(FULL.book / f"{page}.ipynb", as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def wanted():
    """Every task whose result the book shows, once."""
    return inputs.wanted_by(inputs.asked_by_all(FULL))


@pytest.fixture(scope="module")
def published():
    return store.Store(ROOT / "nowhere", ROOT / store.PUBLISHED)


def test_the_data_in_the_cache_were_not_altered(broken_files):
    said = f"altered or cut short: {', '.join(broken_files)}; `rethink data` replaces them"
    assert not broken_files, said


def test_every_chapter_is_in_the_table_of_contents():
    assert sorted(PAGES) == sorted(path.stem for path in (ROOT / "chapters").glob("*.md"))


def test_nothing_else_is_in_the_book():
    assert sorted(PAGES) == sorted(path.stem for path in FULL.book.glob("*.ipynb"))
    assert sorted(PAGES) == sorted(path.stem for path in (FULL.book / "results").glob("*.json"))


@pytest.mark.parametrize("page", PAGES)
def test_a_notebook_is_what_its_source_says(page):
    source, notebook = pages.read(ROOT, page), executed(page)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in source.cells]
    assert notebook.metadata["rethink"]["parameters"] == {}


@pytest.mark.parametrize("page", PAGES)
def test_a_notebook_was_executed_in_order_and_without_error(page):
    cells = code(executed(page))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not any(output.output_type == "error" for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs)


@pytest.mark.parametrize("page", PAGES)
def test_a_notebook_is_not_stale(page, published):
    shown = inputs.look(FULL, [page], published)[page]
    mark = pages.stamp(FULL, page, shown.digest)
    assert executed(page).metadata["rethink"]["stamp"] == mark, "stale: run `make book`"


def test_everything_is_as_it_was_made():
    kinds = [kind for kind in integrity.check(FULL) if kind.folder == FULL.book]
    assert [kind.faults for kind in kinds] == [{}, {}, {}], "`make book` makes it again"


@pytest.mark.parametrize("page", PAGES)
def test_results_are_what_the_notebook_shows(page):
    kept = json.loads((FULL.book / "results" / f"{page}.json").read_text(encoding="utf-8"))
    assert kept == claims.results(executed(page))


def test_what_is_published_is_what_the_book_shows(wanted, published):
    digest = fashion_mnist().digest
    assert set(published.published) == {tasks.key(task, digest) for task in wanted}
    for task in wanted:
        assert tasks.text_of(published.get(tasks.key(task, digest))) == task.text


@pytest.mark.parametrize("trained", [True, False], ids=["training runs", "other measurements"])
def test_a_sample_of_the_published_results_can_be_made_again(wanted, published, trained, tmp_path):
    data, seed = fashion_mnist(), random.randrange(10**6)
    some = [task for task in wanted if (task.experiment == "training_runs") == trained]
    drawn = audit.sample(some, seconds=30, seed=seed)
    again = store.Store(tmp_path, None)
    do_missing([shorter for _, shorter in drawn], data, again)
    audits = [
        audit.compare(
            shorter,
            published.get(tasks.key(task, data.digest)),
            again.get(tasks.key(shorter, data.digest)),
        )
        for task, shorter in drawn
    ]
    assert audits
    assert all(each.passed for each in audits), f"seed {seed}: {audits}"


@pytest.mark.parametrize("page", ORDER)
def test_results_come_out_again(page, tmp_path):
    """Exact numbers and verdicts must be equal, others as near as the chapter says."""
    edition = replace(FULL, build=tmp_path)
    notebooks.execute(edition, page, "again", tmp_path / f"{page}.ipynb")
    old = json.loads((FULL.book / "results" / f"{page}.json").read_text(encoding="utf-8"))
    new = json.loads((tmp_path / "results" / f"{page}.json").read_text(encoding="utf-8"))
    assert new["claims"] == old["claims"]
    assert new["values"].keys() == old["values"].keys()
    assert claims.differences(old, new) == []


def test_the_picture_of_the_readme_is_the_first_of_the_book():
    assert (FULL.book / "cover.png").read_bytes() == notebooks.picture(FULL.book / "index.ipynb")


def test_every_claim_of_the_report_is_settled():
    settled = claims.all_settled(FULL.book)
    assert [claim.id for claim in settled] == list(claims.ledger())
    assert all(c.verdict in claims.VERDICTS and c.method and c.reason for c in settled)
    assert all(c.measured for c in settled if c.verdict != claims.VERDICTS[-1])
    kept = (FULL.book / "ledger.csv").read_text(encoding="utf-8")
    assert kept == claims.whole_ledger(FULL.book)


@pytest.mark.parametrize("page", PAGES)
def test_figures_have_a_caption_and_words_for_those_who_cannot_see_them(page):
    for cell in code(executed(page)):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            about = cell.metadata["mystnb"]
            assert about["figure"]["caption"].strip()
            assert about["figure"]["name"].startswith("fig-")
            assert len(about["image"]["alt"]) > 20


@pytest.mark.parametrize("page", PAGES)
def test_what_a_figure_shows_is_a_table_of_named_series(page):
    for cell in code(executed(page)):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                rows = list(csv.DictReader(output.data["text/csv"].splitlines()))
                name = cell.metadata["mystnb"]["figure"]["name"]
                assert rows or name in DIAGRAMS, f"{name} shows no data"
                assert all(row["series"] for row in rows), f"{name} draws what has no name"


@pytest.mark.parametrize("page", PAGES)
def test_no_number_is_typed_into_the_prose(page):
    """A result is handed over by code, so that it cannot be another than what was measured."""
    assert typed_numbers.bare_numbers(typed_numbers.words(executed(page))) == []


def test_what_counts_as_a_constant_of_the_data_is_one():
    data = fashion_mnist()
    pixels, side = data.train_images.shape[1], 28
    train = len(data.train_images)
    kept = {train, train * 4 // 5, train // 5, len(data.test_images), pixels, 255, side}
    assert {int(each.replace(",", "")) for each in typed_numbers.CONSTANTS} == kept
    assert side * side == pixels
    assert data.train_images.max() == 255


@pytest.mark.parametrize("term", ["MEC", "G", "resilience", "threshold", "dictionary"])
def test_the_terms_of_the_report_are_linked_to_the_glossary(term):
    """Where a page uses one, a reader can look it up; `render` fails if there is no such entry."""
    asked = rf"\{{term\}}`(?:[^`<]+<)?{term}>?`"
    linked = [page for page in PAGES if re.search(asked, typed_numbers.words(executed(page)))]
    assert linked


@pytest.mark.parametrize("page", PAGES)
def test_no_line_of_prose_is_taken_for_a_comment(page):
    text = [cell.source for cell in executed(page).cells if cell.cell_type == "markdown"]
    assert not re.findall(r"^\s*%.*", "\n".join(text), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_number_handed_over_is_shown(page):
    """A number that the prose asks for exists; one that it never shows has no business here."""
    text = typed_numbers.words(executed(page))
    asked = set(re.findall(r"\{glue:text\}`([\w-]+)", text))
    assert asked == set(claims.results(executed(page))["values"])


def test_every_figure_and_table_of_the_report_has_its_counterpart():
    captions = "\n".join(typed_numbers.words(executed(page)) for page in PAGES)
    # Figures 4 and 11 do not exist in the report.
    for number in (1, 2, 3, 5, 6, 7, 8, 9, 10):
        assert re.search(rf"report's Figure {number}\b", captions), number


def test_the_code_of_chapters_is_clean(tmp_path):
    for page in PAGES:
        notebook = pages.read(ROOT, page)
        nbformat.write(notebook, tmp_path / f"{page}.ipynb")
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", "--quiet"]
    for step in (["check", "--ignore", "D"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *step, *config, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
