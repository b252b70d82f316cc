import json

import numpy as np
import pytest

from rethink.runs.results import Results


@pytest.fixture
def measured():
    tasks = tuple({"seed": seed, "kind": "sum"} for seed in range(3))
    results = tuple({"total": np.array(10 * (seed + 1))} for seed in range(3))
    return Results(tasks, results, ("a", "b", "c"))


def test_results_are_taken_by_the_values_of_their_tasks(measured):
    assert len(measured) == 3
    assert measured.stack("total").tolist() == [10, 20, 30]
    assert measured.one(seed=1)["total"] == 20
    assert len(measured.where(kind="sum")) == 3
    assert measured.where(seed=2).keys == ("c",)
    assert measured.take([2, 0]).keys == ("c", "a")


def test_values_that_fit_nothing_are_an_error(measured):
    with pytest.raises(ValueError, match=r"must fit a task of this experiment, but .*'other'"):
        measured.where(kind="other")
    with pytest.raises(ValueError, match="must fit a task"):
        measured.where(absent=None)
    with pytest.raises(ValueError, match=r"must fit one task, but \{'kind': 'sum'\} fits 3"):
        measured.one(kind="sum")


def test_results_say_how_long_they_took_and_where():
    def done(seconds, processor):
        machine = {"device": "cpu", "processor": processor, "vector": "AVX2"}
        said = {"task": ["sums", {}], "environment": machine, "seconds": seconds}
        return {"about": np.frombuffer(json.dumps(said).encode(), np.uint8)}

    results = (done(1.5, "B"), done(2.25, "A"), done(0.25, "B"))
    measured = Results(({}, {}, {}), results, ("a", "b", "c"))
    assert measured.seconds == 4
    assert measured.machines == ["A (AVX2)", "B (AVX2)"]
