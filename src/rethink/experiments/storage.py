"""How many random labels small networks store: one neuron exactly, a hidden layer by training.

One neuron: n Gaussian points with labels by the toss of a coin; a linear program decides exactly
whether a neuron with a bias stores them. The share that it stores has a known value to be held
against, Cover's T(n, d) / 2^n (1965).

One hidden layer of k ReLU units and one output, 16 inputs: the whole stack of trials is trained on
all of its points at once (Adam, logistic loss, the rate falling to zero), from several starts. A
trial is stored if all of its labels are right at some checked step of some start. Training can
miss weights that exist, so this is a lower bound on what the network can store, and `by_start`
shows how far it still rises with more starts. With k = 1 the truth is known: the sign of one ReLU
unit is that of a linear neuron, so that the gap to Cover's curve is what training misses.

Half of the starts raise the hidden biases by 2: those units are open for nearly all points and
begin as linear ones, which finds more where units are few; the other half does where they are many.

Sources: `rethink.questions.memorization`; Adam, Kingma and Ba, arXiv:1412.6980.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rethink.data import Dataset
from rethink.questions import memorization
from rethink.trainer import one_thread

INPUTS = 16
UNITS = (1, 2, 4, 8, 16)
STEPS = 400  # of each start
STARTS = 20
RATE = 0.03  # of the first step
# Trials of each number of points, for each seed asked for: the fall from all to none gets steeper
# with k, and a trial dearer.
TRIALS = {1: 12, 2: 12, 4: 6, 8: 3, 16: 2}
# Numbers of points as shares of the parameters; found by trying, so that the half point is inside.
SHARES = {
    1: (0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2),
    2: (0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2),
    4: (1.2, 1.4, 1.5, 1.6, 1.7, 1.8, 2.0, 2.2),
    8: (1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.1, 2.2),
    16: (1.6, 1.7, 1.8, 1.9, 2.0, 2.1),
}


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Two neurons, then one hidden layer of each number of units; `seeds` scales the trials."""
    neurons = [
        {
            "part": "neuron",
            "inputs": d - 1,
            "units": 0,
            "points": tuple(round(d * share) for share in np.arange(1.0, 3.05, 0.2).tolist()),
            "trials": 40 * seeds,
        }
        for d in (9, 17)
    ]
    layers = []
    for k in UNITS:
        parameters = memorization.yardsticks((INPUTS, k, 1)).parameters
        points = tuple(round(parameters * share) for share in SHARES[k])
        trials = TRIALS[k] * seeds
        layers.append(
            {"part": "layer", "inputs": INPUTS, "units": k, "points": points, "trials": trials}
        )
    return neurons + layers


def run(
    data: Dataset | None, part: str, inputs: int, units: int, points: tuple[int, ...], trials: int
) -> dict[str, NDArray[Any]]:
    """Count the trials in which every label is stored, for each number of points.

    Args:
        data: not used: the points are random.
        part: ``neuron`` or ``layer``.
        inputs: coordinates of a point.
        units: hidden units, for ``layer``.
        points: numbers of points, shape (g,).
        trials: sets of points and labels of each number.

    Returns:
        ``points`` (g,), ``successes`` (g,), ``trials`` (). Of a neuron also ``cover`` (g,), the
        exact share. Of a layer also ``by_start`` (g, starts), successes after each start, and the
        yardsticks ``parameters``, ``twice`` and ``four_rules``, each ().

    Raises:
        ValueError: `part` is unknown.
    """
    if part not in ("neuron", "layer"):
        raise ValueError(f"part must be neuron or layer, but {part!r} was passed")
    results: dict[str, NDArray[Any]] = {"points": np.array(points), "trials": np.array(trials)}
    if part == "neuron":
        results["cover"] = np.array([memorization.cover_probability(n, inputs + 1) for n in points])
        successes = []
        for n in points:
            drawn = zip(*draw(n, inputs, trials), strict=True)
            successes.append(sum(memorization.separable(x, y) for x, y in drawn))
        return results | {"successes": np.array(successes)}
    counts = []
    for n in points:
        x, y = draw(n, inputs, trials)
        counts.append(stored(x, y, units, n, STEPS, STARTS).sum(axis=0))
    by_start = np.array(counts)
    sticks = memorization.yardsticks((inputs, units, 1))
    for name in ("parameters", "twice", "four_rules"):
        results[name] = np.array(getattr(sticks, name))
    return results | {"successes": by_start[:, -1], "by_start": by_start}


def seconds(task: dict[str, Any]) -> float:
    """Rough core seconds of a task."""
    units = int(task["units"])
    numbers = sum(task["points"])
    if task["part"] == "neuron":
        return float(0.003 * task["trials"] * len(task["points"]))
    # A step costs something however few the trials are; over half of the trials need all starts.
    calls = 1e-4 * STEPS * STARTS * len(task["points"])
    return float(calls + 4e-9 * STEPS * STARTS * task["trials"] * numbers * (6 + units))


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"successes": 3.0}


def draw(n: int, inputs: int, trials: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return Gaussian points, shape (trials, n, inputs), and signs of either kind, (trials, n)."""
    rng = np.random.default_rng([n, inputs, 65])
    points = rng.standard_normal((trials, n, inputs), dtype=np.float32)
    return points, rng.choice(np.array([-1, 1], np.float32), (trials, n))


def stored(
    points: NDArray[np.float32],
    signs: NDArray[np.float32],
    units: int,
    seed: int,
    steps: int,
    starts: int,
) -> NDArray[np.bool_]:
    """Train a hidden layer on every trial until all of its labels are right.

    Args:
        points: shape (T, n, inputs).
        signs: -1 or 1, shape (T, n).
        units: in the hidden layer.
        seed: decides the starting weights.
        steps: of each start.
        starts: the trials not stored yet go into the next one.

    Returns:
        Whether a trial is stored after each of the starts, shape (T, starts).
    """
    generator = torch.Generator().manual_seed(seed)
    bias = torch.ones(*points.shape[:2], 1)
    x = torch.cat([torch.from_numpy(points), bias], dim=2)
    y = torch.from_numpy(signs)
    done = torch.zeros(len(x), starts, dtype=torch.bool)
    left = torch.arange(len(x))
    with one_thread():
        for start in range(starts):
            if len(left):
                found = _train(x[left], y[left], units, steps, 2.0 * (start % 2), generator)
                done[left[found], start:] = True
                left = left[~found]
    return done.numpy()


def _train(
    x: torch.Tensor,
    y: torch.Tensor,
    units: int,
    steps: int,
    lift: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return which trials were stored, shape (T,); x has a last column of ones.

    The loop is its own, since a trial that is stored leaves the stack, with its averages of Adam,
    which PyTorch's optimizers and so `rethink.questions.networks.fit` do not allow.
    """
    trials, n, width = x.shape
    shapes = ((trials, width, units), (trials, units + 1, 1))
    # PyTorch's default for a linear layer, uniform in ±1/sqrt(inputs); biases are the last rows.
    weights = [
        (2 * torch.rand(shape, generator=generator) - 1) / (shape[1] - 1) ** 0.5 for shape in shapes
    ]
    weights[0][:, -1] += lift
    means = [torch.zeros(shape) for shape in shapes]
    squares = [torch.zeros(shape) for shape in shapes]
    left = torch.arange(trials)
    found = torch.zeros(trials, dtype=torch.bool)
    for step in range(steps):
        inner, outer = weights
        hidden = torch.relu(torch.bmm(x, inner))
        margins = y * torch.baddbmm(outer[:, -1:], hidden, outer[:, :-1])[..., 0]
        if step % 10 == 0 or step == steps - 1:
            right = (margins > 0).all(dim=1)
            found[left[right]] = True
            if right.all():
                break
            if right.any():
                # What is stored leaves the stack.
                stay = ~right
                left, x, y, hidden, margins = (a[stay] for a in (left, x, y, hidden, margins))
                weights, means, squares = (
                    [a[stay] for a in kind] for kind in (weights, means, squares)
                )
                inner, outer = weights
        errors = (-y * torch.sigmoid(-margins) / n).unsqueeze(2)
        back = torch.bmm(errors, outer[:, :-1].transpose(1, 2)) * (hidden > 0)
        outer_gradient = torch.cat(
            [torch.bmm(hidden.transpose(1, 2), errors), errors.sum(1, keepdim=True)], dim=1
        )
        gradients = (torch.bmm(x.transpose(1, 2), back), outer_gradient)
        rate = RATE * (1 - step / steps) / (1 - 0.9 ** (step + 1))
        correction = 1 - 0.99 ** (step + 1)
        for weight, gradient, mean, square in zip(weights, gradients, means, squares, strict=True):
            mean.mul_(0.9).add_(gradient, alpha=0.1)
            square.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
            weight.addcdiv_(mean, (square / correction).sqrt_().add_(1e-8), value=-rate)
    return found
