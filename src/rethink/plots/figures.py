"""The book's figures and tables: one style, and the few kinds that its chapters share.

Every plot takes ``ax`` and returns it. The colours are Okabe and Ito's, which colour-blind readers
can tell apart.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise, product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.core.formatters import BaseFormatter
from IPython.display import Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import ArrayLike, NDArray
from traitlets import Unicode

from rethink.errors import printable
from rethink.intervals import mean_interval
from rethink.plots.figure_data import tidy

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6E6E6E"
COLOURS = {
    "train": BLUE,
    "running": BLUE,
    "leaking": PURPLE,
    "validation": GREEN,
    "test": ORANGE,
}


def use() -> None:
    """Set the book's style for all figures of this session, and hand over what they show.

    In a notebook each figure leaves its data beside its picture, as `figure_data.tidy` reads them.
    """
    plt.style.use(Path(__file__).with_name("book.mplstyle"))
    shell = get_ipython()
    formatters = getattr(getattr(shell, "display_formatter", None), "formatters", None)
    if formatters is not None:
        formatters["text/csv"] = _TableBehindFigure()


class _TableBehindFigure(BaseFormatter):
    """Gives a notebook the table behind a figure, beside its picture."""

    format_type = Unicode("text/csv")

    def __call__(self, shown: object) -> str | None:
        # Not a printer registered for the type: matplotlib unregisters those.
        return tidy(shown) if isinstance(shown, Figure) else None


def table(header: Sequence[str], rows: Iterable[Sequence[object]], kind: str = "") -> None:
    """Show rows as a table; a cell may hold Markdown.

    ``kind`` is the class that the page's style knows the table by: ``claims`` for verdicts, which
    become cards on a narrow screen, ``sortable`` for what readers may sort and filter.
    """
    rule = ["---"] * len(header)
    lines = [_line(header), _line(rule), *(_line(row) for row in rows)]
    text = "\n".join(lines)
    if kind:
        text = f'<div class="{kind}">\n\n{text}\n\n</div>'
    display(Markdown(text))  # type: ignore[no-untyped-call]


def _line(cells: Iterable[object]) -> str:
    """Write a line of a table; numbers get minus signs in place of hyphens."""
    hyphen = re.compile(r"(?<![\w\u2011-])-(?=\.?\d)")
    return "| " + " | ".join(hyphen.sub("\u2212", str(cell)) for cell in cells) + " |"


def literal(text: str) -> str:
    """Return a text as a cell of a table shows it: nothing in it is Markdown or HTML."""
    return re.sub(r"([!-,./:-@\[-`{-~])", r"\\\1", " ".join(printable(text).split()))


def spread(shares: NDArray[np.float64]) -> str:
    """Write shares, one a seed, as percent: mean ± standard deviation, a dash if there is none."""
    if len(shares) < 2:
        return f"{100 * shares[0]:.1f}" if len(shares) else "–"
    return f"{100 * shares.mean():.1f}\u00a0±\u00a0{100 * shares.std(ddof=1):.1f}"


def network(hidden: Sequence[int]) -> str:
    """Write hidden layers as a name that does not break over lines, such as 256‑128‑128."""
    return "\u2011".join(str(units) for units in hidden)


def gallery(images: NDArray[np.uint8], labels: Sequence[str], columns: int = 10) -> Figure:
    """Show images of shape (n, 784) in rows, each under its label."""
    rows = -(-len(images) // columns)
    side = min(1.0, 6.4 / columns)
    size = (side * columns, 1.25 * side * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for number, (ax, image, label) in enumerate(zip(axes.flat, images, labels, strict=False), 1):
        shown = {"cmap": "gray_r", "vmin": 0, "vmax": 255, "gid": f"picture {number}"}
        ax.imshow(image.reshape(28, 28), **shown)
        ax.set_title(label, fontsize=9)
    return figure


def layers(sizes: Sequence[int], ax: Axes | None = None) -> Axes:
    """Draw a multilayer perceptron as one column of units a layer, at most seven of them shown."""
    ax = ax or plt.gca()
    shown = [min(size, 7) for size in sizes]
    names = ["pixels", *(f"hidden {n}" for n in range(1, len(sizes) - 1)), "classes"]
    heights = [np.arange(count) - (count - 1) / 2 for count in shown]
    for layer, units in enumerate(heights):
        before = heights[layer - 1] if layer else np.empty(0)
        for start, end in product(before, units):
            places = [layer - 1, layer]
            ax.plot(places, [start, end], color=GREY, lw=0.25, zorder=1, gid="_weight")
        column = np.full(len(units), layer)
        ax.scatter(column, units, s=90, color=BLUE, edgecolor="white", zorder=2, gid="_unit")
        ax.text(layer, -4.1, f"{sizes[layer]:,}\n{names[layer]}", ha="center", va="top")
    ax.set(xlim=(-0.5, len(sizes) - 0.5), ylim=(-5.4, 3.6))
    ax.axis("off")
    return ax


def seeds(
    x: ArrayLike,
    samples: Sequence[ArrayLike] | NDArray[np.float64],
    label: str = "",
    colour: str = BLUE,
    published: ArrayLike | None = None,
    line: bool = True,
    ax: Axes | None = None,
    name: str = "",
) -> Axes:
    """Plot one group of seeds a position: all points, their mean and its 95% t-interval.

    Args:
        x: positions, shape (groups,).
        samples: the values of each group's seeds; empty groups are left out.
        label: written at the last mean.
        colour: of points, means and intervals.
        published: the report's values, shape (groups,), drawn as crosses; NaN where it has none.
        line: whether the means are joined.
        ax: where to draw.
        name: of the series in the table behind the figure, by default the label.
    """
    ax = ax or plt.gca()
    name = name or label or "seeds"
    positions = np.asarray(x, dtype=float)
    means = []
    for position, sample in zip(positions, samples, strict=True):
        values = np.asarray(sample, dtype=float)
        ax.scatter(
            np.full(len(values), position),
            values,
            s=16,
            color=colour,
            alpha=0.35,
            linewidths=0,
            gid=f"{name}: each",
        )
        if len(values) > 1:
            interval = mean_interval(values)
            ends = (interval.low, interval.high)
            ax.vlines(position, *ends, color=colour, lw=2.4, gid=f"{name}: 95% interval")
        means.append(values.mean() if len(values) else np.nan)
    ax.plot(positions, means, "o", ms=4, color=colour, gid=f"{name}: mean")
    if line:
        ax.plot(positions, means, color=colour, lw=1.4, gid="_line")
    if published is not None:
        said = np.asarray(published, float)
        ax.plot(positions, said, "x", ms=8, mew=1.8, color="black", gid=f"{name}: the report")
    drawn = np.flatnonzero(np.isfinite(means))
    if len(drawn):
        _label_end(ax, label, positions[drawn[-1]], means[drawn[-1]], 9, colour)
    return ax


def band(
    x: ArrayLike,
    curves: NDArray[np.float64],
    label: str = "",
    colour: str = BLUE,
    ax: Axes | None = None,
    name: str = "",
) -> Axes:
    """Plot the curves of all seeds, shape (members, points), faintly, and their mean.

    ``name``, by default the label, is that of the series in the table behind the figure.
    """
    ax = ax or plt.gca()
    name = name or label or "seeds"
    positions = np.asarray(x, dtype=float)
    for member, curve in enumerate(curves):
        each = f"{name}: seed {member}"
        ax.plot(positions, curve, color=colour, lw=0.6, alpha=0.35, gid=each)
    mean = curves.mean(axis=0)
    ax.plot(positions, mean, color=colour, gid=f"{name}: mean")
    _label_end(ax, label, positions[-1], mean[-1], 6, colour)
    return ax


def _label_end(ax: Axes, label: str, x: float, y: float, points: float, colour: str) -> None:
    """Write what a curve is, if that has a name, some points right of where it ends."""
    if label:
        ax.annotate(
            label,
            (x, y),
            xytext=(points, 0),
            textcoords="offset points",
            color=colour,
            va="center",
        )


def log_rows(ax: Axes) -> None:
    """Write the ticks of a logarithmic x axis as plain numbers, also where it spans little."""
    low, high = ax.get_xlim()
    ratio = high / max(low, 1e-9)
    subs = (1.0, 2.0, 5.0) if ratio < 20 else (1.0, 3.0) if ratio < 1_000 else (1.0,)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_minor_locator(NullLocator())


def sorted_line(values: ArrayLike, labels: ArrayLike, ax: Axes | None = None) -> Axes:
    """Draw Algorithm 1 on a few rows: sorted on a line, a threshold at each change of class."""
    ax = ax or plt.gca()
    order = np.argsort(values, kind="stable")
    line, classes = np.asarray(values, dtype=float)[order], np.asarray(labels)[order]
    kinds = sorted(set(classes.tolist()))
    for kind, colour, marker in zip(kinds, (BLUE, ORANGE, GREEN), "os^", strict=False):
        chosen = line[classes == kind]
        ax.scatter(chosen, np.zeros(len(chosen)), s=70, color=colour, marker=marker, label=kind)
    for (left, here), (right, there) in pairwise(zip(line, classes, strict=True)):
        if here != there:
            ax.axvline((left + right) / 2, color=GREY, lw=1, ls="--", gid="threshold")
    ax.legend(loc="upper right", ncols=len(kinds))
    ax.set(yticks=[], ylim=(-0.6, 1.2), xlabel="sum of the pixels of an image")
    ax.spines["left"].set_visible(False)
    ax.grid(False)
    return ax
