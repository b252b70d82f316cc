"""Records that nobody trained, and tasks that are trained in a blink."""

import dataclasses
import json

import numpy as np

from rethink.protocol import Record, Spec
from rethink.runs.store import result_digest
from rethink.runs.tasks import Task, key
from rethink.runs.training_results import Runs

SPEC = Spec((8, 4), seed=1, epochs=3, share=0.3, random_labels=0.25)
OTHER_SPEC = Spec((7,), seed=2, epochs=4, share=0.5, random_labels=0.5, batch=32, learning_rate=0.1)


def made(seed=0, **changes):
    """A record that nobody trained, with the numbers that are the easiest to lose."""
    generator = np.random.default_rng(seed)
    names = ("loss", "running", "validation", "test", "validation_loss", "test_loss")
    curves = {name: generator.random(3) for name in names}
    curves["loss"][:] = np.nan, -0.0, 5e-324
    record = Record(
        spec=SPEC,
        curves=curves,
        milestones=np.array([1, 3]),
        train=generator.random(2),
        leaking=generator.random(2),
        train_confusion=generator.integers(2**40, size=(10, 10)),
        validation_confusion=generator.integers(100, size=(10, 10)).T,
        test_predictions=generator.integers(10, size=203).astype(np.uint8),
        seconds=12.345,
        environment={"processor": "Intel® Xeon™", "torch": "2.13.0"},
    )
    return dataclasses.replace(record, **changes)


def task_of(spec):
    """The training of a specification."""
    return Task("training_runs", tuple(dataclasses.asdict(spec).items()))


def result_of(record):
    """A record as what is kept of it."""
    said = {
        "task": json.loads(task_of(record.spec).text),
        "environment": record.environment,
        "seconds": record.seconds,
    }
    about = np.frombuffer(json.dumps(said, sort_keys=True).encode(), np.uint8)
    return record.to_arrays() | {"about": about}


def runs_of(records):
    """Records as a chapter gets them."""
    tasks = tuple(dict(task_of(each.spec).arguments) for each in records)
    keys = tuple(str(number) for number in range(len(records)))
    return Runs(tasks, tuple(map(result_of, records)), keys)


def bits(record):
    """Everything in a record, such that == compares it bit for bit."""

    def array(a):
        return a.dtype.str, a.shape, a.tobytes()

    values = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    values["curves"] = {name: array(curve) for name, curve in record.curves.items()}
    return {n: array(v) if isinstance(v, np.ndarray) else v for n, v in values.items()}


def bits_of(result):
    """Everything in a result, such that == compares it bit for bit."""
    return {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in result.items()}


# Six stacks of other lengths, one of them with a single member; two differ in labels alone.
SPECS = [
    *(Spec((16, 8), seed, epochs=4) for seed in range(3)),
    *(Spec((16, 8), seed, epochs=4, random_labels=0.5) for seed in range(2)),
    *(Spec((8, 4), seed, epochs=3) for seed in range(3)),
    *(Spec((12,), seed, epochs=2) for seed in range(2)),
    *(Spec((12,), seed, epochs=2, share=0.5) for seed in range(2)),
    *(Spec((10,), seed, epochs=2, learning_rate=0.01) for seed in range(2)),
    Spec((7,), 5, epochs=2),
]
TASKS = [task_of(spec) for spec in SPECS]


def digests(tasks, data, store):
    """What the results of tasks measured, in their order."""
    found = [store.get(key(task, data.digest)) for task in tasks]
    assert None not in found
    return [result_digest([result]) for result in found]
