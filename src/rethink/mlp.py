"""Many multilayer perceptrons trained as one: a stack of independent members.

A single small network leaves a core idle: its matrix products are too short to pay for the calls
that start them. A stack holds S members in batched weights of shape (S, in, out), so that one call
works for all of them. The axes are always (member, batch, feature).
"""

from collections.abc import Sequence
from itertools import pairwise

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


class StackedMLP(nn.Module):
    """S independent multilayer perceptrons with ReLU between their layers.

    Each member is initialised from a generator of its own, by PyTorch's default for
    ``torch.nn.Linear``: weights and biases uniform in ±1/sqrt(inputs). A member's numbers do not
    depend on its neighbours as long as there is at least one neighbour: a batch of one takes
    another way through the matrix library and rounds differently.

    Args:
        sizes: number of inputs, of units in each hidden layer, of outputs.
        seeds: one seed a member; two or more.

    Raises:
        ValueError: if there are fewer than two seeds, or fewer than two sizes.
    """

    def __init__(self, sizes: Sequence[int], seeds: Sequence[int]) -> None:
        """Draw every member's weights."""
        super().__init__()
        if len(seeds) < 2:
            raise ValueError(f"seeds must hold two members or more, but {len(seeds)} was passed")
        if len(sizes) < 2:
            raise ValueError(f"sizes must hold inputs and outputs, but {tuple(sizes)} was passed")
        self.sizes = tuple(sizes)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for fan_in, fan_out in pairwise(sizes):
            weight = torch.zeros(len(seeds), padded(fan_in), padded(fan_out))
            bias = torch.zeros(len(seeds), 1, padded(fan_out))
            for member, generator in enumerate(generators):
                for block, rows in ((weight, fan_in), (bias, 1)):
                    uniform = torch.rand(rows, fan_out, generator=generator)
                    block[member, :rows, :fan_out] = (2 * uniform - 1) / fan_in**0.5
            self.weights.append(weight)
            self.biases.append(bias)

    def pad(self, images: Tensor) -> Tensor:
        """Fill rows of shape (n, inputs) up with zeros to the width that ``forward`` takes."""
        return functional.pad(images, (0, padded(self.sizes[0]) - self.sizes[0]))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs of shape (S, batch, padded inputs) to logits of shape (S, batch, outputs)."""
        hidden = inputs
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if layer:
                hidden = torch.relu(hidden)
            hidden = torch.baddbmm(bias, hidden, weight)
        return hidden[..., : self.sizes[-1]]

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
