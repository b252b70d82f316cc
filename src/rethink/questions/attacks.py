"""Attacks: the changes to an image, too small to matter to a person, that mislead most.

No pixel changes by more than epsilon (the L-infinity norm), and none leaves the range from black to
white. The attacker knows the network and follows its gradient, so members of a stack are attacked
each with its own. Where that gradient is zero, as in a network whose units are dead, such an attack
goes nowhere: that is no resilience (see `flat_share`).

Sources: the fast gradient sign method of Goodfellow, Shlens and Szegedy 2015 (arXiv 1412.6572);
projected gradient descent of Madry et al. 2018 (arXiv 1706.06083). For a linear classifier of two
classes, score w.x + b, the first is the best attack there is, and the least epsilon that turns the
answer is |w.x + b| / sum |w|, where no pixel meets black or white.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rethink.questions.networks import ROWS, Networks, Singles, as_inputs
from rethink.trainer import one_thread


def fgsm(
    networks: Networks, images: NDArray[Any], labels: NDArray[np.integer], epsilon: float
) -> Singles:
    """Move each pixel by epsilon in the direction in which the loss rises, in one step.

    Args:
        networks: S members.
        images: shape (n, features) or (S, n, features), bytes or inputs from 0 to 1.
        labels: true classes, shape (n,) or (S, n).
        epsilon: greatest change of a pixel, 0 (none) to 1 (from black to white).

    Returns:
        Inputs from 0 to 1, shape (S, n, features), each member's own.

    Raises:
        ValueError: if `epsilon` is out of range or shapes do not fit together.
    """
    return pgd(networks, images, labels, epsilon, steps=1, step_size=epsilon, seed=None)


def pgd(
    networks: Networks,
    images: NDArray[Any],
    labels: NDArray[np.integer],
    epsilon: float,
    steps: int = 10,
    step_size: float | None = None,
    seed: int | None = 0,
) -> Singles:
    """Go up the loss in several steps, staying within epsilon, from a random place there.

    Args:
        networks: as `fgsm` takes it.
        images: as `fgsm` takes them.
        labels: as `fgsm` takes them.
        epsilon: as `fgsm` takes it.
        steps: how many, 1 or more.
        step_size: change of each pixel in a step; by default 2.5 epsilon / steps.
        seed: decides the start, which is the same for all members; None starts at the image.

    Returns:
        Where the last step led: inputs from 0 to 1, shape (S, n, features).

    Raises:
        ValueError: if `epsilon` or `steps` is out of range or shapes do not fit together.
    """
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon must lie between 0 and 1, but {epsilon} was passed")
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, but {steps} was passed")
    inputs, answers = _stacked(networks, images, labels)
    size = 2.5 * epsilon / steps if step_size is None else step_size
    # Not below black nor above white, so that staying within both bounds is one operation.
    low, high = (inputs - epsilon).clamp_(0, 1), (inputs + epsilon).clamp_(0, 1)
    place = inputs.clone()
    if seed is not None:
        drawn = np.random.default_rng([seed, 6]).random(inputs.shape[1:], dtype=np.float32)
        place = torch.clamp(place + epsilon * (2 * torch.from_numpy(drawn) - 1), low, high)
    for _ in range(steps):
        place = torch.clamp(place + size * _gradient(networks, place, answers).sign(), low, high)
    return place.numpy()


def flat_share(
    networks: Networks, images: NDArray[Any], labels: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the share of images, shape (S,), at which a member's gradient is zero everywhere.

    Arguments and errors are those of `fgsm`.
    """
    gradient = _gradient(networks, *_stacked(networks, images, labels))
    return (gradient == 0).all(dim=-1).double().mean(dim=-1).numpy()


def _stacked(
    networks: Networks, images: NDArray[Any], labels: NDArray[np.integer]
) -> tuple[Tensor, Tensor]:
    """Return inputs of shape (S, n, features) and classes of shape (S, n)."""
    pixels, members = as_inputs(images), networks.members
    answers = torch.from_numpy(np.array(labels, dtype=np.int64))
    for name, value, axes in (("images", pixels, 2), ("labels", answers, 1)):
        if value.ndim not in (axes, axes + 1) or (value.ndim > axes and len(value) != members):
            raise ValueError(
                f"{name} must have {axes} axes, or one more of length {members} before them, "
                f"but had shape {tuple(value.shape)}"
            )
    if answers.shape[-1] != pixels.shape[-2]:
        raise ValueError(
            f"labels must be one an image, {pixels.shape[-2]}, but were {answers.shape[-1]}"
        )
    return pixels.expand(members, -1, -1), answers.expand(members, -1)


def _gradient(networks: Networks, inputs: Tensor, answers: Tensor) -> Tensor:
    """Return the gradient of each image's cross-entropy with regard to its own pixels."""
    parts = []
    with one_thread():
        batches = torch.split(inputs, ROWS, dim=1), torch.split(answers, ROWS, dim=1)
        for pixels, classes in zip(*batches, strict=True):
            place = pixels.detach().requires_grad_()
            # The loss in double precision: in single, the probability of a class that is sure is
            # rounded to 1, and the gradient loses the direction away from that class.
            logits = networks.forward(place)[-1].double().flatten(0, 1)
            # A sum, so that no image's gradient depends on how many there are.
            loss = functional.cross_entropy(logits, classes.flatten(), reduction="sum")
            parts.append(torch.autograd.grad(loss, place)[0])
    return torch.cat(parts, dim=1)
