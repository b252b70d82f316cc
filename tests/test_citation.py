"""CITATION.cff: what its format, version 1.2.0, requires, and what pyproject and references say."""

import re
import tomllib

import pytest
import yaml

from rethink.book import pages

ROOT = pages.root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_it_has_the_fields_that_the_format_requires(citation):
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    (report,) = citation["references"]
    assert {"type", "title", "authors"} <= report.keys()


def test_version_and_license_are_those_of_the_package(citation):
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_it_names_the_report_as_the_bibliography_does(citation):
    bibliography = (ROOT / "chapters" / "references.bib").read_text(encoding="utf-8")
    entry = bibliography.partition("@techreport{report2021,")[2].partition("\n}\n")[0]
    (report,) = citation["references"]
    names = " and ".join(f"{a['family-names']}, {a['given-names']}" for a in report["authors"])
    assert f"= {{{names}}}" in entry
    assert report["title"] in entry.replace("{Fashion-MNIST}", "Fashion-MNIST")
    assert f"= {{{report['year']}}}" in entry
    assert report["institution"]["name"] in entry


def test_every_reference_can_be_found():
    """By a DOI, an address or, of an old book, its number; each is there once and is cited."""
    text = (ROOT / "chapters" / "references.bib").read_text(encoding="utf-8")
    pages_text = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "chapters").glob("*.md")
    )
    cited = {
        key for some in re.findall(r"\{cite\}`([^`]+)`", pages_text) for key in some.split(",")
    }
    found, places = [], []
    for entry in re.split(r"(?m)^(?=@)", text)[1:]:
        key = re.match(r"@\w+\{(\w+),", entry)
        place = re.findall(r"(?m)^  (?:doi|url|isbn)\s*= \{(\S+)\}", entry)
        assert key and len(place) == 1, entry
        found.append(key[1])
        places += place
    assert set(found) == cited
    assert len(set(found)) == len(found)
    assert len(set(places)) == len(places)
