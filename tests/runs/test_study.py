import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from rethink.protocol import Spec
from rethink.runs import study
from rethink.runs.store import Store, key
from rethink.runs.study import LARGE, Runs, specifications
from rethink.runs.workers import Workers
from rethink.trainer import train


@pytest.mark.parametrize("name", study.STUDIES)
def test_more_seeds_only_add_members(name):
    few, many = (specifications(name, seeds, epochs=80) for seeds in (2, 5))
    assert len(set(many)) == len(many) == len(few) / 2 * 5
    assert set(few) == {spec for spec in many if spec.seed < 2}
    assert {spec.seed for spec in many} == set(range(5))


def test_the_studies_of_the_report():
    # Figure 8's networks, and Figure 7's shares, of which the middle ones stop at 10.
    capacity = specifications("capacity", 1, 80)
    assert [spec.hidden for spec in capacity] == [
        *((256, 128, 128), (128, 64, 64), (64, 32, 32), (32, 16, 16)),
        *((16, 8, 8), (8, 4, 4), (4, 4, 2)),
    ]
    assert {(spec.epochs, spec.share, spec.random_labels) for spec in capacity} == {(80, 1.0, 0.0)}
    shares = specifications("shares", 1, 80)
    assert {spec.share: spec.epochs for spec in shares} == {
        **{0.1: 80, 0.3: 80, 0.5: 10, 0.7: 10, 1.0: 80}
    }
    labels = specifications("random-labels", 1, 80)
    assert [spec.random_labels for spec in labels] == [0.25, 0.5, 0.75, 1.0]
    assert {spec.hidden for spec in shares + labels} == {LARGE} == {capacity[0].hidden}
    # The whole training data is one run in both.
    assert set(shares) & set(capacity) == {capacity[0]}


@pytest.mark.parametrize("name", study.STUDIES)
def test_fewer_epochs_shorten_every_member(name):
    assert {spec.epochs for spec in specifications(name, 2, 5)} == {5}
    assert all(spec.epochs <= 12 for spec in specifications(name, 2, 12))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("depth", 5, 80), "study must be one of capacity, shares, random-labels.*'depth' was"),
        (("capacity", 0, 80), "seeds must be a whole number from 1 on, but 0 was passed"),
        (("capacity", 2.0, 80), "seeds must be .* but 2.0 was passed"),
        (("shares", 5, "3"), "epochs must be a whole number from 1 on, but '3' was passed"),
        (("shares", 5, -1), "epochs must be .* but -1 was passed"),
    ],
)
def test_errors_name_the_parameter(arguments, message):
    with pytest.raises(ValueError, match=message):
        specifications(*arguments)


# Cost


@pytest.fixture(scope="module")
def few(small):
    specs = [Spec((8, 4), seed, epochs=2) for seed in range(3)] + [Spec((5,), 0, epochs=2)]
    return Runs(tuple(train(specs[:3], small) + train(specs[3:], small)))


def test_where_selects_members(few):
    assert len(few) == 4
    assert [r.spec.seed for r in few.where(hidden=(8, 4)).records] == [0, 1, 2]
    assert len(few.where(hidden=(8, 4), seed=1)) == 1
    with pytest.raises(ValueError, match="values must fit a member"):
        few.where(hidden=(9,))


def test_accuracy_after_an_epoch(few):
    group = few.where(hidden=(8, 4))
    assert (group.accuracy("test") == group.curve("test")[:, -1]).all()
    assert (group.accuracy("validation", 1) == group.curve("validation")[:, 0]).all()
    assert (group.accuracy("train", 2) == [r.train[-1] for r in group.records]).all()
    for part, epoch in (("train", 3), ("test", 0), ("nonsense", 1), ("seconds", 1)):
        with pytest.raises(ValueError, match=f"{part}.* was not measured after epoch {epoch}"):
            group.accuracy(part, epoch)


def test_confusions_count_every_test_row(few, small):
    tables = few.confusions(small.test_labels)
    assert tables.shape == (4, 10, 10)
    assert (tables.sum(axis=(1, 2)) == len(small.test_labels)).all()
    right = np.trace(tables, axis1=1, axis2=2) / len(small.test_labels)
    np.testing.assert_allclose(right, few.accuracy("test"))


def test_a_network_with_one_answer_is_dead(few):
    constant = replace(few.records[0], test_predictions=np.full(203, 7, np.uint8))
    assert list(Runs((few.records[0], constant)).dead()) == [False, True]


def test_runs_come_from_the_store_and_are_trained_where_they_are_missing(
    small, tmp_path, monkeypatch
):
    monkeypatch.setattr(study, "fashion_mnist", lambda: small)
    monkeypatch.setattr(study.Store, "here", lambda: Store(tmp_path, None))
    monkeypatch.setitem(
        study.STUDIES, "tiny", lambda seeds, epochs: [Spec((5,), s, epochs) for s in range(seeds)]
    )
    first = study.runs("tiny", seeds=2, epochs=1)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert len(kept) == 2
    assert (study.runs("tiny", seeds=2, epochs=1).accuracy("test") == first.accuracy("test")).all()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")} == kept


def test_compare_sees_what_differs(few):
    record = few.records[0]
    assert study.compare(record, replace(record, seconds=9.0)).equal
    shorter = replace(record, spec=replace(record.spec, epochs=1))
    shorter = replace(shorter, curves={n: c[:1] for n, c in record.curves.items()})
    assert study.compare(record, shorter).equal
    test = record.curves["test"] + np.array([0.0, 0.01])
    other = replace(record, curves=record.curves | {"test": test})
    audit = study.compare(record, other)
    assert audit.difference == pytest.approx(0.01)
    assert not audit.equal
    assert not audit.passed
    # Another type of machine may round differently, up to the tolerance.
    elsewhere = replace(other, environment={"processor": "another"})
    assert study.compare(record, elsewhere).passed
    # A narrow network may go another way there; a wide one may not.
    far = replace(elsewhere, curves=record.curves | {"test": record.curves["test"] + 0.05})
    assert study.compare(record, far).passed
    wide = replace(record.spec, hidden=(32, 8))
    assert not study.compare(replace(record, spec=wide), replace(far, spec=wide)).passed
    # Equal curves are not enough when a run was trained whole.
    table = record.train_confusion[::-1]
    assert not study.compare(record, replace(record, train_confusion=table)).equal


def test_an_audit_passes_true_records_and_catches_altered_ones(small, tmp_path):
    specs = [Spec((5,), seed, epochs=2) for seed in range(4)]
    store = Store(tmp_path, None)
    study.train_missing(specs, small, store, workers=Workers(1))
    audits = study.audit(specs, small, store, seconds=60, seed=1)
    assert len(audits) == 2 * study.cores()
    assert all(audit.equal and audit.epochs == 2 for audit in audits)
    assert all(a.epochs == 1 for a in study.audit(specs, small, store, seconds=1e-9, seed=1))
    for spec in specs:
        record = store.get(key(spec, small.digest))
        curves = record.curves | {"test": record.curves["test"] + 0.005}
        store.put(key(spec, small.digest), replace(record, curves=curves))
    assert not any(a.passed for a in study.audit(specs, small, store, seconds=60, seed=1))


def test_a_chapter_that_finds_all_records_needs_no_torch():
    code = "import sys, rethink.claims, rethink.study; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
