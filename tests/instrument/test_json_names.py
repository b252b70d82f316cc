import json

from rethink.instrument.json_names import JSON_NAMES
from tests.instrument.tables import blobs, measured

# The names that are documented.
NAMES = {name for names in JSON_NAMES for name in names.split(", ")}


def test_the_json_has_the_documented_names_and_no_number_that_json_has_not():
    for x, y in (blobs(), ([[1.0]], ["a"]), ([[0.0]] * 50, [1] * 50)):
        found = measured(x, y).to_dict()
        assert set(found) == NAMES
        assert set(found["thresholds"]) >= {"per_class", "total", "expected", "minimum", "maximum"}
        assert set(found["null"]) == {"expected", "sd", "z"}
        for step in found["progression"]:
            assert set(step) == {"share", "instances", "thresholds", "decision_points", "null"}
        assert json.loads(json.dumps(found, allow_nan=False)) == found
