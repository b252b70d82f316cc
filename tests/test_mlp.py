from itertools import pairwise

import pytest
import torch

from rethink.mlp import ALIGNMENT, StackedMLP, padded


def test_padding_reaches_the_next_multiple():
    assert [padded(width) for width in (1, 10, 16, 17, 784)] == [16, 16, 16, 32, 784]


SIZES = [(784, 32, 16, 10), (7, 5, 3), (20, 4)]


@pytest.mark.parametrize("sizes", SIZES)
def test_forward_equals_each_member_alone(sizes):
    stack = StackedMLP(sizes, seeds=[3, 1, 2])
    rows = torch.rand(3, 9, sizes[0])
    together = stack.forward(stack.pad(rows))
    assert together.shape == (3, 9, stack.outputs)
    for index in range(3):
        alone = stack.member(index)(rows[index])
        torch.testing.assert_close(together[index, :, : sizes[-1]], alone)
    assert (together[..., sizes[-1] :] == -torch.inf).all()


@pytest.mark.parametrize("sizes", SIZES)
def test_backward_equals_automatic_differentiation(sizes):
    stack = StackedMLP(sizes, seeds=[3, 1, 2])
    rows, errors = torch.randn(3, 9, sizes[0]), torch.randn(3, 9, stack.outputs)
    errors[..., sizes[-1] :] = 0
    stack.parameters.grad.fill_(9)  # of an earlier step, to be overwritten
    stack.forward(stack.pad(rows))
    stack.backward(errors.clone())
    gradients = stack.layers(stack.parameters.grad)
    for index in range(3):
        member = stack.member(index)
        (member(rows[index]) * errors[index, :, : sizes[-1]]).sum().backward()
        linear = [layer for layer in member if isinstance(layer, torch.nn.Linear)]
        for layer, (weight, bias), fan in zip(linear, gradients, pairwise(sizes), strict=True):
            fan_in, fan_out = fan
            close = torch.testing.assert_close
            close(weight[index, :fan_in, :fan_out].T, layer.weight.grad, rtol=1e-4, atol=1e-5)
            close(bias[index, 0, :fan_out], layer.bias.grad, rtol=1e-4, atol=1e-5)
            assert not weight[index, fan_in:].any()
            assert not weight[index, :, fan_out:].any()
            assert not bias[index, 0, fan_out:].any()


def test_parameters_hold_every_weight_once():
    stack = StackedMLP((20, 5, 3), seeds=[0, 1])
    assert stack.parameters.shape == stack.parameters.grad.shape == (2 * (33 * 16 + 17 * 16),)
    stack.parameters.copy_(torch.arange(stack.parameters.numel()))
    seen = torch.cat([part.flatten() for layer in stack.layers(stack.parameters) for part in layer])
    assert seen.equal(stack.parameters)


def test_initialisation_is_the_default_of_torch():
    stack = StackedMLP((400, 50, 10), seeds=[0, 1])
    drawn = [stack.weights[0][0, :, :50], stack.weights[1][0, :50, :10]]
    for weights, inputs in zip(drawn, (400, 50), strict=True):
        reference = torch.nn.Linear(inputs, weights.shape[1]).weight
        assert weights.abs().max() <= inputs**-0.5
        assert weights.std().item() == pytest.approx(reference.std().item(), rel=0.1)


def test_a_member_depends_on_its_seed_alone():
    one = StackedMLP((30, 20, 10), seeds=[5, 6])
    other = StackedMLP((30, 20, 10), seeds=[1, 2, 5])
    assert torch.equal(one.weights[0][0], other.weights[0][2])
    assert not torch.equal(one.weights[0][0], one.weights[0][1])


def test_added_units_stay_zero_in_training():
    stack = StackedMLP((20, 5, 3), seeds=[0, 1])
    optimizer = torch.optim.Adam([stack.parameters], fused=True)
    rows = stack.pad(torch.rand(2, 40, 20))
    wanted = torch.eye(stack.outputs)[torch.randint(3, (2, 40))]
    for _ in range(20):
        stack.backward(torch.softmax(stack.forward(rows), dim=-1) - wanted)
        optimizer.step()
    first, second = stack.weights
    assert first.shape == (2, 32, ALIGNMENT)
    assert not first[:, 20:].any()
    assert not first[:, :, 5:].any()
    assert not second[:, 5:].any()
    assert not second[:, :, 3:].any()
    assert second[:, :5, :3].all()
    assert (stack.biases[1][..., 3:] == -torch.inf).all()


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="seeds must hold two members or more, but 1"):
        StackedMLP((4, 2), seeds=[0])
    with pytest.raises(ValueError, match="sizes must hold"):
        StackedMLP((4,), seeds=[0, 1])
