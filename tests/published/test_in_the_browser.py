"""The rendered book as a reader's browser shows it: moved elsewhere, opened as files, offline.

RETHINK_HTML names a folder that is rendered already, to save the rendering while styles are tried.
"""

import functools
import http.server
import os
import re
import shutil
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import bs4
import pytest

from rethink.book import browser, claims, pages

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright",
    reason="the pages are not looked at: `make extras` installs what that needs",
)
try:
    browser.find()
except browser.BrowserError as error:
    if browser.VARIABLE in os.environ:
        raise
    pytest.skip(f"the pages are not looked at: {error}", allow_module_level=True)

ROOT = pages.root()
GIVEN = os.environ.get("RETHINK_HTML")
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1250, "height": 900}
COVER = "index.html"  # leads from the folder to the first page
EXTRA = ["genindex.html", COVER, "search.html"]
if GIVEN:
    NAMES = sorted(str(f.relative_to(GIVEN)) for f in Path(GIVEN).rglob("*.html"))
    NAMES = [name for name in NAMES if not name.startswith("_static")]
else:
    NAMES = [f"book/{page}.html" for page in pages.page_names(ROOT)] + EXTRA

# What each page turned out to hold, for the last test.
SEEN: dict[str, Counter[str]] = {}

# Each of these returns what is wrong with the page, one line a fault.
PICTURES = """() => [...document.images].flatMap((image) => {
  const name = image.getAttribute("src") ?? "", alt = (image.getAttribute("alt") ?? "").trim();
  const article = image.closest("article, main, body"), figure = image.closest("figure");
  const faults = [];
  if (!image.naturalWidth) faults.push("does not load");
  const path = /\\.(png|svg|jpe?g|gif)$|_images\\//i;
  if (path.test(alt)) faults.push("alt is a path");
  else if (alt.length <= 20) faults.push(`alt says too little: "${alt}"`);
  const number = figure?.querySelector("figcaption .caption-number")?.textContent ?? "";
  const text = figure?.querySelector("figcaption .caption-text")?.textContent.trim() ?? "";
  if (article && !/^Fig\\. \\d+/.test(number)) faults.push("no number");
  if (article && text.length <= 20) faults.push("no caption");
  return faults.map((fault) => `picture ${name}: ${fault}`);
})"""
FORMULAS = """async (seconds) => {
  const late = new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  await Promise.race([window.MathJax?.startup?.promise, late]);
  const sources = new Map(
    [...(window.MathJax?.startup?.document?.math ?? [])].map((m) => [m.typesetRoot, m.math]));
  return [...document.querySelectorAll(".math")].flatMap((formula) => {
    const source = sources.get(formula.querySelector("mjx-container")) ?? "";
    const text = formula.textContent.trim().slice(0, 60);
    if (!formula.querySelector("mjx-container")) return [`formula not typeset: ${text}`];
    // An unknown command is set in red.
    const error = formula.querySelector("mjx-merror, [data-mjx-error], [fill='red']");
    return error ? [`formula with an error: ${error.dataset.mjxError ?? source}`] : [];
  });
}"""
# Only what no frame of its own scrolls can widen the page.
OVERFLOW = """(width) => {
  if (document.scrollingElement.scrollWidth <= width) return [];
  const held = (element) => {
    for (let e = element.parentElement; e && e !== document.body; e = e.parentElement)
      if (getComputedStyle(e).overflowX !== "visible") return true;
    return false;
  };
  const wide = [...document.body.querySelectorAll("*")].filter(
    (e) => e.getBoundingClientRect().right > width + 0.5 && !held(e));
  const name = (e) => [e.localName, ...e.classList].join(".") + (e.id ? `#${e.id}` : "");
  return [`${document.scrollingElement.scrollWidth} pixels wide on ${width}: `
    + wide.slice(0, 5).map(name).join(", ")];
}"""
COUNTS = """() => ({
  figures: document.querySelectorAll("figure img").length,
  formulas: document.querySelectorAll(".math").length,
})"""
THEME = """(theme) => {
  Object.assign(document.documentElement.dataset, { mode: theme, theme });
  return getComputedStyle(document.body).backgroundColor;
}"""
# What axe finds and is none: Sphinx marks the entries of a bibliography as doc-biblioentry, which
# may stand in a list by DPUB-ARIA 1.0 (and is read as an item of one); axe asks for listitem.
FALSE_ALARMS = {("aria-required-children", ".citation-list")}
# So that no colour is looked at half-way from one to another.
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"


class Visit:
    """A page that is open, and what it asked for and complained about."""

    def __init__(self, page, folder):
        self.page, self.folder = page, folder
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("console", self._listen)

    def _listen(self, message):
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def loaded(self):
        """Return the files of the book that the page has asked for."""
        urls = {u.split("?")[0].split("#")[0] for u in self.requests if u.startswith("file:")}
        return [Path(unquote(urlsplit(url).path)) for url in urls]

    def foreign(self):
        """Return the requests that lead out of the folder."""
        inside = self.folder.as_uri() + "/"
        return [u for u in self.requests if not u.startswith((inside, "data:", "blob:"))]


@contextmanager
def visit(context, folder, name):
    page = context.new_page()
    try:
        seen = Visit(page, folder)
        page.goto((folder / name).as_uri())
        yield seen
    finally:
        page.close()


def unreadable(page, theme):
    """Return what axe finds serious or critical, each with its rule and the first elements."""
    options = {"resultTypes": ["violations"], "preload": False}
    found = axe.Axe().run(page, options=options).response["violations"]
    faults = []
    for rule in found:
        if rule["impact"] in ("serious", "critical"):
            places = [" ".join(map(str, node["target"])) for node in rule["nodes"]]
            places = [place for place in places if (rule["id"], place) not in FALSE_ALARMS]
            if not places:
                continue
            why = next((c["message"] for c in rule["nodes"][0]["any"]), rule["help"])
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            faults.append(f"axe, {theme}: {rule['id']} at {'; '.join(places[:3])}{more}: {why}")
    return faults


def shown_faults(context, folder, name):
    """Return everything that is wrong with a page as it is shown."""
    with visit(context, folder, name) as seen:
        page = seen.page
        page.add_style_tag(content=STILL)
        page.set_viewport_size(DESK)
        faults = page.evaluate(FORMULAS, 20) + page.evaluate(PICTURES)
        light = page.evaluate(THEME, "light")
        faults += unreadable(page, "light")
        dark = page.evaluate(THEME, "dark")
        if not (brightness(dark) < 60 < 200 < brightness(light)):
            faults.append(f"background {light} in light mode, {dark} in dark mode")
        faults += unreadable(page, "dark")
        page.set_viewport_size(PHONE)
        faults += page.evaluate(OVERFLOW, PHONE["width"])
        foreign = seen.foreign()
        SEEN[name] = Counter(page.evaluate(COUNTS), foreign=len(foreign))
        SEEN[name]["bytes"] = sum(file.stat().st_size for file in seen.loaded() if file.is_file())
        return faults + [f"foreign request: {url}" for url in foreign] + seen.complaints


def brightness(colour):
    """Return the mean of red, green and blue, of 255; white where nothing is painted."""
    red, green, blue, *alpha = map(float, re.findall(r"[\d.]+", colour))
    return 255.0 if alpha == [0.0] else (red + green + blue) / 3


@functools.cache
def read(file):
    return bs4.BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


@functools.cache
def anchors(file):
    """Return what a link into a page can name."""
    return {tag.get("id") or tag.get("name") for tag in read(file).select("[id], a[name]")}


def broken_links(folder, name):
    """Return the links of a page that lead nowhere inside the folder, or out of it."""
    faults = []
    for link in read(folder / name).select("a[href]"):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            if parts.scheme not in ("http", "https", "mailto"):
                faults.append(f"link {link['href']}: of a kind that does not work elsewhere")
            continue
        target = folder / name
        if parts.path:
            target = Path(os.path.normpath(target.parent / unquote(parts.path)))
        if not target.is_file() or not target.is_relative_to(folder):
            faults.append(f"link {link['href']}: no such file in the book")
        elif (
            target.suffix == ".html"
            and parts.fragment
            and unquote(parts.fragment) not in anchors(target)
        ):
            faults.append(f"link {link['href']}: no such place on that page")
    return faults


@pytest.fixture(scope="module")
def html(tmp_path_factory, request):
    """The committed book, rendered in one folder and brought to another."""
    moved = tmp_path_factory.mktemp("moved") / "a folder"
    shutil.copytree(GIVEN or request.getfixturevalue("rendered").html, moved)
    return moved.resolve()


@pytest.fixture(scope="module")
def chromium():
    with browser.opened() as program:
        yield program


@pytest.fixture(scope="module")
def offline(chromium):
    """Windows without a network; a request that leads out is stopped and on record."""
    context = chromium.new_context(viewport=DESK, color_scheme="light", reduced_motion="reduce")
    context.set_offline(True)
    context.route(re.compile("^(?!file:|data:|blob:)"), lambda route: route.abort())
    yield context
    context.close()


@pytest.fixture(scope="module")
def served(html):
    """The address of the book where it is served over HTTP."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=html)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_all_pages_are_looked_at(html):
    there = {str(file.relative_to(html)) for file in html.rglob("*.html")}
    assert {name for name in there if not name.startswith("_static/")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(html, name):
    faults = broken_links(html, name)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", [name for name in NAMES if name != COVER])
def test_a_page_is_whole_and_readable(html, offline, name):
    faults = shown_faults(offline, html, name)
    assert not faults, "\n".join(faults)


def test_the_folder_opens_on_the_cover(html, offline):
    with visit(offline, html, COVER) as seen:
        seen.page.wait_for_url((html / "book" / "index.html").as_uri())


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_there_is_one_search_field_and_it_asks_the_book(html, offline, size):
    with visit(offline, html, "book/index.html") as seen:
        page = seen.page
        page.set_viewport_size(size)
        buttons = page.locator(".search-button__button:visible")
        assert buttons.count() == 1
        buttons.click()
        page.locator("#pst-search-dialog input").fill("capacity")
        page.keyboard.press("Enter")
        page.locator("#search-results ul.search li a").first.wait_for()
        assert not seen.foreign()


def test_runs_are_found_and_sorted(html, offline):
    with visit(offline, html, "book/runs.html") as seen:
        table = seen.page.locator("table", has=seen.page.get_by_role("button", name="Seconds"))
        runs = table.first.locator("tbody tr:visible")
        every = runs.count()
        seen.page.get_by_label("Find runs").fill("64-32-32 80")
        found = runs.all_inner_texts()
        assert 0 < len(found) < every
        assert all("64-32-32" in text.replace("\u2011", "-") for text in found)
        seen.page.get_by_label("Find runs").fill("")
        assert runs.count() == every
        head = table.first.get_by_role("button", name="Test (%)")
        for order in ("ascending", "descending"):
            head.click()
            assert head.locator("xpath=ancestor::th").get_attribute("aria-sort") == order
            shown = [float(text.split("\t")[6]) for text in runs.all_inner_texts()]
            assert shown == sorted(shown, reverse=order == "descending")


def test_every_verdict_is_found_by_its_words(html, offline):
    with visit(offline, html, "book/verdicts.html") as seen:
        rows = seen.page.locator(".claims tbody tr:visible")
        assert rows.count() == len(claims.ledger())
        seen.page.get_by_label("Find").fill("contradicted")
        there = [row.verdict for row in claims.all_settled(ROOT / "book")]
        assert there.count("contradicted") <= rows.count() < len(there)


def test_a_card_says_what_the_report_says_only_where_that_is_a_number(html, offline):
    with visit(offline, html, "book/02-success.html") as seen:
        seen.page.set_viewport_size(PHONE)
        # By its style and not by whether it shows: some tables are folded.
        shown = seen.page.evaluate(
            """() => [...document.querySelectorAll(".claims td:nth-child(2)")].map((cell) => [
              cell.textContent.trim() !== "",
              getComputedStyle(cell).display !== "none",
            ])"""
        )
        assert {tuple(each) for each in shown} == {(True, True), (False, False)}


def test_search_finds_and_quotes_over_http(chromium, served):
    page = chromium.new_page()
    page.goto(f"{served}/search.html?q=capacity")
    found = page.locator("#search-results ul.search > li")
    found.locator("p.context").first.wait_for()
    assert "capacity" in found.locator("p.context").first.inner_text().lower()
    assert any("Capacity" in text for text in found.all_inner_texts())
    page.close()


def test_the_menu_of_a_phone_leads_to_another_page(html, offline):
    with visit(offline, html, "book/index.html") as seen:
        page = seen.page
        page.set_viewport_size(PHONE)
        page.locator(".primary-toggle:visible").click()
        page.locator("#pst-primary-sidebar-modal a:visible", has_text="Verdicts").click()
        page.wait_for_url("**/verdicts.html")


def test_code_is_folded_small_and_opens_with_the_keyboard(html, offline):
    with visit(offline, html, "book/01-labels.html") as seen:
        cell = seen.page.locator("details.hide").first
        summary = cell.locator("summary")
        assert summary.bounding_box()["height"] < 32
        assert not cell.locator("pre").is_visible()
        summary.focus()
        assert summary.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
        seen.page.keyboard.press("Enter")
        cell.locator("pre").wait_for()


HEAD = '<!DOCTYPE html><html lang="en"><head><title>A page</title></head>'
GOOD = "<main><h1>A page</h1><p>Nothing is wrong with it.</p></main>"
THEMED = '<style>html[data-theme="dark"] body { background: #111; color: #eee; }</style>'
ALT = 'alt="A black dot on a white ground, and nothing else"'
DOT = "data:image/gif;base64,R0lGODdhAQABAIAAAAAAAAAAACwAAAAAAQABAAACAkQBADs="
CAPTION = (
    '<figcaption><span class="caption-number">Fig. 1 </span>'
    '<span class="caption-text">The dot is as black as it can be.</span></figcaption>'
)
MATHJAX = f'<script src="{(ROOT / "chapters/vendor/mathjax/tex-svg.js").as_uri()}"></script>'
FAULTY = {
    "foreign request": f'<img src="http://example.org/dot.png" {ALT}>',
    "does not load": f'<figure><img src="none.png" {ALT}>{CAPTION}</figure>',
    "alt says too little": f'<figure><img src="{DOT}" alt="">{CAPTION}</figure>',
    "alt is a path": f'<figure><img src="{DOT}" alt="_images/3f2a9c01d4.png">{CAPTION}</figure>',
    "no number": f'<figure><img src="{DOT}" {ALT}><figcaption>A dot.</figcaption></figure>',
    "no caption": f'<img src="{DOT}" {ALT}>',
    "not typeset": '<p>So <span class="math">\\(x^2\\)</span>.</p>',
    "formula with an error: Double exponent": MATHJAX + '<p class="math">\\(x^2^3\\)</p>',
    "formula with an error: \\nosuch": MATHJAX + '<p class="math">\\(\\nosuch\\)</p>',
    "pixels wide on 390: pre.wide": '<pre class="wide" style="width: 700px">wide</pre>',
    "axe, light: color-contrast": '<p style="color: #ccc">Pale.</p>',
    "axe, dark: color-contrast": '<p style="color: #333">Dark.</p>',
    "console: alas": "<script>console.error('alas')</script>",
    "error: broken": "<script>throw new Error('broken')</script>",
    "failed": "<script src='gone.js'></script>",
}


@pytest.mark.parametrize(("fault", "part"), FAULTY.items(), ids=FAULTY)
def test_a_fault_is_found(tmp_path, offline, fault, part):
    (tmp_path / "page.html").write_text(HEAD + THEMED + GOOD + f"<aside>{part}</aside>")
    found = shown_faults(offline, tmp_path, "page.html")
    SEEN.pop("page.html")
    assert any(fault in line for line in found), found


def test_a_page_without_a_dark_mode_is_found(tmp_path, offline):
    (tmp_path / "page.html").write_text(HEAD + GOOD)
    (fault,) = shown_faults(offline, tmp_path, "page.html")
    SEEN.pop("page.html")
    assert "in dark mode" in fault


def test_a_sound_page_has_no_fault(tmp_path, offline):
    figure = f'<figure><img src="{DOT}" {ALT}>{CAPTION}</figure>'
    scrolls = '<div style="overflow: auto" tabindex="0"><pre style="width: 700px">wide</pre></div>'
    (tmp_path / "page.html").write_text(HEAD + THEMED + GOOD + f"<aside>{figure}{scrolls}</aside>")
    assert shown_faults(offline, tmp_path, "page.html") == []
    assert SEEN.pop("page.html")["figures"] == 1


def test_broken_links_are_found(tmp_path):
    links = ("gone.html", "other.html#gone", "../out.html", "#gone", "file:///etc/hosts")
    sound = ("other.html#here", "other.html", "#top", "#", "https://example.org", "data.csv")
    (tmp_path / "out.html").write_text("")
    folder = tmp_path / "html"
    folder.mkdir()
    (folder / "data.csv").write_text("a\n1\n")
    (folder / "other.html").write_text('<p id="here">Here.</p>')
    text = "".join(f'<a href="{link}">link</a>' for link in links + sound)
    (folder / "page.html").write_text(f'<p id="top">{text}</p>')
    assert [line.split(": ")[0] for line in broken_links(folder, "page.html")] == [
        f"link {link}" for link in links
    ]


@pytest.mark.skipif(bool(GIVEN), reason="another book may have fewer")
def test_the_pages_hold_figures_and_formulas(html):
    """Else the tests above would look at nothing."""
    pages = [bs4.BeautifulSoup((html / name).read_bytes(), "html.parser") for name in NAMES]
    assert sum(len(page.select("figure img")) for page in pages) > 30
    assert sum(len(page.select(".math")) for page in pages) > 30


def test_what_was_seen(capsys):
    """Say in one line what the pages hold; last, so that all that this process sees are seen."""
    if not SEEN:
        pytest.skip("no page was looked at")
    total = sum(SEEN.values(), Counter())
    assert total["foreign"] == 0
    heaviest = max(SEEN, key=lambda name: SEEN[name]["bytes"])
    with capsys.disabled():
        print(
            f"\n{len(SEEN)} pages: {total['figures']} figures, {total['formulas']} formulas, "
            f"{total['foreign']} foreign requests; the heaviest is {heaviest} with "
            f"{SEEN[heaviest]['bytes'] / 1024:,.0f} KB"
        )
