"""Many multilayer perceptrons trained as one: a stack of independent members.

A single small network leaves a core idle: its matrix products are too short to pay for the calls
that start them. A stack holds S members in batched weights of shape (S, in, out), so that one call
works for all of them. The axes are always (member, batch, feature).

The gradients are written out, since these networks need no more than matrix products and ReLU:
automatic differentiation costs a large network a twentieth of its time and a small one a fifth.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf, prod

import torch
from torch import Tensor, nn
from torch.nn import functional

# Every width is filled up with zeros to a multiple of this many numbers (64 bytes). Then each
# member's numbers begin at such a boundary and fill whole vectors of the processor. Matrix products
# and optimizers round differently where that is not so, and a member's last bits would depend on
# its place in the stack. The added units stay zero: ReLU passes them no gradient.
ALIGNMENT = 16


def padded(width: int) -> int:
    """Return the smallest multiple of ``ALIGNMENT`` that holds ``width``."""
    return -(-width // ALIGNMENT) * ALIGNMENT


class StackedMLP:
    """S independent multilayer perceptrons with ReLU between their layers.

    Each member is initialised from a generator of its own, by PyTorch's default for
    ``torch.nn.Linear``: weights and biases uniform in ±1/sqrt(inputs). A member's numbers do not
    depend on its neighbours as long as there is at least one neighbour: a batch of one takes
    another way through the matrix library and rounds differently.

    Args:
        sizes: number of inputs, of units in each hidden layer, of outputs.
        seeds: one seed a member; two or more.
        device: where the numbers are kept.

    Attributes:
        parameters: all weights and biases in one tensor, so that an optimizer needs one call; its
            ``grad`` is there from the start.
        weights: views into it, one a layer, of shape (S, padded inputs, padded outputs).
        biases: views into it, one a layer, of shape (S, 1, padded outputs).
        outputs: the padded number of outputs.

    Raises:
        ValueError: if there are fewer than two seeds, or fewer than two sizes.
    """

    def __init__(
        self, sizes: Sequence[int], seeds: Sequence[int], device: torch.device | str = "cpu"
    ) -> None:
        """Draw every member's weights."""
        if len(seeds) < 2:
            raise ValueError(f"seeds must hold two members or more, but {len(seeds)} was passed")
        if len(sizes) < 2:
            raise ValueError(f"sizes must hold inputs and outputs, but {tuple(sizes)} was passed")
        self.sizes = tuple(sizes)
        self.members = len(seeds)
        self.outputs = padded(sizes[-1])
        numbers = sum((padded(i) + 1) * padded(o) for i, o in pairwise(sizes))
        drawn = torch.zeros(self.members * numbers)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for (fan_in, fan_out), layer in zip(pairwise(sizes), self.layers(drawn), strict=True):
            for member, generator in enumerate(generators):
                for block, rows in zip(layer, (fan_in, 1), strict=True):
                    uniform = torch.rand(rows, fan_out, generator=generator)
                    block[member, :rows, :fan_out] = (2 * uniform - 1) / fan_in**0.5
        # Outputs that were added must not be taken for classes.
        layer[1][..., fan_out:] = -inf
        self.parameters = drawn.to(device)
        self.parameters.grad = torch.zeros_like(self.parameters)
        self.weights, self.biases = zip(*self.layers(self.parameters), strict=True)
        self._gradients = self.layers(self.parameters.grad)
        self._units: list[Tensor] = []

    def layers(self, numbers: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return views of each layer's weights and biases into numbers like ``parameters``."""
        shapes = [
            (self.members, rows, padded(fan_out))
            for fan_in, fan_out in pairwise(self.sizes)
            for rows in (padded(fan_in), 1)
        ]
        parts = torch.split(numbers, [prod(shape) for shape in shapes])
        views = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
        return list(zip(views[::2], views[1::2], strict=True))

    def pad(self, rows: Tensor) -> Tensor:
        """Fill rows of shape (…, inputs) up with zeros to the width that ``forward`` takes."""
        return functional.pad(rows, (0, padded(self.sizes[0]) - self.sizes[0]))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs of shape (S, batch, padded inputs) to logits.

        Returns:
            Shape (S, batch, padded outputs); the outputs that were added are minus infinity.
        """
        self._units = [inputs]
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if layer:
                self._units[-1].relu_()
            self._units.append(torch.baddbmm(bias, self._units[-1], weight))
        return self._units.pop()

    def backward(self, errors: Tensor) -> None:
        """Write into ``parameters.grad`` what the latest ``forward`` contributes to it.

        May be called once after each ``forward``, whose hidden units it uses up.

        Args:
            errors: the gradient of the loss with respect to the logits, of their shape.
        """
        for layer in reversed(range(len(self.weights))):
            units, (weight, bias) = self._units.pop(), self._gradients[layer]
            torch.bmm(units.transpose(1, 2), errors, out=weight)
            torch.sum(errors, dim=1, keepdim=True, out=bias)
            if layer:
                # The sign of what ReLU let through is its derivative.
                errors = torch.bmm(errors, self.weights[layer].transpose(1, 2)).mul_(units.sign_())

    def member(self, index: int) -> nn.Sequential:
        """Return one member as an ordinary ``torch.nn.Sequential`` with copied weights."""
        layers: list[nn.Module] = []
        for (fan_in, fan_out), weight, bias in zip(
            pairwise(self.sizes), self.weights, self.biases, strict=True
        ):
            if layers:
                layers.append(nn.ReLU())
            linear = nn.Linear(fan_in, fan_out, device=weight.device)
            with torch.no_grad():
                linear.weight.copy_(weight[index, :fan_in, :fan_out].T)
                linear.bias.copy_(bias[index, 0, :fan_out])
            layers.append(linear)
        return nn.Sequential(*layers)
