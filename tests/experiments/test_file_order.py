"""Training in the order of the file, against a plain loop over PyTorch's own layers."""

import numpy as np
import torch

from rethink.experiments import file_order
from rethink.experiments.training_runs import SEVEN
from rethink.mlp import StackedMLP
from rethink.trainer import one_thread


def test_tasks_are_the_seven_networks():
    tasks = file_order.tasks(5)
    assert tuple(task["hidden"] for task in tasks) == SEVEN
    assert {task["seeds"] for task in tasks} == {2}
    assert {task["seeds"] for task in file_order.tasks(1)} == {1}
    assert sum(map(file_order.seconds, tasks)) < 15 * 60


def test_accuracies_are_those_of_a_plain_loop(small):
    result = file_order.run(small, (16, 8), 2, 3, (1, 3))
    assert result["measured"].tolist() == [1, 3]
    assert result["train"].shape == result["test"].shape == (2, 2)
    network = StackedMLP((784, 16, 8, 10), [1, 1]).member(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    images = torch.tensor(small.train_images).float() / 255
    labels = torch.tensor(small.train_labels).long()
    accuracies = []
    with one_thread():
        for _ in range(3):
            for batch in torch.arange(len(images)).split(64):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
                optimizer.step()
            with torch.no_grad():
                accuracies.append((network(images).argmax(dim=1) == labels).double().mean())
    np.testing.assert_allclose(result["train"][1], [accuracies[0], accuracies[2]], atol=0.003)


def test_one_member_is_that_of_two(small):
    one = file_order.run(small, (16, 8), 1, 2, (2,))
    two = file_order.run(small, (16, 8), 2, 2, (2,))
    assert one["train"].shape == (1, 1)
    np.testing.assert_array_equal(one["train"], two["train"][:1])
