"""The table of peers and the machinery that times them, on stand-ins; nothing is fetched."""

import csv
import json
import re
import time
from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from benchmarks import peers
from benchmarks.peers import FILE, OUTPUT, Tool, Unavailable
from rethink.book.pages import root

NAMES = ("rethink", "Brainome", "TFMeter", "nntailoring", "skore", "cleanlab", "ydata-profiling")
CAPABILITIES = (
    "source open", "runs offline", "class balance", "best guess accuracy", "dictionary bits",
    "Algorithm 1 thresholds", "ties handled", "null control", "capacity progression",
    "decision on enough data", "capacity of a model (MEC)", "expected generalization",
    "measured generalization", "label issues", "duplicates", "missing values", "correlations",
    "intervals", "result as JSON", "tables larger than memory", "images",
)  # fmt: skip
PINNED = {tool.requirement.partition("==")[0].partition("[")[0]: tool for tool in peers.TOOLS}


@pytest.fixture(scope="module")
def cells():
    file = root() / "benchmarks" / "peers.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def python(program, name="stand-in"):
    return Tool(name, ("python", "-c", program, FILE, OUTPUT))


@pytest.fixture
def tables(tmp_path):
    paths = [tmp_path / "small.csv", tmp_path / "large.csv"]
    for path in paths:
        path.write_text("a,label\n1,0\n2,1\n")
    return paths


def test_every_tool_has_a_cell_for_every_capability(cells):
    assert set(cells[0]) == {"capability", "tool", "value", "source", "note"}
    found = Counter((cell["capability"], cell["tool"]) for cell in cells)
    assert found == {(capability, name): 1 for capability in CAPABILITIES for name in NAMES}
    timed = {tool.name.partition(",")[0] for tool in peers.TOOLS}
    assert timed == set(NAMES)


def test_every_cell_has_a_source_or_was_not_found(cells):
    for cell in cells:
        where = (cell["capability"], cell["tool"])
        assert cell["value"] in {"yes", "part", "no", "not found"}, where
        assert bool(cell["source"]) == (cell["value"] != "not found"), where
        # What only part of a capability is must be said.
        assert cell["note"] or cell["value"] != "part", where
        assert "|" not in cell["note"] and "\n" not in cell["note"], where


def test_sources_can_be_looked_up(cells):
    for source in {cell["source"] for cell in cells if cell["source"]}:
        packaged = re.fullmatch(r"([\w-]+) ([\d.]+): [\w./]+", source)
        if packaged:
            # Read in the version that is timed.
            assert PINNED[packaged[1]].version == packaged[2], source
        elif not re.fullmatch(r"https://[\w.-]+/[\w./%-]+", source):
            assert (root() / source).is_file(), source


def test_a_tool_is_timed_on_every_file(tmp_path, tables):
    program = """
import sys, time
time.sleep(0.05)
assert open(sys.argv[1]).readline() == "a,label\\n"
open(sys.argv[2], "w").write("a report")
"""
    found = list(peers.measure([python(program)], tables, tmp_path, repeats=2))
    assert json.loads(json.dumps(found)) == found
    assert [entry["file"] for entry in found] == ["small", "large"]
    for entry in found:
        assert len(entry["seconds"]) == 2
        assert min(entry["seconds"]) >= 0.05
        assert len(entry["cpu"]) == 2 and min(entry["cpu"]) > 0
        assert entry["reason"] is None
        assert "cores" in entry["machine"]


def test_one_that_takes_long_is_run_once(tmp_path, tables, monkeypatch):
    monkeypatch.setattr(peers, "LONG", 0)
    found = list(peers.measure([python("")], tables, tmp_path, repeats=3))
    assert [len(entry["seconds"]) for entry in found] == [1, 1]


def test_one_that_fails_leaves_its_reason_and_stops_nobody(tmp_path, tables):
    tools = (
        python("raise ValueError('no such column in /some/where/small.csv')", "failing"),
        Tool("missing", ("no-such-program", FILE)),
        Tool("page", absent="a web page"),
        Tool("unmade", ("python",), "unmade==1.0"),
        python("", "working"),
    )
    found = list(peers.measure(tools, tables[:1], tmp_path, repeats=1, install=False))
    failing, missing, page, unmade, working = found
    assert failing["reason"] == "ValueError: no such column in small.csv"
    assert missing["reason"] == "no-such-program: No such file or directory"
    assert (page["reason"], page["file"], page["version"]) == ("a web page", None, None)
    assert (unmade["reason"], unmade["file"], unmade["version"]) == ("not installed", None, "1.0")
    assert [entry["seconds"] for entry in found[:4]] == [[]] * 4
    assert len(working["seconds"]) == 1


def test_one_that_takes_too_long_is_ended_with_its_children(tmp_path, tables):
    late = tmp_path / "late"
    child = f"import time; time.sleep(1.5); open({str(late)!r}, 'w')"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    start = time.monotonic()
    found = list(peers.measure([python(program)], tables, tmp_path, limit=0.5))
    assert [entry["seconds"] for entry in found] == [[], []]
    assert re.fullmatch("ended after 0.5 seconds, [01] on the processor", found[0]["reason"])
    assert found[1]["reason"] == "left out: small took over 0.5 seconds"
    time.sleep(max(0, start + 3 - time.monotonic()))
    assert not late.exists()


def test_pips_reason_is_said_in_a_line():
    # As pip 23 says it, shortened.
    unknown = """WARNING: Location 'file:///some/where/simple/' is ignored: it is neither a file.
ERROR: Could not find a version that satisfies the requirement other==1.6.* (from versions: none)
ERROR: No matching distribution found for other==1.6.*
"""
    assert peers._reason(unknown, 1) == (
        "Could not find a version that satisfies the requirement other==1.6.* (from versions: none)"
    )
    alone = """WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('
<HTTPSConnection object>: Failed to establish a new connection: Temporary failure': /simple/other/
ERROR: Could not find a version that satisfies the requirement other (from versions: none)
"""
    assert peers._reason(alone, 1) == "the package index cannot be reached"
    assert peers._reason("see https://example.org/a for help", 1) == "see … for help"
    assert peers._reason("", 3) == "ended with status 3"


def test_an_environment_is_made_once_for_a_requirement(tmp_path, monkeypatch):
    steps = []

    def run(command, limit, folder):
        steps.append(command[-1])

    monkeypatch.setattr(peers, "_run", run)
    tool, folder = Tool("one", ("one",), "one[all]==1.0"), tmp_path / "one"
    (folder / "left").mkdir(parents=True)  # by an installation that was broken off
    for _ in range(2):
        assert peers.prepare(tool, tmp_path) == folder / "bin"
    assert steps == [str(folder), "one[all]==1.0"]
    assert not (folder / "left").exists()
    peers.prepare(Tool("one", ("one",), "one[all]==1.1"), tmp_path)
    assert steps[2:] == [str(folder), "one[all]==1.1"]


def test_an_environment_that_was_not_finished_is_not_used(tmp_path, monkeypatch):
    def run(command, limit, folder):
        raise TimeoutError

    monkeypatch.setattr(peers, "_run", run)
    tool = Tool("one", ("one",), "one==1.0")
    with pytest.raises(Unavailable, match="not installed after 900 seconds"):
        peers.prepare(tool, tmp_path)
    with pytest.raises(Unavailable, match="not installed"):
        peers.prepare(tool, tmp_path, install=False)


def test_files_hold_the_tables_and_are_written_once(tmp_path):
    (path,) = peers.write_files(tmp_path, ["breast_cancer"])
    with path.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    bunch = load_breast_cancer()
    assert header[-1] == "label" and len(header) == len(set(header)) == 31
    assert np.array_equal(np.array([row[:-1] for row in rows], float), bunch.data)
    assert [int(row[-1]) for row in rows] == bunch.target.tolist()
    path.write_text("kept")
    assert peers.write_files(tmp_path, ["breast_cancer"]) == [path]
    assert path.read_text() == "kept"


def test_quick_times_what_is_there_and_keeps_the_rest(tmp_path, monkeypatch):
    monkeypatch.setenv("RETHINK_CACHE", str(tmp_path))
    tools = (python("", "first"), Tool("second", absent="no package"))
    monkeypatch.setattr(peers, "TOOLS", tools)
    output = tmp_path / "peers.json"
    peers.main(["--quick", "--output", str(output)])
    first, second = json.loads(output.read_text())
    assert (first["tool"], first["file"]) == ("first", "breast_cancer")
    assert second["reason"] == "no package"
    output.write_text(json.dumps([first | {"seconds": [9.0]}, second | {"reason": "kept"}]))
    peers.main(["--quick", "--tool", "first", "--output", str(output)])
    again, kept = json.loads(output.read_text())
    assert len(again["seconds"]) == 1 and again["seconds"] != [9.0]
    assert kept["reason"] == "kept"
    with pytest.raises(SystemExit, match="2"):
        peers.main(["--quick", "--tool", "third", "--output", str(output)])


def test_published_times_are_of_the_tools_and_files_named_here():
    published = root() / "book" / "peers.json"
    if not published.exists():
        pytest.skip("`python -m benchmarks.peers` was not run yet")
    entries = json.loads(published.read_text(encoding="utf-8"))
    versions = {tool.name: tool.version for tool in peers.TOOLS}
    assert {entry["tool"] for entry in entries} == set(versions)
    for entry in entries:
        assert set(entry) == {
            "tool", "version", "file", "seconds", "cpu", "reason", "machine"
        }  # fmt: skip
        assert entry["version"] == versions[entry["tool"]]
        assert bool(entry["seconds"]) or entry["reason"]
        assert entry["file"] in peers.FILES or (entry["file"] is None and not entry["seconds"])
