import json

import numpy as np
import pytest

from rethink.experiments import foreseen


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(foreseen, "MINUTES", 0.2)


def test_there_is_a_task_for_each_table():
    tasks = foreseen.tasks(5)
    assert len({task["name"] for task in tasks}) == 10 and json.loads(json.dumps(tasks)) == tasks
    assert all(foreseen.seconds(task) > 0 for task in tasks)


def test_what_is_made_is_what_it_is_called(small):
    line, noisy, board, rare, noise = (foreseen._table(small, name) for name in foreseen.MADE)
    signs = (board.features[:, 0] > 0) ^ (board.features[:, 1] > 0)
    assert np.array_equal(board.labels, signs)
    assert 0.02 < rare.labels.mean() < 0.07
    assert not rare.labels[rare.features[:, 0] <= 1.28].any()
    for table, low, high in ((line, 0.99, 1), (noisy, 0.8, 0.9), (noise, 0.45, 0.6)):
        # Least squares finds the line that there is.
        fitted = np.linalg.lstsq(table.features, table.labels - 0.5, rcond=None)[0]
        right = ((table.features @ fitted > 0) == table.labels).mean()
        assert low - 0.02 <= right <= high


def test_noise_is_foreseen_as_noise_and_found_so(small, quick):
    found = foreseen.run(small, name="noise", seeds=2)
    assert found["foreseen"].shape == (3,)
    assert found["found"].shape == (3, 2)
    assert (found["foreseen"] > 0.8).all()
    assert (found["found"].mean(axis=1) > 0.8).all()
    assert (found["interval"][:, 0] <= found["foreseen"]).all()


def test_flowers_are_foreseen_to_be_learned_and_are(small, quick):
    found = foreseen.run(small, name="iris", seeds=2)
    assert found["foreseen"][1] < 0.2
    assert found["found"][1].mean() < 0.3
    assert (found["classes"], found["features"]) == (3, 4)


def test_an_unknown_table_is_refused(small):
    with pytest.raises(ValueError, match="name must be one of"):
        foreseen.run(small, name="mnist", seeds=2)
