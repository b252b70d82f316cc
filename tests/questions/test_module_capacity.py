import csv
import inspect
import io
import itertools
import json
import random

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from rethink import _torchvision, mec
from rethink.plots import figure_data
from rethink.questions import learner_capacity, learners, module_capacity
from rethink.questions.module_capacity import module_mec


class Residual(nn.Module):
    """An identity beside two convolutions, as functions and methods write it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3)
        self.inner = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(2)
        self.head = nn.Linear(2, 3)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = functional.max_pool2d(x, 2)
        y = self.norm(self.inner(x))
        y += x
        y = functional.dropout(y, training=self.training).mean(dim=(2, 3))
        return self.head(y.view(y.size(0), -1))


def bits(module, shape, **arguments):
    return [layer.bits for layer in module_mec(module, shape, **arguments).layers]


def layers(*each, shape=(1, 28, 28)):
    return module_mec(nn.Sequential(*each), shape).layers


ONE = nn.Linear(3, 3)
SIZES = st.lists(st.integers(1, 40), min_size=2, max_size=6)
BETWEEN = st.lists(st.sampled_from([nn.ReLU, nn.Tanh, nn.GELU, nn.Dropout, nn.Identity]))


@given(SIZES, BETWEEN, st.sampled_from(["report", "four-rules", "tfmeter"]))
@settings(max_examples=40, deadline=None)
def test_multilayer_perceptrons_agree_with_mec(sizes, between, rule):
    parts = [nn.Flatten()]
    for pair in itertools.pairwise(sizes):
        parts += [nn.Linear(*pair), *(make() for make in between)]
    found = module_mec(nn.Sequential(*parts), (sizes[0], 1), rule)
    expected = mec.perceptron_mec(sizes, rule)
    assert found.bits == expected.bits
    linear = [layer for layer in found.layers if layer.kind == "linear"]
    assert tuple(layer.bits for layer in linear) == expected.layers
    assert {layer.rule for layer in linear[1:]} <= {"later layer"}
    assert sum(layer.bits for layer in found.layers) == sum(expected.layers)


def test_the_report_and_its_correction():
    widths = itertools.pairwise((784, 256, 128, 128, 10))
    parts = [part for pair in widths for part in (nn.Linear(*pair), nn.ReLU())][:-1]
    network = nn.Sequential(nn.Flatten(), *parts)
    assert module_mec(network, (1, 28, 28), "report").bits == 201_482
    assert module_mec(network, (1, 28, 28)).bits == 201_472


def test_the_convolution_of_the_learners_has_the_same_bits():
    learner = learners.Convolution(0, epochs=1)
    learner.fit(np.zeros((2, 784), np.float32), np.array([0, 9]))
    found = module_mec(learner.layers, (1, 28, 28))
    assert found.bits == learner_capacity.layered_bits(*learner.counts(784)) == 160 + 2704 + 800
    reaching = [layer.reaching for layer in found.layers if layer.parameters]
    assert reaching == [None, 2704, 800]


def test_a_residual_network_by_hand():
    found = module_mec(Residual(), (1, 10, 10), "report")
    by_hand = [
        ("stem", "convolution", 20, None, 20, 128),  # 2 x 8 x 8 units
        ("relu", "activation", 0, 128, 0, 128),
        ("max_pool2d", "pooling", 0, 128, 0, 32),
        ("inner", "convolution", 36, 32, 32, 32),  # fewer bits reach it than it has weights
        ("norm", "normalisation", 4, 32, 4, 32),
        ("add", "sum", 0, 64, 0, 64),
        ("dropout", "passing", 0, 64, 0, 64),
        ("mean", "pooling", 0, 64, 0, 2),
        ("view", "passing", 0, 2, 0, 2),
        ("head", "linear", 9, 2, 2, 3),
    ]
    fields = ("name", "kind", "parameters", "reaching", "bits", "bound")
    assert [tuple(getattr(each, name) for name in fields) for each in found.layers] == by_hand
    assert found.bits == 20 + 32 + 4 + 2 + 3
    assert found.layers[5].rule == "branches add"
    assert found.outputs == 3


def test_an_activation_after_a_sum_puts_out_a_bit_a_number():
    class After(Residual):
        def forward(self, x):
            x = self.stem(x)
            return self.norm(torch.relu(x + self.inner(x)))

    last = module_mec(After(), (1, 5, 5)).layers[-3:]
    assert [(each.reaching, each.bound) for each in last] == [(36, 36), (36, 18), (18, 18)]


def test_parallel_branches_are_put_side_by_side():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 2), nn.Linear(4, 3), nn.Linear(5, 9)

        def forward(self, x):
            return self.c(torch.cat([self.a(x), self.b(x)], dim=1))

    assert bits(Two(), (4,)) == [10, 15, 0, 5]


@pytest.mark.parametrize(
    ("layer", "shape", "kind", "stored", "bound"),
    [
        (nn.Linear(4, 3, bias=False), (4,), "linear", 12, 3),
        (nn.Linear(4, 3), (7, 4), "linear", 15, 21),  # the same weights at seven places
        (nn.Conv1d(4, 6, 3, groups=2), (4, 9), "convolution", 6 * 2 * 3 + 6, 6 * 7),
        (nn.Conv3d(1, 2, 2), (1, 3, 3, 3), "convolution", 18, 16),
        (nn.ConvTranspose2d(2, 1, 2, stride=2), (2, 3, 3), "convolution", 9, 36),
        (nn.BatchNorm1d(5), (5,), "normalisation", 10, None),
        (nn.LayerNorm(5), (5,), "normalisation", 10, None),
        (nn.GroupNorm(2, 4, affine=False), (4, 3), "normalisation", 0, None),
        (nn.PReLU(4), (4,), "activation", 4, 4),
        (nn.Softmax(dim=1), (4,), "activation", 0, 4),
        (nn.AvgPool2d(2), (1, 4, 4), "pooling", 0, None),  # pooled inputs are no units
        (nn.Unflatten(1, (2, 2)), (4,), "passing", 0, None),
    ],
)  # fmt: skip
def test_single_layers_on_inputs(layer, shape, kind, stored, bound):
    (found,) = module_mec(layer, shape).layers
    assert (found.kind, found.bits, found.bound) == (kind, stored, bound)
    assert found.parameters == sum(each.numel() for each in layer.parameters())
    assert found.reaching is None


def test_a_rule_of_the_book_is_named_where_weights_are_shared():
    alone, shared, kernel = (
        layers(each, shape=shape)[0].rule
        for each, shape in [(ONE, (3,)), (ONE, (7, 3)), (nn.Conv1d(1, 1, 2), (1, 3))]
    )
    assert (alone, shared, kernel) == ("first layer", "shared weights", "shared weights")


def test_inputs_bound_nothing_however_they_are_scaled():
    found = layers(nn.BatchNorm1d(3), nn.Linear(3, 8), nn.Linear(8, 9), shape=(3,))
    assert [each.bits for each in found] == [6, 32, 8]
    assert [each.rule for each in found[1:]] == ["first layer", "later layer"]


# What a layer without parameters makes of all the patterns that its bits can have.
@pytest.mark.parametrize(
    ("layer", "honest"),
    [
        (nn.MaxPool1d(2), True),
        (nn.MaxPool1d(3, stride=1), True),
        (nn.AdaptiveMaxPool1d(1), True),
        (nn.Flatten(), True),
        (nn.ReLU(), True),
        (nn.ZeroPad1d(1), True),
        (nn.AvgPool1d(4), False),  # five values for one bit, as its rule admits
    ],
)
def test_bounds_hold_for_every_pattern_of_bits(layer, honest):
    patterns = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4))).view(16, 1, 4)
    distinct = len({tuple(row) for row in layer(patterns).flatten(1).tolist()})
    bound = layers(nn.Linear(4, 4), layer, shape=(1, 4))[-1].bound
    assert (distinct <= 2**bound) == honest


def test_resnet_has_the_parameters_that_torchvision_publishes():
    _torchvision.import_torchvision()
    from torchvision.models import resnet18

    with torch.device("meta"):
        network = resnet18(weights=None)
    found = module_mec(network, (3, 224, 224))
    assert found.parameters == 11_689_512
    assert sum(layer.kind == "sum" for layer in found.layers) == 8
    assert found.layers[0].bits == 64 * 3 * 7 * 7  # no bias
    assert found.layers[-1].bits == found.layers[-1].reaching == 512


def test_the_module_stays_as_it_is():
    network = Residual()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    state, random_state = torch.get_rng_state(), random.getstate()
    module_mec(network, (1, 10, 10))
    assert all(part.training for part in network.modules())
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert random_state == random.getstate()


def forwards(forward, **parts):
    """Return a module of these parts with this function for its forward."""
    module = type("Mine", (nn.Module,), {"forward": forward})()
    for name, part in parts.items():
        setattr(module, name, part)
    return module


def in_place(self, x):
    y = self.a(x)
    y.relu_()
    return y.neg()


REFUSED = {
    "kind": (nn.Sequential(ONE, nn.LSTM(3, 3)), r"1 \(LSTM\) is a kind of layer that has no rule"),
    "attention": (nn.MultiheadAttention(2, 1), r"0 \(MultiheadAttention\)"),
    "nested": (nn.Sequential(nn.Sequential(nn.Embedding(3, 3))), r"0\.0 \(Embedding\)"),
    "twice": (nn.Sequential(ONE, nn.ReLU(), ONE), r"0 \(Linear\) runs twice.* weights of its own"),
    "lazy": (nn.LazyLinear(3), "weight has none yet: run the module on an example"),
    "shape": (nn.Linear(4, 3), r"run on .* input_shape, but 0 \(Linear\) fails"),
    "batch": (nn.Sequential(ONE, nn.Flatten(0)), r"1 \(Flatten\) does not keep the examples"),
    "reparametrized": (
        nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)),
        r"\(ParametrizedLinear\) is a kind",
    ),
    "decides": (
        forwards(lambda self, x: x if x.sum() > 0 else -x),
        "torch.fx can read, but Mine has none: .*Write its forward without decisions",
    ),
    "gate": (
        forwards(lambda self, x: self.a(x) * torch.sigmoid(self.b(x)), a=ONE, b=nn.Linear(3, 3)),
        r"mul \(mul\) joins branches in a way that has no rule",
    ),
    "parameter": (
        forwards(lambda self, x: x * self.w, w=nn.Parameter(torch.ones(3))),
        r"w \(a parameter\) is used outside of a layer",
    ),
    "operation": (forwards(lambda self, x: torch.fft.fft(x)), r"fft.* has no rule"),
    "tuple": (forwards(lambda self, x: x.split(1, dim=1)[0]), r"split \(split\)"),
    "outputs": (forwards(lambda self, x: (self.a(x), x), a=ONE), "output .* more than one tensor"),
    "in place": (forwards(in_place, a=ONE), r"relu_ \(relu_\) has a result that nothing uses"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_rule_is_refused_by_name(name):
    module, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as error:
        module_mec(module, (3,))
    assert "\n" not in str(error.value)


# A layer of each kind that the four rules or `RULES` have a rule for, as people use it, between two
# linear layers of which the second has more parameters than reach it.
BETWEEN_SHAPES = [
    *[(make(), 6) for make in (nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.Dropout)],
    (nn.Softmax(dim=1), 6),
    (nn.LayerNorm(6), 6),
    (nn.BatchNorm1d(6), 6),
    (nn.GroupNorm(2, 6), 6),
    (nn.Sequential(nn.Unflatten(1, (2, 3)), nn.MaxPool1d(3), nn.Flatten()), 2),
    (nn.Sequential(nn.Unflatten(1, (2, 3)), nn.AvgPool1d(2), nn.Flatten()), 2),
    (nn.Sequential(nn.Unflatten(1, (1, 6)), nn.AdaptiveAvgPool1d(3), nn.Flatten()), 3),
    (nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.AdaptiveMaxPool2d(1), nn.Flatten()), 1),
    (nn.Sequential(nn.Unflatten(1, (1, 6)), nn.ConvTranspose1d(1, 2, 1), nn.Flatten()), 12),
]


@pytest.mark.parametrize(("between", "reaching"), BETWEEN_SHAPES)
def test_what_comes_between_sets_what_reaches_the_next_layer(between, reaching):
    parts = (nn.Linear(4, 6), between, nn.Linear(reaching, 20))
    # Six bits leave the first layer; a layer that only moves or merges them adds none.
    bound = 12 if reaching == 12 else min(reaching, 6)
    assert layers(*parts, shape=(4,))[-1].bits == bound


FORMS = {
    "functional": lambda self, x: torch.relu(self.a(x)),
    "method": lambda self, x: self.a(x).relu(),
    "in place": lambda self, x: functional.relu(self.a(x), inplace=True),
    "flattened": lambda self, x: torch.flatten(self.a(x), 1),
    "viewed": lambda self, x: self.a(x).view(x.size(0), -1),
    "reshaped": lambda self, x: self.a(x.float()).reshape(x.shape[0], 3),
    "scaled": lambda self, x: 1 - self.a(x) / 2,
    "dropped": lambda self, x: functional.dropout(self.a(x), 0.5, self.training),
    "probabilities": lambda self, x: functional.log_softmax(self.a(x), dim=1),
}


@pytest.mark.parametrize("name", FORMS)
def test_functions_and_methods_are_read_as_their_layers_are(name):
    found = module_mec(forwards(FORMS[name], a=ONE), (3,))
    assert (found.bits, found.layers[-1].bound) == (12, 3)


@pytest.mark.parametrize("last", [nn.Softmax(dim=1), nn.Softmax(-1), nn.LogSoftmax(dim=1)])
def test_networks_may_end_in_probabilities(last):
    sizes = (4, 5, 3)
    network = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), last)
    for rule in ("report", "four-rules", "tfmeter"):
        assert module_mec(network, (4,), rule).bits == mec.perceptron_mec(sizes, rule).bits


def test_frozen_parameters_are_counted():
    network = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    network[0].requires_grad_(False)
    assert bits(network, (4,)) == [25, 0, 5]


def test_modules_that_cannot_be_copied_are_refused():
    layer = nn.Linear(3, 3)
    layer.computed = layer.weight * 2  # a tensor with a history, as hooks leave them
    with pytest.raises(ValueError, match="can copy, but Linear fails"):
        module_mec(layer, (3,))


def test_tied_weights_are_refused():
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    with pytest.raises(ValueError, match=r"1 \(Linear\) has parameters of 0, too"):
        module_mec(tied, (3,))


@pytest.mark.parametrize("shape", [(), (0,), (1.5,), 3, "3", (None,)])
def test_input_shapes_must_be_positive_integers(shape):
    with pytest.raises(ValueError, match="input_shape must be positive integers"):
        module_mec(ONE, shape)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"rule must be one of .*'five-rules'"):
        module_mec(ONE, (3,), "five-rules")
    with pytest.raises(ValueError, match=r"module must be a torch.nn.Module, but \(3, 2\)"):
        module_mec((3, 2), (3,))


def test_other_types_of_numbers_are_read():
    assert bits(nn.Linear(3, 2).double(), (3,)) == bits(nn.Linear(3, 2).bfloat16(), (3,)) == [8]


def test_results_print_a_table_and_become_json():
    found = module_mec(Residual(), (1, 10, 10), "report")
    kept = found.to_dict()
    assert json.loads(json.dumps(kept)) == kept
    assert kept["bits"] == found.bits == sum(each["bits"] for each in kept["layers"]) + 3
    lines = repr(found).splitlines()
    assert lines[0].split() == ["layer", "kind", "parameters", "reaching", "bits", "rule"]
    assert len(lines) == 1 + len(found.layers) + 3  # heading; outputs, in all, footnote
    for line, layer in zip(lines[1:], found.layers, strict=False):
        assert line.startswith(layer.name)
        assert line.endswith(" *") == module_capacity.RULES[layer.rule].extension
    assert lines[4].split() == ["inner", "convolution", "36", "32", "32", "shared", "weights", "*"]
    assert "inputs" in lines[1]
    assert lines[-2].split() == ["in", "all", "69", "61", "report"]
    assert lines[-1].startswith("* no published rule")
    assert "*" not in repr(module_mec(nn.Linear(3, 2), (3,)))


def test_the_plot_has_a_bar_for_each_layer_with_parameters():
    figure, (left, right) = plt.subplots(2)
    found = module_mec(Residual(), (1, 10, 10))
    assert found.plot(left) is left
    assert found.plot() is right  # the current axes
    assert left.yaxis_inverted()
    rows = list(csv.DictReader(io.StringIO(figure_data.tidy(figure))))
    plt.close(figure)
    bars = [(row["y"], float(row["to x"])) for row in rows]
    assert bars == 2 * [("stem", 20), ("inner", 32), ("norm", 4), ("head", 2)]


def test_rules_say_where_they_are_from():
    assert all(rule.statement and rule.source for rule in module_capacity.RULES.values())
    published = {name for name, rule in module_capacity.RULES.items() if "arXiv" in rule.source}
    assert published == {"first layer", "later layer", "one bit a unit"}
    own = {name for name, rule in module_capacity.RULES.items() if rule.extension}
    assert own == {"shared weights", "scales and shifts", "pooled units", "branches add"}


def test_no_layer_has_two_kinds():
    listed = [each for types in module_capacity.MODULES for each in set(types)]
    assert len(listed) == len(set(listed))
    assert all(inspect.isclass(each) and issubclass(each, nn.Module) for each in listed)
    assert nn.MultiheadAttention not in listed
