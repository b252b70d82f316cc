from rethink.runs import machine


def test_the_environment_says_what_last_bits_depend_on():
    described = machine.environment()
    assert described["device"] == "cpu"
    assert described["torch"].startswith("2.")
    assert all(described.values())


def test_a_machine_is_named_by_what_decides_its_speed():
    intel = {"device": "cpu", "processor": "Intel(R) Xeon(R) Processor", "vector": "AVX512"}
    assert machine.name(intel) == "Intel Xeon (AVX-512)"
    assert machine.name(intel | {"processor": "AMD EPYC", "vector": "AVX2"}) == "AMD EPYC (AVX2)"
    core = {"processor": "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", "vector": "AVX2"}
    assert machine.name(intel | core) == "Intel Core i7-8700 @ 3.20GHz (AVX2)"
    assert machine.name(intel | {"device": "NVIDIA H200"}) == "NVIDIA H200"


def test_what_an_old_result_does_not_say_of_its_machine_is_not_asked_of_a_new_one():
    here = machine.environment()
    assert machine.same_machine(here, here)
    assert machine.same_machine({"torch": here["torch"]}, here)
    assert not machine.same_machine(here, {"torch": here["torch"]})
    assert not machine.same_machine(here, here | {"processor": "another"})
