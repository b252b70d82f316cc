"""The reader's own Chromium or Chrome, and pages printed through it."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rethink.errors import CommandError
from rethink.paths import write_bytes

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The variable that names the browser to use.
VARIABLE = "RETHINK_BROWSER"
# Chrome first: where Ubuntu forbids user namespaces, it alone has a sandbox.
NAMES = ("google-chrome", "google-chrome-stable", "chrome", "chromium", "chromium-browser")
EXTRAS = "`make extras` installs what printing needs"

# How long a page may take to load, and then to set its formulas, in seconds.
PATIENCE = 120
FORMULAS = 120

# Waits for formulas, fonts and pictures; returns what is wrong with the page, one line a problem.
READY = """async (seconds) => {
  const late = new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  await Promise.race([window.MathJax?.startup?.promise, late]);
  await Promise.race([document.fonts.ready, late]);
  const problems = [];
  for (const image of document.images) {
    image.loading = "eager";
    const name = image.getAttribute("src") ?? "(no source)";
    await image.decode().catch(() => problems.push("broken image " + name.slice(0, 200)));
  }
  for (const formula of document.querySelectorAll(".math")) {
    // MathJax sets an unknown command in red.
    if (!formula.querySelector("mjx-container")
        || formula.querySelector("mjx-merror, [data-mjx-error], [fill='red']"))
      problems.push("formula not typeset: " + formula.textContent.trim().slice(0, 80));
  }
  return problems;
}"""

# Writes the number of a page wherever one is asked for.
NUMBER = """(numbers) => {
  for (const place of document.querySelectorAll("[data-page-of]"))
    place.textContent = numbers[place.dataset.pageOf] ?? "";
}"""


class BrowserError(CommandError):
    """There is no browser, or a page cannot be printed; the message says which and why."""


def find() -> Path:
    """Return the program of the browser: the one RETHINK_BROWSER names, else the first found.

    Raises:
        BrowserError: if the variable names no program, or there is no browser.
    """
    named = os.environ.get(VARIABLE)
    if named:
        program = shutil.which(named)
        if program is None:
            raise BrowserError(f"{VARIABLE} names {named}, where there is no program to run")
        return Path(program)
    for name in NAMES:
        if program := shutil.which(name):
            return Path(program)
    if installed := _installed_by_playwright():
        return installed
    raise BrowserError(
        f"no Chromium or Chrome is installed: install one, or name its program in {VARIABLE}"
    )


def _installed_by_playwright() -> Path | None:
    """Return the Chromium that Playwright has fetched, if it has."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with _playwright(sync_playwright) as playwright:
        program = Path(playwright.chromium.executable_path)
    return program if program.exists() else None


@contextmanager
def _playwright(start: Callable[[], Any]) -> Iterator[Any]:
    """Start Playwright's driver; where it cannot, say so in a sentence."""
    manager = start()
    try:
        playwright = manager.__enter__()
    except Exception as error:
        raise BrowserError(
            f"Playwright's driver does not start: {error}; is libatomic1 installed?"
        ) from None
    try:
        yield playwright
    finally:
        manager.__exit__(None, None, None)


@contextmanager
def opened() -> Iterator["Browser"]:
    """Start the browser without a window, and stop it at the end.

    Raises:
        BrowserError: if there is none, it does not start, or Playwright is not installed.
    """
    program = find()
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise BrowserError(f"Playwright is not installed; {EXTRAS}") from None
    with _playwright(sync_playwright) as playwright:
        try:
            # Chromium refuses its sandbox to root.
            browser = playwright.chromium.launch(
                executable_path=program, chromium_sandbox=os.geteuid() != 0
            )
        except Error as error:
            reason = error.message.splitlines()[0]
            raise BrowserError(f"{program} does not start: {reason}") from None
        try:
            yield browser
        finally:
            browser.close()


def print_pdf(html: Path, pdf: Path) -> int:
    """Print a page to a PDF on A4, whole or not at all.

    The page's style sheets decide margins and page numbers. Headings become bookmarks. An element
    with the attribute ``data-page-of="x"`` gets the number of the page on which the element with
    the id ``x`` stands, provided that a link leads there.

    Args:
        html: the page.
        pdf: the file to write.

    Returns:
        How many pages it has.

    Raises:
        BrowserError: if there is no browser, the page does not open, an image is broken, or a
            formula is not typeset.
    """
    try:
        from playwright.sync_api import Error
        from pypdf import PdfReader
    except ImportError as error:
        raise BrowserError(f"{error.name} is not installed; {EXTRAS}") from None
    if not html.is_file():
        raise BrowserError(f"there is no page {html} to print")
    with opened() as browser:
        page = browser.new_page(color_scheme="light")
        page.emulate_media(media="print")
        try:
            page.goto(html.resolve().as_uri(), timeout=1000 * PATIENCE)
        except Error as error:
            raise BrowserError(f"{html} does not open: {error.message.splitlines()[0]}") from None
        problems = page.evaluate(READY, FORMULAS)
        if problems:
            more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
            raise BrowserError(f"{html} cannot be printed: {'; '.join(problems[:5])}{more}")

        def printed() -> bytes:
            options = {"print_background": True, "outline": True, "tagged": True}
            return bytes(page.pdf(prefer_css_page_size=True, format="A4", **options))

        data = printed()
        # Which page something stands on is known only when it is printed.
        if page.locator("[data-page-of]").count():
            reader = PdfReader(io.BytesIO(data))
            places = reader.named_destinations.items()
            numbers = {
                name.removeprefix("/"): number + 1
                for name, place in places
                if (number := reader.get_destination_page_number(place)) is not None
            }
            page.evaluate(NUMBER, numbers)
            data = printed()
    count = len(PdfReader(io.BytesIO(data)).pages)
    write_bytes(pdf, data)
    return count
