import numpy as np
import pytest
import torch

from rethink.data import split
from rethink.mlp import StackedMLP
from rethink.protocol import Spec
from rethink.runs.store import result_digest
from rethink.trainer import train

SHAPES = [(32, 16, 16), (8, 4, 4), (5, 3), (7,)]


def specs(hidden, seeds, **changes):
    return [Spec(hidden, seed, epochs=3, **changes) for seed in seeds]


def digest(records):
    """What records measured, such that == compares it bit for bit."""
    return result_digest([record.to_arrays() for record in records])


def plain_loop(spec, data):
    """The obvious way: one network, one batch at a time, with PyTorch's own parts."""
    parts = split(len(data.train_images), spec.seed, spec.share)
    sizes = (784, *spec.hidden, len(data.classes))
    network = StackedMLP(sizes, [spec.seed, spec.seed]).member(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=spec.learning_rate)
    order = torch.Generator().manual_seed(spec.seed + 2**32)
    images = torch.tensor(data.train_images).float() / 255
    labels = torch.tensor(data.train_labels).long()
    test_images = torch.tensor(data.test_images).float() / 255
    rows = torch.tensor(parts.train)
    losses, accuracies = [], []
    for _ in range(spec.epochs):
        shuffled = rows[torch.randperm(len(rows), generator=order)]
        total = 0.0
        for begin in range(0, len(rows), spec.batch):
            batch = shuffled[begin : begin + spec.batch]
            loss = torch.nn.functional.cross_entropy(network(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / len(rows))
        right = network(test_images).argmax(1).numpy() == data.test_labels
        accuracies.append(right.mean())
    right = network(images[parts.train]).argmax(1) == labels[parts.train]
    return losses, accuracies, right.float().mean().item()


@pytest.mark.parametrize("hidden", SHAPES)
def test_a_stack_equals_a_plain_loop(small, hidden):
    records = train(specs(hidden, (0, 1)), small)
    for record in records:
        losses, accuracies, trained = plain_loop(record.spec, small)
        # The plain loop sums in another order; three epochs do not let that grow.
        np.testing.assert_allclose(record.curves["loss"], losses, rtol=1e-4)
        np.testing.assert_allclose(record.curves["test"], accuracies, atol=0.011)
        assert record.train[-1] == pytest.approx(trained, abs=0.005)


@pytest.mark.parametrize("hidden", SHAPES)
def test_a_record_does_not_depend_on_its_stack(small, hidden):
    alone = {seed: digest(train(specs(hidden, [seed]), small)) for seed in range(3)}
    for seeds in ([0, 1], [2, 0], [1, 2, 0], [2, 1, 0, 3, 4, 5, 6]):
        for record in train(specs(hidden, seeds), small):
            seed = record.spec.seed
            assert digest([record]) == alone.get(seed, digest([record]))


def test_a_record_does_not_depend_on_threads_and_restores_them(small):
    before = torch.get_num_threads()
    once = train(specs((16, 8), [0, 1]), small)
    torch.set_num_threads(1)
    try:
        again = train(specs((16, 8), [0, 1]), small)
    finally:
        torch.set_num_threads(before)
    assert digest(once) == digest(again)


def test_a_shorter_run_is_the_beginning_of_a_longer_one(small):
    long = train([Spec((16, 8), 0, epochs=4)], small)[0]
    short = train([Spec((16, 8), 0, epochs=2)], small)[0]
    for name, curve in short.curves.items():
        assert (curve == long.curves[name][:2]).all()


def test_a_record_is_consistent_with_itself(small):
    record = train(specs((16, 8), [3]), small)[0]
    assert record.curves["test"].shape == (3,)
    right = record.test_predictions == small.test_labels
    assert record.curves["test"][-1] == pytest.approx(right.mean())
    for confusion, accuracy in (
        (record.train_confusion, record.train[-1]),
        (record.validation_confusion, record.curves["validation"][-1]),
    ):
        assert np.trace(confusion) / confusion.sum() == pytest.approx(accuracy)
    assert record.train_confusion.sum() == 801
    assert record.validation_confusion.sum() == 200
    assert list(record.milestones) == [1, 3]


def test_training_learns_and_random_labels_teach_nothing(small):
    learned, fooled = (
        train([Spec((32, 16), 0, epochs=12, random_labels=share)], small)[0] for share in (0, 1)
    )
    assert learned.curves["test"][-1] > 0.6
    assert fooled.curves["test"][-1] < 0.3
    # What was trained on are the random labels: fitting begins, testing does not follow.
    assert fooled.train[-1] > fooled.curves["test"][-1] + 0.05


def test_members_with_other_labels_share_a_stack(small):
    mixed = [Spec((16,), 0, epochs=2, random_labels=share) for share in (0, 0.5)]
    together = train(mixed, small)
    for spec, record in zip(mixed, together, strict=True):
        assert digest(train([spec], small)) == digest([record])


def test_a_share_trains_on_fewer_rows(small):
    record = train([Spec((16,), 0, epochs=1, share=0.25)], small)[0]
    assert record.train_confusion.sum() == 200


def test_errors_name_the_parameter(small):
    with pytest.raises(ValueError, match="specs must hold"):
        train([], small)
    with pytest.raises(ValueError, match="specs must agree"):
        train([Spec((16,), 0), Spec((8,), 0)], small)
    with pytest.raises(ValueError, match="epochs must be 1 or more, but 0"):
        train([Spec((16,), 0, epochs=0)], small)
