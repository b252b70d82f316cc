"""A few faults of each kind; `make faults` tries many."""

import pytest

from tests.faults.kinds import KINDS, outcomes


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind].few])
def test_nothing_is_lost(kind):
    found = list(outcomes(kind, 0, KINDS[kind].few))
    assert [outcome for outcome in found if outcome.fault] == []
    assert len(found) == KINDS[kind].few
