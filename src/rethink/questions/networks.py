"""Networks for what is not the report's own protocol: one setting varied, other rows, other labels.

The trainer does one protocol fast, with its gradients written out. Here everything around it can be
set, and automatic differentiation follows. With the defaults it is the same protocol. Members are
stacked as there: the axes are (member, batch, feature).

The trainer and `fit` are the two loops for stacks of perceptrons. Two others learn what neither
holds, and say why: `rethink.questions.learners.Convolution` and `rethink.experiments.storage`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rethink.trainer import one_thread

Singles = NDArray[np.float32]
# Rows a forward pass takes at once when nothing is learned: few enough for the cache.
ROWS = 1_000

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky-relu": functional.leaky_relu,
    "gelu": functional.gelu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}
LOSSES = ("cross-entropy", "squared-error")
# What factor on the learning rate step number `step` of `steps` has; the first is number 0.
SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": lambda step, steps: 1.0,
    "cosine": lambda step, steps: (1 + math.cos(math.pi * step / steps)) / 2,
    "linear": lambda step, steps: 1 - step / steps,
}
# What makes an optimizer from parameters, lr and weight_decay.
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "sgd": partial(torch.optim.SGD, fused=True),
    "momentum": partial(torch.optim.SGD, momentum=0.9, fused=True),
}


@dataclass(frozen=True)
class Recipe:
    """How a stack of networks is trained. The defaults are the report's, but for the epochs.

    Attributes:
        hidden: units in each hidden layer; none for a linear classifier.
        epochs: passes over the rows, at most.
        batch: rows a step.
        learning_rate: at the first step.
        schedule: ``constant``; ``cosine`` or ``linear`` fall to about zero at the last step.
        optimizer: one of ``OPTIMIZERS``.
        activation: one of ``ACTIVATIONS``.
        loss: ``cross-entropy``, or ``squared-error`` of the outputs against one-hot labels.
        weight_decay: as the optimizer takes it.
        dropout: share of the hidden units that a training step leaves out.
    """

    hidden: tuple[int, ...]
    epochs: int = 10
    batch: int = 64
    learning_rate: float = 1e-3
    schedule: str = "constant"
    optimizer: str = "adam"
    activation: str = "relu"
    loss: str = "cross-entropy"
    weight_decay: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        for name, known in (
            ("schedule", SCHEDULES),
            ("optimizer", OPTIMIZERS),
            ("activation", ACTIVATIONS),
            ("loss", LOSSES),
        ):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, but was {value!r}")
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, but was {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), but was {self.dropout}")


class Networks:
    """S networks of one recipe, each drawn from its own seed as in `rethink.mlp`.

    Args:
        recipe: how they are made and trained.
        inputs: features of a row.
        classes: outputs.
        seeds: one a member, S in all.

    Attributes:
        parameters: a weight of shape (S, in, out) and a bias of shape (S, 1, out) for each layer.
    """

    def __init__(self, recipe: Recipe, inputs: int, classes: int, seeds: Sequence[int]) -> None:
        """Draw the weights."""
        self.recipe = recipe
        self.classes = classes
        self.members = len(seeds)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.parameters: list[Tensor] = []
        for fan_in, fan_out in pairwise((inputs, *recipe.hidden, classes)):
            for rows in (fan_in, 1):
                drawn = torch.stack([torch.rand(rows, fan_out, generator=g) for g in generators])
                self.parameters.append(((2 * drawn - 1) / fan_in**0.5).requires_grad_())

    def copy_from(self, other: "Networks") -> None:
        """Take over the weights of other networks; raises ValueError where their shapes differ."""
        shapes = [[tuple(each.shape) for each in networks.parameters] for networks in (self, other)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"start must have weights of shapes {shapes[0]}, but has {shapes[1]}")
        self.parameters = [each.detach().clone().requires_grad_() for each in other.parameters]

    def forward(self, inputs: Tensor, drop: torch.Generator | None = None) -> list[Tensor]:
        """Map inputs of shape (S, batch, features) to hidden units, layer by layer, and logits.

        Args:
            inputs: from 0 to 1 where they are pixels; derivatives flow back to them.
            drop: draws the units left out in training; None leaves out none.
        """
        layers = [inputs]
        kept = 1 - self.recipe.dropout
        for weight, bias in zip(self.parameters[::2], self.parameters[1::2], strict=True):
            if len(layers) > 1:
                units = ACTIVATIONS[self.recipe.activation](layers[-1])
                if drop is not None and kept < 1:
                    units = units * (torch.rand(units.shape, generator=drop) < kept) / kept
                layers[-1] = units
            layers.append(torch.baddbmm(bias, layers[-1], weight))
        return layers[1:]

    def logits(self, images: NDArray[Any]) -> Singles:
        """Return logits, shape (S, n, classes), of images of shape (n, features) or (S, n, …)."""
        return self._evaluate(images, -1)

    def units(self, images: NDArray[Any], layer: int) -> Singles:
        """Return the units of a hidden layer, counted from 0, shape (S, n, units)."""
        return self._evaluate(images, range(len(self.recipe.hidden))[layer])

    def predict(self, images: NDArray[Any]) -> NDArray[np.int64]:
        """Return predicted classes, shape (S, n)."""
        return np.asarray(self.logits(images).argmax(axis=-1))

    def probabilities(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Return the softmax of the logits, shape (S, n, classes)."""
        logits = torch.from_numpy(self.logits(images)).double()
        return torch.softmax(logits, dim=-1).numpy()

    def _evaluate(self, images: NDArray[Any], layer: int) -> Singles:
        pixels = as_inputs(images)
        every = pixels.expand(self.members, *pixels.shape[-2:])
        with one_thread(), torch.no_grad():
            parts = [self.forward(part)[layer] for part in torch.split(every, ROWS, dim=1)]
            return torch.cat(parts, dim=1).numpy()


def as_inputs(images: NDArray[Any]) -> Tensor:
    """Turn images into inputs: bytes are divided by 255, other numbers are taken as they are."""
    # Copied: PyTorch does not share arrays that are read-only.
    pixels = torch.tensor(images)
    return pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels.float()


def fit(
    recipe: Recipe,
    images: NDArray[Any],
    labels: NDArray[np.integer],
    rows: NDArray[np.integer],
    seeds: Sequence[int],
    classes: int = 10,
    after_epoch: Callable[[Networks, int, NDArray[np.float64]], bool | None] | None = None,
    start: Networks | None = None,
    order_seeds: Sequence[int] | None = None,
) -> Networks:
    """Train a stack of networks, each on rows of its own.

    Args:
        recipe: how.
        images: shape (n, features), bytes or inputs.
        labels: shape (n,), or (S, n) for each member its own; from 0 to classes - 1.
        rows: the rows that each member is trained on, shape (S, m).
        seeds: decide weights, order of the batches and units left out; one a member.
        classes: number of outputs.
        after_epoch: called with the networks, the epoch and each member's share of right answers
            in it, shape (S,), averaged over the batches; training ends if it returns True.
        start: networks of these layers whose weights are copied, where none are to be drawn.
        order_seeds: decide the order of the batches instead of `seeds`; one a member.

    Raises:
        ValueError: if shapes do not fit together.
    """
    pixels = as_inputs(images)
    chosen = torch.from_numpy(np.asarray(rows, dtype=np.int64))
    answers = torch.from_numpy(np.array(labels, dtype=np.int64)).expand(len(seeds), -1)
    if chosen.shape[:-1] != (len(seeds),) or answers.shape[1] != len(pixels):
        raise ValueError(
            f"rows must have shape ({len(seeds)}, m) and labels one entry an image, but shapes "
            f"{tuple(chosen.shape)} and {np.shape(labels)} were passed for {len(pixels)} images"
        )

    networks = Networks(recipe, pixels.shape[1], classes, seeds)
    if start is not None:
        networks.copy_from(start)
    optimizer = OPTIMIZERS[recipe.optimizer](
        networks.parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    # As in the trainer: not the generator that drew the weights.
    if order_seeds is None:
        order_seeds = [seed + 2**32 for seed in seeds]
    orders = [torch.Generator().manual_seed(seed) for seed in order_seeds]
    drop = torch.Generator().manual_seed(min(seeds) + 2**33)

    length = chosen.shape[1]
    steps = recipe.epochs * math.ceil(length / recipe.batch)
    step = 0
    with one_thread():
        for epoch in range(1, recipe.epochs + 1):
            shuffled = torch.stack([torch.randperm(length, generator=each) for each in orders])
            order = chosen.gather(1, shuffled)
            targets = answers.gather(1, order)
            right = torch.zeros(len(seeds), dtype=torch.int64)
            for begin in range(0, length, recipe.batch):
                batch = order[:, begin : begin + recipe.batch]
                wanted = targets[:, begin : begin + recipe.batch]
                inputs = pixels.index_select(0, batch.flatten()).view(*batch.shape, -1)
                logits = networks.forward(inputs, drop)[-1]
                optimizer.zero_grad()
                _loss(recipe.loss, logits, wanted).backward()  # type: ignore[no-untyped-call]
                factor = SCHEDULES[recipe.schedule](step, steps)
                optimizer.param_groups[0]["lr"] = recipe.learning_rate * factor
                optimizer.step()
                step += 1
                right += (logits.detach().argmax(dim=-1) == wanted).sum(dim=1)
            if after_epoch and after_epoch(networks, epoch, (right / length).double().numpy()):
                break
    return networks


def _loss(name: str, logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the sum over members of their mean loss over the batch."""
    if name == "cross-entropy":
        each = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
    else:
        each = (logits - functional.one_hot(wanted, logits.shape[-1])).square().sum(-1)
    return each.sum() / wanted.shape[1]
