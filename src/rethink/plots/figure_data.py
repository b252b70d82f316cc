"""The data behind a figure: everything that was drawn, as a table.

Read from the drawn artists themselves, so that table and picture cannot disagree.
"""

import csv
import io
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.category import StrCategoryLocator
from matplotlib.collections import FillBetweenPolyCollection, LineCollection, PathCollection
from matplotlib.container import BarContainer, Container, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator

COLUMNS = ("panel", "series", "x axis", "x", "y axis", "y", "to x", "to y", "value")
# A larger image is a picture and not data; of it only the name is kept.
CELLS = 400
_Row = dict[str, Any]


def tidy(figure: Figure) -> str:
    """Return what a figure shows as the text of a CSV file with the columns ``COLUMNS``.

    A point is a row; a bar, an interval or a stretch of a band has a second end, in ``to x`` and
    ``to y``; a cell of an image has a ``value``. ``panel`` is the title of the axes, or their
    number. ``series`` is the artist's gid, or else its label; one whose name begins with an
    underscore is decoration and left out. Numbers have six significant digits.

    Raises:
        TypeError: if something was drawn that this cannot read.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number, ax in enumerate(figure.axes, start=1):
        titles = [ax.get_title(loc) for loc in ("center", "left", "right")]
        about = {
            "panel": " ".join(filter(None, titles)) or number,
            "x axis": ax.get_xlabel(),
            "y axis": ax.get_ylabel(),
        }
        for row in _rows(ax):
            places = {
                name: _place(axis, row[name])
                for axis, names in ((ax.xaxis, ("x", "to x")), (ax.yaxis, ("y", "to y")))
                for name in names
                if name in row
            }
            writer.writerow({**about, **row, **places})
    return text.getvalue()


def _rows(ax: Axes) -> Iterator[_Row]:
    inside: set[int] = set()
    for container in ax.containers:
        inside |= {id(part) for part in container.get_children()}
        if isinstance(container, BarContainer):
            upright = container.orientation == "vertical"
            for part in container.patches:
                # A histogram leaves its label on its first bar.
                name = _name(container) or _name(container.patches[0])
                yield _bar(name, part, upright)
        if isinstance(container, ErrorbarContainer):
            line, _, bars = container
            if line is not None:
                yield from _points(_name(container), line.get_xydata())
            for bar in bars:
                yield from _segments(f"{_name(container)}: interval", bar)
    for artist in (*ax.lines, *ax.collections, *ax.patches, *ax.images):
        name = _name(artist)
        if id(artist) in inside or name.startswith("_"):
            continue
        placed = {"x": True, "y": True}
        if isinstance(artist, Line2D | Rectangle):
            # A line or area across the whole width or height has no place there.
            transform = artist.get_transform()
            placed["x"], placed["y"] = transform.contains_branch_seperately(ax.transData)
        before: _Row = {}
        for row in _artist(name, artist):
            kept = {key: row[key] for key in row if placed.get(key[-1], True)}
            if all(placed.values()) or kept != before:
                yield kept
            before = kept


def _artist(name: str, artist: Artist) -> Iterator[_Row]:
    match artist:
        case Line2D():
            yield from _points(name, artist.get_xydata())
        case PathCollection():
            yield from _points(name, artist.get_offsets())
        case LineCollection():
            yield from _segments(name, artist)
        case FillBetweenPolyCollection():
            yield from _band(name, artist)
        case Rectangle():
            yield from _rectangle(name, artist)
        case AxesImage():
            yield from _cells(name, artist)
        case _:
            raise TypeError(
                f"{type(artist).__name__} {name!r} has no table; give it a gid that begins with an "
                "underscore if it is decoration"
            )


def _name(artist: Artist | Container) -> str:
    label = str(artist.get_label() or "")
    # What matplotlib calls those without a label.
    unnamed = label.startswith(("_child", "_container", "_nolegend_"))
    return str(getattr(artist, "get_gid", str)() or ("" if unnamed else label))


def _points(name: str, places: Any) -> Iterator[_Row]:
    for x, y in np.asarray(places, dtype=float):
        if np.isfinite([x, y]).all():
            yield {"series": name, "x": x, "y": y}


def _segments(name: str, lines: LineCollection) -> Iterator[_Row]:
    for segment in lines.get_segments():
        for (x, y), (to_x, to_y) in pairwise(segment):
            if np.isfinite([x, y, to_x, to_y]).all():
                yield {"series": name, "x": x, "y": y, "to x": to_x, "to y": to_y}


def _band(name: str, band: FillBetweenPolyCollection) -> Iterator[_Row]:
    """Give the ends of an area between two curves over x, as `fill_between` draws it."""
    for path in band.get_paths():
        corners = np.asarray(path.vertices)
        for x in np.unique(corners[:, 0]):
            here = corners[corners[:, 0] == x, 1]
            yield {"series": name, "x": x, "y": here.min(), "to x": x, "to y": here.max()}


def _rectangle(name: str, patch: Rectangle) -> Iterator[_Row]:
    (x, y), width, height = patch.get_xy(), patch.get_width(), patch.get_height()
    yield {"series": name, "x": x, "y": y, "to x": x + width, "to y": y + height}


def _bar(name: str, patch: Rectangle, upright: bool) -> _Row:
    (row,) = _rectangle(name, patch)
    across = "x" if upright else "y"
    # The middle is where its tick stands.
    row[across] = (row[across] + row.pop(f"to {across}")) / 2
    return row


def _cells(name: str, image: AxesImage) -> Iterator[_Row]:
    values = np.asarray(image.get_array())
    if values.size > CELLS:
        yield {"series": name}
        return
    for (row, column), value in np.ndenumerate(values):
        yield {"series": name, "x": column, "y": row, "value": _digits(value)}


def _place(axis: Axis, place: float) -> str:
    """Write a place on an axis by the word that stands there, or else by its number."""
    ticks = axis.get_majorticklocs()
    # By what is written of it: the middle of a bar is a tick but for rounding.
    places = list(map(_digits, ticks))
    word = ""
    fixed = isinstance(axis.get_major_locator(), FixedLocator | StrCategoryLocator)
    if fixed and _digits(place) in places:
        words = axis.get_major_formatter().format_ticks(list(ticks))
        word = " ".join(words[places.index(_digits(place))].split())
    plain = word.replace(",", "").replace("\u2212", "-")
    return word if word and plain != _digits(place) else _digits(place)


def _digits(number: float) -> str:
    return f"{number:.6g}"
