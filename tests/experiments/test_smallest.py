import numpy as np
import pytest

from rethink.experiments import smallest


def test_tasks_enclose_the_capacity_of_the_data():
    assert smallest.tasks(5) == [{"units": 1, "seeds": 5}, {"units": 2, "seeds": 5}]
    assert all(smallest.seconds(task) > 0 for task in smallest.tasks(5))


@pytest.mark.parametrize(("units", "bits"), [(1, 796), (2, 1582)])
def test_a_task_measures_every_seed(small, units, bits):
    found = smallest.run(small, units=units, seeds=3)
    assert found["bits"] == bits
    for name in ("test", "train", "information"):
        assert found[name].shape == (3,)
        assert np.isfinite(found[name]).all()
    # Few units tell few classes apart, whatever they learned.
    assert (found["test"] < 0.6).all()
    assert (found["information"] >= 0).all()
    again = smallest.run(small, units=units, seeds=3)
    assert all(np.array_equal(found[name], again[name]) for name in found)
