"""Networks of any recipe: against the trainer, against PyTorch, and each setting on its own."""

import math

import numpy as np
import pytest
import torch

from rethink.data import split
from rethink.protocol import Spec
from rethink.questions.networks import ACTIVATIONS, OPTIMIZERS, Networks, Recipe, as_inputs, fit
from rethink.trainer import train


def rows_of(data, seeds, count=None):
    return np.stack([split(len(data.train_images), seed).train[:count] for seed in seeds])


def fitted(data, seeds=(0, 1), count=None, after_epoch=None, **settings):
    recipe = Recipe(**{"hidden": (16, 8), "epochs": 2} | settings)
    rows = rows_of(data, seeds, count)
    return fit(recipe, data.train_images, data.train_labels, rows, seeds, after_epoch=after_epoch)


def loss(networks, images, labels):
    """Mean cross entropy of each member in nats, shape (S,)."""
    shares = networks.probabilities(images)
    return -np.log(shares[:, np.arange(len(labels)), labels] + 1e-300).mean(axis=1)


@pytest.mark.parametrize("hidden", [(64, 32, 32), (8, 4)])
def test_the_default_recipe_is_the_trainers_protocol(small, hidden):
    seeds, running = (0, 1, 2), []
    networks = fitted(
        small, seeds, hidden=hidden, after_epoch=lambda _, __, right: running.append(right)
    )
    records = train([Spec(hidden, seed, epochs=2) for seed in seeds], small)
    for member, record in enumerate(records):
        # Both sum in orders of their own, and an image may stand on the boundary.
        right = (networks.predict(small.test_images)[member] == small.test_labels).mean()
        assert right == pytest.approx(record.curves["test"][-1], abs=0.011)
        ours = loss(networks, small.test_images, small.test_labels)[member]
        assert ours == pytest.approx(record.curves["test_loss"][-1], rel=1e-4)
        np.testing.assert_allclose(
            np.array(running)[:, member], record.curves["running"], atol=0.0026
        )


def test_a_member_does_not_depend_on_its_neighbours(small):
    alone = {
        seed: fitted(small, (seed,)).logits(small.test_images)[0]
        for seed in range(3)  # a stack of one works too, but rounds differently
    }
    for seeds in ([2, 0], [1, 2, 0, 4]):
        logits = fitted(small, seeds).logits(small.test_images)
        for member, seed in enumerate(seeds):
            if seed in alone:
                np.testing.assert_allclose(logits[member], alone[seed], rtol=2e-3, atol=2e-4)


def test_the_same_call_gives_the_same_bits_on_any_number_of_threads(small):
    before = torch.get_num_threads()
    once = fitted(small, dropout=0.3).logits(small.test_images)
    torch.set_num_threads(1)
    try:
        again = fitted(small, dropout=0.3).logits(small.test_images)
    finally:
        torch.set_num_threads(before)
    assert once.tobytes() == again.tobytes()


@pytest.mark.parametrize(
    "settings",
    [
        *({"optimizer": name} for name in OPTIMIZERS),
        *({"activation": name} for name in ACTIVATIONS),
        {"loss": "squared-error"},
        {"schedule": "cosine"},
        {"dropout": 0.2},
        {"optimizer": "adamw", "weight_decay": 0.01},
        {"hidden": ()},
    ],
    ids=str,
)
def test_every_setting_trains(small, settings):
    settings = {"hidden": (32,), "epochs": 4, "batch": 16} | settings
    if settings.get("optimizer") in ("sgd", "momentum"):
        settings["learning_rate"] = 0.05
    running = []
    networks = fitted(small, after_epoch=lambda _, __, right: running.append(right), **settings)
    assert (running[-1] > 0.5).all() and (running[-1] > running[0]).all()
    right = networks.predict(small.test_images) == small.test_labels
    assert (right.mean(axis=1) > 0.5).all()
    if settings.get("loss") != "squared-error":  # its outputs are no logits
        assert (loss(networks, small.test_images, small.test_labels) < math.log(10) / 1.5).all()


def test_it_is_an_ordinary_pytorch_network_trained_in_a_loop(small):
    """One member by PyTorch's own layers, AdamW and scheduler; the recipe none of the defaults."""
    settings = {
        "activation": "tanh",
        "optimizer": "adamw",
        "weight_decay": 0.1,
        "schedule": "cosine",
        "loss": "squared-error",
        "batch": 32,
    }
    recipe = Recipe((12,), epochs=2, **settings)
    rows = rows_of(small, (3, 4), 100)
    drawn = Networks(recipe, 784, 10, [3, 4])
    layers = [torch.nn.Linear(784, 12), torch.nn.Linear(12, 10)]
    with torch.no_grad():
        for layer, weight, bias in zip(
            layers, drawn.parameters[::2], drawn.parameters[1::2], strict=True
        ):
            layer.weight.copy_(weight[0].T)
            layer.bias.copy_(bias[0, 0])
    network = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2 * 4)
    order = torch.Generator().manual_seed(3 + 2**32)
    images = torch.tensor(small.train_images[rows[0]]).float() / 255
    wanted = torch.eye(10)[torch.tensor(small.train_labels[rows[0]]).long()]
    for _ in range(2):
        shuffled = torch.randperm(100, generator=order)
        for batch in shuffled.split(32):
            optimizer.zero_grad()
            ((network(images[batch]) - wanted[batch]) ** 2).sum(dim=1).mean().backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        expected = network(torch.tensor(small.test_images).float() / 255).numpy()
    networks = fit(recipe, small.train_images, small.train_labels, rows, [3, 4])
    np.testing.assert_allclose(networks.logits(small.test_images)[0], expected, atol=2e-5)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("cosine", (1 + np.cos(np.pi * np.arange(8) / 8)) / 2),
        ("linear", 1 - np.arange(8) / 8),
    ],
)
def test_a_falling_rate_starts_at_the_rate_and_ends_near_zero(small, schedule, expected):
    """With plain gradient descent the way that the weights go in a step shows its rate."""
    settings = {"hidden": (), "optimizer": "sgd", "learning_rate": 0.01, "batch": 801}
    moved = {}
    for name in ("constant", schedule):
        recipe = Recipe(epochs=8, schedule=name, **settings)
        seen = [Networks(recipe, 784, 10, [0, 1]).parameters[0].detach()]

        def watch(networks, epoch, right, seen=seen):
            seen.append(networks.parameters[0].detach().clone())

        rows = rows_of(small, (0, 1))
        fit(recipe, small.train_images, small.train_labels, rows, (0, 1), after_epoch=watch)
        steps = np.diff([each.numpy() for each in seen], axis=0)
        moved[name] = np.linalg.norm(steps.reshape(8, -1), axis=1)
    ratio = moved[schedule] / moved["constant"]
    assert ratio[0] == pytest.approx(1)
    # The gradients differ a little, since the weights do.
    np.testing.assert_allclose(ratio, expected, atol=0.06)
    assert (np.diff(ratio) < 0).all() and ratio[-1] < expected[-1] + 0.06


def test_training_starts_from_given_networks_in_a_given_order(small):
    recipe = Recipe((16,), epochs=1)
    rows = rows_of(small, (0, 1))
    arguments = (recipe, small.train_images, small.train_labels, rows, (0, 1))
    plain = fit(*arguments)
    start = Networks(recipe, 784, 10, (0, 1))
    drawn = [each.detach().clone() for each in start.parameters]
    same = fit(*arguments, start=start, order_seeds=[2**32, 2**32 + 1])
    for one, other in zip(plain.parameters, same.parameters, strict=True):
        assert torch.equal(one, other)
    # What is given stays as it was.
    for one, other in zip(drawn, start.parameters, strict=True):
        assert torch.equal(one, other)
    elsewhere = fit(*arguments, start=Networks(recipe, 784, 10, (2, 3)))
    reordered = fit(*arguments, order_seeds=[7, 7])
    for other in (elsewhere, reordered):
        assert not torch.equal(plain.parameters[0], other.parameters[0])
    with pytest.raises(ValueError, match=r"start must have weights of shapes .* but has"):
        fit(*arguments, start=Networks(Recipe((8,)), 784, 10, (0, 1)))


def test_dropout_is_in_training_only(small):
    networks = fitted(small, dropout=0.5)
    once, again = (networks.logits(small.test_images) for _ in range(2))
    assert once.tobytes() == again.tobytes()
    images = as_inputs(small.test_images).expand(2, -1, -1)
    with torch.no_grad():
        whole = networks.forward(images)
        dropped = networks.forward(images, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(whole[-1].numpy(), once, rtol=1e-3, atol=1e-5)
    # The first hidden layer before any other is left out: zero, or divided by the share kept.
    left = dropped[0] != 0
    torch.testing.assert_close(dropped[0][left], 2 * whole[0][left])
    active = whole[0] > 0
    assert left[active].float().mean() == pytest.approx(0.5, abs=0.03)
    # Expectations agree, since what is kept is scaled up.
    assert dropped[0].mean().item() == pytest.approx(whole[0].mean().item(), rel=0.05)


def test_units_and_logits_belong_together(small):
    networks = fitted(small)
    first, last = (networks.units(small.test_images, layer) for layer in (0, -1))
    assert first.shape == (2, 203, 16) and last.shape == (2, 203, 8) and (first >= 0).all()
    weight, bias = (p.detach().numpy() for p in networks.parameters[-2:])
    np.testing.assert_allclose(
        last @ weight + bias, networks.logits(small.test_images), rtol=1e-3, atol=1e-5
    )
    with pytest.raises(IndexError):
        networks.units(small.test_images, 2)


def test_probabilities_are_the_softmax_and_predictions_its_largest(small):
    networks = fitted(small)
    shares, logits = networks.probabilities(small.test_images), networks.logits(small.test_images)
    powers = np.exp(logits.astype(float))
    np.testing.assert_allclose(shares, powers / powers.sum(axis=-1, keepdims=True), rtol=1e-6)
    np.testing.assert_array_equal(networks.predict(small.test_images), shares.argmax(axis=-1))


def test_gradients_flow_back_to_the_inputs(small):
    """As attacks need them; checked against finite differences in float64."""
    networks = fitted(small, activation="tanh")
    networks.parameters = [p.detach().double() for p in networks.parameters]
    inputs = as_inputs(small.test_images[:3]).double().expand(2, -1, -1).clone().requires_grad_()
    networks.forward(inputs)[-1][..., 3].sum().backward()
    assert inputs.grad.shape == (2, 3, 784) and (inputs.grad.abs().sum(dim=-1) > 0).all()
    for pixel in (300, 400):
        step = torch.zeros_like(inputs)
        step[..., pixel] = 1e-6
        with torch.no_grad():
            up, down = (networks.forward(inputs + s)[-1][..., 3] for s in (step, -step))
        torch.testing.assert_close(
            inputs.grad[..., pixel], (up - down) / 2e-6, atol=1e-6, rtol=1e-5
        )


def test_bytes_are_divided_by_255_and_other_numbers_are_not(small):
    shares = small.train_images.astype(np.float32) / np.float32(255)
    rows = rows_of(small, (0, 1), 128)
    recipe = Recipe((8,), epochs=1)
    from_bytes = fit(recipe, small.train_images, small.train_labels, rows, (0, 1))
    from_shares = fit(recipe, shares, small.train_labels, rows, (0, 1))
    np.testing.assert_allclose(
        from_bytes.logits(small.test_images),
        from_shares.logits(small.test_images.astype(float) / 255),
        atol=1e-5,
    )
    assert as_inputs(np.array([[0, 255]], np.uint8)).tolist() == [[0, 1]]
    assert as_inputs(np.array([[0, 255]])).tolist() == [[0, 255]]
    assert (small.train_images.flags.writeable, small.train_images.max()) == (False, 255)


def test_each_member_may_be_given_images_and_labels_of_its_own(small):
    networks = fitted(small)
    both = np.stack([small.test_images, small.test_images[::-1]])
    np.testing.assert_allclose(
        networks.logits(both)[1], networks.logits(small.test_images)[1, ::-1], rtol=1e-4, atol=1e-5
    )
    labels = np.stack([small.train_labels, (small.train_labels + 1) % 10])
    recipe = Recipe((32,), epochs=4)
    own = fit(recipe, small.train_images, labels, rows_of(small, (0, 1)), (0, 1))
    predicted = own.predict(small.test_images)
    assert (predicted[0] == small.test_labels).mean() > 0.5
    assert (predicted[1] == (small.test_labels + 1) % 10).mean() > 0.5


def test_the_last_batch_may_be_short_and_training_may_stop_early(small):
    seen = []
    fitted(
        small,
        count=70,
        epochs=9,
        after_epoch=lambda _, epoch, right: seen.append(epoch) or epoch > 2,
    )
    assert seen == [1, 2, 3]
    running = []
    fitted(small, count=70, epochs=1, after_epoch=lambda _, __, right: running.append(right))
    np.testing.assert_allclose(running[0] * 70, np.rint(running[0] * 70))


def test_fewer_classes_and_features(small):
    labels = (small.train_labels == 1).astype(int)
    rows = rows_of(small, (0, 1))
    networks = fit(Recipe((), epochs=3), small.train_images[:, :392], labels, rows, (0, 1), 2)
    right = networks.predict(small.test_images[:, :392]) == (small.test_labels == 1)
    assert networks.logits(small.test_images[:5, :392]).shape == (2, 5, 2)
    assert (right.mean(axis=1) > 0.85).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "step"}, "schedule must be one of constant, cosine, linear, but was 'step'"),
        ({"optimizer": "lion"}, "optimizer must be one of adam, .* but was 'lion'"),
        ({"activation": "swish"}, "activation must be one of relu, .* but was 'swish'"),
        ({"loss": "hinge"}, "loss must be one of cross-entropy, squared-error, but was 'hinge'"),
        ({"epochs": 0}, "epochs must be 1 or more, but was 0"),
        ({"batch": 0}, "batch must be 1 or more, but was 0"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), but was 1.0"),
        ({"dropout": -0.1}, r"dropout must lie in \[0, 1\), but was -0.1"),
    ],
)
def test_a_bad_recipe_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe((8,), **settings)


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (np.zeros((3, 5), int), np.zeros(20, int)),
        (np.zeros(5, int), np.zeros(20, int)),
        (np.zeros((2, 5), int), np.zeros(19, int)),
    ],
)
def test_shapes_that_do_not_fit_are_named(rows, labels):
    images = np.zeros((20, 4), np.uint8)
    with pytest.raises(ValueError, match=r"rows must have shape \(2, m\) and labels one entry"):
        fit(Recipe(()), images, labels, rows, (0, 1))
