import csv
import re
from importlib.resources import files

import pytest

from rethink.book.claims import KINDS, VERDICTS

COLUMNS = ["id", "edition", "statement", "value", "unit", "place", "method", "verdict", "reason"]
COLUMNS += ["kind"]
UNITS = {
    "",
    "bits",
    "bits/bit",
    "classes",
    "count",
    "dB",
    "dimensions",
    "epochs",
    "images",
    "instances/bit",
    "layers",
    "pixels",
    "share",
    "year",
}
NUMBER = re.compile(r"-?\d+(\.\d+)?")
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


FILES = sorted(files("rethink.book").joinpath("ledger").iterdir(), key=lambda file: file.name)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    found = []
    for file in FILES:
        lines = file.read_text(encoding="utf-8").splitlines()
        for row in csv.DictReader(lines):
            found.append({"question": file.name[1], **row})
    return found


@pytest.fixture(scope="module")
def by_id(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in rows}


def test_a_file_a_question(rows: list[dict[str, str]]) -> None:
    assert [file.name[:3] for file in FILES] == [f"0{question}-" for question in range(10)]
    for file in FILES:
        header = file.read_text(encoding="utf-8").splitlines()[0]
        assert header.split(",") == COLUMNS, file.name


def test_every_claim_has_a_verdict_or_a_number_that_decides(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert row["verdict"] in ("", *VERDICTS), row
        assert row["verdict"] or row["value"], row
        if row["verdict"]:
            assert row["method"], row
            assert row["reason"], row
            assert not row["reason"].endswith("."), row
        else:
            assert not row["reason"], row


def test_every_claim_is_of_a_kind(rows: list[dict[str, str]]) -> None:
    """A number that decides by itself is no conclusion: it is held against ours, no more."""
    for row in rows:
        assert row["kind"] in KINDS, row
        assert row["verdict"] or row["kind"] != "conclusion", row


def test_what_follows_from_another_row_is_not_counted_again(
    by_id: dict[str, dict[str, str]],
) -> None:
    for name, row in by_id.items():
        if name.startswith(("fig8-", "clean-")) and name.endswith("-g"):
            assert row["kind"] == "derived", row
    # The accuracies of a dead network are shares of one class, whichever it is.
    assert [by_id[f"clean-6-{part}"]["kind"] for part in ("train", "validation", "test")] == [
        "derived",
        "derived",
        "number",
    ]


def test_ids_are_unique_and_kebab_case(rows: list[dict[str, str]]) -> None:
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not KEBAB.fullmatch(name)] == []


def test_every_question_and_edition_is_there(rows: list[dict[str, str]]) -> None:
    assert {row["question"] for row in rows} == set("0123456789")
    assert {row["edition"] for row in rows} == {"1", "2"}


def test_values_are_plain_numbers_with_known_units(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert not row["value"] or NUMBER.fullmatch(row["value"]), row
        assert row["unit"] in UNITS, row
        assert row["value"] or not row["unit"], row
        if row["unit"] == "share":
            assert 0 <= float(row["value"]) <= 1, row


def test_statements_are_short_and_no_two_of_an_edition_are_alike(
    rows: list[dict[str, str]],
) -> None:
    for row in rows:
        assert 0 < len(row["statement"]) < 120, row
        assert not row["statement"].endswith("."), row
        assert row["place"], row
        assert all(field == field.strip() for field in row.values()), row
    said = [(row["edition"], row["statement"]) for row in rows]
    assert len(set(said)) == len(said)


def test_only_second_edition_rows_are_placed_there(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert row["place"].startswith("second edition") == (row["edition"] == "2"), row


@pytest.mark.parametrize(
    ("name", "edition", "value", "unit"),
    [
        ("fig8-0-test", "1", 0.8815, "share"),
        ("fig8-0-g", "1", 0.282933, "instances/bit"),
        ("fig8-3-train", "1", 0.9149, "share"),
        ("fig8-3-validation", "1", 0.9089, "share"),
        ("fig8-5-g", "1", 8.168411, "instances/bit"),
        ("fig8-6-train", "1", 0.7873, "share"),
        ("clean-0-train", "2", 0.9821, "share"),
        ("clean-2-g", "2", 1.1501, "instances/bit"),
        ("clean-3-test", "2", 0.8657, "share"),
        ("clean-5-validation", "2", 0.8408, "share"),
        ("clean-6-test", "2", 0.1, "share"),
        ("clean-6-g", "2", 1.9165, "instances/bit"),
        ("network-mec-0", "1", 201482, "bits"),
        ("network-mec-6", "1", 3160, "bits"),
        ("data-mec-1", "1", 1225, "bits"),
        ("data-mec-2", "2", 961166, "bits"),
        ("resilience-1", "1", -32.75, "dB"),
        ("resilience-2", "2", 11.05, "dB"),
        ("epochs-80-test", "2", 0.8859, "share"),
        ("share-100-validation", "2", 0.8985, "share"),
        ("thresholds-5", "2", 3826, "count"),
        ("progression-brainome-100", "1", 16, "count"),
    ],
)
def test_spot_checks(
    by_id: dict[str, dict[str, str]], name: str, edition: str, value: float, unit: str
) -> None:
    row = by_id[name]
    assert (row["edition"], float(row["value"]), row["unit"]) == (edition, value, unit)


def test_both_figures_8_are_complete(by_id: dict[str, dict[str, str]]) -> None:
    for model in range(7):
        assert f"network-mec-{model}" in by_id
        for table in ("fig8", "clean"):
            for column in ("train", "validation", "test", "g"):
                assert by_id[f"{table}-{model}-{column}"]["question"] == "7"


def test_g_follows_from_the_training_accuracy(by_id: dict[str, dict[str, str]]) -> None:
    """A typing check: both editions' G is the training accuracy times 60,000 over the MEC."""
    for model in range(7):
        mec = float(by_id[f"network-mec-{model}"]["value"])
        for table in ("fig8", "clean"):
            train = float(by_id[f"{table}-{model}-train"]["value"])
            g = float(by_id[f"{table}-{model}-g"]["value"])
            assert train * 60_000 / mec == pytest.approx(g, rel=1e-3), (table, model)
