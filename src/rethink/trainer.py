"""Train one stack of members from their specifications to their measurements.

The protocol is the report's: cross entropy, Adam, batches of 64 in a new order each epoch, pixels
divided by 255, PyTorch's default initialisation, a fifth of the rows held out for validation.
Everything random belongs to a member and comes from its seed alone, and arithmetic runs on one
thread, so a record depends neither on the other members of its stack nor on the number of workers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rethink.data import Dataset, randomize_labels, split
from rethink.information import confusion
from rethink.mlp import StackedMLP
from rethink.protocol import Record, Spec

# The epochs that the report shows. The whole training part is evaluated only after these and the
# last, since that costs a large network a third of an epoch.
MILESTONES = (1, 10, 20, 30, 50, 80)
# Rows a forward pass takes at once in an evaluation: few enough for the cache.
EVALUATION_ROWS = 1_000

Floats = NDArray[np.float64]


def train(
    specs: Sequence[Spec],
    data: Dataset,
    device: str = "cpu",
    after_epoch: Callable[["Stack", int], None] | None = None,
) -> list[Record]:
    """Train the members of one stack together and measure each.

    Args:
        specs: one a member; their ``stack_key`` must agree.
        data: the data set, its images of shape (n, features), uint8.
        device: where to train, as PyTorch names it.
        after_epoch: called after each epoch with the stack and the epoch's number from 1 on, to
            show progress or to measure more.

    Returns:
        One record a specification, in their order.

    Raises:
        ValueError: if the specifications cannot share a stack or a value is out of range.
    """
    _validate(specs)
    if len(specs) == 1:
        # A stack of one rounds differently: it gets a twin, which is dropped.
        return train([*specs, *specs], data, device, after_epoch)[:1]
    with one_thread():
        return _train(specs, data, torch.device(device), after_epoch)


def milestones(epochs: int) -> list[int]:
    """Return the epochs of a training of so many after which the training part is evaluated."""
    return [epoch for epoch in MILESTONES if epoch < epochs] + [epochs]


def _train(
    specs: Sequence[Spec],
    data: Dataset,
    device: torch.device,
    after_epoch: Callable[["Stack", int], None] | None,
) -> list[Record]:
    stack = Stack(specs, data, device)
    epochs = specs[0].epochs
    measured_after = milestones(epochs)
    curves: dict[str, list[Floats]] = {
        name: []
        for name in ("running", "loss", "validation", "validation_loss", "test", "test_loss")
    }
    fitted = []
    leaking = []
    for epoch in range(1, epochs + 1):
        measured = (*stack.epoch(), *stack.validate(), *stack.test())
        for curve, values in zip(curves.values(), measured, strict=True):
            curve.append(values)
        if epoch in measured_after:
            everywhere = stack.predict(stack.images[None])
            right = everywhere == stack.labels
            fitted.append(_share(right.gather(1, stack.training)))
            leaking.append(_share(right.gather(1, stack.leaking)))
        if after_epoch:
            after_epoch(stack, epoch)

    classes = len(data.classes)
    train_confusion = _confusions(stack.labels, everywhere, stack.training, classes)
    validation_confusion = _confusions(stack.labels, everywhere, stack.validation, classes)
    test_predictions = stack.predict(stack.test_images[None]).cpu().numpy().astype(np.uint8)
    return [
        Record(
            spec=spec,
            curves={name: np.stack(curve)[:, member] for name, curve in curves.items()},
            milestones=np.array(measured_after, dtype=np.int64),
            train=np.stack(fitted)[:, member],
            leaking=np.stack(leaking)[:, member],
            train_confusion=train_confusion[member],
            validation_confusion=validation_confusion[member],
            test_predictions=test_predictions[member],
        )
        for member, spec in enumerate(specs)
    ]


class Stack:
    """A stack of S members in training, with the data that they learn and are judged by.

    What bounds an epoch depends on the width: the matrix products of wide networks, the calls that
    start them for narrow ones (measured on the page "What it costs").

    Args:
        specs: two or more, of one ``stack_key``.
        data: the data set, its images of shape (n, features), uint8.
        device: where to train.
    """

    def __init__(
        self, specs: Sequence[Spec], data: Dataset, device: torch.device | str = "cpu"
    ) -> None:
        """Draw the members' splits, labels and weights."""
        first = specs[0]
        rows = len(data.train_images)
        classes = self.classes = len(data.classes)
        sizes = (data.train_images.shape[1], *first.hidden, classes)
        self.batch = first.batch
        self.model = StackedMLP(sizes, [spec.seed for spec in specs], device)
        self.optimizer = torch.optim.Adam(
            [self.model.parameters], lr=first.learning_rate, fused=True
        )
        # Not the initialisation's generator: there, as many numbers are drawn as there are weights.
        self.orders = [torch.Generator().manual_seed(spec.seed + 2**32) for spec in specs]
        splits = [split(rows, spec.seed, spec.share) for spec in specs]
        self.training = torch.tensor(np.stack([s.train for s in splits]), device=device)
        self.validation = torch.tensor(np.stack([s.validation for s in splits]), device=device)
        self.leaking = torch.tensor(np.stack([s.leaking for s in splits]), device=device)
        # Converted once: four bytes a pixel come as fast from memory as one and its conversion.
        self.images, self.test_images = (
            self.model.pad(torch.tensor(images, device=device).float().div_(255))
            for images in (data.train_images, data.test_images)
        )
        # A copy for each member: gathering these rows costs more than a narrow network itself.
        self.validation_images = self.images[self.validation]
        true = torch.tensor(data.train_labels, device=device, dtype=torch.int64)
        self.validation_labels = true[self.validation]
        self.test_labels = torch.tensor(data.test_labels, device=device, dtype=torch.int64)
        # Labels to train on are each member's own, since each may have other random ones.
        self.labels = true.repeat(len(specs), 1)
        for member, (spec, parts) in enumerate(zip(specs, splits, strict=True)):
            changed = randomize_labels(
                data.train_labels[parts.train], spec.random_labels, classes, spec.seed
            )
            self.labels[member, self.training[member]] = torch.tensor(changed, device=device)

    def epoch(self) -> tuple[Floats, Floats]:
        """Take one pass over the training rows, in a new order.

        Returns:
            Each member's share of right answers and mean loss in nats, shape (S,), averaged over
            the epoch's batches while the weights move.
        """
        rows = self.training.shape[1]
        shuffled = torch.stack([torch.randperm(rows, generator=order) for order in self.orders])
        order = self.training.gather(1, shuffled.to(self.training.device))
        targets = self.labels.gather(1, order)
        wanted = torch.eye(self.model.outputs, device=targets.device)[targets]
        # Kept for one look at the end of the epoch, which is cheaper than one each step.
        logits = torch.empty_like(wanted)
        for begin in range(0, rows, self.batch):
            step = slice(begin, begin + self.batch)
            logits[:, step] = self.forward(order[:, step])
            self.descend(logits[:, step], wanted[:, step])
        return _judge(logits, targets)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the logits of rows of the training images, shape (S, batch)."""
        inputs = self.images.index_select(0, rows.flatten())
        return self.model.forward(inputs.view(*rows.shape, -1))

    def descend(self, logits: Tensor, wanted: Tensor) -> None:
        """Take a step of Adam down each member's mean cross entropy.

        Args:
            logits: what ``forward`` has just returned.
            wanted: of the same shape, one at the label and zero elsewhere.
        """
        # The gradient of a cross entropy by the logits: probabilities, less one at the label.
        errors = torch.softmax(logits, dim=-1).sub_(wanted).div_(logits.shape[1])
        self.model.backward(errors)
        self.optimizer.step()

    def validate(self) -> tuple[Floats, Floats]:
        """Return each member's accuracy and mean loss in nats on its validation rows."""
        return _judge(self._logits(self.validation_images), self.validation_labels)

    def test(self) -> tuple[Floats, Floats]:
        """Return each member's accuracy and mean loss in nats on the test rows."""
        labels = self.test_labels.expand(self.model.members, -1)
        return _judge(self._logits(self.test_images[None]), labels)

    def predict(self, images: Tensor) -> Tensor:
        """Return predicted classes, shape (S, n).

        Args:
            images: each member's own, shape (S, n, padded features), or (1, …) for all.
        """
        return self._logits(images).argmax(dim=-1)

    def logits(self, images: Tensor) -> Tensor:
        """Return logits, shape (S, n, classes), of images as `predict` takes them."""
        return self._logits(images)[..., : self.classes]

    def _logits(self, images: Tensor) -> Tensor:
        parts = torch.split(images.expand(self.model.members, -1, -1), EVALUATION_ROWS, dim=1)
        return torch.cat([self.model.forward(part) for part in parts], dim=1)


def _judge(logits: Tensor, labels: Tensor) -> tuple[Floats, Floats]:
    """Return each member's accuracy and mean cross entropy in nats, shape (S,)."""
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    means = losses.view(labels.shape).mean(dim=1, dtype=torch.float64)
    return _share(logits.argmax(dim=-1) == labels), means.cpu().numpy()


def _share(right: Tensor) -> NDArray[np.float64]:
    """Return the share of true entries in each row."""
    return right.double().mean(dim=1).cpu().numpy()


def _confusions(labels: Tensor, predicted: Tensor, rows: Tensor, classes: int) -> NDArray[np.int64]:
    """Count, for each member, the pairs (label, prediction) on its own rows."""
    true = labels.gather(1, rows).cpu().numpy()
    answers = predicted.gather(1, rows).cpu().numpy()
    return np.stack([confusion(*pair, classes) for pair in zip(true, answers, strict=True)])


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread and flush denormal numbers, then restore the threads.

    A dead unit's gradient is zero, so Adam's averages of it shrink until they are denormal, which
    slows every step that follows by an order of magnitude.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def _validate(specs: Sequence[Spec]) -> None:
    if not specs:
        raise ValueError("specs must hold one specification or more, but none was passed")
    for spec in specs:
        if spec.stack_key() != specs[0].stack_key():
            raise ValueError(
                "specs must agree in hidden, epochs, share, batch and learning_rate, "
                f"but {specs[0]} and {spec} were passed"
            )
        for name in ("epochs", "batch"):
            if getattr(spec, name) < 1:
                raise ValueError(f"{name} must be 1 or more, but {getattr(spec, name)} was passed")
