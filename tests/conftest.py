"""What several tests share: the real data, a small set of it, and the state of the cache."""

import dataclasses

import pytest

from rethink import data
from rethink.book import build, pages

# Before any test can heal the cache: the files in it that are not what they should be.
BROKEN = data.check_cache()


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


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """The committed book as an edition that was rendered in a folder of its own."""
    here = pages.root()
    edition = pages.Edition(here, here / "book", tmp_path_factory.mktemp("build"))
    build.publish(edition)
    return edition
