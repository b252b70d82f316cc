"""The code of the training labels, on a thousand rows with short training."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from rethink.data import split
from rethink.experiments import prequential
from rethink.experiments.training_runs import SEVEN
from rethink.mlp import StackedMLP
from rethink.trainer import one_thread

HIDDEN = (32, 16)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(prequential, "CHUNKS", 4)
    monkeypatch.setattr(prequential, "STEPS", 100)


@pytest.fixture(scope="module")
def result(small):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prequential, "CHUNKS", 4)
        patch.setattr(prequential, "STEPS", 100)
        return prequential.run(small, HIDDEN, 3, 8, False)


def test_every_network_has_its_control_for_short_and_for_long():
    tasks = prequential.tasks(5)
    for epochs in (10, 80):
        for shuffled in (False, True):
            chosen = [t for t in tasks if (t["epochs"], t["shuffled"]) == (epochs, shuffled)]
            networks = SEVEN if epochs == 10 else (SEVEN[0], SEVEN[3], SEVEN[5])
            assert tuple(task["hidden"] for task in chosen) == networks
            members = 5 if (epochs, shuffled) == (10, False) else 2
            assert {task["seeds"] for task in chosen} == {members}


def test_shapes_and_sums(result):
    assert result["boundaries"].tolist() == [101, 201, 401, 801]
    for name in ("bits", "plain", "tempered", "temperatures", "chunk_accuracy", "test_bits"):
        assert result[name].shape == (3, 4) and np.isfinite(result[name]).all()
    np.testing.assert_allclose(result["total"], result["bits"].sum(axis=1))
    assert float(result["uniform"]) == pytest.approx(801 * math.log2(10))
    np.testing.assert_allclose(result["bits"][:, 0], 101 * math.log2(10))
    np.testing.assert_allclose(result["test_bits"][:, 0], math.log2(10))
    # 8 epochs, or as many as make 100 steps of 2, 4 and 7 batches.
    assert result["epochs"].tolist() == [0, 50, 25, 15]


def test_what_can_be_learned_is_compressed(result):
    assert (result["total"] < 0.8 * result["uniform"]).all()
    assert (result["chunk_accuracy"][:, -1] > 0.5).all()
    labels_a_chunk = np.diff(result["boundaries"])
    per_label = result["bits"][:, 1:] / labels_a_chunk
    assert (per_label[:, -1] < 2.5).all()
    # Chunks and test rows are drawn alike.
    np.testing.assert_allclose(per_label[:, -1], result["test_bits"][:, -1], atol=0.4)


def test_a_temperature_is_that_of_the_chunk_before(small, result):
    assert result["temperatures"][:, :2].tolist() == [[1, 1]] * 3
    # So the first coded chunk is coded alike.
    np.testing.assert_allclose(result["tempered"][:, 1], result["bits"][:, 1])
    # As long as the labels of the third chunk are the same, so is the temperature of the fourth.
    changed = small.train_labels.copy()
    changed[split(1001, 0).train[401:]] = 0
    other = prequential.run(dataclasses.replace(small, train_labels=changed), HIDDEN, 1, 8, False)
    np.testing.assert_array_equal(other["temperatures"][0], result["temperatures"][0])


def test_a_network_trained_for_long_is_too_sure_and_a_temperature_mends_it(small):
    long = prequential.run(small, HIDDEN, 2, 120, False)
    assert (long["temperatures"][:, 2:] > 1.2).all()
    totals = {name: long[name].sum(axis=1) for name in ("plain", "bits", "tempered")}
    assert (totals["plain"] > totals["bits"]).all() and (totals["bits"] > totals["tempered"]).all()


def test_shuffled_labels_are_not_compressed(small):
    result = prequential.run(small, HIDDEN, 2, 8, True)
    assert (result["total"] > 0.99 * result["uniform"]).all()


def test_a_chunk_is_coded_by_a_network_that_has_not_seen_it(small, result):
    """One chunk of one member by a plain loop over PyTorch's own layers."""
    order = split(1001, 1).train
    sent, chunk = order[:201], order[201:401]
    images = torch.tensor(small.train_images).float() / 255
    labels = torch.tensor(small.train_labels).long()
    network = StackedMLP((784, *HIDDEN, 10), [1, 1]).member(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(1 + 2**32)
    rows = torch.tensor(sent)
    with one_thread():
        for _ in range(25):
            for batch in rows[torch.randperm(201, generator=generator)].split(64):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
                optimizer.step()
    with torch.no_grad():
        shares = torch.softmax(network(images[chunk]).double(), dim=1).numpy()
    chosen = shares[np.arange(200), small.train_labels[chunk]]
    bits = -np.log2(0.99 * chosen + 0.01 / 10).sum()
    assert result["bits"][1, 2] == pytest.approx(bits, rel=1e-3)


def test_a_member_depends_neither_on_its_neighbours_nor_on_later_labels(small, result):
    changed = small.train_labels.copy()
    last = split(1001, 0).train[401:]
    changed[last] = (changed[last] + 1) % 10
    other = prequential.run(dataclasses.replace(small, train_labels=changed), HIDDEN, 1, 8, False)
    assert other["bits"].shape == (1, 4)
    np.testing.assert_array_equal(other["bits"][0, :3], result["bits"][0, :3])
    assert other["bits"][0, 3] > 1.5 * result["bits"][0, 3]


def test_too_few_rows_are_named(small, monkeypatch):
    monkeypatch.setattr(prequential, "CHUNKS", 12)
    with pytest.raises(ValueError, match="chunks = 12 and rows = 801"):
        prequential.run(small, HIDDEN, 1, 8, False)
