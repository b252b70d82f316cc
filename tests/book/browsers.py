"""Whether a browser is there."""

import pytest

from rethink.book import browser
from rethink.book.browser import BrowserError


def needs_browser() -> None:
    """Skip a test where no browser prints pages, or nothing reads what it printed."""
    pytest.importorskip("playwright", reason="Playwright is an extra")
    pytest.importorskip("pypdf", reason="pypdf is an extra")
    try:
        browser.find()
    except BrowserError as error:
        pytest.skip(str(error))
