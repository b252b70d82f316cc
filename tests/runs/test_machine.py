from rethink.runs import machine


def test_the_environment_says_what_last_bits_depend_on():
    described = machine.environment()
    assert described["device"] == "cpu"
    assert described["torch"].startswith("2.")
    assert all(described.values())


def test_what_an_old_result_does_not_say_of_its_machine_is_not_asked_of_a_new_one():
    here = machine.environment()
    assert machine.same_machine(here, here)
    assert machine.same_machine({"torch": here["torch"]}, here)
    assert not machine.same_machine(here, {"torch": here["torch"]})
    assert not machine.same_machine(here, here | {"processor": "another"})
