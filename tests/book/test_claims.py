import csv
import json
from dataclasses import replace

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rethink.book import claims
from rethink.book.claims import Claim, ClaimError, Settled
from rethink.intervals import mean_interval, prediction_interval, wilson_interval
from rethink.plots import figures

SEEDS = [0.881, 0.883, 0.885, 0.887, 0.889]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.delenv("RETHINK_REDUCED", raising=False)
    monkeypatch.delenv("RETHINK_BOOK", raising=False)


@pytest.fixture
def shown(monkeypatch):
    """What cells would show, as outputs of a notebook."""
    outputs = []

    def display(content, raw=False, metadata=None):
        data = content if raw else {"text/markdown": content.data}
        outputs.append(new_output("display_data", data=data, metadata=metadata or {}))

    monkeypatch.setattr(claims, "display", display)
    monkeypatch.setattr(figures, "display", display)
    return outputs


@pytest.fixture
def report(monkeypatch):
    """A report of a few claims: exact numbers, a share, sentences with their verdicts."""
    rows = [
        Claim("count", 0, 1, "There are many", 60000.0, "images", "1.1"),
        Claim("share", 1, 2, "It is so often right", 0.8823, "share", "2.1"),
        Claim("bits", 1, 1, "It takes bits", 1225.98, "bits", "3"),
        Claim("loss", 1, 1, "It is so bad", -32.75, "dB", "3"),
        Claim("words", 2, 1, "It works", None, "", "4", "by eye", "reproduced", "it does"),
        Claim("lost", 2, 1, "It was", None, "", "4", "not", "cannot be tested", "it is gone"),
        Claim("when", 0, 1, "It was then", 2017.0, "year", "1"),
        Claim("once", 0, 1, "There is one", 1.0, "images", "1"),
        Claim("unjudged", 2, 1, "It will", None, "", "4"),
        Claim("odd", 2, 1, "It may", None, "", "4", "", "open", ""),
    ]
    monkeypatch.setattr(claims, "ledger", lambda: {row.id: row for row in rows})


def notebook(outputs):
    cells = [new_markdown_cell("text"), new_code_cell("code", outputs=outputs)]
    made = new_notebook(cells=cells)
    nbformat.validate(made)
    return nbformat.reads(nbformat.writes(made), as_version=4)


def results(outputs):
    return claims.results(notebook(outputs))


# ---- what the report says ------------------------------------------------------------------------


def test_every_published_claim_is_read():
    rows = claims.ledger()
    assert len(rows) > 250
    assert all(name == row.id and row.statement and row.place for name, row in rows.items())
    assert {row.question for row in rows.values()} == set(range(10))
    assert any(row.value is None for row in rows.values())
    assert rows["network-mec-0"].value == 201482


def test_a_number_is_that_of_the_report(report):
    assert claims.number("bits") == 1225.98
    assert claims.number("loss") == -32.75


@pytest.mark.parametrize("claim", ["words", "nothing"])
def test_a_claim_without_a_number_is_an_error(report, claim):
    with pytest.raises(KeyError, match=f"no number under '{claim}'"):
        claims.number(claim)


# ---- what a chapter hands over -------------------------------------------------------------------


def test_what_is_handed_over_is_read_back(report, shown):
    claims.value("count", 60000)
    claims.value("accuracy", 0.123456789, tolerance=0.01)
    claims.value("negative", -1234567.89)
    settled = claims.settle("words", "0.9", 1 < 2)
    assert settled == Settled("words", "reproduced", "by eye", "0.9", "it does")
    assert results(shown) == {
        "values": {
            "count": {"value": 60000, "tolerance": 0.0},
            "accuracy": {"value": 0.12346, "tolerance": 0.01},
            "negative": {"value": -1234567.9, "tolerance": 0.0},
        },
        "claims": {
            "words": {
                "id": "words",
                "verdict": "reproduced",
                "method": "by eye",
                "measured": "0.9",
                "reason": "it does",
            }
        },
    }


@pytest.mark.parametrize(("given", "kind"), [(3.0, int), (7, int), (0.5, float), (1e-9, float)])
def test_whole_numbers_stay_whole(shown, given, kind):
    claims.value("x", given)
    kept = results(shown)["values"]["x"]["value"]
    assert (kept, type(kept)) == (given, kind)


@pytest.mark.parametrize(("tolerance", "noise"), [(0.0, 4e-17), (0.01, 4e-8)])
def test_last_bits_do_not_show(shown, tolerance, noise):
    claims.value("a", 0.3 + noise, tolerance)
    claims.value("b", 0.3, tolerance)
    a, b = results(shown)["values"].values()
    assert a == b


def test_an_interval_is_three_numbers(shown):
    claims.interval("g", mean_interval(SEEDS), 0.01)
    assert results(shown)["values"] == {
        "g": {"value": 0.885, "tolerance": 0.01},
        "g_low": {"value": 0.88107, "tolerance": 0.01},
        "g_high": {"value": 0.88893, "tolerance": 0.01},
    }


def test_what_is_handed_over_shows_only_where_the_prose_asks(shown):
    claims.value("x", 1.5)
    assert list(shown[0]["data"]) == ["application/papermill.record/text/plain"]
    prefix = shown[0]["metadata"]["scrapbook"]["mime_prefix"]
    assert shown[0]["metadata"]["scrapbook"]["name"] == "x"
    assert shown[0]["data"][f"{prefix}text/plain"] == "1.5"


def test_other_outputs_are_passed_over(shown):
    claims.value("x", 1)
    other = new_output("stream", name="stdout", text="y")
    glued = new_output("display_data", data={"text/plain": "z"}, metadata={"a": 1})
    assert list(results([other, *shown, glued])["values"]) == ["x"]


def test_a_name_is_used_once(report, shown):
    claims.value("x", 1)
    claims.value("x", 2)
    with pytest.raises(ValueError, match="'x' is handed over twice"):
        results(shown)


def test_a_claim_is_settled_once(report, shown):
    for measured in ("0.9", "0.8"):
        claims.settle("words", measured, True)
    with pytest.raises(ValueError, match="'claim:words' is handed over twice"):
        results(shown)


def test_a_value_may_have_the_name_of_a_claim(report, shown):
    claims.value("words", 1)
    claims.settle("words", "", True)
    found = results(shown)
    assert list(found["values"]) == list(found["claims"]) == ["words"]


# ---- verdicts ------------------------------------------------------------------------------------


def test_a_verdict_that_does_not_hold_stops_the_chapter(report, shown):
    with pytest.raises(ClaimError) as error:
        claims.settle("words", "only 0.1", 2 < 1)
    for part in ("reproduced", "words", "It works", "only 0.1"):
        assert part in str(error.value)
    assert not shown


def test_with_reduced_parameters_it_stays_open(report, shown, monkeypatch):
    monkeypatch.setenv("RETHINK_REDUCED", "1")
    settled = claims.settle("words", "only 0.1", 2 < 1)
    assert (settled.verdict, settled.measured) == ("open", "only 0.1")
    assert settled.reason != "it does"
    assert results(shown)["claims"]["words"]["verdict"] == "open"
    assert claims.compare("share", SEEDS).verdict == "reproduced"


def test_a_claim_or_verdict_that_there_is_not_is_an_error(report, shown):
    with pytest.raises(KeyError, match="no claim 'nothing'"):
        claims.settle("nothing", "", True)
    for claim, verdict in (("unjudged", "''"), ("odd", "'open'")):
        with pytest.raises(ValueError, match=f"'{claim}': .* one of reproduced, .* has {verdict}"):
            claims.settle(claim, "", True)
    assert not shown


def test_only_what_cannot_be_tested_has_no_condition(report, shown):
    assert claims.settle("lost", "–").verdict == "cannot be tested"
    for claim, holds in (("lost", True), ("words", None)):
        with pytest.raises(ValueError, match=f"'{claim}': every verdict but .* condition"):
            claims.settle(claim, "", holds)


@pytest.mark.parametrize(
    ("claim", "measured", "verdict", "words"),
    [
        ("count", 60000, "reproduced", "60,000 images"),
        ("count", 60000.4, "reproduced", "60,000 images"),
        ("count", 59999, "contradicted", "59,999 images"),
        ("bits", 1225.984, "reproduced", "1,225.98 bits"),
        ("bits", 1225.986, "contradicted", "1,225.99 bits"),
        ("loss", -32.7512, "reproduced", "-32.75 dB"),
        ("loss", 32.75, "contradicted", "32.75 dB"),
        ("share", 0.88234, "reproduced", "0.8823"),
        ("share", 0.88236, "contradicted", "0.8824"),
    ],
)
def test_an_exact_number_is_compared_to_the_published_digits(
    report, shown, claim, measured, verdict, words
):
    settled = claims.same(claim, measured)
    assert (settled.verdict, settled.measured) == (verdict, words)
    assert settled.id == claim


def test_an_exact_number_that_differs_says_from_what(report, shown):
    assert claims.same("count", 70000).reason == "it is not 60,000"
    with pytest.raises(KeyError, match="no number under 'words'"):
        claims.same("words", 1)


@pytest.mark.parametrize("end", [0, 1])
def test_a_run_is_reproduced_up_to_the_test_picture_that_the_range_ends_in(
    report, shown, monkeypatch, end
):
    edge = prediction_interval(SEEDS)[end]  # 0.87538 and 0.89462
    whole = (0.8753, 0.8947)[end]
    assert 0 < abs(edge - whole) < 1e-4
    outward = -1e-6 if end == 0 else 1e-6
    for said, verdict in ((whole, "reproduced"), (whole + outward, "not reproduced")):
        monkeypatch.setattr(claims, "number", lambda claim, said=said: said)
        settled = claims.compare("share", SEEDS)
        assert settled.verdict == verdict
        assert settled.measured == "0.8850, one more seed in [0.8753, 0.8947], n = 5"
        assert ("inside" in settled.reason) == (verdict == "reproduced")


def test_a_range_of_shares_ends_at_one(report, shown):
    settled = claims.compare("share", [0.97, 0.98, 0.99, 0.99, 0.999])
    assert "one more seed in [0.9520, 1.0000]" in settled.measured


def test_a_range_that_lets_nearly_everything_in_shows_nothing(report, shown):
    """A wide range can still tell what lies outside."""
    wide = [0.62, 0.75, 0.88, 0.8, 0.78]
    settled = claims.compare("share", wide)
    assert settled.verdict == "cannot be tested"
    assert "nearly any" in settled.reason
    low, high = prediction_interval(wide)
    assert claims.compare("share", wide, wide=high - low + 2e-4).verdict == "reproduced"
    far = [0.3, 0.4, 0.35, 0.38, 0.32]
    assert claims.compare("share", far).verdict == "not reproduced"


@pytest.mark.parametrize("said", [0.8823, 0.1])
def test_a_living_run_is_held_against_the_living_seeds(report, shown, monkeypatch, said):
    monkeypatch.setattr(claims, "number", lambda claim: said)
    settled = claims.compare("share", [*SEEDS, 0.1], dead=[False] * 5 + [True])
    assert settled.verdict == ("reproduced" if said > 0.8 else "not reproduced")
    assert settled.measured.endswith("n = 5 living of 6")


@pytest.mark.parametrize(
    ("dead", "seeds", "verdict"),
    [
        (1, 5, "reproduced"),
        (30, 30, "reproduced"),
        (0, 5, "cannot be tested"),
        (0, 100, "not reproduced"),
    ],
)
def test_a_dead_run_is_held_against_the_share_of_dead_seeds(report, shown, dead, seeds, verdict):
    gone = np.arange(seeds) < dead
    settled = claims.compare("share", np.where(gone, 0.1, 0.88), dead=gone, published_dead=True)
    assert (settled.verdict, settled.method) == (verdict, claims.DEAD_RUN)
    assert settled.measured == f"dead: {wilson_interval(dead, seeds)}"


def test_a_single_seed_settles_nothing(report, shown, monkeypatch):
    with pytest.raises(ClaimError, match=r"0\.9000"):
        claims.compare("share", [0.9])
    monkeypatch.setenv("RETHINK_REDUCED", "1")
    settled = claims.compare("share", [0.9])
    assert (settled.verdict, settled.measured) == ("open", "0.9000")
    settled = claims.compare("share", [0.1, 0.1], dead=[True, True])
    assert (settled.verdict, settled.measured) == ("open", "no living seed")


def test_a_sentence_is_guarded_at_full_parameters_only(monkeypatch):
    claims.check(1 < 2, "one is less than two")
    with pytest.raises(ClaimError, match="no longer support: two is less than one"):
        claims.check(2 < 1, "two is less than one")
    monkeypatch.setenv("RETHINK_REDUCED", "1")
    claims.check(2 < 1, "two is less than one")


def test_an_empty_variable_means_full_parameters(monkeypatch):
    monkeypatch.setenv("RETHINK_REDUCED", "")
    assert not claims.reduced()


# ---- all claims together -------------------------------------------------------------------------


def test_all_settled_claims_come_in_the_order_of_the_report(report, tmp_path, monkeypatch):
    made = {
        name: Settled(name, "reproduced", "how", "m", "r") for name in ("words", "count", "share")
    }
    made["retracted"] = Settled("retracted", "reproduced", "", "", "")
    folder = tmp_path / "results"
    folder.mkdir()
    for page, names in {"01-a": ["words", "retracted"], "setup": ["share", "count"]}.items():
        content = {"values": {}, "claims": {name: vars(made[name]) for name in names}}
        (folder / f"{page}.json").write_text(json.dumps(content))
    monkeypatch.setenv("RETHINK_BOOK", str(tmp_path))
    assert claims.all_settled() == [made["count"], made["share"], made["words"]]


def test_a_book_of_which_nothing_is_executed_has_settled_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("RETHINK_BOOK", str(tmp_path))
    assert claims.all_settled() == []


def test_the_whole_ledger_has_every_claim_and_what_was_measured(report, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    made = vars(Settled("share", "reproduced", "seeds", "0.88, or so", "inside"))
    (folder / "01-a.json").write_text(json.dumps({"values": {}, "claims": {"share": made}}))
    rows = list(csv.DictReader(claims.whole_ledger(tmp_path).splitlines()))
    assert [row["id"] for row in rows] == list(claims.ledger())
    (share,) = (row for row in rows if row["id"] == "share")
    assert (share["value"], share["measured"], share["verdict"]) == (
        "0.8823",
        "0.88, or so",
        "reproduced",
    )
    (words,) = (row for row in rows if row["id"] == "words")
    assert (words["value"], words["measured"], words["statement"]) == ("", "", "It works")


def test_several_numbers_are_handed_over_at_once(shown):
    claims.values(0.1, a=1, b=2.5)
    found = [(o["metadata"]["scrapbook"]["name"], o["metadata"]["rethink"]) for o in shown]
    assert found == [("a", {"tolerance": 0.1}), ("b", {"tolerance": 0.1})]


def test_published_numbers_are_quoted_under_their_ids(report, shown):
    claims.quote("share", "loss")
    found = [(o["metadata"]["scrapbook"]["name"], [*o["data"].values()]) for o in shown]
    assert found == [("share", ["0.8823"]), ("loss", ["-32.75"])]
    with pytest.raises(KeyError, match="'words'"):
        claims.quote("words")


def test_results_differ_out_of_their_tolerance_or_by_verdict():
    def results(exact, near, verdict):
        values = {"exact": (exact, 0.0), "near": (near, 0.1)}
        kept = {name: {"value": v, "tolerance": t} for name, (v, t) in values.items()}
        return {"values": kept, "claims": {"a": {"verdict": verdict, "measured": str(near)}}}

    old = results(3, 0.5, "reproduced")
    assert claims.differences(old, results(3, 0.59, "reproduced")) == []
    assert claims.differences(old, results(4, 0.61, "contradicted")) == [
        "exact was 3 and is 4",
        "near was 0.5 and is 0.61",
        "the verdict on a was reproduced and is contradicted",
    ]
    gone = {"values": {}, "claims": {}}
    assert len(claims.differences(old, gone)) == 3


def test_a_tally_counts_every_verdict():
    made = [
        Settled(str(n), verdict, "", "", "")
        for n, verdict in enumerate(["open", "contradicted", "reproduced", "contradicted"])
    ]
    counts = claims.tally(made)
    assert list(counts) == [*claims.VERDICTS, "open"]
    assert counts == dict.fromkeys(counts, 0) | {"reproduced": 1, "contradicted": 2, "open": 1}


def test_claims_are_chosen_by_their_kind(report, monkeypatch):
    row = claims.ledger()["count"]
    made = [Settled(name, "reproduced", "", "", "") for name in ("words", "count")]
    kinds = {"words": claims.ledger()["words"], "count": replace(row, kind="number")}
    monkeypatch.setattr(claims, "ledger", lambda: kinds)
    assert claims.of_kind(made, "number") == made[1:]
    assert claims.of_kind(made, "conclusion", "number") == made


def table_lines(output):
    lines = output["data"]["text/markdown"].splitlines()
    assert (lines[0], lines[-1]) == ('<div class="claims">', "</div>")
    return lines[2:-2]


def test_a_table_has_one_row_a_claim(report, shown):
    claims.table([Settled("count", "reproduced", "how", "60,000 images", "the same number")])
    claims.table(
        Settled(name, "contradicted", "how", "m", "r") for name in ("share", "words", "loss")
    )
    first, second = (table_lines(output) for output in shown)
    assert first[2:] == [
        "| There are many (first edition, 1.1) | 60,000 images | 60,000 images "
        '| <span class="verdict v0">reproduced</span>: the same number |'
    ]
    assert [row.split(" | ")[1] for row in second[2:]] == ["0.8823", "", "−32.75 dB"]
    assert "second edition, 2.1" in second[2]
    assert {line.count("|") for line in first + second} == {5}


def test_years_have_no_comma_and_one_is_no_plural(report, shown):
    claims.table(Settled(name, "reproduced", "", "", "") for name in ("when", "once"))
    rows = table_lines(shown[0])[2:]
    assert [row.split(" | ")[1] for row in rows] == ["2017", "1 image"]


def test_a_table_says_how_it_was_measured_where_that_is_wanted(report, shown):
    claims.table([Settled("words", "reproduced", "how", "m", "r")], methods=True)
    assert "| m (*how*) |" in shown[0]["data"]["text/markdown"]
