import pytest
import torch

from rethink.mlp import ALIGNMENT, StackedMLP, padded


def test_padding_reaches_the_next_multiple():
    assert [padded(width) for width in (1, 10, 16, 17, 784)] == [16, 16, 16, 32, 784]


@pytest.mark.parametrize("sizes", [(784, 32, 16, 10), (7, 5, 3), (20, 4)])
def test_forward_equals_each_member_alone(sizes):
    stack = StackedMLP(sizes, seeds=[3, 1, 2])
    rows = torch.rand(3, 9, sizes[0])
    together = stack(stack.pad(rows))
    assert together.shape == (3, 9, sizes[-1])
    for index in range(3):
        alone = stack.member(index)(rows[index])
        torch.testing.assert_close(together[index], alone)


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
    optimizer = torch.optim.Adam(stack.parameters(), fused=True)
    rows, labels = torch.rand(2, 40, 20), torch.randint(3, (80,))
    for _ in range(20):
        optimizer.zero_grad()
        logits = stack(stack.pad(rows)).flatten(0, 1)
        torch.nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()
    first, second = stack.weights
    assert first.shape == (2, 32, ALIGNMENT)
    assert not first[:, 20:].any()
    assert not first[:, :, 5:].any()
    assert not second[:, 5:].any()
    assert not second[:, :, 3:].any()
    assert second[:, :5, :3].all()


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="seeds must hold two members or more, but 1"):
        StackedMLP((4, 2), seeds=[0])
    with pytest.raises(ValueError, match="sizes must hold"):
        StackedMLP((4,), seeds=[0, 1])
