import json

import numpy as np
import pytest
from matplotlib import pyplot as plt

from rethink.instrument import results
from rethink.instrument.results import Curve, Learners, Resilience, Sweep

SHARES = np.array([[0.5, 0.6], [0.9, 0.8]])


@pytest.fixture
def curve():
    return Curve(np.array([0.5, 1.0]), np.array([40, 80]), SHARES)


def sweep():
    names = [name for name in Sweep.__dataclass_fields__ if name.startswith(("train_i", "test"))]
    names += [name for name in Sweep.__dataclass_fields__ if name.startswith("shuffled")]
    filled = {name: SHARES for name in (*names, "train")}
    return Sweep(
        sizes=((2, 2), (2, 9, 2)), bits=np.array([6, 2]), train_rows=80,
        label_bits=np.array([80.0, 79.0]), guess=np.array([0.5, 0.5]), networks=None, **filled,
    )  # fmt: skip


def test_a_result_says_itself_in_a_line_a_field(curve):
    assert repr(curve).splitlines() == [
        "Curve",
        "  shares: (2,), mean 0.75",
        "  rows: (2,), mean 60",
        "  test: (2, 2), mean 0.7",
        "  left_out: ()",
    ]
    assert "networks" not in repr(sweep())


def test_plain_values_are_json(curve):
    assert curve.to_dict()["test"] == [[0.5, 0.6], [0.9, 0.8]]
    assert json.loads(json.dumps(curve.to_dict(), allow_nan=False))["rows"] == [40, 80]
    assert results.plain({"a": (np.inf, 1)}) == {"a": [None, 1]}
    assert "networks" not in sweep().to_dict()


@pytest.mark.parametrize("rows", ["train", "test"])
def test_a_sweep_is_drawn_in_the_order_of_capacity(rows):
    figure, ax = plt.subplots()
    assert sweep().plot(ax, rows) is ax
    means = [line for line in ax.lines if line.get_gid() == "true labels: mean"]
    assert means[0].get_xdata().tolist() == [2, 6]
    plt.close(figure)


def test_other_results_are_drawn_on_the_axes_given(curve):
    noise = Resilience(
        np.array([10.0, 0.0]), SHARES[0], SHARES, SHARES[0], SHARES[0], SHARES, SHARES
    )
    others = Learners(("a", "b"), SHARES, SHARES, SHARES, SHARES)
    for result in (curve, noise, others):
        figure, ax = plt.subplots()
        assert result.plot(ax) is ax
        assert ax.get_xlabel() or [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b"]
        plt.close(figure)
