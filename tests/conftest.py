"""What tests of several wings share: the data, books to make, the committed book as rendered."""

import dataclasses

import pytest
import threadpoolctl
from nbformat.v4 import new_notebook

from rethink import data
from rethink.book import build, notebooks, pages
from rethink.book import html as rendering
from rethink.runs import fingerprints
from tests.book.builds import render
from tests.book.manuscripts import SUMMARY, append, code, handed_over, write_book

# Helpers whose asserts are to say what they compared, as those of tests do.
pytest.register_assert_rewrite("tests.tables.reading", "tests.runs.examples")

# What trains, starts kernels, clusters, browsers or other tools, or tries many random cases:
# `make test-quick` leaves it out.
SLOW = (
    "benchmarks/",
    "book/test_browser.py",
    "book/test_build.py::test_a_book_is_made_once",
    "book/test_card_page.py",
    "book/test_html.py",
    "book/test_notebooks.py",
    "book/test_pdf.py",
    "experiments/",
    "faults/",
    "instrument/test_command.py::test_any_file_is_measured_or_refused",
    "instrument/test_measurement.py::test_neither_order_of_rows",
    "instrument/test_measurement.py::test_rows_twice",
    "instrument/test_memory.py",
    "instrument/test_training.py",
    "published/",
    "questions/test_memorization.py",
    "questions/test_module_capacity.py::test_multilayer_perceptrons_agree",
    "questions/test_networks.py",
    "runs/test_carry_out.py",
    "runs/test_tracking.py",
    "runs/test_workers.py",
    "tables/test_disk_sort.py",
    "tables/test_large_tables.py",
    "tables/test_read.py::test_any_",
    "tables/test_sources.py",
    "tables/test_table.py::test_a_million_classes",
    "tables/test_table.py::test_sums_",
    "tables/test_table.py::test_the_order_of_rows",
    "test_data.py::test_debians_package",
    "test_packaging.py",
    "test_torchvision.py",
)

CHAPTERS = {
    "index": "# Tiny\n",
    "summary": SUMMARY,
    "01-one": code("def never():\n    from rethink import alpha"),
    "02-two": code("def never():\n    from rethink import beta", "print(1)"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what lies in `SLOW`."""
    for item in items:
        place = item.nodeid.removeprefix("tests/")
        if place.startswith(SLOW):
            item.add_marker(pytest.mark.slow)


# ---- the data ------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def broken_files() -> list[str]:
    """The files in the cache that are not what they should be, before a test can replace them."""
    return data.check_cache()


@pytest.fixture(scope="session")
def fashion() -> data.Dataset:
    return data.fashion_mnist()


@pytest.fixture(scope="session")
def small(fashion: data.Dataset) -> data.Dataset:
    """A thousand rows, on which a few epochs take a blink; the last batch is not full."""
    return dataclasses.replace(
        fashion,
        name="small",
        train_images=fashion.train_images[:1001],
        train_labels=fashion.train_labels[:1001],
        test_images=fashion.test_images[:203],
        test_labels=fashion.test_labels[:203],
        digest="small",
    )


@pytest.fixture(scope="module")
def one_thread():
    """As experiments run; threads that wait for each other make small products slow."""
    with threadpoolctl.threadpool_limits(1):
        yield


# ---- books ---------------------------------------------------------------------------------------


@pytest.fixture
def edition(tmp_path, monkeypatch, small):
    """A book without studies, of small data, on a machine without records, in another package."""
    package = tmp_path / "package"
    for name in ("alpha", "beta", "book/claims"):
        append(package / f"{name}.py", "")
    append(package / "ledger" / "01-one.csv")
    monkeypatch.setattr(fingerprints, "PACKAGE", package)
    monkeypatch.setattr(data, "fashion_mnist", lambda: small)
    monkeypatch.setenv("RETHINK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RETHINK_RECORDS", str(tmp_path / "none.npz"))
    root = write_book(tmp_path / "tiny", CHAPTERS)
    monkeypatch.chdir(root)
    return pages.Edition.full(root)


@pytest.fixture
def executed(monkeypatch):
    """The pages that were executed, in order; quick stand-ins for kernel and Jupyter Book."""
    names = []

    def execute(edition, page, mark, output=None):
        names.append(page)
        about = {"rethink": {"stamp": mark, "parameters": {}}}
        source = pages.read(edition.root, page)
        cells = [cell.source for cell in source.cells if cell.cell_type == "code"]
        found = handed_over("cells", len(cells), 0.5)
        notebook = new_notebook(cells=[found], metadata=about)
        keep(notebook, output or edition.book / f"{page}.ipynb")

    keep = notebooks.keep
    monkeypatch.setattr(notebooks, "execute", execute)
    monkeypatch.setattr(rendering, "render", render)
    return names


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """The committed book as an edition that was rendered in a folder of its own."""
    here = pages.root()
    edition = pages.Edition(here, here / "book", tmp_path_factory.mktemp("build"))
    build.publish(edition)
    return edition
