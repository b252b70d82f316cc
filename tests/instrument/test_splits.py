from dataclasses import replace

import numpy as np

from rethink.instrument import splits
from tests.instrument.plans import planned


def test_a_split_keeps_test_rows_out_and_every_class_in():
    y = np.array([0] * 60 + [1] * 39 + [2])
    x = np.zeros((100, 1))
    made = replace(planned(x, y), rows=50)
    drawn = splits.split_table(y, made)
    assert drawn.train.shape == (3, 40) and drawn.test.shape == (3, 10)
    for train, test in zip(drawn.train, drawn.test, strict=True):
        assert len({*train.tolist(), *test.tolist()}) == 50
        assert set(y[train]) == {0, 1, 2} and 99 not in test
    assert (drawn.train[0] != drawn.train[1]).any()


def test_inputs_are_standardised_by_training_rows_alone():
    rng = np.random.default_rng(0)
    columns = (
        rng.normal(5, 2, 40),
        np.full(40, 0.1),
        np.r_[np.zeros(30), np.full(10, 1e300)],
        np.r_[np.arange(30) * 3e306 - 5e307, np.full(10, -1.7e308)],
    )
    x = np.stack(columns, axis=1)
    inputs = splits.scaled(x, np.arange(30), np.arange(40))
    assert inputs.dtype == np.float32 and np.isfinite(inputs).all()
    slow = (x[:, 0] - x[:30, 0].mean()) / x[:30, 0].std()
    np.testing.assert_allclose(inputs[:, 0], slow, rtol=1e-5)
    assert not inputs[:, 1:3].any()  # constant in training, whatever comes later
    np.testing.assert_allclose(inputs[:30, 3].std(), 1, rtol=1e-6)
    images = splits.scaled(
        np.array([[0, 8], [16, 4], [20, 0]], np.uint8), np.arange(2), np.arange(3), True
    )
    np.testing.assert_array_equal(images, [[0, 0.5], [1, 0.25], [1.25, 0]])
