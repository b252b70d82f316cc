"""The log of training runs: a row a run, as a table for the page and as CSV to take away.

Records come as a mapping from the key that each is kept under (`tasks.key`) to the record. Rows
have one order, whatever order the mapping has.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike

from rethink.book.templates import fill
from rethink.mec import perceptron_mec
from rethink.plots.figures import network
from rethink.protocol import Record

CURVES = ("loss", "running", "validation", "validation_loss", "test", "test_loss")
# A curve in a cell, in pixels; a line at the very edge would be cut in half.
WIDTH, HEIGHT, MARGIN = 80, 20, 1


@dataclass(frozen=True)
class Row:
    """A run: its specification, what came out after its last epoch, and its key.

    Attributes:
        network: units in each hidden layer, such as 256-128-128.
        bits: capacity by the report's rule.
        seed: of the run.
        epochs: passes over the training part.
        share: of the training part that it was trained on.
        random_labels: share of its labels that are random.
        batch: rows a step.
        learning_rate: of Adam.
        test: accuracy on the test rows.
        validation: accuracy on the validation rows.
        train: accuracy on the rows and labels trained on; None if it was not measured at the end.
        leaking: accuracy on a validation set drawn from all rows, or None in the same way.
        loss: training loss in nats, the mean over the last epoch's batches.
        dead: whether every test row gets the same answer.
        seconds: its stack's time, divided by the members of the stack.
        key: the name that the record is kept under.
    """

    network: str
    bits: int
    seed: int
    epochs: int
    share: float
    random_labels: float
    batch: int
    learning_rate: float
    test: float
    validation: float
    train: float | None
    leaking: float | None
    loss: float
    dead: bool
    seconds: float
    key: str


def rows(records: Mapping[str, Record]) -> list[Row]:
    """Return a row a run: the largest network first, more data, fewer random labels, by seed."""
    return [_row(name, record) for name, record in _ordered(records)]


def runs_csv(records: Mapping[str, Record]) -> str:
    """Return a line a run as CSV, with the attributes of `Row`; numbers read back unchanged."""
    names = [each.name for each in fields(Row)]
    return _csv(names, (astuple(row) for row in rows(records)))


def curves_csv(records: Mapping[str, Record]) -> str:
    """Return a line an epoch of each run as CSV: key, epoch and what was measured after it.

    The columns are the curves of `Record` (``loss`` and ``running`` are means over the epoch), then
    ``train`` and ``leaking``, which are empty where there is no milestone.
    """
    lines: list[Sequence[object]] = []
    for name, record in _ordered(records):
        train = dict(zip(record.milestones.tolist(), record.train.tolist(), strict=True))
        leaking = dict(zip(record.milestones.tolist(), record.leaking.tolist(), strict=True))
        curves = zip(*(record.curves[curve].tolist() for curve in CURVES), strict=True)
        for epoch, measured in enumerate(curves, start=1):
            lines.append((name, epoch, *measured, train.get(epoch), leaking.get(epoch)))
    return _csv(("key", "epoch", *CURVES, "train", "leaking"), lines)


def runs_table(records: Mapping[str, Record]) -> str:
    """Return all runs as an HTML table that the book's script makes sortable and searchable."""
    columns = {
        "Network": "text",
        "Capacity (bits)": "number",
        "Seed": "number",
        "Epochs": "number",
        "Data": "number",
        "Random labels": "number",
        "Test (%)": "number",
        "Validation (%)": "number",
        "Train (%)": "number",
        "Loss (nats)": "number",
        "Seconds": "number",
        "Dead": "text",
        "Test by epoch": "curve",
    }
    lines = [
        [
            network(records[row.key].spec.hidden),
            f"{row.bits:,}",
            str(row.seed),
            str(row.epochs),
            f"{row.share:.0%}",
            f"{row.random_labels:.0%}",
            _percent(row.test),
            _percent(row.validation),
            _percent(row.train),
            f"{row.loss:.4f}",
            f"{row.seconds:.1f}",
            "dead" if row.dead else "no",
            Markup(sparkline(records[row.key].curves["test"])),
        ]
        for row in rows(records)
    ]
    return _table("All training runs", "Find runs", columns, lines)


def tasks_table(tasks: Iterable[tuple[str, Mapping[str, Any], float]]) -> str:
    """Return measurements as an HTML table that the book's script makes sortable and searchable.

    Args:
        tasks: of each the name of its experiment, its arguments by name, and its seconds.
    """
    lines = [
        [
            experiment,
            "; ".join(f"{name} {_said(name, value)}" for name, value in arguments.items()),
            f"{seconds:.1f}",
        ]
        for experiment, arguments, seconds in tasks
    ]
    columns = {"Experiment": "text", "Asked for": "text", "Seconds": "number"}
    return _table("All other measurements", "Find measurements", columns, lines)


def sparkline(accuracies: ArrayLike) -> str:
    """Draw accuracies, shape (epochs,), as a small SVG from their lowest to their highest."""
    values = np.asarray(accuracies, dtype=float)
    # A single epoch is drawn as a level line.
    drawn = np.repeat(values, 2) if len(values) == 1 else values
    x = np.linspace(MARGIN, WIDTH - MARGIN, len(drawn))
    height = (drawn - drawn.min()) / max(np.ptp(drawn), 1e-9)
    y = MARGIN + (1 - height) * (HEIGHT - 2 * MARGIN)
    points = " ".join(f"{a:.4g},{b:.4g}" for a, b in zip(x, y, strict=True))
    said = (
        f"test accuracy {values[0]:.1%} after epoch 1, {values[-1]:.1%} after epoch {len(values)}, "
        f"highest {values.max():.1%}"
    )
    # The words are an attribute and no title, which a search for the text of the row would find.
    return (
        f'<svg role="img" aria-label="{said}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}"><polyline points="{points}" fill="none" stroke="currentColor"/></svg>'
    )


def _ordered(records: Mapping[str, Record]) -> list[tuple[str, Record]]:
    def place(item: tuple[str, Record]) -> tuple[object, ...]:
        name, record = item
        spec = record.spec
        bits = perceptron_mec((784, *spec.hidden, 10), "report").bits
        return (-bits, -spec.share, spec.random_labels, -spec.epochs, spec.seed, name)

    return sorted(records.items(), key=place)


def _row(name: str, record: Record) -> Row:
    spec, measured = record.spec, record.milestones.tolist()
    last = measured.index(spec.epochs) if spec.epochs in measured else None
    return Row(
        network="-".join(str(units) for units in spec.hidden),
        bits=perceptron_mec((784, *spec.hidden, 10), "report").bits,
        seed=spec.seed,
        epochs=spec.epochs,
        share=spec.share,
        random_labels=spec.random_labels,
        batch=spec.batch,
        learning_rate=spec.learning_rate,
        test=float(record.curves["test"][-1]),
        validation=float(record.curves["validation"][-1]),
        train=None if last is None else float(record.train[last]),
        leaking=None if last is None else float(record.leaking[last]),
        loss=float(record.curves["loss"][-1]),
        dead=len(np.unique(record.test_predictions)) == 1,
        seconds=record.seconds,
        key=name,
    )


def _csv(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Write CSV; floats as the shortest text that reads back as the same number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


def _said(name: str, value: object) -> str:
    """Write an argument of a task: lists without brackets, yes and no for true and false."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return network(value) if name == "hidden" else ", ".join(str(each) for each in value)
    return str(value)


def _table(
    name: str, search: str, columns: Mapping[str, str], lines: Sequence[Sequence[str]]
) -> str:
    """Write a table whose first column names the row.

    Args:
        name: said by a screen reader.
        search: beside the field that the script puts above it.
        columns: title to kind: "text", "number", or "curve", by which nobody can sort.
        lines: the rows; what is not `Markup` is escaped.
    """
    kinds = list(columns.values())
    table = fill("table.html", name=name, search=search, columns=columns, kinds=kinds, rows=lines)
    return table.rstrip("\n")
