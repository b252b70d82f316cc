"""The measures of a table as one screen of text."""

import textwrap
from collections.abc import Iterator
from typing import Any

from rich.cells import cell_len, set_cell_size

from rethink.errors import printable

WIDTH = 76  # cells of a terminal beside the names of lines
NOTES = 5


def lines(measured: dict[str, Any]) -> Iterator[str]:
    """Write what `Measurement.to_dict` returns as text, a screen of it.

    Names from the table and of its file may be long, wide, or hold what would steer a terminal:
    they are shortened, wrapped and escaped.
    """
    n, c = measured["instances"], measured["classes"]
    t, null = measured["thresholds"], measured["null"]

    def line(name: str, text: str) -> str:
        return f"{name:<22}{text}"

    def wrapped(name: str, text: str) -> Iterator[str]:
        for part in _wrap(text):
            yield line(name, part)
            name = ""

    yield from wrapped("Source", measured["source"])
    yield line("Instances", f"{n:,} x {measured['features']:,} features, {c:,} classes")
    counts = [(count, name) for name, count in measured["class_counts"].items()]
    ranked = sorted(counts, reverse=True)
    shown = ", ".join(f"{_short(name)} {count / n:.1%}" for count, name in ranked[:5])
    yield from wrapped("Balance", shown + (f", and {c - 5:,} more" if c > 5 else ""))
    low, high = measured["best_guess_interval"]
    yield line("Best guess", f"{measured['best_guess']:.4f} [{low:.4f}, {high:.4f}]")
    bits = measured["dictionary_bits"]
    yield line("Dictionary", f"{bits:,.1f} bits, {bits / n:.3f} a label")
    yield ""
    yield line("Algorithm 1", f"{t['expected']:,.1f} thresholds, as filed {t['total']:,.0f}")
    if t["minimum"] < t["maximum"]:
        yield line("  over all ties", f"{t['minimum']:,} to {t['maximum']:,}")
    far = "" if null["z"] is None else f"; z = {_one(null['z'])}"
    yield line("  by chance", f"{null['expected']:,.1f} ± {null['sd']:,.1f}{far}")
    yield line(
        "  requirement",
        f"{measured['requirement_bits']:,.1f} bits (first edition), "
        f"{measured['requirement_bits_times_features']:,.0f} (second); "
        f"nntailoring {measured['estimated_capacity_bits']:,}",
    )
    steps = measured["progression"]
    shown = ", ".join(f"{_part(step)}: {step['decision_points']}" for step in steps)
    yield from wrapped("  decision points", shown)
    yield ""
    if measured["orders"]:
        heads = f"{'share':>8}{'95%':>10}{'chance':>15}{'z':>9}{'rows':>11}"
        yield f"{'Neighbours that differ':<26}{heads}"
        for order in measured["orders"]:
            low, high = order["share_interval"]
            chance = order["null"]
            yield (
                f"  {order['name']:<24}{order['share']:>8.4f}  [{low:.4f}, {high:.4f}]"
                f"{chance['share']:>8.4f}{_one(chance['z']):>9}{order['rows']:>11,}"
            )
        yield ""
        heads = f"{'bits':>11}{'errors / guess':>18}"
        yield f"{'Left open of the labels':<26}{heads}"
        for each in measured["learners"]:
            low, high = each["overfit_risk_interval"]
            risk = f"{each['overfit_risk']:.0%} [{low:.0%}, {high:.0%}]"
            yield f"  {each['learner']:<24}{each['open_bits']:>11,.0f}{risk:>18}"
        yield ""
    yield from wrapped("Enough data?", measured["enough_data"]["sentence"])
    growth = measured["growth"]
    if len(growth) > 1:
        shares = ", ".join(f"{order['rows']:,}: {order['share']:.3f}" for order in growth)
        for part in textwrap.wrap(f"neighbours that differ among {shares}", 60):
            yield line("", part)
    notes = measured["notes"]
    for note in notes[:NOTES]:
        yield from wrapped("Note", note)
    if len(notes) > NOTES:
        yield line("", f"and {len(notes) - NOTES:,} more notes (--json has all)")


def _wrap(text: str) -> list[str]:
    text = printable(text)
    # Wide characters take two cells each, of which textwrap knows nothing.
    width = WIDTH if cell_len(text) == len(text) else WIDTH // 2
    return textwrap.wrap(text, width, max_lines=4, placeholder=" …")


def _short(name: str) -> str:
    name = printable(name)
    return name if cell_len(name) <= 24 else set_cell_size(name, 23).rstrip() + "…"


def _part(step: dict[str, Any]) -> str:
    share, rows = step["share"], step["instances"]
    return f"{share:.0%}" if share >= 0.01 else f"{rows:,} rows"


def _one(number: float | None) -> str:
    """Write a number with one digit behind the point, and no minus before zero."""
    return "nan" if number is None else f"{round(number, 1) + 0.0:.1f}"
