"""What moves a result and what does not: one network trained again under other circumstances.

The network [64, 32, 32] of seed 0 is trained for two epochs by the report's protocol, then again
with one circumstance changed at a time. Compared are its answers to all test pictures and its
accuracies, bit for bit.
"""

import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rethink import trainer
from rethink.data import Dataset, split
from rethink.protocol import Record, Spec
from rethink.questions.networks import Networks, Recipe, fit

SPEC = Spec((64, 32, 32), seed=0, epochs=2)
CHILD = """
import pickle, sys
from rethink import trainer
pickle.dump(trainer.train(*pickle.load(sys.stdin.buffer)), sys.stdout.buffer)
"""
CASES = (
    "the same again",
    "other neighbours in its stack",
    "five in its stack instead of two",
    "last in its stack",
    "another process",
    "two threads instead of one",
    "gradients by automatic differentiation",
    "another seed",
)


def tasks(seeds: int) -> list[dict[str, Any]]:
    """Return the one task; the other seed is number ``seeds``."""
    return [{"other": seeds}]


def seconds(task: dict[str, Any]) -> float:
    """Guess the core seconds of a task."""
    return 25.0


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"changed": 0.03, "difference": 0.005}


def run(data: Dataset, other: int) -> dict[str, NDArray[Any]]:
    """Train under each circumstance of ``CASES``.

    Returns:
        ``equal``: whether answers and accuracies are the same, shape (cases,); ``difference``: the
        largest difference of a test accuracy after an epoch; ``changed``: share of the test
        pictures that get another answer.
    """
    more = [replace(SPEC, seed=seed) for seed in range(1, 5)]
    first = trainer.train([SPEC, more[0]], data)[0]
    # A process of its own, that shares nothing with this one.
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=pickle.dumps(([SPEC, more[0]], data)),
        capture_output=True,
        check=True,
    )
    elsewhere = pickle.loads(done.stdout)[0]
    found = [
        _answers(record)
        for record in (
            trainer.train([SPEC, more[0]], data)[0],
            trainer.train([SPEC, more[1]], data)[0],
            trainer.train([SPEC, *more], data)[0],
            trainer.train([*more, SPEC], data)[-1],
            elsewhere,
        )
    ]
    found += [_two_threads(data), _differentiated(data)]
    found.append(_answers(trainer.train([replace(SPEC, seed=other), more[0]], data)[0]))
    answers, curve = _answers(first)
    return {
        "equal": np.array([bool((a == answers).all() and (c == curve).all()) for a, c in found]),
        "difference": np.array([np.abs(c - curve).max() for _, c in found]),
        "changed": np.array([(a != answers).mean() for a, _ in found]),
    }


def _answers(record: Record) -> tuple[NDArray[Any], NDArray[np.float64]]:
    return record.test_predictions, record.curves["test"]


def _two_threads(data: Dataset) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Train as the trainer does, but for the threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)
    try:
        stack = trainer.Stack([SPEC, replace(SPEC, seed=1)], data)
        curve = []
        for _ in range(SPEC.epochs):
            stack.epoch()
            curve.append(stack.test()[0][0])
        answers = stack.predict(stack.test_images[None])[0].numpy()
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)
    return answers, np.array(curve)


def _differentiated(data: Dataset) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Train the same network from the same start in the same order, by another road."""
    seeds = (0, 1)
    curve = []
    rows = np.stack([split(len(data.train_images), seed).train for seed in seeds])

    def look(networks: Networks, epoch: int, right: NDArray[np.float64]) -> None:
        curve.append((networks.predict(data.test_images)[0] == data.test_labels).mean())

    recipe = Recipe(SPEC.hidden, SPEC.epochs)
    networks = fit(
        recipe,
        data.train_images,
        data.train_labels,
        rows,
        seeds,
        len(data.classes),
        after_epoch=look,
    )
    return networks.predict(data.test_images)[0], np.array(curve)
