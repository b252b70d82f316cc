import subprocess
import sys

import numpy as np
import pytest
import sklearn.datasets

from rethink.errors import InputError
from rethink.tables import bundled, sources
from rethink.tables.encode import Choices


@pytest.mark.parametrize("name", bundled.COLUMNS)
def test_what_is_read_is_what_scikit_learn_gives(name):
    found = bundled.load(name)
    expected = getattr(sklearn.datasets, f"load_{name.replace('-', '_')}")()
    assert np.array_equal(found.features, expected.data)
    assert found.features.dtype == expected.data.dtype
    assert np.array_equal(found.labels, expected.target)
    assert found.columns == list(expected.feature_names)
    assert found.classes == [str(each) for each in expected.target_names]
    images = expected.get("images")
    assert found.shape == (None if images is None else images.shape[1:])


def test_a_file_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    with pytest.raises(InputError, match=r"wine, of scikit-learn, cannot be read: .*wine_data"):
        sources.read_named("wine", Choices())


def test_scikit_learn_is_not_imported():
    code = (
        "import sys; from rethink.tables import bundled; "
        "assert len(bundled.load('iris').labels) == 150; assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
