"""The trainer against what one would use instead, on the same rows with the same settings.

Every contender trains on the same 48,000 rows of Fashion-MNIST with Adam (0.001), batches of 64 in
a new order each epoch and cross entropy, on one thread, in a process of its own. The clock runs
while it trains; loading, set-up and evaluation are outside.
"""

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import cycle, pairwise
from typing import Any

import joblib

from benchmarks.memory import peak_megabytes
from rethink._torchvision import import_torchvision
from rethink.data import Dataset, fashion_mnist, split
from rethink.experiments.training_runs import SEVEN, stacks
from rethink.paths import cache_folder
from rethink.protocol import Spec

NETWORKS = ((256, 128, 128), (32, 16, 16), (8, 4, 4))
SEEDS = 5
EPOCHS = 2
BATCH = 64

# What a contender returns: seconds for all epochs of one network, and its accuracies on test data.
Outcome = tuple[float, list[float]]


def compare(epochs: int = EPOCHS, seeds: int = SEEDS) -> list[dict[str, Any]]:
    """Run every contender on every network, once for each seed, in turn.

    Returns:
        One entry a contender and network: ``contender``, ``hidden``, one value a seed of
        ``seconds`` (an epoch of one network) and ``megabytes`` (peak memory of the process), and
        ``accuracies`` on test data, one a network.
    """
    found: list[dict[str, Any]] = [
        {"contender": name, "hidden": hidden, "seconds": [], "megabytes": [], "accuracies": []}
        for hidden in NETWORKS
        for name in CONTENDERS
    ]
    for seed in range(seeds):
        for entry in found:
            name, hidden = entry["contender"], entry["hidden"]
            print(f"  {name}, {list(hidden)}, seed {seed}", file=sys.stderr, flush=True)
            outcome = _alone("contend", name, hidden, seed, epochs)
            for key, values in outcome.items():
                entry[key] += values
    return found


def contend(name: str, hidden: Sequence[int], seed: int, epochs: int) -> dict[str, list[float]]:
    """Run one contender in this process."""
    seconds, accuracies = CONTENDERS[name](tuple(hidden), seed, epochs, fashion_mnist())
    return {
        "seconds": [seconds / epochs],
        "megabytes": [peak_megabytes()],
        "accuracies": accuracies,
    }


def _alone(function: str, *arguments: object) -> Any:
    """Call a function of this module in a fresh process with one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "benchmarks.engine", json.dumps([function, *arguments])]
    done = subprocess.run(
        command, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def report(hidden: tuple[int, ...], seed: int, epochs: int, data: Dataset) -> Outcome:
    """Train in the report's way: torchvision's data set, ToTensor, a DataLoader."""
    import torch

    torchvision = import_torchvision()
    torch.manual_seed(seed)
    pictures = torchvision.datasets.FashionMNIST(
        cache_folder(), transform=torchvision.transforms.ToTensor()
    )
    rows = split(len(data.train_images), seed, 1.0).train.tolist()
    loader = torch.utils.data.DataLoader(
        torch.utils.data.Subset(pictures, rows), batch_size=BATCH, shuffle=True
    )
    network = _sequential(hidden, data)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    criterion = torch.nn.CrossEntropyLoss()
    start = time.perf_counter()
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            criterion(network(images), labels).backward()
            optimizer.step()
    return time.perf_counter() - start, [_accuracy(network, data)]


def sklearn_double(hidden: tuple[int, ...], seed: int, epochs: int, data: Dataset) -> Outcome:
    """Train scikit-learn's classifier on what a division of bytes by 255 gives."""
    return sklearn(hidden, seed, epochs, data, precision="float64")


def sklearn(
    hidden: tuple[int, ...], seed: int, epochs: int, data: Dataset, precision: str = "float32"
) -> Outcome:
    """Train scikit-learn's classifier with the same settings."""
    from sklearn.neural_network import MLPClassifier

    rows = split(len(data.train_images), seed, 1.0).train
    images = data.train_images[rows].astype(precision) / 255
    classifier = MLPClassifier(
        hidden,
        alpha=0,
        batch_size=BATCH,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=epochs + 1,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that so few epochs have not converged
        start = time.perf_counter()
        classifier.fit(images, data.train_labels[rows])
        seconds = time.perf_counter() - start
    test_images = data.test_images.astype(precision) / 255
    return seconds, [float(classifier.score(test_images, data.test_labels))]


def plain(hidden: tuple[int, ...], seed: int, epochs: int, data: Dataset) -> Outcome:
    """Train in a plain loop of PyTorch over tensors in memory."""
    import torch

    torch.manual_seed(seed)
    rows = split(len(data.train_images), seed, 1.0).train
    images = torch.tensor(data.train_images[rows]).float() / 255
    labels = torch.tensor(data.train_labels[rows]).long()
    network = _sequential(hidden, data)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    start = time.perf_counter()
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(images)), BATCH):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(images[batch]), labels[batch])
            torch.autograd.backward(loss)
            optimizer.step()
    return time.perf_counter() - start, [_accuracy(network, data)]


def ours(hidden: tuple[int, ...], seed: int, epochs: int, data: Dataset) -> Outcome:
    """Train a stack of this book's trainer, of the size that a sweep would choose."""
    from rethink import trainer

    with trainer.one_thread():
        stack = trainer.Stack(_stack(hidden, seed), data)
        start = time.perf_counter()
        for _ in range(epochs):
            stack.epoch()
        seconds = time.perf_counter() - start
        accuracies, _ = stack.test()
    return seconds / stack.model.members, accuracies.tolist()


def bound(hidden: tuple[int, ...], seed: int, epochs: int, data: Dataset) -> Outcome:
    """Multiply matrices of the shapes that this trainer multiplies, and do nothing else."""
    import torch

    torch.manual_seed(seed)
    rows, members = int(0.8 * len(data.train_images)), len(_stack(hidden, seed))
    multiply = _products(_sizes(hidden, data), members, BATCH)
    start = time.perf_counter()
    for _ in range(epochs * -(-rows // BATCH)):
        multiply()
    return (time.perf_counter() - start) / members, []


CONTENDERS: dict[str, Callable[[tuple[int, ...], int, int, Dataset], Outcome]] = {
    "report": report,
    "scikit-learn": sklearn,
    "scikit-learn, double": sklearn_double,
    "plain PyTorch": plain,
    "this trainer": ours,
    "products alone": bound,
}


def _stack(hidden: tuple[int, ...], seed: int) -> list[Spec]:
    """Return the first stack that a sweep over five seeds makes."""
    return stacks(Spec(hidden, 100 * seed + each) for each in range(SEEDS))[0]


def _sizes(hidden: Sequence[int], data: Dataset) -> list[int]:
    """Return a network's widths as the trainer fills them up; bare ones are slower when narrow."""
    from rethink.mlp import padded

    return [padded(width) for width in (data.train_images.shape[1], *hidden, len(data.classes))]


def _sequential(hidden: tuple[int, ...], data: Dataset) -> Any:
    import torch

    layers: list[Any] = [torch.nn.Flatten()]
    for fan_in, fan_out in pairwise((data.train_images.shape[1], *hidden, len(data.classes))):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def _accuracy(network: Any, data: Dataset) -> float:
    import torch

    with torch.no_grad():
        predicted = network(torch.tensor(data.test_images).float() / 255).argmax(dim=1)
    return float((predicted.numpy() == data.test_labels).mean())


def _products(sizes: Sequence[int], members: int, rows: int) -> Callable[[], None]:
    """Return a function that does the matrix products of one step."""
    import torch

    pairs = []
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        inputs = torch.rand(members, rows, fan_in)
        weights, errors = torch.rand(members, fan_in, fan_out), torch.rand(members, rows, fan_out)
        pairs.append((inputs, weights, torch.empty_like(errors)))
        pairs.append((inputs.transpose(1, 2), errors, torch.empty_like(weights)))
        if layer:
            pairs.append((errors, weights.transpose(1, 2), torch.empty_like(inputs)))

    def multiply() -> None:
        for left, right, out in pairs:
            torch.bmm(left, right, out=out)

    return multiply


def anatomy() -> list[dict[str, Any]]:
    """Take a step of every network of the report apart, with every core at work as in a sweep.

    Returns:
        One entry a network: ``hidden``, ``members`` of its stack; microseconds a member and step
        of ``gather``, ``forward``, ``backward``, ``adam``, the ``whole`` step and its ``products``
        alone; milliseconds a member of ``evaluation`` after an epoch; ``megabytes``, the peak
        memory of a process that has trained such a stack for an epoch.
    """
    jobs = joblib.Parallel(n_jobs=joblib.cpu_count(), prefer="threads", batch_size=1)
    return list(jobs(joblib.delayed(_alone)("dissect", hidden) for hidden in SEVEN))


def dissect(hidden: Sequence[int]) -> dict[str, Any]:
    """Measure the parts of one network's step in this process."""
    import torch

    from rethink import trainer

    data, specs = fashion_mnist(), _stack(tuple(hidden), 0)
    members = len(specs)
    trainer.train([Spec(s.hidden, s.seed, epochs=1, share=0.1) for s in specs], data)
    megabytes = peak_megabytes()
    sizes = _sizes(hidden, data)
    with trainer.one_thread():
        stack = trainer.Stack(specs, data)
        model, steps = stack.model, stack.training.shape[1] // BATCH
        order = torch.randperm(len(data.train_images)).repeat(members)
        rows = cycle(torch.split(order, members * BATCH))
        inputs = stack.images[stack.training[:, :BATCH]]
        errors = torch.rand(members, BATCH, model.outputs) / BATCH

        def gather() -> None:
            stack.images.index_select(0, next(rows))

        def forward() -> None:
            model.forward(inputs)

        def both() -> None:
            model.forward(inputs)
            model.backward(errors)

        def evaluate() -> None:
            stack.validate()
            stack.test()

        parts = {
            "gather": _each(gather, 300),
            "forward": _each(forward, 300),
            "backward": _each(both, 300) - _each(forward, 300),
            "adam": _each(stack.optimizer.step, 300),
            "whole": _each(stack.epoch, 1) / steps,
            "products": _each(_products(sizes, members, BATCH), 300),
        }
        evaluation = _each(evaluate, 1)
    return {
        "hidden": hidden,
        "members": members,
        **{name: 1e6 * seconds / members for name, seconds in parts.items()},
        "evaluation": 1e3 * evaluation / members,
        "megabytes": megabytes,
    }


def _each(work: Callable[[], object], count: int) -> float:
    """Return the median over five rounds of the mean seconds of a call."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            work()
        times.append((time.perf_counter() - start) / count)
    return sorted(times)[2]


if __name__ == "__main__":
    called, *given = json.loads(sys.argv[1])
    functions: dict[str, Callable[..., Any]] = {"contend": contend, "dissect": dissect}
    print(json.dumps(functions[called](*given)))
