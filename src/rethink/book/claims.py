"""The ledger: what the report published, what is measured here, and which verdict follows.

The ledger is data, a file a question in the folder ``ledger``: the claim, how it is measured here,
the verdict and its reason. A chapter settles each claim with what it measured and the condition
under which the verdict holds, and hands every number of its prose to `value`. Both leave what they
were given in the outputs of the executed notebook, invisibly; from there the prose, the verdict
page and the tests read it.
"""

import csv
import io
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from IPython.display import display
from nbformat import NotebookNode
from numpy.typing import ArrayLike, NDArray

from rethink.errors import CommandError
from rethink.intervals import MeanInterval, prediction_interval, wilson_interval
from rethink.paths import repository
from rethink.plots import figures

VERDICTS = (
    "reproduced",
    "reproduced with a correction",
    "not reproduced",
    "contradicted",
    "cannot be tested",
)
# What a row of the ledger is. Numbers and definitions are counted apart from conclusions, and what
# follows from another row is not counted again.
KINDS = ("conclusion", "number", "definition", "derived")
WIDE = 0.05  # of an interval of accuracies: five points
TEST_PICTURES = 10_000
ONE_RUN = "the same network from other seeds; where one more living one would lie (95%)"
DEAD_RUN = "the same network from other seeds; how many of them are dead"
_UNSAID = ("", "share", "count")
# MyST-NB shows what is under this prefix only where the prose asks for it.
_HIDDEN = "application/papermill.record/"


class ClaimError(AssertionError):
    """A sentence of the book is no longer what the numbers say."""


class ResultsError(CommandError):
    """A file of results is damaged; the message says what restores it."""


@dataclass(frozen=True)
class Claim:
    """One claim of the report and what is said of it here: a row of the ledger.

    Attributes:
        id: a name for it.
        question: which of the nine it answers; 0 for the set-up.
        edition: 1 or 2, the edition that makes it.
        statement: in our words.
        value: the number published, or None where it has none.
        unit: of the number.
        place: where it stands.
        method: how it is measured here.
        verdict: one of ``VERDICTS``; empty where the numbers alone decide, as for one training run.
        reason: why the verdict follows, in a sentence.
        kind: one of ``KINDS``: a conclusion that the report draws or an assumption that it makes; a
            number that it counted, computed or measured; a definition or a fact of the set-up; or
            what follows by arithmetic from another row.
    """

    id: str
    question: int
    edition: int
    statement: str
    value: float | None
    unit: str
    place: str
    method: str = ""
    verdict: str = ""
    reason: str = ""
    kind: str = "conclusion"


@dataclass(frozen=True)
class Settled:
    """A claim with its verdict.

    Attributes:
        id: as in the ledger.
        verdict: one of ``VERDICTS``, or open.
        method: how it was measured.
        measured: what was measured, in words and numbers.
        reason: why the verdict follows, in a sentence.
    """

    id: str
    verdict: str
    method: str
    measured: str
    reason: str


@lru_cache(maxsize=1)
def ledger() -> dict[str, Claim]:
    """Return every claim of the report by its id."""
    found: dict[str, Claim] = {}
    for path in sorted(Path(__file__).with_name("ledger").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                value = float(row["value"]) if row["value"] else None
                places = {"question": int(path.stem.partition("-")[0]), "value": value}
                about: dict[str, Any] = {**row, **places, "edition": int(row["edition"])}
                found[row["id"]] = Claim(**about)
    return found


def number(claim: str) -> float:
    """Return the value that the report published.

    Raises:
        KeyError: if there is no such claim or it has no number.
    """
    found = ledger().get(claim)
    if found is None or found.value is None:
        raise KeyError(f"the ledger has no number under {claim!r}")
    return found.value


def numbers(pattern: str, places: Iterable[int]) -> NDArray[np.float64]:
    """Return a row of published values: those of ``pattern`` with each place put in for ``{}``.

    Raises:
        KeyError: as `number`.
    """
    return np.array([number(pattern.format(place)) for place in places])


def value(name: str, number: float, tolerance: float = 0.0) -> None:
    """Hand a number to the prose of this page, where ``{glue:text}`name:.3f``` shows it.

    Args:
        name: unique in the page.
        number: a whole number is kept whole; others keep eight significant digits where they are
            exact and five where they are not, so that the last bits, which depend on the processor,
            do not show.
        tolerance: how far it may lie off when networks are trained anew on another type of machine;
            0 for what is exact.
    """
    digits = 5 if tolerance else 8
    kept = int(number) if float(number).is_integer() else float(f"{number:.{digits}g}")
    _leave(name, repr(kept), {"tolerance": tolerance})


def values(tolerance: float = 0.0, /, **named: float) -> None:
    """Hand several numbers to the prose, each as `value` does."""
    for name, number in named.items():
        value(name, number, tolerance)


def quote(*names: str) -> None:
    """Hand numbers that the report published to the prose, under their ids in the ledger.

    Raises:
        KeyError: as `number`.
    """
    for name in names:
        value(name, number(name))


def interval(name: str, measured: MeanInterval, tolerance: float) -> None:
    """Hand a mean and its interval to the prose, as ``name``, ``name_low`` and ``name_high``."""
    value(name, measured.mean, tolerance)
    value(f"{name}_low", measured.low, tolerance)
    value(f"{name}_high", measured.high, tolerance)


def settle(claim: str, measured: str, holds: bool | None = None) -> Settled:
    """Give the verdict that the ledger has for a claim, if the numbers support it.

    Args:
        claim: its id in the ledger.
        measured: what was measured, with its interval.
        holds: whether the numbers say so. Write the condition, not its result. Only what cannot be
            tested has none.

    Raises:
        KeyError: if there is no such claim.
        ValueError: if the ledger has no verdict on it, or a verdict that could be tested has no
            condition.
        ClaimError: if the condition does not hold. With reduced parameters it need not: then the
            claim stays open.
    """
    if claim not in ledger():
        raise KeyError(f"the ledger has no claim {claim!r}")
    row = ledger()[claim]
    if row.verdict not in VERDICTS:
        raise ValueError(
            f"{claim!r}: the verdict must be one of {', '.join(VERDICTS)}, but the ledger has "
            f"{row.verdict!r}"
        )
    if (holds is None) != (row.verdict == VERDICTS[-1]):
        raise ValueError(f"{claim!r}: every verdict but “{VERDICTS[-1]}” needs a condition")
    return _settle(row, row.verdict, row.method, measured, row.reason, holds)


def same(claim: str, measured: float) -> Settled:
    """Settle a claim about an exact number: reproduced if it rounds to what was published.

    Otherwise it is contradicted: nothing random is involved.
    """
    row = ledger()[claim]
    said = number(claim)
    digits = len(f"{said:.10f}".rstrip("0").partition(".")[2])
    equal = round(measured, digits) == said
    kept = f"{measured:,.{digits}f}" + (f" {row.unit}" if row.unit not in _UNSAID else "")
    reason = "the same number" if equal else f"it is not {said:,.{digits}f}"
    verdict = VERDICTS[0] if equal else VERDICTS[3]
    method = row.method or "computed, and compared to the last published digit"
    return _settle(row, verdict, method, kept, reason, True)


def compare(
    claim: str,
    samples: ArrayLike,
    dead: Sequence[bool] = (),
    published_dead: bool = False,
    wide: float = WIDE,
) -> Settled:
    """Settle a claim about one training run by runs of the same network from other seeds.

    One rule for living and for dead networks, which answer everything with one class:

    - A published run that lives is held against the living seeds. It is reproduced if it lies in
      their 95% prediction interval, and not reproduced outside. An interval wider than `wide` lets
      nearly everything in: then lying inside shows nothing, and the claim cannot be tested.
    - A published run that is dead is held against the share of dead seeds. It is reproduced if a
      seed died; not reproduced if none did and Wilson's 95% interval ends below one in twenty; and
      cannot be tested if none did among too few.

    Ends of an interval of shares are rounded outward to a test picture: by less than that nothing
    falls. With less than two living seeds to hold a living run against, as where all of a draft's
    are dead, the claim stays open.

    Args:
        claim: its id in the ledger.
        samples: one value a seed, shape (seeds,).
        dead: which seeds are dead, shape (seeds,); by default none.
        published_dead: whether the published run is.
        wide: width of the interval, in the unit of the claim.
    """
    row, said, values = ledger()[claim], number(claim), np.asarray(samples, dtype=float)
    gone = np.zeros(len(values), dtype=bool)
    gone[:] = dead if len(dead) else False
    if published_dead:
        return _compare_dead(row, int(gone.sum()), len(values))
    values, method = values[~gone], row.method or ONE_RUN
    if len(values) < 2:
        shown = ", ".join(f"{value:.4f}" for value in values) or "no living seed"
        return _settle(row, VERDICTS[0], method, shown, "", False)
    shares = row.unit == "share"
    low, high = prediction_interval(values, shares=shares)
    if shares:
        # Whole pictures, but for rounding in the last bits.
        low = math.floor(low * TEST_PICTURES + 1e-6) / TEST_PICTURES
        high = math.ceil(high * TEST_PICTURES - 1e-6) / TEST_PICTURES
    verdict, reason = VERDICTS[2], "the published run lies outside the range of one more seed"
    if low <= said <= high:
        verdict, reason = VERDICTS[0], "the published run lies inside the range of one more seed"
        if high - low > wide:
            verdict, reason = VERDICTS[4], "seeds spread so far that nearly any run would fit"
    among = f"{len(values)} living of {len(gone)}" if gone.any() else f"{len(values)}"
    measured = f"{values.mean():.4f}, one more seed in [{low:.4f}, {high:.4f}], n = {among}"
    return _settle(row, verdict, method, measured, reason, True)


def _compare_dead(row: Claim, dead: int, seeds: int) -> Settled:
    share = wilson_interval(dead, seeds)
    verdict, reason = VERDICTS[4], "no seed died, of too few to rule it out"
    if dead:
        verdict, reason = VERDICTS[0], "the published run is dead, and so are seeds of ours"
    elif share.high < 0.05:
        verdict, reason = VERDICTS[2], "the published run is dead, and hardly any seed would be"
    return _settle(row, verdict, row.method or DEAD_RUN, f"dead: {share}", reason, True)


def _settle(
    row: Claim, verdict: str, method: str, measured: str, reason: str, holds: bool | None
) -> Settled:
    if holds is not None and not holds:
        if not reduced():
            raise ClaimError(
                f"the numbers no longer support “{verdict}” for {row.id!r} ({row.statement}): "
                f"{measured}"
            )
        verdict, reason = "open", "The parameters of this edition are too small to settle it."
    settled = Settled(row.id, verdict, method, measured, reason)
    _leave(f"claim:{row.id}", json.dumps(asdict(settled), sort_keys=True), {"tolerance": 0.0})
    return settled


def check(holds: bool, sentence: str) -> None:
    """Guard a sentence of the prose.

    Raises:
        ClaimError: with the sentence, if it does not hold at full parameters.
    """
    if not (holds or reduced()):
        raise ClaimError(f"the numbers no longer support: {sentence}")


def reduced() -> bool:
    """Tell whether this execution has other parameters than the published edition."""
    return bool(os.environ.get("RETHINK_REDUCED"))


def table(settled: Iterable[Settled], methods: bool = False) -> None:
    """Show claims with their verdicts as a table, if wanted with how each was measured."""
    rows = []
    for claim in settled:
        row = ledger()[claim.id]
        said = f"{row.statement} ({_place(row)})"
        kind = VERDICTS.index(claim.verdict) if claim.verdict in VERDICTS else "-open"
        verdict = f'<span class="verdict v{kind}">{claim.verdict}</span>: {claim.reason}'
        measured = f"{claim.measured} (*{claim.method}*)" if methods else claim.measured
        rows.append((said, _shown(row), measured, verdict))
    figures.table(("The report", "Says", "Measured here", "Verdict"), rows, kind="claims")


def results(notebook: NotebookNode) -> dict[str, dict[str, Any]]:
    """Collect what an executed chapter handed over, from its outputs.

    Returns:
        ``values``: name to value and tolerance; ``claims``: id to verdict, measured and reason.

    Raises:
        ValueError: if a name is used twice.
    """
    values: dict[str, Any] = {}
    claims: dict[str, Any] = {}
    for name, content, metadata in _left(notebook):
        sort, _, claim = name.partition(":")
        place, key = (claims, claim) if sort == "claim" else (values, name)
        if key in place:
            raise ValueError(f"{name!r} is handed over twice")
        if place is claims:
            place[key] = json.loads(content)
        else:
            kind = int if content.lstrip("-").isdigit() else float
            place[key] = {"value": kind(content), "tolerance": metadata["tolerance"]}
    return {"values": values, "claims": claims}


def read_results(file: Path) -> dict[str, dict[str, Any]]:
    """Read what an executed chapter handed over, from its file of results.

    Raises:
        ResultsError: if the file is damaged.
    """
    try:
        found: dict[str, dict[str, Any]] = json.loads(file.read_bytes())
        for each in found["values"].values():
            float(each["value"]), float(each["tolerance"])
        for each in found["claims"].values():
            Settled(**each)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ResultsError(
            f"{file} is damaged; restore it, as by `git checkout {file}`, or delete it, and "
            "`make book` makes it again"
        ) from error
    return found


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Say where a page's results differ: another verdict, or a number out of its tolerance.

    Args:
        old: as `results` returns them; its tolerances count.
        new: those of another execution.
    """
    found = []
    for name, kept in old["values"].items():
        again = new["values"].get(name, {"value": float("nan")})["value"]
        if not np.isclose(again, kept["value"], rtol=1e-9, atol=kept["tolerance"]):
            found.append(f"{name} was {kept['value']} and is {again}")
    for name, kept in old["claims"].items():
        again = new["claims"].get(name, {}).get("verdict")
        if again != kept["verdict"]:
            found.append(f"the verdict on {name} was {kept['verdict']} and is {again}")
    return found


def all_settled(book: Path | None = None) -> list[Settled]:
    """Return what the executed chapters of a book settled, in the order of the ledger.

    Args:
        book: the folder of executed notebooks; by default that of the book under way.

    Raises:
        ValueError: if two chapters settle the same claim.
        ResultsError: as `read_results`.
    """
    if book is None:
        book = Path(os.environ.get("RETHINK_BOOK") or (repository() or Path()) / "book")
    found: dict[str, Settled] = {}
    for path in sorted((book / "results").glob("*.json")):
        for claim in read_results(path)["claims"].values():
            if claim["id"] in found:
                raise ValueError(f"{claim['id']!r} is settled in {path.stem} and before")
            found[claim["id"]] = Settled(**claim)
    return [found[claim] for claim in ledger() if claim in found]


def whole_ledger(book: Path) -> str:
    """Return the ledger with what a book measured filled in, as the text of a CSV file."""
    settled = {claim.id: asdict(claim) for claim in all_settled(book)}
    text = io.StringIO()
    columns = [*Claim.__dataclass_fields__, "measured"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for claim in ledger().values():
        writer.writerow(asdict(claim) | settled.get(claim.id, {"measured": ""}))
    return text.getvalue()


def of_kind(settled: Iterable[Settled], *kinds: str) -> list[Settled]:
    """Return the claims of these ``KINDS``."""
    return [claim for claim in settled if ledger()[claim.id].kind in kinds]


def tally(settled: Iterable[Settled]) -> dict[str, int]:
    """Count claims by verdict, in the order of ``VERDICTS``."""
    counts = Counter(claim.verdict for claim in settled)
    return {verdict: counts[verdict] for verdict in (*VERDICTS, "open")}


def _leave(name: str, content: str, metadata: dict[str, Any]) -> None:
    scrapbook = {"name": name, "mime_prefix": _HIDDEN}
    display(  # type: ignore[no-untyped-call]
        {f"{_HIDDEN}text/plain": content},
        raw=True,
        metadata={"scrapbook": scrapbook, "rethink": metadata},
    )


def _left(notebook: NotebookNode) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            metadata = output.get("metadata", {})
            if "rethink" in metadata:
                content = output["data"][f"{_HIDDEN}text/plain"]
                yield metadata["scrapbook"]["name"], content, metadata["rethink"]


def _shown(row: Claim) -> str:
    if row.value is None:
        return ""
    if row.unit == "year":
        return f"{row.value:.0f}"
    digits = f"{row.value:,.4f}".rstrip("0").rstrip(".")
    head, slash, rest = row.unit.partition("/")
    unit = (head.removesuffix("s") if row.value == 1 else head) + slash + rest
    return f"{digits} {unit}" if row.unit not in _UNSAID else digits


def _place(row: Claim) -> str:
    edition = "first edition" if row.edition == 1 else "second edition"
    return row.place if row.place.startswith(edition) else f"{edition}, {row.place}"
