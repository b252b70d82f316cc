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
    monkeypatch.setattr(prequential, "EPOCHS", 8)


@pytest.fixture(scope="module")
def result(small):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prequential, "CHUNKS", 4)
        patch.setattr(prequential, "STEPS", 100)
        patch.setattr(prequential, "EPOCHS", 8)
        return prequential.run(small, HIDDEN, 3, False)


def test_tasks_are_the_seven_networks_and_two_controls():
    tasks = prequential.tasks(5)
    assert tuple(task["hidden"] for task in tasks[:7]) == SEVEN
    assert [task["shuffled"] for task in tasks] == [False] * 7 + [True] * 2
    assert {task["hidden"] for task in tasks[7:]} <= set(SEVEN)
    # Chunks of the report's rows: what the module says it does.
    assert all(10 < prequential.seconds(task) < 80 for task in tasks)
    assert sum(map(prequential.seconds, tasks)) < 250


def test_shapes_and_sums(result):
    assert result["boundaries"].tolist() == [101, 201, 401, 801]
    for name in ("bits", "chunk_accuracy", "test_bits"):
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


def test_shuffled_labels_are_not_compressed(small):
    result = prequential.run(small, HIDDEN, 2, True)
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
    other = prequential.run(dataclasses.replace(small, train_labels=changed), HIDDEN, 1, False)
    assert other["bits"].shape == (1, 4)
    np.testing.assert_array_equal(other["bits"][0, :3], result["bits"][0, :3])
    assert other["bits"][0, 3] > 1.5 * result["bits"][0, 3]


def test_too_few_rows_are_named(small, monkeypatch):
    monkeypatch.setattr(prequential, "CHUNKS", 12)
    with pytest.raises(ValueError, match="chunks = 12 and rows = 801"):
        prequential.run(small, HIDDEN, 1, False)
