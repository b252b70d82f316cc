"""Train one stack of members from their specifications to their measurements.

The protocol is the report's: cross entropy, Adam, batches of 64 in a new order each epoch, pixels
divided by 255, PyTorch's default initialisation, a fifth of the rows held out for validation.
Everything random belongs to a member and comes from its seed alone, and arithmetic runs on one
thread, so a record depends neither on the other members of its stack nor on the number of workers.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rethink.data import Dataset, split
from rethink.mlp import StackedMLP
from rethink.perturb import randomize_labels

# The epochs that the report shows. The whole training part is evaluated only after these and the
# last, since that costs a large network a quarter of an epoch.
MILESTONES = (1, 10, 20, 30, 50, 80)
# Rows a forward pass takes at once in an evaluation: small enough for the cache.
EVALUATION_ROWS = 2_000


@dataclass(frozen=True, order=True)
class Spec:
    """Everything that decides a member's result, and nothing that does not.

    Attributes:
        hidden: units in each hidden layer.
        seed: decides split, initialisation, order of the batches and random labels.
        epochs: passes over the training part.
        share: of the training part that is trained on; shares nest.
        random_labels: share of the training labels replaced by random ones.
        batch: rows a step.
        learning_rate: of Adam.
    """

    hidden: tuple[int, ...]
    seed: int
    epochs: int = 80
    share: float = 1.0
    random_labels: float = 0.0
    batch: int = 64
    learning_rate: float = 1e-3

    def stack_key(self) -> tuple[object, ...]:
        """Return what members must have in common to be trained in one stack."""
        return (self.hidden, self.epochs, self.share, self.batch, self.learning_rate)


@dataclass(frozen=True)
class Record:
    """What training one member measured. Accuracies are shares from 0 to 1, losses are nats.

    Attributes:
        spec: the member's specification.
        curves: per epoch, each of shape (epochs,): ``loss`` and ``running`` (training loss and
            accuracy averaged over the epoch's batches, while the weights move), ``validation``,
            ``test`` (accuracies after the epoch), ``validation_loss``, ``test_loss``.
        milestones: the epochs, shape (m,), after which ``train`` and ``leaking`` were measured.
        train: accuracy on the rows and labels trained on, shape (m,).
        leaking: accuracy on a validation set drawn anew from all rows, shape (m,).
        train_confusion: counts, shape (classes, classes), true (as trained on) by predicted.
        validation_confusion: the same for the validation rows.
        test_predictions: predicted class of every test row, shape (n_test,), uint8.
        seconds: the stack's time, divided by its members.
        environment: machine and versions; not part of the result.
    """

    spec: Spec
    curves: dict[str, NDArray[np.float64]]
    milestones: NDArray[np.int64]
    train: NDArray[np.float64]
    leaking: NDArray[np.float64]
    train_confusion: NDArray[np.int64]
    validation_confusion: NDArray[np.int64]
    test_predictions: NDArray[np.uint8]
    seconds: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)


def train(
    specs: Sequence[Spec],
    data: Dataset,
    device: str = "cpu",
    after_epoch: Callable[[], None] | None = None,
) -> list[Record]:
    """Train the members of one stack together and measure each.

    Args:
        specs: one a member; their ``stack_key`` must agree.
        data: the data set, its images of shape (n, features), uint8.
        device: where to train, as PyTorch names it.
        after_epoch: called after each epoch, to show progress.

    Returns:
        One record a specification, in their order.

    Raises:
        ValueError: if the specifications cannot share a stack or a value is out of range.
    """
    _validate(specs)
    if len(specs) == 1:
        # A stack of one rounds differently: it gets a twin, which is dropped.
        return train([*specs, *specs], data, device, after_epoch)[:1]
    with _one_thread():
        return _train(specs, data, torch.device(device), after_epoch)


def _train(
    specs: Sequence[Spec],
    data: Dataset,
    device: torch.device,
    after_epoch: Callable[[], None] | None,
) -> list[Record]:
    start = time.perf_counter()
    first = specs[0]
    classes = len(data.classes)
    members = len(specs)
    images = torch.tensor(data.train_images, device=device)
    true_labels = torch.tensor(data.train_labels, device=device, dtype=torch.int64)
    test_images = torch.tensor(data.test_images, device=device)
    test_labels = torch.tensor(data.test_labels, device=device, dtype=torch.int64)
    splits = [split(len(data.train_images), spec.seed, spec.share) for spec in specs]
    training = torch.tensor(np.stack([s.train for s in splits]), device=device)
    validation = torch.tensor(np.stack([s.validation for s in splits]), device=device)
    leaking = torch.tensor(np.stack([s.leaking for s in splits]), device=device)
    # Labels are kept per member, since each may have other random ones.
    labels = true_labels.repeat(members, 1)
    for member, (spec, parts) in enumerate(zip(specs, splits, strict=True)):
        changed = randomize_labels(
            data.train_labels[parts.train], spec.random_labels, classes, spec.seed
        )
        labels[member, training[member]] = torch.tensor(changed, device=device)

    sizes = (images.shape[1], *first.hidden, classes)
    model = StackedMLP(sizes, [spec.seed for spec in specs]).to(device)
    padded = model.pad(images)
    optimizer = torch.optim.Adam(model.parameters(), lr=first.learning_rate, fused=True)
    # Not the initialisation's generator: there, as many numbers are drawn as there are weights.
    orders = [torch.Generator().manual_seed(spec.seed + 2**32) for spec in specs]
    milestones = [e for e in MILESTONES if e < first.epochs] + [first.epochs]
    curves = {
        name: np.empty((members, first.epochs))
        for name in ("loss", "running", "validation", "test", "validation_loss", "test_loss")
    }
    at_milestones: dict[str, list[NDArray[np.float64]]] = {"train": [], "leaking": []}

    for epoch in range(first.epochs):
        loss, running = _train_epoch(model, optimizer, orders, padded, labels, training, first)
        curves["loss"][:, epoch] = loss
        curves["running"][:, epoch] = running
        for name, rows in (("validation", validation), ("test", None)):
            predicted, mean_loss = (
                _evaluate(model, test_images, test_labels)
                if rows is None
                else _evaluate(model, images, true_labels, rows)
            )
            truth = test_labels if rows is None else true_labels[rows]
            curves[name][:, epoch] = _share(predicted == truth)
            curves[f"{name}_loss"][:, epoch] = mean_loss
            if rows is None:
                test_predicted = predicted
        if epoch + 1 in milestones:
            everywhere, _ = _evaluate(model, images, true_labels)
            right = everywhere == labels
            at_milestones["train"].append(_share(right.gather(1, training)))
            at_milestones["leaking"].append(_share(right.gather(1, leaking)))
        if after_epoch:
            after_epoch()

    train_confusion = _confusions(labels, everywhere, training, classes)
    validation_confusion = _confusions(labels, everywhere, validation, classes)
    seconds = (time.perf_counter() - start) / members
    described = environment(device)
    return [
        Record(
            spec=spec,
            curves={name: curve[member] for name, curve in curves.items()},
            milestones=np.array(milestones, dtype=np.int64),
            train=np.stack(at_milestones["train"])[:, member],
            leaking=np.stack(at_milestones["leaking"])[:, member],
            train_confusion=train_confusion[member],
            validation_confusion=validation_confusion[member],
            test_predictions=test_predicted[member].cpu().numpy().astype(np.uint8),
            seconds=seconds,
            environment=described,
        )
        for member, spec in enumerate(specs)
    ]


def _train_epoch(
    model: StackedMLP,
    optimizer: torch.optim.Optimizer,
    orders: Sequence[torch.Generator],
    images: Tensor,
    labels: Tensor,
    training: Tensor,
    spec: Spec,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take one pass in a new order; return each member's mean loss and share of right answers."""
    members, rows = training.shape
    shuffled = torch.stack([torch.randperm(rows, generator=order) for order in orders])
    order = training.gather(1, shuffled.to(training.device))
    targets = labels.gather(1, order)
    # Kept for one look at the end of the epoch, which is cheaper than one each step.
    outputs = torch.empty(members, rows, model.sizes[-1], device=images.device)
    for begin in range(0, rows, spec.batch):
        batch = slice(begin, begin + spec.batch)
        chosen = order[:, batch]
        inputs = images.index_select(0, chosen.flatten()).float().div_(255)
        logits = model(inputs.view(*chosen.shape, -1))
        total = functional.cross_entropy(
            logits.flatten(0, 1), targets[:, batch].flatten(), reduction="sum"
        )
        # Dividing the sum over all members by the batch gives each the gradient of its own mean.
        optimizer.zero_grad()
        torch.autograd.backward(total / chosen.shape[1])
        optimizer.step()
        outputs[:, batch] = logits.detach()
    losses = functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
    means = losses.view(members, rows).mean(dim=1, dtype=torch.float64).cpu().numpy()
    return means, _share(outputs.argmax(dim=-1) == targets)


@torch.no_grad()
def _evaluate(
    model: StackedMLP, images: Tensor, labels: Tensor, rows: Tensor | None = None
) -> tuple[Tensor, NDArray[np.float64]]:
    """Return predictions, shape (S, rows), and mean losses, shape (S,), in nats.

    ``rows`` of shape (S, rows) names each member's own; without it all members see all images.
    Each member runs alone here: the batches are large enough, and all weights are its own.
    """
    predictions, losses = [], []
    for member in range(len(model.weights[0])):
        network = model.member(member)
        chosen = torch.arange(len(images), device=images.device) if rows is None else rows[member]
        predicted, total = [], 0.0
        for part in torch.split(chosen, EVALUATION_ROWS):
            logits = network(images[part].float().div_(255))
            predicted.append(logits.argmax(dim=1))
            total += functional.cross_entropy(logits, labels[part], reduction="sum").item()
        predictions.append(torch.cat(predicted))
        losses.append(total / len(chosen))
    return torch.stack(predictions), np.array(losses)


def _share(right: Tensor) -> NDArray[np.float64]:
    """Return the share of true entries in each row."""
    return right.double().mean(dim=1).cpu().numpy()


def _confusions(labels: Tensor, predicted: Tensor, rows: Tensor, classes: int) -> NDArray[np.int64]:
    """Count, for each member, the pairs (label, prediction) on its own rows."""
    cells = labels.gather(1, rows) * classes + predicted.gather(1, rows)
    counts = [cell.bincount(minlength=classes**2).view(classes, classes) for cell in cells]
    return torch.stack(counts).cpu().numpy()


@contextmanager
def _one_thread() -> Iterator[None]:
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


def environment(device: torch.device | str = "cpu") -> dict[str, str]:
    """Describe what the last bits of a result depend on: processor, libraries, device."""
    kind = torch.device(device)
    return {
        "device": torch.cuda.get_device_name(kind) if kind.type == "cuda" else kind.type,
        "processor": _processor(),
        "vector": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


def _processor() -> str:
    """Name the processor; the operating system keeps the name in different places."""
    if os.path.exists("/proc/cpuinfo"):  # noqa: PTH110
        with open("/proc/cpuinfo", encoding="utf-8") as info:  # noqa: PTH123
            for line in info:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
