"""The storage experiment against exact separability and what single weights can do."""

import json

import numpy as np
import pytest
import torch

from rethink.experiments import storage
from rethink.questions import memorization


def test_tasks_are_plain_values_and_hold_their_yardsticks():
    found = storage.tasks(5)
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(storage.tasks(5)))
    assert [task["units"] for task in found] == [0, 0, 1, 2, 4, 8, 16]
    assert [task["trials"] for task in storage.tasks(1)] == [t["trials"] // 5 for t in found]
    for task in found:
        assert all(a < b for a, b in zip(task["points"], task["points"][1:], strict=False))
        assert storage.seconds(task) < 60
    assert sum(map(storage.seconds, found)) < 150


def test_draws_are_decided_by_their_arguments():
    x, y = storage.draw(5, 3, 4)
    assert x.shape == (4, 5, 3) and y.shape == (4, 5) and set(np.unique(y)) <= {-1, 1}
    again = storage.draw(5, 3, 4)
    assert (x == again[0]).all() and (y == again[1]).all()


def test_a_neuron_stores_the_share_of_cover():
    found = storage.run(None, "neuron", inputs=2, units=0, points=(3, 6, 12), trials=200)
    # Cover's T(n, 3) / 2^n by hand: 8 / 8, 2 (1 + 5 + 10) / 64, 2 (1 + 11 + 55) / 4096.
    np.testing.assert_allclose(found["cover"], [1, 0.5, 134 / 4096])
    spread = np.sqrt(found["cover"] * (1 - found["cover"]) / 200)
    shares = found["successes"] / found["trials"]
    assert np.all(np.abs(shares - found["cover"]) <= 4 * spread)


def test_one_unit_stores_only_what_is_separable():
    x, y = storage.draw(7, 3, 60)
    exact = np.array([memorization.separable(p, s) for p, s in zip(x, y, strict=True)])
    stored = storage.stored(x, y, units=1, seed=0, steps=300, starts=6)[:, -1]
    assert 0 < exact.sum() < 60
    assert not np.any(stored & ~exact)  # the sign of one ReLU unit is that of a linear neuron
    assert stored.sum() > 0.8 * exact.sum()


def test_two_units_store_exclusive_or():
    corners = np.array([[[0, 0], [0, 1], [1, 0], [1, 1]]] * 3, dtype=np.float32)
    signs = np.array([[-1, 1, 1, -1]] * 3, dtype=np.float32)
    assert storage.stored(corners, signs, units=2, seed=0, steps=400, starts=10)[:, -1].all()
    assert not storage.stored(corners, signs, units=1, seed=0, steps=400, starts=3).any()
    # The same point with both labels is never stored.
    corners[:, 1], signs[:, 1] = corners[:, 0], 1
    assert not storage.stored(corners, signs, units=8, seed=0, steps=100, starts=2).any()


def test_gradients_are_those_of_the_loss(monkeypatch):
    """One step of Adam from rest moves each weight by the rate, against its gradient's sign."""
    x, y = (torch.from_numpy(a) for a in storage.draw(40, 3, 2))
    x = torch.cat([x, torch.ones(2, 40, 1)], dim=2)
    moved = []
    step = torch.Tensor.addcdiv_

    def spy(weight, *arguments, **named):
        before = weight.clone()
        moved.append((before, step(weight, *arguments, **named) - before))
        return weight

    monkeypatch.setattr(torch.Tensor, "addcdiv_", spy)
    storage._train(x, y, 5, 1, 0.5, torch.Generator().manual_seed(0))
    (inner, inner_step), (outer, outer_step) = moved
    inner.requires_grad_(), outer.requires_grad_()
    hidden = torch.relu(x @ inner)
    margins = y * (hidden @ outer[:, :-1] + outer[:, -1:])[..., 0]
    torch.nn.functional.softplus(-margins).mean(dim=1).sum().backward()
    for weight, change in ((inner, inner_step), (outer, outer_step)):
        clear = weight.grad.abs() > 1e-4
        assert clear.float().mean() > 0.7
        assert torch.equal(change.sign()[clear], -weight.grad.sign()[clear])
        torch.testing.assert_close(
            change[clear].abs(), torch.full_like(change[clear], storage.RATE), rtol=1e-2, atol=0
        )


def test_a_layer_is_counted_start_by_start_and_repeats_bit_by_bit(monkeypatch):
    monkeypatch.setattr(storage, "STEPS", 60)
    monkeypatch.setattr(storage, "STARTS", 4)
    task = {"part": "layer", "inputs": 3, "units": 2, "points": (4, 12, 40), "trials": 5}
    found, again = storage.run(None, **task), storage.run(None, **task)
    assert found.keys() == again.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(values, again[name])
    assert found["by_start"].shape == (3, storage.STARTS)
    assert (np.diff(found["by_start"], axis=1) >= 0).all()
    assert found["successes"][0] == 5 and found["successes"][-1] == 0
    assert (found["parameters"], found["twice"], found["four_rules"]) == (11, 22, 10)


def test_the_part_must_be_known():
    with pytest.raises(ValueError, match="part must be neuron or layer, but 'tree'"):
        storage.run(None, "tree", 3, 0, (4, 5), 2)
