"""The table of ties against counting; `mec` is held against every order of the rows elsewhere."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink import ties

CLASSES = 4
# Few distinct sums and classes, so that ties of several classes meet each other.
lines = st.lists(st.tuples(st.integers(0, 5), st.integers(0, CLASSES - 1)), min_size=1, max_size=30)


def keys(rows):
    return np.array([CLASSES * total + label for total, label in rows])


@given(lines)
@settings(deadline=None)
def test_a_table_counts_the_rows_of_each_class_in_each_tie(rows):
    table = ties.tabulate(keys(rows), CLASSES)
    sums = sorted({total for total, _ in rows})
    counted = Counter((sums.index(total), label) for total, label in rows)
    entries = zip(table.tie.tolist(), table.label.tolist(), strict=True)
    assert dict(zip(entries, table.rows.tolist(), strict=True)) == counted
    assert table.size.tolist() == [sum(total == k for total, _ in rows) for k in sums]
    # The ties of a class are side by side, ascending.
    assert np.lexsort((table.tie, table.label)).tolist() == list(range(len(table.rows)))


@given(lines)
@settings(deadline=None)
def test_each_row_of_the_sorted_line_knows_its_entry(rows):
    table = ties.tabulate(keys(rows), CLASSES)
    sums = sorted({total for total, _ in rows})
    found = ties.entries(table)
    expected = [(sums.index(total), label) for total, label in sorted(rows)]
    assert [(table.tie[e], table.label[e]) for e in found] == expected


@given(lines, st.data())
@settings(deadline=None)
def test_a_subset_is_tabulated_as_if_there_were_no_other_rows(rows, data):
    kept = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, unique=True))
    table = ties.tabulate(keys(rows), CLASSES)
    some = ties.subset(table, ties.entries(table)[kept])
    alone = ties.tabulate(keys([sorted(rows)[k] for k in kept]), CLASSES)
    for found, expected in zip(some, alone, strict=True):
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("rows", "expected", "extremes"),
    [
        ([(0, 0), (0, 1)], [0.5, 0.5, 0, 0], (1, 1)),
        # 0 0 1, 0 1 0 and 1 0 0, as likely as each other.
        ([(0, 0), (0, 0), (0, 1)], [2 / 3, 2 / 3, 0, 0], (1, 2)),
        # 0, then 0 1 or 1 0.
        ([(0, 0), (1, 0), (1, 1)], [0.5, 1, 0, 0], (1, 2)),
    ],
)
def test_thresholds_of_small_ties_by_hand(rows, expected, extremes):
    table = ties.tabulate(keys(rows), CLASSES)
    assert ties.expected(table, CLASSES) == pytest.approx(expected)
    assert ties.extremes(table) == extremes
