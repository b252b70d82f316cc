"""The ledger: what the report published, what is measured here, and which verdict follows.

A chapter hands every number of its prose to `value` and settles every claim with `settle`. Both
leave what they were given in the outputs of the executed notebook, invisibly; from there the prose,
the verdict page and the tests read it.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from IPython.display import display
from nbformat import NotebookNode
from numpy.typing import ArrayLike, NDArray

from rethink import figures
from rethink.data import repository
from rethink.statistics import MeanInterval, prediction_interval

VERDICTS = (
    "reproduced",
    "reproduced with a correction",
    "not reproduced",
    "contradicted",
    "cannot be tested",
)
_UNSAID = ("", "share", "count")
# MyST-NB shows what is under this prefix only where the prose asks for it.
_HIDDEN = "application/papermill.record/"


class ClaimError(AssertionError):
    """A sentence of the book is no longer what the numbers say."""


@dataclass(frozen=True)
class Published:
    """One claim of the report, as a row of published.csv; ``value`` is None where it has none."""

    id: str
    question: int
    edition: int
    statement: str
    value: float | None
    unit: str
    place: str


@dataclass(frozen=True)
class Settled:
    """A claim with its verdict.

    Attributes:
        id: as in published.csv.
        verdict: one of ``VERDICTS``.
        measured: what was measured, in words and numbers.
        reason: why the verdict follows, in a sentence.
    """

    id: str
    verdict: str
    measured: str
    reason: str


@lru_cache(maxsize=1)
def published() -> dict[str, Published]:
    """Return every claim of the report by its id."""
    with Path(__file__).with_name("published.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["id"]: Published(
            id=row["id"],
            question=int(row["question"]),
            edition=int(row["edition"]),
            statement=row["statement"],
            value=float(row["value"]) if row["value"] else None,
            unit=row["unit"],
            place=row["place"],
        )
        for row in rows
    }


def number(claim: str) -> float:
    """Return the value that the report published.

    Raises:
        KeyError: if there is no such claim or it has no number.
    """
    found = published().get(claim)
    if found is None or found.value is None:
        raise KeyError(f"published.csv has no number under {claim!r}")
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


def interval(name: str, measured: MeanInterval, tolerance: float) -> None:
    """Hand a mean and its interval to the prose, as ``name``, ``name_low`` and ``name_high``."""
    value(name, measured.mean, tolerance)
    value(f"{name}_low", measured.low, tolerance)
    value(f"{name}_high", measured.high, tolerance)


def settle(
    claim: str, verdict: str, measured: str, reason: str, holds: bool | None = None
) -> Settled:
    """Give the verdict on a claim, if the numbers support it.

    Args:
        claim: its id in published.csv.
        verdict: one of ``VERDICTS``.
        measured: what was measured, with its interval.
        reason: why the verdict follows.
        holds: whether the numbers say so. Write the condition, not its result. Only what cannot be
            tested has none.

    Raises:
        KeyError: if there is no such claim.
        ValueError: if there is no such verdict, or a verdict that could be tested has no condition.
        ClaimError: if the condition does not hold. With reduced parameters it need not: then the
            claim stays open.
    """
    if claim not in published():
        raise KeyError(f"published.csv has no claim {claim!r}")
    if verdict not in VERDICTS:
        raise ValueError(f"verdict must be one of {', '.join(VERDICTS)}, but {verdict!r} was given")
    if (holds is None) != (verdict == VERDICTS[-1]):
        raise ValueError(f"{claim!r}: every verdict but “{VERDICTS[-1]}” needs a condition")
    if holds is False:
        if not reduced():
            statement = published()[claim].statement
            raise ClaimError(
                f"the numbers no longer support “{verdict}” for {claim!r} ({statement}): {measured}"
            )
        verdict, reason = "open", "The parameters of this edition are too small to settle it."
    settled = Settled(claim, verdict, measured, reason)
    _leave(f"claim:{claim}", json.dumps(asdict(settled), sort_keys=True), {"tolerance": 0.0})
    return settled


def same(claim: str, measured: float) -> Settled:
    """Settle a claim about an exact number: reproduced if it rounds to what was published.

    Otherwise it is contradicted: nothing random is involved.
    """
    row = published()[claim]
    said = number(claim)
    digits = len(f"{said:.10f}".rstrip("0").partition(".")[2])
    equal = round(measured, digits) == said
    kept = f"{measured:,.{digits}f}" + (f" {row.unit}" if row.unit not in _UNSAID else "")
    reason = "the same number" if equal else f"it is not {said:,.{digits}f}"
    return settle(claim, "reproduced" if equal else "contradicted", kept, reason, True)


def compare(claim: str, samples: ArrayLike) -> Settled:
    """Settle a claim about one training run: reproduced if one more seed could have given it.

    The published value is held against the 95 % prediction interval of the seeds, shape (seeds,).
    With less than two seeds, as where all of a draft's are dead, the claim stays open.
    """
    said, values = number(claim), np.asarray(samples, dtype=float)
    if len(values) < 2:
        shown = ", ".join(f"{value:.4f}" for value in values) or "no living seed"
        return settle(claim, VERDICTS[0], shown, "", False)
    low, high = prediction_interval(values)
    inside = low <= said <= high
    where = "inside" if inside else "outside"
    return settle(
        claim,
        "reproduced" if inside else "not reproduced",
        f"{values.mean():.4f}, one more seed in [{low:.4f}, {high:.4f}]",
        f"the published run lies {where} the range of one more seed",
        True,
    )


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


def table(settled: Iterable[Settled]) -> None:
    """Show claims with their verdicts as a table."""
    rows = []
    for claim in settled:
        row = published()[claim.id]
        said = f"{row.statement} ({_place(row)})"
        verdict = f"**{claim.verdict}**: {claim.reason}"
        rows.append((said, _shown(row), claim.measured, verdict))
    figures.table(("The report", "Says", "Measured here", "Verdict"), rows)


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


def all_settled() -> list[Settled]:
    """Return what the executed chapters of this book settled, in the order of published.csv.

    Raises:
        ValueError: if two chapters settle the same claim.
    """
    folder = Path(os.environ.get("RETHINK_BOOK") or (repository() or Path()) / "book") / "results"
    found: dict[str, Settled] = {}
    for path in sorted(folder.glob("*.json")):
        for claim in json.loads(path.read_text(encoding="utf-8"))["claims"].values():
            if claim["id"] in found:
                raise ValueError(f"{claim['id']!r} is settled in {path.stem} and before")
            found[claim["id"]] = Settled(**claim)
    return [found[claim] for claim in published() if claim in found]


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


def _shown(row: Published) -> str:
    if row.value is None:
        return "–"
    digits = f"{row.value:,.4f}".rstrip("0").rstrip(".")
    return f"{digits} {row.unit}" if row.unit not in _UNSAID else digits


def _place(row: Published) -> str:
    edition = "first edition" if row.edition == 1 else "second edition"
    return row.place if row.place.startswith(edition) else f"{edition}, {row.place}"
