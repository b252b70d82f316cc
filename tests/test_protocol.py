import dataclasses

from rethink.protocol import Spec


def test_a_specification_is_a_value():
    assert Spec((8,), 0) == dataclasses.replace(Spec((8,), 1), seed=0)
    assert hash(Spec((8,), 0)) == hash(Spec((8,), 0))
