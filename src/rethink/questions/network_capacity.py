"""Memory-equivalent capacity of a network, given by the sizes of its layers or as a PyTorch module.

Each form has its own counting: `rethink.mec` that of sizes, `rethink.questions.module_capacity`
that of modules. PyTorch is needed, and loaded, for modules alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

from rethink.mec import CountingRule, PerceptronMEC, perceptron_mec

if TYPE_CHECKING:
    from torch import nn

    from rethink.questions.module_capacity import ModuleMEC


@overload
def network_mec(
    network: Sequence[int], input_shape: None = None, rule: CountingRule = "four-rules"
) -> PerceptronMEC: ...


@overload
def network_mec(
    network: "nn.Module", input_shape: Sequence[int], rule: CountingRule = "four-rules"
) -> "ModuleMEC": ...


def network_mec(
    network: "Sequence[int] | nn.Module",
    input_shape: Sequence[int] | None = None,
    rule: CountingRule = "four-rules",
) -> "PerceptronMEC | ModuleMEC":
    """Capacity of a network in bits, layer by layer: an upper bound, one rule for both its forms.

    Args:
        network: inputs, then the units of each layer, such as (784, 256, 128, 128, 10), for a fully
            connected network with biases; or a `torch.nn.Module`.
        input_shape: of one example, such as (1, 28, 28), for a module; sizes have none.
        rule: "four-rules", "report" or "tfmeter": see `mec.perceptron_mec` for sizes, and
            `module_capacity.module_mec` for modules, of which the same networks have the same bits.

    Raises:
        ValueError: an argument is not as described, or a layer of the module has no rule.

    >>> network_mec((4, 3, 2)).bits
    18
    """
    if isinstance(network, Sequence | np.ndarray):
        if input_shape is not None:
            raise ValueError(
                "input_shape must be left out where network has sizes, whose first is that of the "
                f"inputs, but {input_shape!r} was passed"
            )
        return perceptron_mec(network, rule)

    from rethink.questions.module_capacity import module_mec

    if input_shape is None:
        raise ValueError(
            "input_shape must be that of one example, such as (1, 28, 28), where network is a "
            "module, but None was passed"
        )
    return module_mec(network, input_shape, rule)
