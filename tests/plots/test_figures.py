import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from rethink.intervals import mean_interval
from rethink.plots import figures


@pytest.fixture
def ax():
    with matplotlib.rc_context():
        figure, ax = plt.subplots()
        yield ax
        figure.canvas.draw()  # a warning on the way would be an error
        plt.close("all")


def points(ax):
    return [c.get_offsets() for c in ax.collections if isinstance(c, PathCollection)]


def bars(ax):
    lines = [c for c in ax.collections if isinstance(c, LineCollection)]
    return [segment for line in lines for segment in line.get_segments()]


def test_nothing_needs_a_screen():
    assert matplotlib.get_backend().lower() == "agg"


def test_the_style_is_set_only_on_demand():
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        assert plt.rcParams["axes.spines.top"]
        figures.use()
        assert not plt.rcParams["axes.spines.top"]
        assert plt.rcParams["axes.grid"]
        assert plt.rcParams["figure.figsize"] == [6.4, 3.8]


def test_colours_differ():
    colours = {figures.BLUE, figures.ORANGE, figures.GREEN, figures.PURPLE, figures.GREY}
    assert len(colours) == 5
    assert set(figures.COLOURS.values()) <= colours
    assert len({figures.COLOURS[name] for name in ("train", "validation", "test")}) == 3


def test_a_table_shows_its_rows_as_markdown(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", shown.append)
    figures.table(("a", "b"), iter([("x", 1), ("**y**", 0.5)]))
    assert [each.data for each in shown] == ["| a | b |\n| --- | --- |\n| x | 1 |\n| **y** | 0.5 |"]


# ---- seeds ---------------------------------------------------------------------------------------

GROUPS = [[0.1, 0.2, 0.6], [0.5], [], [0.7, 0.9]]


def test_seeds_shows_all_points_means_and_intervals(ax):
    assert figures.seeds([1, 2, 3, 4], GROUPS, ax=ax) is ax
    assert [len(group) for group in points(ax)] == [3, 1, 0, 2]
    assert points(ax)[0].tolist() == [[1, 0.1], [1, 0.2], [1, 0.6]]
    # An interval needs two seeds.
    expected = [(1, mean_interval(GROUPS[0])), (4, mean_interval(GROUPS[3]))]
    assert len(bars(ax)) == len(expected)
    for segment, (x, interval) in zip(bars(ax), expected, strict=True):
        np.testing.assert_allclose(segment, [[x, interval.low], [x, interval.high]])
    for line in ax.lines:
        np.testing.assert_allclose(line.get_ydata(), [0.3, 0.5, np.nan, 0.8])


def test_seeds_joins_means_on_demand(ax):
    figures.seeds([1, 2], [[0.1], [0.2]], line=False, ax=ax)
    assert [line.get_linestyle() for line in ax.lines] == ["None"]
    figures.seeds([1, 2], [[0.1], [0.2]], ax=ax)
    assert [line.get_linestyle() for line in ax.lines] == ["None", "None", "-"]


def test_seeds_marks_the_published_values_with_crosses(ax):
    figures.seeds([1, 2], [[0.1], [0.2]], published=[0.4, np.nan], line=False, ax=ax)
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert len(crosses) == 1
    np.testing.assert_array_equal(crosses[0].get_ydata(), [0.4, np.nan])


def test_seeds_writes_its_label_at_the_last_mean(ax):
    figures.seeds([1, 2], [[0.1], [0.2, 0.4]], label="test", colour=figures.ORANGE, ax=ax)
    (label,) = ax.texts
    assert label.get_text() == "test"
    assert label.xy == pytest.approx((2, 0.3))
    assert label.get_color() == figures.ORANGE
    assert {line.get_color() for line in ax.lines} == {figures.ORANGE}


def test_seeds_writes_its_label_where_the_last_group_is_empty(ax):
    figures.seeds([1, 2], [[0.1], []], label="test", ax=ax)
    assert ax.texts[0].xy == pytest.approx((1, 0.1))


def test_seeds_draws_nothing_where_all_groups_are_empty(ax):
    assert figures.seeds([1, 2], [[], []], ax=ax) is ax
    assert sum(map(len, points(ax))) == 0
    assert not bars(ax)


def test_seeds_needs_a_position_for_each_group(ax):
    with pytest.raises(ValueError, match="zip"):
        figures.seeds([1, 2], [[0.1]], ax=ax)


# ---- band ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [1, 5])
def test_band_shows_every_curve_and_their_mean(ax, members):
    curves = np.arange(members * 3.0).reshape(members, 3)
    assert figures.band([1, 2, 3], curves, label="train", ax=ax) is ax
    assert len(ax.lines) == members + 1
    for line, curve in zip(ax.lines, [*curves, curves.mean(axis=0)], strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
        np.testing.assert_allclose(line.get_ydata(), curve)
    widths = [line.get_linewidth() for line in ax.lines]
    assert widths[-1] > max(widths[:-1])
    assert ax.texts[0].get_text() == "train"
    assert ax.texts[0].xy == (3, curves.mean(axis=0)[-1])


# ---- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 10, 1), (4, 2, 2), (7, 3, 3)])
def test_gallery_shows_each_image_under_its_label(ax, count, columns, rows):
    images = np.arange(count * 784).reshape(count, 784).astype(np.uint8)
    labels = [f"label {n}" for n in range(count)]
    figure = figures.gallery(images, labels, columns)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == rows * columns
    shown = [each for each in figure.axes if each.images]
    assert [each.get_title() for each in shown] == labels
    for each, image in zip(shown, images, strict=True):
        np.testing.assert_array_equal(each.images[0].get_array(), image.reshape(28, 28))
    assert not any(each.axison for each in figure.axes)


def test_layers_draws_at_most_seven_units_and_joins_neighbours(ax):
    assert figures.layers([784, 4, 10], ax) is ax
    assert [len(column) for column in points(ax)] == [7, 4, 7]
    assert len(ax.lines) == 7 * 4 + 4 * 7
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["784\npixels", "4\nhidden 1", "10\nclasses"]


def test_sorted_line_has_a_threshold_at_each_change_of_class(ax):
    values, labels = [5, 1, 2, 9, 7], ["bag", "bag", "bag", "coat", "coat"]
    assert figures.sorted_line(values, labels, ax) is ax
    assert [line.get_xdata()[0] for line in ax.lines] == [6.0]
    assert sorted(len(group) for group in points(ax)) == [2, 3]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["bag", "coat"]


@pytest.mark.parametrize(
    ("labels", "thresholds"), [(["a", "b", "a"], 2), (["a", "a", "a"], 0), (["c", "a", "b"], 2)]
)
def test_sorted_line_counts_like_algorithm_1(ax, labels, thresholds):
    figures.sorted_line([1, 2, 3], labels, ax)
    assert len(ax.lines) == thresholds
    assert sum(map(len, points(ax))) == 3


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.seeds([1], [[0.1]]),
        lambda: figures.band([1], np.ones((1, 1))),
        lambda: figures.layers([3, 2]),
        lambda: figures.sorted_line([1], ["a"]),
    ],
)
def test_without_axes_the_current_ones_are_drawn_on(ax, draw):
    assert draw() is ax


def test_spread_and_network_are_short():
    assert figures.spread(np.array([0.9, 0.91, 0.92])) == "91.0\u00a0±\u00a01.0"
    assert figures.spread(np.array([0.5])) == "50.0"
    assert figures.spread(np.array([])) == "–"
    assert figures.network((256, 128)) == "256\u2011128"
