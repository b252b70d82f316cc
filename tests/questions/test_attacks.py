"""Attacks against foolbox where it is installed, and against slow and exact ones where not."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink.questions import attacks
from rethink.questions.networks import Networks, Recipe, fit

quick = settings(deadline=None, max_examples=30)


@pytest.fixture(scope="module")
def trained(small):
    """Two small networks that have learned something, with test images and their labels."""
    rows = np.tile(np.arange(1001), (2, 1))
    recipe = Recipe((16,), epochs=3)
    networks = fit(recipe, small.train_images, small.train_labels, rows, range(2))
    return networks, small.test_images, small.test_labels.astype(np.int64)


def linear(weight, bias):
    """A classifier of two classes that answers 1 where weight.x + bias is above 0."""
    networks = Networks(Recipe(()), len(weight), 2, [0])
    second = torch.tensor(np.stack([0 * weight, weight], axis=1), dtype=torch.float32)
    networks.parameters[0] = second[None].requires_grad_()
    networks.parameters[1] = torch.tensor([[[0.0, bias]]], requires_grad=True)
    return networks


vectors = st.lists(st.floats(-3, 3).filter(lambda w: abs(w) > 0.05), min_size=1, max_size=7)


@quick
@given(vectors, st.floats(-1, 1), st.randoms(use_true_random=False))
def test_a_linear_answer_turns_where_theory_says(weight, bias, random):
    weight = np.array(weight)
    image = np.array([[random.uniform(0.4, 0.6) for _ in weight]])
    score = float((image @ weight)[0]) + bias
    critical = abs(score) / np.abs(weight).sum()
    if not 1e-3 < critical < 0.35:  # where no pixel meets black or white
        return
    networks, label = linear(weight, bias), np.array([int(score > 0)])
    for attack in (attacks.fgsm, attacks.pgd):
        held = attack(networks, image, label, 0.99 * critical)
        assert (networks.predict(held) == label).all()
        turned = attack(networks, image, label, 1.01 * critical)
        assert (networks.predict(turned) != label).all()


@quick
@given(vectors, st.floats(-1, 1), st.floats(0.01, 0.5))
def test_no_corner_beats_one_step_on_a_linear_network(weight, bias, epsilon):
    weight = np.array(weight)
    image = np.linspace(0.05, 0.95, len(weight))
    networks, label = linear(weight, bias), np.array([1])
    found = attacks.fgsm(networks, image[None], label, epsilon)[0, 0] @ weight
    corners = [
        np.clip(image + epsilon * np.array(signs), 0, 1) @ weight
        for signs in itertools.product([-1, 1], repeat=len(weight))
    ]
    assert found == pytest.approx(min(corners), abs=1e-5)


@quick
@given(vectors, st.floats(-1, 1), st.randoms(use_true_random=False))
def test_a_linear_answer_turns_at_its_distance(weight, bias, random):
    weight = np.array(weight)
    image = np.array([[random.uniform(0.4, 0.6) for _ in weight]])
    score = float((image @ weight)[0]) + bias
    distance = abs(score) / np.linalg.norm(weight)
    if not 1e-3 < distance < 0.35:  # where no pixel meets black or white
        return
    networks, label = linear(weight, bias), np.array([int(score > 0)])
    held = attacks.pgd_l2(networks, image, label, 0.99 * distance)
    assert (networks.predict(held) == label).all()
    turned = attacks.pgd_l2(networks, image, label, 1.01 * distance)
    assert (networks.predict(turned) != label).all()
    # Lengths shrink by 5 % a step: from 1 to the least of these takes 140.
    least = attacks.ddn(networks, image, label, steps=150).lengths[0, 0]
    assert distance * (1 - 1e-3) <= least <= 1.02 * distance


@quick
@given(vectors, st.floats(-1, 1), st.randoms(use_true_random=False))
def test_the_least_change_of_a_linear_network_bends_at_black_and_white(weight, bias, random):
    weight = np.array(weight)
    image = np.array([random.choice([0, 0.02, 0.5, 0.97, 1]) for _ in weight])
    score = float(image @ weight) + bias
    label = int(score > 0)
    # The nearest point of the box on the other side lies on this path, clipped.
    down = -weight if label else weight
    path = np.clip(image + np.linspace(0, 3, 3_001)[:, None] ** 2 * down, 0, 1)
    scores = path @ weight + bias
    if abs(scores[-1]) < 1e-4:
        return  # single precision cannot tell on which side the corner of the box lies
    turned = (scores > 0) != label
    found = attacks.ddn(linear(weight, bias), image[None], np.array([label]), steps=200)
    if not turned.any():
        assert np.isinf(found.lengths[0, 0])
        assert np.array_equal(found.images[0, 0], image.astype(np.float32))
        return
    exact = np.linalg.norm(path[turned.argmax()] - image)
    if exact < 0.01:
        return
    assert 0.98 * exact <= found.lengths[0, 0] <= 1.06 * exact
    assert found.images.min() >= 0 and found.images.max() <= 1


def test_the_direction_is_that_of_finite_differences():
    recipe = Recipe((5, 4), activation="tanh")
    networks = Networks(recipe, 6, 3, [1, 2])
    images = np.random.default_rng(1).uniform(0.3, 0.7, (8, 6))
    labels = np.arange(8) % 3
    moved = attacks.fgsm(networks, images, labels, 0.1)
    assert moved.shape == (2, 8, 6)

    def loss(changed):
        chosen = networks.probabilities(changed)[:, np.arange(8), labels]
        return -np.log(chosen)

    compared = 0
    for pixel in range(6):
        step = np.zeros(6)
        step[pixel] = 0.02
        slope = (loss(images + step) - loss(images - step)) / 0.04
        clear = np.abs(slope) > 1e-3
        compared += clear.sum()
        direction = np.sign(moved[:, :, pixel] - images[:, pixel])
        assert (direction == np.sign(slope))[clear].all()
    assert compared > 60


def slow_pgd(networks, member, image, label, epsilon, steps):
    """One image of one member, without the library's stacking, batches or clipping trick."""
    place = image.copy()
    for _ in range(steps):
        stacked = torch.tensor(np.stack([place] * networks.members))[:, None].requires_grad_()
        logits = networks.forward(stacked)[-1][member, 0].double()
        (torch.logsumexp(logits, 0) - logits[label]).backward()
        move = np.sign(stacked.grad[member, 0].numpy())
        place = place + np.float32(2.5 * epsilon / steps) * move
        place = np.minimum(np.maximum(place, image - epsilon), image + epsilon)
        place = np.minimum(np.maximum(place, 0), 1).astype(np.float32)
    return place


def test_steps_of_a_stack_are_those_of_one_image(trained):
    networks, images, labels = trained
    found = attacks.pgd(networks, images, labels, 0.05, steps=4, seed=None)
    for member, row in itertools.product(range(2), range(0, 203, 20)):
        image = images[row].astype(np.float32) / 255
        slow = slow_pgd(networks, member, image, labels[row], 0.05, 4)
        # A sign may differ where a derivative is zero but for rounding.
        assert (np.abs(found[member, row] - slow) > 1e-5).mean() < 0.01


def test_an_attack_stays_in_its_bounds_and_does_harm(trained):
    networks, images, labels = trained
    inputs = images.astype(np.float32) / 255
    clean = (networks.predict(images) == labels).mean(axis=1)
    for attack in (attacks.fgsm, attacks.pgd):
        for epsilon in (0.0, 0.02, 0.1):
            altered = attack(networks, images, labels, epsilon)
            assert altered.dtype == np.float32
            assert np.abs(altered - inputs).max() <= epsilon + 1e-6
            assert altered.min() >= 0 and altered.max() <= 1
        assert ((networks.predict(altered) == labels).mean(axis=1) < clean - 0.3).all()
    assert np.array_equal(attacks.pgd(networks, images, labels, 0), np.stack([inputs, inputs]))
    assert clean.min() > 0.5


def test_an_attack_in_total_stays_in_its_bounds_and_does_harm(trained):
    networks, images, labels = trained
    inputs = images.astype(np.float32) / 255
    clean = (networks.predict(images) == labels).mean(axis=1)
    for radius in (0.0, 0.3, 2.0):
        altered = attacks.pgd_l2(networks, images, labels, radius)
        lengths = np.linalg.norm(altered - inputs, axis=-1)
        assert altered.dtype == np.float32 and lengths.max() <= radius * (1 + 1e-5)
        assert altered.min() >= 0 and altered.max() <= 1
    assert ((networks.predict(altered) == labels).mean(axis=1) < clean - 0.3).all()
    assert np.array_equal(attacks.pgd_l2(networks, images, labels, 0), np.stack([inputs, inputs]))
    # In the same total it does more than the attack that is bounded a pixel.
    each = attacks.pgd(networks, images, labels, 0.02)
    total = float(np.linalg.norm(each - inputs, axis=-1).mean())
    right = [
        (networks.predict(altered) == labels).mean()
        for altered in (each, attacks.pgd_l2(networks, images, labels, total))
    ]
    assert right[1] < right[0]


def test_the_least_change_misleads_and_hardly_any_attack_in_total_does_with_less(trained):
    networks, images, labels = trained
    inputs = images.astype(np.float32) / 255
    found = attacks.ddn(networks, images, labels)
    assert np.isfinite(found.lengths).all()
    assert ((found.lengths == 0) == (networks.predict(images) != labels)).all()
    assert np.linalg.norm(found.images - inputs, axis=-1) == pytest.approx(
        found.lengths, rel=1e-4, abs=1e-6
    )
    assert found.images.min() >= 0 and found.images.max() <= 1
    assert (networks.predict(found.images) != labels).mean() > 0.99  # but for rounding
    for radius in (0.3, 0.6, 1.2):
        altered = attacks.pgd_l2(networks, images, labels, radius, steps=20)
        misled = networks.predict(altered) != labels
        assert (misled & (found.lengths > radius)).mean() < 0.02
    more = attacks.ddn(networks, images, labels, steps=200).lengths
    assert 0.97 < more.mean() / found.lengths.mean() <= 1


def test_more_steps_do_more_harm_and_seeds_decide_the_start(trained):
    networks, images, labels = trained
    one = attacks.fgsm(networks, images, labels, 0.04)
    many = attacks.pgd(networks, images, labels, 0.04, steps=20, seed=1)
    right = [(networks.predict(each) == labels).mean() for each in (one, many)]
    assert right[1] <= right[0]
    again = attacks.pgd(networks, images, labels, 0.04, steps=20, seed=1)
    assert np.array_equal(again, many)
    assert not np.array_equal(attacks.pgd(networks, images, labels, 0.04, steps=20), many)


def test_attacked_images_can_be_attacked_again(trained):
    networks, images, labels = trained
    altered = attacks.fgsm(networks, images, labels, 0.02)
    both = attacks.fgsm(networks, altered, np.stack([labels, labels]), 0.02)
    assert np.abs(both - images / np.float32(255)).max() <= 0.04 + 1e-6
    part = attacks.fgsm(networks, altered[:, 50:60], labels[50:60], 0.02)
    assert np.allclose(part, both[:, 50:60], atol=1e-6)


def test_a_dead_network_gives_no_direction(trained):
    networks, images, labels = trained
    assert not attacks.flat_share(networks, images, labels).any()
    dead = Networks(Recipe((4,)), 784, 10, [0, 1])
    dead.parameters[1] = torch.full((2, 1, 4), -1e3, requires_grad=True)
    assert attacks.flat_share(dead, images, labels).tolist() == [1, 1]
    still = attacks.fgsm(dead, images, labels, 0.1)
    assert np.array_equal(still[0], images.astype(np.float32) / 255)
    assert np.array_equal(attacks.pgd_l2(dead, images, labels, 1.0), still)
    found = attacks.ddn(dead, images, labels, steps=3)
    wrong = dead.predict(images) != labels
    assert np.array_equal(found.lengths, np.where(wrong, 0, np.inf))
    assert np.array_equal(found.images, still)


def test_a_sure_network_still_gives_the_direction():
    # In single precision the true class's probability is 1 here, so that its part would be lost.
    networks = linear(np.array([50.0, -50.0]), 0.0)
    moved = attacks.fgsm(networks, np.array([[0.8, 0.2]]), np.array([1]), 0.1)
    assert np.allclose(moved[0, 0], [0.7, 0.3])
    moved = attacks.pgd_l2(networks, np.array([[0.8, 0.2]]), np.array([1]), 0.1 * 2**0.5)
    assert np.allclose(moved[0, 0], [0.7, 0.3])


def test_foolbox_finds_the_same(trained):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports what scipy has renamed
        foolbox = pytest.importorskip(
            "foolbox", reason="foolbox, is not installed (`make extras` does that)"
        )
    networks, images, labels = trained
    inputs = images.astype(np.float32) / 255

    class Member(torch.nn.Module):
        def __init__(self, member):
            super().__init__()
            self.member = member

        def forward(self, pixels):
            return networks.forward(pixels.expand(2, *pixels.shape))[-1][self.member]

    steps, epsilon = 5, 0.05
    ours = (
        attacks.fgsm(networks, images, labels, epsilon),
        attacks.pgd(networks, images, labels, epsilon, steps, seed=None),
        attacks.pgd_l2(networks, images, labels, 10 * epsilon, steps),
    )
    least = attacks.ddn(networks, images, labels, steps=100).lengths
    theirs = (
        foolbox.attacks.LinfFastGradientAttack(),
        foolbox.attacks.LinfPGD(
            abs_stepsize=2.5 * epsilon / steps, steps=steps, random_start=False
        ),
        foolbox.attacks.L2PGD(
            abs_stepsize=2.5 * 10 * epsilon / steps, steps=steps, random_start=False
        ),
    )
    bounds = (epsilon, epsilon, 10 * epsilon)
    for member in range(2):
        model = foolbox.PyTorchModel(Member(member).eval(), bounds=(0, 1), device="cpu")
        for mine, attack, bound in zip(ours, theirs, bounds, strict=True):
            found = attack.run(
                model, torch.tensor(inputs), torch.tensor(labels), epsilon=bound
            ).numpy()
            # A sign may differ where a derivative is zero but for rounding.
            assert (np.abs(found - mine[member]) > 1e-5).mean() < 0.01
            right = [
                networks.predict(np.stack([each, each]))[member] == labels
                for each in (found, mine[member])
            ]
            assert (right[0] != right[1]).sum() <= 1
        search = foolbox.attacks.DDNAttack(steps=100)
        found = search.run(model, torch.tensor(inputs), torch.tensor(labels)).numpy()
        lengths = np.linalg.norm(found - inputs, axis=-1)
        assert least[member].mean() < 1.01 * lengths.mean()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epsilon": -0.1}, "epsilon must lie between 0 and 1, but -0.1"),
        ({"epsilon": 8}, "epsilon must lie between 0 and 1, but 8"),
        ({"steps": 0}, "steps must be 1 or more, but 0"),
        ({"labels": np.zeros(5)}, "labels must be one an image, 203, but were 5"),
        ({"labels": np.zeros((3, 203))}, r"labels must have 1 axes, .* length 2 .* \(3, 203\)"),
        ({"images": np.zeros((3, 203, 784))}, r"images must have 2 axes, .* length 2"),
        ({"images": np.zeros(784)}, r"images must have 2 axes, .* shape \(784,\)"),
    ],
)
def test_bad_input(trained, options, words):
    networks, images, labels = trained
    with pytest.raises(ValueError, match=words):
        attacks.pgd(networks, **{"images": images, "labels": labels, "epsilon": 0.1} | options)


@pytest.mark.parametrize(
    ("attack", "options", "words"),
    [
        ("pgd_l2", {"radius": -1}, "radius must be 0 or more, and finite, but -1"),
        ("pgd_l2", {"radius": np.nan}, "radius must be 0 or more, and finite, but nan"),
        ("pgd_l2", {"radius": 1, "steps": 0}, "steps must be 1 or more, but 0"),
        ("ddn", {"steps": 0}, "steps must be 1 or more, but 0"),
        ("ddn", {"labels": np.zeros(5)}, "labels must be one an image, 203, but were 5"),
    ],
)
def test_bad_input_of_attacks_in_total(trained, attack, options, words):
    networks, images, labels = trained
    with pytest.raises(ValueError, match=words):
        getattr(attacks, attack)(networks, **{"images": images, "labels": labels} | options)
