import csv

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import Circle

from rethink.plots.figure_data import CELLS, COLUMNS, tidy


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    figure.canvas.draw()
    plt.close("all")


def rows(ax):
    """What the table says, without empty cells."""
    found = csv.DictReader(tidy(ax.figure).splitlines())
    assert tuple(found.fieldnames) == COLUMNS
    return [{name: cell for name, cell in row.items() if cell and name != "panel"} for row in found]


def test_a_point_of_a_line_is_a_row_and_gaps_are_left_out(ax):
    ax.plot([1, 2, 3], [4, np.nan, 1 / 3], label="line")
    ax.set(xlabel="epoch", ylabel="accuracy")
    axes = {"series": "line", "x axis": "epoch", "y axis": "accuracy"}
    assert rows(ax) == [axes | {"x": "1", "y": "4"}, axes | {"x": "3", "y": "0.333333"}]


def test_dots_keep_their_places(ax):
    ax.scatter([1, 2], [30, 40], gid="dots")
    assert [(row["x"], row["y"]) for row in rows(ax)] == [("1", "30"), ("2", "40")]


def test_dots_on_one_place_are_as_many_rows(ax):
    ax.scatter([6, 6, 6], [0.1, 0.1, 0.1], gid="dots")
    assert len(rows(ax)) == 3


def test_a_gid_goes_before_a_label_and_decoration_is_left_out(ax):
    ax.plot([1], [1], label="label", gid="gid")
    ax.plot([1], [1], label="label", gid="_guide")
    assert [row["series"] for row in rows(ax)] == ["gid"]


def test_what_has_no_name_shows_as_that(ax):
    ax.plot([1], [1])
    ax.bar([1], [1])
    assert ["series" in row for row in rows(ax)] == [False, False]


def test_bars_have_two_ends_and_the_name_of_their_tick(ax):
    ax.bar(["a", "b"], [2, 3], bottom=[0, 1], label="up")
    assert rows(ax) == [
        {"series": "up", "x": "a", "y": "0", "to y": "2"},
        {"series": "up", "x": "b", "y": "1", "to y": "4"},
    ]


def test_bars_that_lie_have_their_ends_in_x(ax):
    ax.barh([7], [5], left=[1], label="across")
    assert rows(ax) == [{"series": "across", "x": "1", "y": "7", "to x": "6"}]


def test_a_histogram_is_its_bars(ax):
    ax.hist([1, 1, 3], bins=[0, 2, 4], label="counts")
    found = [(row["series"], row["x"], row["to y"]) for row in rows(ax)]
    assert found == [("counts", "1", "2"), ("counts", "3", "1")]


def test_words_on_an_axis_stand_for_its_places(ax):
    ax.barh([0, 1], [2, 3], label="bars")
    ax.set_yticks([0, 1], ["shirt", "coat\nor so"])
    ax.set_xticks([2, 3], ["20%", "30%"])
    found = [(row["y"], row["to x"]) for row in rows(ax)]
    assert found == [("shirt", "20%"), ("coat or so", "30%")]


def test_the_middle_of_a_bar_is_its_tick_but_for_rounding(ax):
    ax.barh([0, -1, -2], [3, 4, 5], height=0.6, label="bars")
    ax.set_yticks([0, -1, -2], ["shirt", "coat", "bag"])
    assert [row["y"] for row in rows(ax)] == ["shirt", "coat", "bag"]


def test_a_tick_that_says_its_number_is_written_as_any_number(ax):
    ax.plot([-2000, 3000], [0, 1], label="line")
    ax.set_xticks([-2000, 3000], ["\u22122,000", "3,000"])
    assert [row["x"] for row in rows(ax)] == ["-2000", "3000"]


def test_intervals_have_two_ends(ax):
    ax.errorbar([1], [5], yerr=[[1], [2]], fmt="o", label="mean")
    ax.vlines([3], [1], [2], label="range")
    found = [(r["series"], r["x"], r["y"], r.get("to y")) for r in rows(ax)]
    assert found == [
        ("mean", "1", "5", None),
        ("mean: interval", "1", "4", "7"),
        ("range", "3", "1", "2"),
    ]


def test_a_band_has_its_lower_and_upper_end_at_each_place(ax):
    ax.fill_between([1, 2], [0, 1], [5, 6], label="band")
    assert [(r["x"], r["y"], r["to y"]) for r in rows(ax)] == [("1", "0", "5"), ("2", "1", "6")]


def test_what_runs_across_the_whole_panel_has_no_place_there(ax):
    ax.set(xlim=(0, 10), ylim=(0, 10))
    ax.axhline(3, label="level")
    ax.axvspan(1, 2, label="span")
    assert rows(ax) == [
        {"series": "level", "y": "3"},
        {"series": "span", "x": "1", "to x": "2"},
    ]


def test_small_images_are_tables_and_large_ones_pictures(ax):
    ax.imshow([[1, 2], [3, 4.5]], gid="matrix")
    ax.imshow(np.zeros((CELLS + 1, 1)), gid="picture")
    found = [(r["series"], r.get("x"), r.get("y"), r.get("value")) for r in rows(ax)]
    assert found == [
        ("matrix", "0", "0", "1"),
        ("matrix", "1", "0", "2"),
        ("matrix", "0", "1", "3"),
        ("matrix", "1", "1", "4.5"),
        ("picture", None, None, None),
    ]


def test_panels_are_told_apart_by_their_titles():
    figure, (left, right) = plt.subplots(1, 2)
    left.plot([1], [1], label="a")
    right.plot([1], [1], label="a")
    right.set_title("what is right", loc="left")
    found = csv.DictReader(tidy(figure).splitlines())
    assert [row["panel"] for row in found] == ["1", "what is right"]
    plt.close(figure)


def test_what_cannot_be_read_is_refused_unless_it_is_decoration(ax):
    ax.add_patch(Circle((0, 0), 1, gid="_spot"))
    assert rows(ax) == []
    ax.add_patch(Circle((0, 0), 1, gid="spot"))
    with pytest.raises(TypeError, match="Circle 'spot' has no table"):
        tidy(ax.figure)
