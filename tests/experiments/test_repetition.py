import joblib
import numpy as np
import pytest

from rethink.experiments import repetition


@pytest.fixture(scope="module")
def found(small):
    (task,) = repetition.tasks(5)
    assert repetition.seconds(task) > 0
    return repetition.run(small, **task)


def test_every_circumstance_is_measured(found):
    assert {array.shape for array in found.values()} == {(len(repetition.CASES),)}


def test_what_only_organises_the_work_moves_nothing(found):
    assert found["equal"][:6].all()
    assert not found["difference"][:6].any()
    assert not found["changed"][:6].any()


def test_another_seed_is_another_result(found):
    assert not found["equal"][-1]
    assert found["changed"][-1] > 0.1


def test_it_can_be_measured_in_a_worker(small, found):
    """A process that is one of joblib's cannot start every sort of process."""
    work = joblib.delayed(repetition.run)(small, **repetition.tasks(5)[0])
    again, _ = joblib.Parallel(n_jobs=2)([work, joblib.delayed(int)(0)])
    assert all(np.array_equal(found[name], again[name]) for name in found)
