"""The benchmarks of the trainer on little data: they run and judge rightly; no time is judged."""

import json
from copy import deepcopy
from itertools import pairwise

import pytest

from benchmarks import __main__ as bench
from benchmarks import engine
from benchmarks.__main__ import Target, ratios, rounded, targets
from rethink.runs import machine
from tests.book.builds import never


@pytest.mark.parametrize("name", engine.CONTENDERS)
def test_contenders_learn_alike(small, name):
    seconds, accuracies = engine.CONTENDERS[name]((32, 16), 0, 10, small)
    assert seconds > 0
    if name == "products alone":
        assert accuracies == []
    else:
        assert 0.55 < sum(accuracies) / len(accuracies) < 0.85


def test_a_step_is_taken_apart(small, monkeypatch):
    monkeypatch.setattr(engine, "fashion_mnist", lambda: small)
    parts = engine.dissect([8, 4])
    assert json.loads(json.dumps(parts)) == parts
    assert (parts["hidden"], parts["members"]) == ([8, 4], 5)
    for name in ("gather", "forward", "adam", "whole", "products", "evaluation", "megabytes"):
        assert parts[name] > 0


def test_products_are_those_of_one_step(monkeypatch):
    torch = pytest.importorskip("torch")
    multiplied = []

    def bmm(left, right, out):
        assert left.shape[0] == right.shape[0] == out.shape[0] == 2
        multiplied.append(2 * left.shape[1] * left.shape[2] * right.shape[2])

    multiply = engine._products((20, 6, 3), members=2, rows=4)
    monkeypatch.setattr(torch, "bmm", bmm)
    multiply()
    layers = [2 * 4 * fan_in * fan_out for fan_in, fan_out in pairwise((20, 6, 3))]
    # Forward and weights for each layer, and the errors of all layers but the first.
    assert sum(multiplied) == 2 * sum(layers) + layers[1]


FOUND = {
    "cores": 2,
    "trainers": [
        {"contender": name, "hidden": list(hidden), "seconds": seconds}
        for hidden in (bench.LARGE, bench.SMALL)
        for name, seconds in {
            "report": [10.0, 20.0, 30.0],
            "scikit-learn": [3.0, 6.0, 9.0],
            "scikit-learn, double": [4.0, 8.0, 8.0],
            "this trainer": [1.0, 2.0, 2.0],
            "products alone": [0.5, 1.0, 1.0],
        }.items()
    ],
    "steps": [{"megabytes": 500.0}, {"megabytes": 700.0}],
    "algorithm": {
        "contenders": {
            "sum and argsort": {"seconds": [2.0, 2.0]},
            "thresholds": {"seconds": [3.0, 5.0]},
            "thresholds in order": {"seconds": [1.0, 1.0]},
            "pandas loop": {"seconds": [14.0, 15.0]},
            "csv loop": {"seconds": [200.0]},
        }
    },
}


def test_targets_are_judged_by_medians_of_paired_ratios():
    judged = targets(FOUND)
    assert [(t.value, t.low, t.high) for t in judged] == [
        (2, 2, 2),
        (2, 2, 2),
        (3, 3, 4.5),
        (700, 700, 700),
        (2, 1.5, 2.5),
    ]
    assert [t.met for t in judged] == [False, True, True, True, True]
    assert [t.reached for t in judged] == [False, False, True, True, True]


def test_the_fastest_peer_on_any_network_is_the_one_that_counts():
    quicker = deepcopy(FOUND)
    quicker["trainers"][5]["seconds"] = [0.5, 1.0, 1.0]
    (peer,) = (target for target in targets(quicker) if "peer" in target.what)
    assert peer.case == f"report on {list(bench.SMALL)}"
    assert (peer.value, peer.met) == (0.5, False)


def test_a_target_says_itself_on_one_line():
    target = Target("the trainer", "here", "x", 10.0, 9.5, 12.25, limit=9, goal=11, at_least=True)
    said = "met    the trainer, here: 10.00x (9.50 to 12.25), at least 9, goal 11 missed"
    assert str(target) == said
    target = Target("memory", "", "", 3.0, 3.0, 3.0, limit=2, goal=2, at_least=False)
    assert str(target) == "MISSED memory: 3.00, at most 2"


@pytest.fixture
def done(monkeypatch, tmp_path, small):
    """A call of `make bench` in another repository that measures nothing; the commands after it."""
    commands = []
    for name, found in (
        ("compare", FOUND["trainers"]),
        ("anatomy", FOUND["steps"]),
        ("algorithm", FOUND["algorithm"]),
        ("progression", {}),
        ("rows", []),
    ):
        module = engine if hasattr(engine, name) else bench.estimator
        monkeypatch.setattr(module, name, lambda *data, found=found: found)
    monkeypatch.setattr(bench, "repository", lambda: tmp_path)
    monkeypatch.setattr(bench, "fashion_mnist", lambda: small)
    monkeypatch.setattr(bench, "show", lambda found: None)
    monkeypatch.setattr(bench.subprocess, "run", lambda command, **_: commands.append(command))
    return commands


def test_a_machine_replaces_its_own_measurement_and_leaves_others(done, tmp_path):
    file = tmp_path / "book" / "bench.json"
    bench.main()
    ((here, found),) = json.loads(file.read_text()).items()
    assert here == machine.name(machine.environment())
    assert [target["met"] for target in found["targets"]] == [False, True, True, True, True]
    assert [command[-1] for command in done] == ["costs", "html"]

    other = {"another (AVX2)": {"environment": {}, "targets": [], "seconds": 0.1}}
    file.write_text(json.dumps(other | {here: found | {"date": "long ago"}}))
    bench.main()
    again = json.loads(file.read_text())
    assert list(again) == ["another (AVX2)", here]
    assert again["another (AVX2)"] == other["another (AVX2)"]
    assert again[here] == found


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"environment": {}, "cores": 2}', '{"another": {"cores": 2}}', "[" * 100_000],
)
def test_a_file_of_something_else_is_refused_before_measuring(done, tmp_path, monkeypatch, content):
    file = tmp_path / "book" / "bench.json"
    file.parent.mkdir()
    file.write_text(content)
    monkeypatch.setattr(engine, "anatomy", never)
    with pytest.raises(SystemExit, match=f"^{file} must hold a measurement for each machine; rest"):
        bench.main()
    assert file.read_text() == content


def test_ratios_pair_what_ran_together():
    assert ratios({"a": [2.0, 9.0, 4.0], "b": [1.0, 3.0]}, "a", "b") == (2.5, 2, 3)


def test_figures_are_rounded_all_the_way_down():
    given = {"a": [1.23456789, (2, 0.000123456789)], "b": "text", "c": None, "d": True}
    assert rounded(given) == {"a": [1.23457, [2, 0.000123457]], "b": "text", "c": None, "d": True}
