import csv
import io
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from rethink.book import run_tables
from rethink.protocol import Record, Spec

NAMES = ("running", "loss", "validation", "validation_loss", "test", "test_loss")


def record(spec, milestones, dead=False, seconds=1.5):
    """A run whose curves have digits to lose; its test accuracy rises with the epochs."""
    rng = np.random.default_rng(spec.seed)
    curves = {name: rng.random(spec.epochs) for name in NAMES}
    curves["test"] = np.linspace(0.1, 0.7, spec.epochs) + 1 / 30
    return Record(
        spec=spec,
        curves=curves,
        milestones=np.array(milestones),
        train=np.array([0.9 + n / 300 for n in milestones]),
        leaking=np.array([0.8 + n / 700 for n in milestones]),
        train_confusion=np.eye(10, dtype=np.int64),
        validation_confusion=np.eye(10, dtype=np.int64),
        test_predictions=np.zeros(20, np.uint8) if dead else np.arange(20, dtype=np.uint8) % 10,
        seconds=seconds,
    )


LARGE, SMALL = (256, 128, 128), (4, 4, 2)


@pytest.fixture
def log():
    """Five runs in no order."""
    return {
        "e": record(Spec(SMALL, 0, 3), [1, 3], dead=True, seconds=0.125),
        "d": record(Spec(LARGE, 0, 3, share=0.1), [1, 3]),
        "b": record(Spec(LARGE, 1, 3), [1, 3]),
        "c": record(Spec(LARGE, 0, 2, random_labels=0.25), [1]),
        "a": record(Spec(LARGE, 0, 3), [1, 3]),
    }


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def body(table):
    """The rows of an HTML table, as the text of their cells."""
    tree = ElementTree.fromstring(table)
    assert len({len(row) for row in tree.iter("tr")}) == 1
    return [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")][1:]


def test_rows_say_what_the_records_hold(log):
    dead = run_tables.rows(log)[-1]
    assert (dead.network, dead.bits, dead.key) == ("4-4-2", 3160, "e")
    assert (dead.seed, dead.epochs, dead.share, dead.random_labels) == (0, 3, 1.0, 0.0)
    assert (dead.batch, dead.learning_rate, dead.seconds) == (64, 0.001, 0.125)
    assert dead.test == pytest.approx(0.7 + 1 / 30)
    assert dead.validation == log["e"].curves["validation"][2]
    assert dead.loss == log["e"].curves["loss"][2]
    assert dead.train == pytest.approx(0.91)
    assert dead.leaking == pytest.approx(0.8 + 3 / 700)
    assert [row.dead for row in run_tables.rows(log)] == [False, False, False, False, True]


def test_what_was_not_measured_at_the_end_is_left_out(log):
    noisy = run_tables.rows(log)[2]
    assert (noisy.key, noisy.train, noisy.leaking) == ("c", None, None)
    assert body(run_tables.runs_table(log))[2][8] == "–"
    assert read(run_tables.runs_csv(log))[2]["train"] == ""


def test_the_order_does_not_depend_on_the_mapping(log):
    turned = dict(reversed(log.items()))
    assert [row.key for row in run_tables.rows(log)] == list("abcde")
    for write in (
        run_tables.rows,
        run_tables.runs_csv,
        run_tables.curves_csv,
        run_tables.runs_table,
    ):
        assert write(turned) == write(log)


def test_runs_read_back_from_csv_unchanged(log):
    lines = read(run_tables.runs_csv(log))
    assert [line["key"] for line in lines] == list("abcde")
    for line in lines:
        found = log[line["key"]]
        spec = Spec(
            tuple(int(units) for units in line["network"].split("-")),
            int(line["seed"]),
            int(line["epochs"]),
            float(line["share"]),
            float(line["random_labels"]),
            int(line["batch"]),
            float(line["learning_rate"]),
        )
        assert spec == found.spec
        assert float(line["test"]) == found.curves["test"][-1]
        assert float(line["loss"]) == found.curves["loss"][-1]
        assert float(line["seconds"]) == found.seconds
        assert json.loads(line["dead"].lower()) == (line["key"] == "e")


def test_curves_read_back_from_csv_unchanged(log):
    lines = read(run_tables.curves_csv(log))
    assert [(line["key"], line["epoch"]) for line in lines] == [
        (key, str(epoch)) for key in "abcde" for epoch in range(1, log[key].spec.epochs + 1)
    ]
    for key, found in log.items():
        own = [line for line in lines if line["key"] == key]
        for name in NAMES:
            assert [float(line[name]) for line in own] == found.curves[name].tolist()
        for name in ("train", "leaking"):
            filled = {int(line["epoch"]): float(line[name]) for line in own if line[name]}
            measured = getattr(found, name).tolist()
            assert filled == dict(zip(found.milestones.tolist(), measured, strict=True))


def test_every_curve_of_a_record_is_in_the_csv(log):
    header = run_tables.curves_csv(log).partition("\n")[0].split(",")
    assert set(log["a"].curves) | {"key", "epoch", "train", "leaking"} == set(header)


def test_an_empty_log_has_headers_only():
    assert run_tables.runs_csv({}).startswith("network,bits,seed,")
    assert run_tables.curves_csv({}).count("\n") == 1


def test_the_table_shows_the_runs(log):
    table = run_tables.runs_table(log)
    assert body(table)[0][:9] == [
        *("256\u2011128\u2011128", "201,482", "0", "3", "100%", "0%"),
        *("73.33", f"{100 * log['a'].curves['validation'][-1]:.2f}", "91.00"),
    ]
    assert [row[11] for row in body(table)] == ["no", "no", "no", "no", "dead"]
    # The curve is drawn and has words, none of which a search for the row's text would meet.
    assert [row[12] for row in body(table)] == [""] * 5
    assert table.count("<polyline") == 5
    assert "test accuracy 13.3% after epoch 1, 73.3% after epoch 3, highest 73.3%" in table


def test_measurements_are_shown_in_words():
    tasks = [
        ("robustness", {"hidden": (8, 4, 4), "shuffled": True, "sizes": (500, 1000)}, 12.34),
        ("labels", {"kind": "given", "seed": 0}, 0.0),
    ]
    assert body(run_tables.tasks_table(tasks)) == [
        ["robustness", "hidden 8\u20114\u20114; shuffled yes; sizes 500, 1000", "12.3"],
        ["labels", "kind given; seed 0", "0.0"],
    ]


def test_text_is_escaped():
    tasks = [("<b>&", {"kind": '"><script>alert(1)</script>'}, 1.0)]
    table = run_tables.tasks_table(tasks)
    assert "<script" not in table
    assert "<b>" not in table
    assert body(table) == [["<b>&", 'kind "><script>alert(1)</script>', "1.0"]]


@pytest.mark.parametrize("values", [[0.0, 1.0], [1.0], [0.1] * 80, np.linspace(1, 0, 1000)])
def test_a_curve_stays_within_its_box(values):
    tree = ElementTree.fromstring(run_tables.sparkline(values))
    _, _, width, height = map(float, tree.attrib["viewBox"].split())
    points = tree.find("polyline").attrib["points"]
    x, y = np.array([pair.split(",") for pair in points.split()], dtype=float).T
    assert len(x) == max(2, len(values))
    assert x.min() == 1
    assert x.max() == width - 1
    assert (np.diff(x) >= 0).all()
    assert y.min() >= 1
    assert y.max() <= height - 1


def test_a_curve_rises_with_the_accuracy():
    points = re.search('points="([^"]*)"', run_tables.sparkline([0.0, 0.5, 1.0])).group(1)
    assert points == "1,19 40,10 79,1"
