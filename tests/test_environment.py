import os

import pytest

from rethink import environment


def test_variables_are_set_for_a_block_and_restored_whatever_happens_in_it(monkeypatch):
    monkeypatch.setenv("RETHINK_A", "before")
    monkeypatch.delenv("RETHINK_B", raising=False)
    before = dict(os.environ)
    values = {"RETHINK_A": "1", "RETHINK_B": "2"}
    with pytest.raises(KeyError), environment.variables(values):
        assert dict(os.environ) == before | values
        del os.environ["RETHINK_B"]
        raise KeyError
    assert dict(os.environ) == before


def test_blocks_may_stand_within_each_other(monkeypatch):
    monkeypatch.delenv("RETHINK_A", raising=False)
    with environment.variables({"RETHINK_A": "1"}):
        with environment.variables({"RETHINK_A": "2"}):
            assert os.environ["RETHINK_A"] == "2"
        assert os.environ["RETHINK_A"] == "1"
    assert "RETHINK_A" not in os.environ
