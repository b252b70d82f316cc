"""Memory-equivalent capacity of a PyTorch module: bits of each layer, with the rule behind them.

The four rules of Friedland, Metere and Krell (arXiv:1810.02328) are about layers of neurons, one
after the other. `RULES` says what of them is used for a layer, and what this book adds for layers
that they do not name: shared weights, pooling, normalisation, and branches that join. As
everywhere in this book, they take a unit for one bit, which a ReLU can exceed.

The order of the layers is read by `torch.fx`, without data and without running the module. So
`forward` may not decide by its input what to do, and layers are to be modules: weights that it
uses directly have no rule.
"""

import copy
import operator
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from rethink import mec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal[
    "linear", "convolution", "normalisation", "activation", "pooling", "passing", "sum",
    "concatenation",
]  # fmt: skip
REPLACE = "Replace it with layers that network_mec names, or count this module by hand"
EXAMPLES = 97  # unlike other sizes, so that the axis of examples is not taken for another


@dataclass(frozen=True)
class LayerRule:
    """What a rule counts.

    Attributes:
        statement: in words.
        source: where it is from; "extension" if it is this book's own.
    """

    statement: str
    source: str

    @property
    def extension(self) -> bool:
        """Whether no source has it."""
        return self.source.startswith("extension")


RULES = {
    "first layer": LayerRule(
        "A neuron stores as many bits as it has parameters, bias included; neurons side by side "
        "add up. Each puts out one bit.",
        "arXiv:1810.02328, rules 1 to 3",
    ),
    "later layer": LayerRule(
        "As the first layer, but no more than the bits that reach it.",
        "arXiv:1810.02328, rules 1 to 4",
    ),
    "one bit a unit": LayerRule(
        "An activation stores nothing and puts out one bit a number, but no more than reach it; so "
        "it does after a sum of branches, too.",
        "arXiv:1810.02328, rule 1",
    ),
    "shared weights": LayerRule(
        "A weight that is used at many places is counted once; no more is stored than the bits "
        "that reach the layer from all places. Each place and channel puts out one bit.",
        "extension: learners.ConvolutionalNetwork.rule",
    ),
    "scales and shifts": LayerRule(
        "Parameters that scale or shift single numbers (of a normalisation or a PReLU) store one "
        "bit each, but no more than the bits that reach the layer. Running statistics are made "
        "without labels and not counted. It is an upper bound, since they can often be merged "
        "into the weights before them.",
        "extension",
    ),
    "pooled units": LayerRule(
        "Pooling stores nothing and puts out one bit a number, but no more than reach it. For a "
        "maximum of bits this is so. For an average it is a convention: the mean of k bits has "
        "k + 1 values.",
        "extension",
    ),
    "nothing added": LayerRule(
        "Without parameters nothing is stored, and no more comes out than reaches it.",
        "the data processing inequality",
    ),
    "branches add": LayerRule(
        "A sum or a concatenation of branches stores nothing and puts out no more bits than all "
        "branches together. It is an upper bound: branches share what they begin with.",
        "extension",
    ),
}


@dataclass(frozen=True)
class LayerMEC:
    """Capacity of one layer.

    Attributes:
        name: of the module, or of the module that calls a function and the function's name.
        kind: what the layer does; ``passing`` is flattening, dropout and what else moves numbers.
        parameters: weights and biases.
        rule: the key in `RULES`.
        reaching: bits that reach the layer; None where inputs do, which are not bounded.
        bits: what the layer stores.
        bound: bits that it puts out at most; None as for ``reaching``.
    """

    name: str
    kind: Kind
    parameters: int
    rule: str
    reaching: int | None
    bits: int
    bound: int | None


@dataclass(frozen=True, repr=False)
class ModuleMEC:
    """Capacity of a module, layer by layer.

    Attributes:
        input_shape: of one example.
        rule: as for `mec.perceptron_mec`.
        outputs: numbers that the module puts out for an example.
        layers: in the order in which they are computed.
    """

    input_shape: tuple[int, ...]
    rule: mec.CountingRule
    outputs: int
    layers: tuple[LayerMEC, ...]

    @property
    def bits(self) -> int:
        """Bits in all; the rule "report" counts the outputs once more."""
        stored = sum(layer.bits for layer in self.layers)
        return stored + (self.outputs if self.rule == "report" else 0)

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(layer.parameters for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Fields and derived values as plain Python values."""
        layers = [asdict(layer) for layer in self.layers]
        return {
            "input_shape": list(self.input_shape), "rule": self.rule, "outputs": self.outputs,
            "layers": layers, "parameters": self.parameters, "bits": self.bits,
        }  # fmt: skip

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the bits of each layer that has parameters as a bar, the first layer on top."""
        import matplotlib.pyplot as plt

        ax = ax or plt.gca()
        shown = [layer for layer in self.layers if layer.parameters]
        places = range(len(shown))
        ax.barh(places, [layer.bits for layer in shown], label="stored")
        ax.set_yticks(places, [layer.name for layer in shown])
        ax.invert_yaxis()
        ax.set_xlabel("bits")
        return ax

    def __repr__(self) -> str:
        """A line for each layer; the rules that are this book's own have an asterisk."""
        rows: list[tuple[str, ...]] = [("layer", "kind", "parameters", "reaching", "bits", "rule")]
        for each in self.layers:
            reaching = "inputs" if each.reaching is None else f"{each.reaching:,}"
            counts = (f"{each.parameters:,}", reaching, f"{each.bits:,}")
            mark = " *" if RULES[each.rule].extension else ""
            rows.append((each.name, each.kind, *counts, each.rule + mark))
        if self.rule == "report":
            rows.append(("outputs", "", "", "", f"{self.outputs:,}", "the report's addition"))
        rows.append(("in all", "", f"{self.parameters:,}", "", f"{self.bits:,}", self.rule))
        name, kind, *numbers, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
        form = "  ".join([f"{{:<{name}}}", f"{{:<{kind}}}", *(f"{{:>{k}}}" for k in numbers), "{}"])
        lines = [form.format(*row) for row in rows]
        if any(RULES[layer.rule].extension for layer in self.layers):
            lines.append("* no published rule: see RULES")
        return "\n".join(lines)


def module_mec(
    module: nn.Module, input_shape: Sequence[int], rule: mec.CountingRule = "four-rules"
) -> ModuleMEC:
    """Capacity of a module in bits, an upper bound by the four rules and what `RULES` adds.

    A layer with parameters stores the lesser of their number and the bits that reach it; the
    inputs bound nothing. For multilayer perceptrons with biases this is `mec.perceptron_mec`.

    Where the four rules leave a choice, the plainest one is made. A unit is one bit after any
    activation, also after one that follows a sum of branches or the inputs themselves. A number
    that average pooling puts out is one bit by convention. Frozen parameters are counted: they
    were chosen once. Parameters of layers that `forward` never reaches are not. Two linear layers
    without an activation between them count as two.

    The module is read as it evaluates, not as it trains, and stays as it is.

    Args:
        module: linear layers, convolutions, pooling, normalisation, activations, dropout,
            flattening, sums and concatenations of branches. It takes one tensor, examples on the
            first axis, and returns one such.
        input_shape: of one example, such as (1, 28, 28).
        rule: as for `mec.perceptron_mec`. "four-rules" bounds a layer by what the layer before it
            puts out; "report" does so and adds the number of outputs; "tfmeter" lets no layer put
            out more than reaches it.

    Raises:
        ValueError: an argument is not as described; a layer has no rule, or `torch.fx` cannot
            read the order of the layers. The message names the layer.

    >>> module_mec(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (4,))
    layer   kind        parameters  reaching  bits  rule
    0       linear              15    inputs    15  first layer
    1       activation           0         3     0  one bit a unit
    2       linear               8         3     3  later layer
    in all                      23              18  four-rules
    """
    if not isinstance(module, nn.Module):
        raise ValueError(f"module must be a torch.nn.Module, but {module!r} was passed")
    try:
        shape = tuple(operator.index(k) for k in input_shape)
    except TypeError:  # no sequence, or not of integers
        shape = ()
    if not shape or min(shape) < 1:
        raise ValueError(
            "input_shape must be positive integers, those of one example, "
            f"but {input_shape!r} was passed"
        )
    if rule not in get_args(mec.CountingRule):
        raise ValueError(
            f"rule must be one of {get_args(mec.CountingRule)}, but {rule!r} was passed"
        )
    network = _without_numbers(module)
    dtypes = {each.dtype for each in network.parameters() if each.is_floating_point()}
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    reader = _Reader(_traced(network), rule)
    with torch.no_grad():
        outputs = reader.run(torch.empty(EXAMPLES, *shape, dtype=dtype, device="meta"))
    return ModuleMEC(shape, rule, outputs.numel() // EXAMPLES, tuple(reader.layers))


class _Reader(fx.Interpreter):  # type: ignore[misc, unused-ignore]
    """Run a graph on tensors that have a shape and no numbers, and note each layer's capacity."""

    def __init__(self, graph: fx.GraphModule, rule: mec.CountingRule) -> None:
        super().__init__(graph)
        self.extra_traceback = False  # our own messages say where
        self.rule = rule
        self.layers: list[LayerMEC] = []
        # Bits that each node puts out, and nodes that depend on the input only. Bits are infinite
        # as long as nothing but the inputs is passed on: they are numbers, and not units.
        self.bounds: dict[fx.Node, float] = {}
        self.modules = dict(graph.named_modules())
        self.used: dict[int, str] = {}  # where each parameter stands

    def run_node(self, n: fx.Node) -> Any:
        """Compute a node; raises ValueError where it has no rule."""
        kind = self._kind(n)
        if n.op == "call_module" and kind is None:
            _refuse(n, self._what(n), "is a kind of layer that has no rule", REPLACE)
        if n.op == "get_attr" and isinstance(self.fetch_attr(str(n.target)), nn.Parameter):
            _refuse(n, "a parameter", "is used outside of a layer, for which there is no rule",
                    "Use it through the layer of torch.nn that does the same")  # fmt: skip
        try:
            value = super().run_node(n)
        except Exception as error:  # torch raises several kinds where shapes do not fit
            raise ValueError(
                "module must run on one tensor of examples of input_shape, but "
                f"{_name(n)} ({self._what(n)}) fails: {_line(error)}"
            ) from error
        if n.op == "placeholder" and isinstance(value, Tensor):
            self.bounds[n] = inf
        elif n.op == "output":
            self._check(n, value)
        else:
            branches = [each for each in n.all_input_nodes if each in self.bounds]
            # Sizes and constants are no layers.
            if branches and isinstance(value, Tensor | tuple | list) and _has_tensor(value):
                self._note(n, kind, value, branches)
        return value

    def _note(self, n: fx.Node, kind: Kind | None, value: Any, branches: list[fx.Node]) -> None:
        what = self._what(n)
        if kind is None:
            _refuse(n, what, "is an operation that has no rule", REPLACE)
        if len(branches) > 1 and kind not in ("sum", "concatenation"):
            _refuse(n, what, "joins branches in a way that has no rule", REPLACE)
        self._check(n, value)
        if not n.users:
            _refuse(n, what, "has a result that nothing uses, so that its place is unknown",
                    "Remove it, or name the result and use it")  # fmt: skip
        parameters = self._parameters(n)
        numbers = value.numel() // EXAMPLES
        reaching = sum(self.bounds[each] for each in branches)
        match kind:
            case "linear" | "convolution":
                rule = "first layer" if reaching == inf else "later layer"
                if kind == "convolution" or value.ndim > 2:
                    rule = "shared weights"
                bound = min(numbers, reaching) if self.rule == "tfmeter" else float(numbers)
            case "activation":
                rule = "scales and shifts" if parameters else "one bit a unit"
                bound = min(numbers, reaching)
            case "normalisation":
                rule, bound = "scales and shifts", reaching
            case "pooling":
                rule = "pooled units"
                bound = reaching if reaching == inf else min(numbers, reaching)
            case "passing":
                rule, bound = "nothing added", reaching
            case "sum" | "concatenation":
                rule = "branches add" if len(branches) > 1 else "nothing added"
                bound = reaching
        self.bounds[n] = bound
        bits = int(min(parameters, reaching))
        found = (parameters, rule, _or_none(reaching), bits, _or_none(bound))
        self.layers.append(LayerMEC(_name(n), kind, *found))

    def _check(self, n: fx.Node, value: Any) -> None:
        if not isinstance(value, Tensor):
            _refuse(n, self._what(n), "gives more than one tensor, for which there is no rule",
                    REPLACE)  # fmt: skip
        if value.shape[:1] != (EXAMPLES,):
            _refuse(n, self._what(n), "does not keep the examples on the first axis, one by one",
                    "Leave the first axis as it is, as nn.Flatten() does")  # fmt: skip

    def _kind(self, n: fx.Node) -> Kind | None:
        if n.op == "call_module":
            layer = self.modules[str(n.target)]
            if parametrize.is_parametrized(layer):
                return None  # its parameters are not its weights
            return next((kind for types, kind in MODULES.items() if isinstance(layer, types)), None)
        return FUNCTIONS.get(n.target) if n.op in ("call_function", "call_method") else None

    def _what(self, n: fx.Node) -> str:
        if n.op == "call_module":
            return type(self.modules[str(n.target)]).__name__
        return n.target if isinstance(n.target, str) else getattr(n.target, "__name__", n.name)

    def _parameters(self, n: fx.Node) -> int:
        """Count the weights and biases of a layer; refuse those that stand elsewhere too."""
        if n.op != "call_module":
            return 0
        own = list(self.modules[str(n.target)].parameters())
        for each in own:
            before = self.used.setdefault(id(each), _name(n))
            if before != _name(n) or any(layer.name == before for layer in self.layers):
                again = "runs twice" if before == _name(n) else f"has parameters of {before}, too"
                _refuse(n, self._what(n), f"{again}, and weights of two layers have no rule",
                        "Give each layer weights of its own")  # fmt: skip
        return sum(each.numel() for each in own)


def _without_numbers(module: nn.Module) -> nn.Module:
    """Copy a module for evaluation, its parameters and buffers replaced by their shapes."""
    shapes: dict[int, Any] = {}
    for name, each in module.named_parameters():
        if nn.parameter.is_lazy(each):
            raise ValueError(
                f"module must have parameters of known shape, but {name} has none yet: "
                "run the module on an example first"
            )
        empty = torch.empty_like(each, device="meta")
        shapes[id(each)] = nn.Parameter(empty, requires_grad=each.requires_grad)
    for buffer in module.buffers():
        shapes[id(buffer)] = torch.empty_like(buffer, device="meta")
    try:
        return copy.deepcopy(module, shapes).eval()
    except Exception as error:  # such as from weights that an older kind of hook computes
        raise ValueError(
            "module must be one that copy.deepcopy can copy, but "
            f"{type(module).__name__} fails: {_line(error)}"
        ) from error


def _traced(network: nn.Module) -> fx.GraphModule:
    if fx.Tracer().is_leaf_module(network, ""):  # a single layer
        network = nn.Sequential(network)
    try:
        return fx.symbolic_trace(network)
    except Exception as error:  # whatever `forward` raises when it is given a stand-in
        raise ValueError(
            "module must have an order of layers that torch.fx can read, but "
            f"{type(network).__name__} has none: {_line(error)}. Write its forward without "
            "decisions that depend on the input"
        ) from error


def _name(n: fx.Node) -> str:
    """Name of a node's module, or of the module that calls it and the node's own."""
    if n.op == "call_module":
        return str(n.target)
    callers = [each for each in n.meta.get("nn_module_stack", {}) if each]
    return ".".join([*callers[-1:], n.name])


def _refuse(n: fx.Node, what: str, reason: str, advice: str) -> NoReturn:
    raise ValueError(
        f"module must have layers whose capacity has a rule, but {_name(n)} ({what}) {reason}. "
        f"{advice}"
    )


def _has_tensor(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(_has_tensor(each) for each in value)
    return isinstance(value, Tensor)


def _line(error: Exception) -> str:
    """First line of a message: torch puts listings and traces below it."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _or_none(bits: float) -> int | None:
    return None if bits == inf else int(bits)


def _modules(*patterns: str) -> tuple[type[nn.Module], ...]:
    """Return the layers of torch.nn whose names have one of these endings in them."""
    dimensions = ("", "1d", "2d", "3d")
    names = (pattern + end for pattern in patterns for end in dimensions)
    return tuple(getattr(nn, name) for name in names if hasattr(nn, name))


def _functions(*names: str) -> list[str | Callable[..., Any]]:
    """Return the methods of tensors, and functions, of these names, with all their dimensions."""
    found: list[str | Callable[..., Any]] = []
    for name in (f"{name}{end}" for name in names for end in ("", "_", "1d", "2d", "3d")):
        found += [name] if hasattr(Tensor, name) else []
        found += [getattr(at, name) for at in (torch, functional) if hasattr(at, name)]
    return found


_ACTIVATIONS = [name for name in nn.modules.activation.__all__ if name != "MultiheadAttention"]
MODULES: dict[tuple[type[nn.Module], ...], Kind] = {
    (nn.Linear,): "linear",
    _modules("Conv", "ConvTranspose"): "convolution",
    _modules("BatchNorm", "SyncBatchNorm", "InstanceNorm", "LayerNorm", "GroupNorm", "RMSNorm",
             "LocalResponseNorm"): "normalisation",
    _modules(*_ACTIVATIONS): "activation",
    _modules("MaxPool", "AvgPool", "LPPool", "FractionalMaxPool", "AdaptiveMaxPool",
             "AdaptiveAvgPool"): "pooling",
    _modules("Identity", "Flatten", "Unflatten", "Dropout", "AlphaDropout", "FeatureAlphaDropout",
             "ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad",
             "ChannelShuffle", "PixelShuffle", "PixelUnshuffle"): "passing",
}  # fmt: skip
_BY_KIND: dict[Kind, list[str | Callable[..., Any]]] = {
    "activation": _functions(
        "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid",
        "hardsigmoid", "hardswish", "hardtanh", "tanh", "softplus", "softsign", "softmax",
        "log_softmax", "logsigmoid", "sign", "heaviside"),
    "pooling": _functions("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool",
                          "mean", "amax"),
    # Numbers that are the same for every example scale and move bits, and add none.
    "passing": [
        *_functions("flatten", "unflatten", "view", "reshape", "squeeze", "unsqueeze", "permute",
                    "transpose", "movedim", "contiguous", "clone", "float", "dropout",
                    "alpha_dropout", "feature_alpha_dropout", "pad", "mul", "div"),
        operator.mul, operator.truediv, operator.neg],
    "sum": [*_functions("add", "sub"), operator.add, operator.iadd, operator.sub],
    "concatenation": _functions("cat", "concat"),
}  # fmt: skip
FUNCTIONS: dict[Any, Kind] = {each: kind for kind, some in _BY_KIND.items() for each in some}
