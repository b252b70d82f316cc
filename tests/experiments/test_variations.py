import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from rethink import data, mec
from rethink.experiments import variations
from rethink.questions import networks


def recipe(variant):
    return networks.Recipe(**({"hidden": (64, 32, 32)} | variations.VARIANTS[variant]))


@pytest.fixture(scope="module")
def baseline(small):
    return variations.run(small, variant="baseline", seeds=2, epochs=3)


def test_there_is_a_task_for_each_variant():
    tasks = variations.tasks(5)
    assert len(tasks) == len(variations.VARIANTS) and json.loads(json.dumps(tasks)) == tasks
    assert {task["epochs"] for task in tasks} == {10}
    assert variations.seconds(tasks[0]) == pytest.approx(18)


def test_a_variant_differs_from_the_report_in_what_its_name_says():
    report = recipe("baseline")
    assert (report.batch, report.learning_rate, report.optimizer) == (64, 1e-3, "adam")
    assert (report.activation, report.loss, report.schedule) == (
        "relu", "cross-entropy", "constant"
    )  # fmt: skip
    # An optimizer comes with its rate, or with its decay; all else is one change.
    for name, changes in variations.VARIANTS.items():
        assert len(changes) == (0 if name == "baseline" else 2 if "optimizer" in changes else 1)
        assert name == "baseline" or recipe(name) != report


@pytest.mark.parametrize("variant", variations.VARIANTS)
def test_every_variant_is_measured(small, variant):
    result = variations.run(small, variant=variant, seeds=2, epochs=1)
    for key in ("accuracy", "train", "loss", "dead"):
        assert result[key].shape == (2,)
    assert result["dead"].dtype == bool
    assert ((result["accuracy"] >= 0) & (result["train"] <= 1)).all()
    assert np.isnan(result["loss"]).all() == (variant == "squared error")
    if variant != "squared error":
        assert np.isfinite(result["loss"]).all()
    bits = mec.perceptron_mec((784, *recipe(variant).hidden, 10), "four-rules").bits
    assert result["bits"] == bits
    assert bits == 7850 or abs(bits - 50_368) < 100  # about the same, but for no hidden layer


def test_the_baseline_is_what_plain_networks_give(small, baseline):
    # Of their own: a torch.nn network for each member, set to the weights that fit draws.
    drawn = networks.Networks(recipe("baseline"), 784, 10, range(2))
    images = torch.tensor(small.train_images).float() / 255
    labels = torch.tensor(small.train_labels).long()
    for seed in range(2):
        rows = torch.tensor(data.split(1001, seed).train)
        layers = []
        for i, (fan_in, fan_out) in enumerate(pairwise((784, 64, 32, 32, 10))):
            linear = nn.Linear(fan_in, fan_out)
            linear.weight.data = drawn.parameters[2 * i][seed].detach().T.clone()
            linear.bias.data = drawn.parameters[2 * i + 1][seed, 0].detach().clone()
            layers += [linear, nn.ReLU()]
        network = nn.Sequential(*layers[:-1])
        optimizer = torch.optim.Adam(network.parameters(), 1e-3)
        shuffle = torch.Generator().manual_seed(seed + 2**32)
        for _ in range(3):
            order = rows[torch.randperm(len(rows), generator=shuffle)]
            for batch in torch.split(order, 64):
                loss = nn.functional.cross_entropy(network(images[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        tested = network(torch.tensor(small.test_images).float() / 255).detach()
        truth = torch.tensor(small.test_labels).long()
        loss = float(nn.functional.cross_entropy(tested, truth)) / np.log(2)
        assert baseline["loss"][seed] == pytest.approx(loss, abs=1e-3)
        accuracy = float((tested.argmax(dim=1) == truth).double().mean())
        assert baseline["accuracy"][seed] == pytest.approx(accuracy, abs=0.01)
        fitted = network(images[rows]).argmax(dim=1) == labels[rows]
        assert baseline["train"][seed] == pytest.approx(float(fitted.double().mean()), abs=0.01)
    assert not baseline["dead"].any()


def test_the_same_task_gives_the_same_bits(small, baseline):
    again = variations.run(small, variant="baseline", seeds=2, epochs=3)
    for key, value in baseline.items():
        np.testing.assert_array_equal(again[key], value)


class Constant:
    """Networks of which the first gives one class to everything, sure of it; the second is sharp
    and wrong once."""

    def __init__(self, loss, rows):
        self.recipe, self.classes = networks.Recipe(hidden=(), loss=loss), 10
        logits = np.full((2, rows, 10), -5_000.0, dtype=np.float32)
        logits[0, :, 7] = 0
        logits[1, np.arange(rows), np.arange(rows) % 10] = 0
        self._logits = logits

    def logits(self, images):
        return self._logits

    def predict(self, images):
        return np.full((2, len(images)), 7)


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_a_dead_network_and_a_sure_mistake_are_data(small, monkeypatch, loss):
    networks = Constant(loss, len(small.test_images))
    monkeypatch.setattr(variations, "fit", lambda *arguments: networks)
    result = variations.run(small, variant="baseline", seeds=2, epochs=1)
    assert result["dead"].tolist() == [True, False]
    assert result["accuracy"][0] == pytest.approx((small.test_labels == 7).mean())
    if loss == "squared-error":
        assert np.isnan(result["loss"]).all()
    else:
        wrong = (small.test_labels != 7).mean()
        assert result["loss"][0] == pytest.approx(wrong * 5_000 / np.log(2))
    for seed in range(2):
        rows = data.split(1001, seed).train
        assert result["train"][seed] == pytest.approx((small.train_labels[rows] == 7).mean())


def test_bad_input_is_named(small):
    with pytest.raises(ValueError, match=r"variant must be one of baseline, .* but was 'x'"):
        variations.run(small, variant="x", seeds=1, epochs=1)
    with pytest.raises(ValueError, match="seeds must be 1 or more, but was 0"):
        variations.run(small, variant="baseline", seeds=0, epochs=1)
    with pytest.raises(ValueError, match="epochs must be 1 or more"):
        variations.run(small, variant="baseline", seeds=1, epochs=0)
