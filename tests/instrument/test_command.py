import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from rethink.errors import InputError
from rethink.instrument import command as commands
from rethink.tables import large_tables
from tests.command_line import main

FOUR = "size,kind\n1,a\n2,b\n3,a\n4,b\n"


@pytest.fixture
def four(tmp_path):
    file = tmp_path / "four.csv"
    file.write_text(FOUR)
    return str(file)


def test_a_screen_goes_to_standard_output_and_nothing_else(four, monkeypatch, capfd):
    assert main(monkeypatch, "measure", four) == 0
    out, err = capfd.readouterr()
    assert "Instances             4 x 1 features, 2 classes" in out
    assert err == ""


def test_json_goes_to_standard_output(four, monkeypatch, capsys):
    assert main(monkeypatch, "measure", four, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["class_counts"] == {"a": 2, "b": 2}
    assert found["thresholds"]["total"] == 3
    assert found["estimated_capacity_bits"] == 2


def test_target_header_and_digits(tmp_path, monkeypatch, capsys):
    file = tmp_path / "t.csv"
    file.write_text("y,x\na,0.11\nb,0.12\na,0.23\nb,0.24\n")
    arguments = ("measure", str(file), "--target", "y", "--header", "--digits", "1", "--json")
    assert main(monkeypatch, *arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["thresholds"]["minimum"], found["sums"]) == (2, {"decimals": 1, "digits": 1})


@pytest.mark.parametrize(
    ("limit", "code", "words"),
    [
        ("thresholds.total=3", 0, ""),
        ("thresholds.total=4", 1, "thresholds.total is 3, under 4"),
        ("instances=5", 1, "instances is 4, under 5"),
        ("0.5", 1, "separation has no value here, and 0.5 was asked for"),
        ("nothing=1", 2, "there is no measure 'nothing'; there are instances, features, classes,"),
        ("null=1", 2, "'null' is no number"),
        ("z=high", 2, "must be NAME=VALUE or a number, but 'z=high' was passed"),
        ("nan", 2, "must be NAME=VALUE or a number, but 'nan' was passed"),
    ],
)
def test_limits(four, monkeypatch, capsys, limit, code, words):
    assert main(monkeypatch, "measure", four, "--fail-under", limit) == code
    out, err = capsys.readouterr()
    assert words in err.replace("\n", " ")
    # What was measured is said all the same.
    assert ("Instances" in out) == (code < 2)


def test_upper_limits(four, monkeypatch, capsys):
    assert main(monkeypatch, "measure", four, "--fail-over", "null.z=2") == 0
    assert main(monkeypatch, "measure", four, "--fail-over", "null.z=1") == 1
    assert "null.z is 1.22474, over 1" in capsys.readouterr().err.replace("\n", " ")
    assert main(monkeypatch, "measure", four, "--fail-over", "z=x") == 2
    assert "--fail-over must be NAME=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv"], "there is no 'nowhere.csv'"),
        (["{}", "--target", "knd"], "'kind'"),
        (["{}", "--kind", "size"], "--kind must be COLUMN=KIND, but 'size' was passed"),
        (["{}", "--kind", "size=colour"], "'colour'"),
        (["{}", "--digits", "-1"], "digits must be 0 or more"),
        (["{}", "--decimal", ";"], "decimal"),
        (["{}", "--encoding", "nonsense"], "nonsense"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(four, monkeypatch, capsys, arguments, words):
    assert main(monkeypatch, "measure", *(a.format(four) for a in arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.match(r"rethink: .*\n\Z", err, re.DOTALL)
    assert words in err


def test_choices_reach_the_reader(tmp_path, monkeypatch, capsys):
    file = tmp_path / "t.csv"
    file.write_text("x;w;y\n1,5;-;a\n2,5;3;b\n;4;a\n3,5;5;b\n")
    arguments = ["--decimal", ",", "--missing", "drop", "--missing-value", "-"]
    arguments += ["--missing-value", "", "--kind", "w=drop", "--json"]
    assert main(monkeypatch, "measure", str(file), *arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["instances"], found["features"]) == (3, 1)


def test_what_is_usual_is_no_option():
    usual = (None, "fill", None, None, "alphabetical", "keep", "error", ".", None, None)
    assert commands.options(*usual) == {}
    assert commands.options(False, *usual[1:]) == {"header": False}
    named = commands.options(None, "fill", None, ["a=b=number"], *usual[4:])
    assert named == {"kinds": {"a=b": "number"}}
    assert commands.options(*usual[:8], "\\t", None) == {"delimiter": "\t"}


def test_a_reader_that_has_seen_enough_gets_no_traceback(four):
    command = f"{sys.executable} -m rethink measure {four} --json | head -c 1"
    assert (
        subprocess.run(
            [
                "bash",
                "-c",
                f"{sys.executable} -m rethink measure {four} | true; exit ${{PIPESTATUS[0]}}",
            ],
            check=False,
        ).returncode
        == 0
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == "{"


def test_letters_that_a_terminal_does_not_have_are_escaped(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("1,猫\n2,b\n", encoding="utf-8")
    command = [sys.executable, "-m", "rethink", "measure", str(file)]
    surroundings = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=surroundings, check=False)
    assert done.returncode == 0
    assert b"\\u732b" in done.stdout


def test_a_full_disk_is_one_sentence(four):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rethink", "measure", four],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "rethink: the output: No space left on device; make room there\n"


def test_one_endless_line_is_refused_before_it_is_read(tmp_path, monkeypatch, capsys):
    file = tmp_path / "t.csv"
    with file.open("wb") as sparse:
        sparse.truncate(3 << 30)
    assert main(monkeypatch, "measure", str(file)) == 2
    assert "can be no table of text" in capsys.readouterr().err.replace("\n", " ")


def test_tables_larger_than_memory_are_counted_from_the_disk(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 5_000)
    x = y + rng.integers(0, 30, 5_000) / 10
    file = tmp_path / "t.parquet"
    pl.DataFrame({"x": x, "y": y}).write_parquet(file)
    assert main(monkeypatch, "measure", str(file), "--json") == 0
    usual = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(large_tables, "is_large", lambda source: True)
    assert main(monkeypatch, "measure", str(file), "--json") == 0
    large = json.loads(capsys.readouterr().out)
    for name in ("instances", "class_counts", "null", "requirement_bits", "clusters"):
        assert large[name] == pytest.approx(usual[name])
    for name, value in usual["thresholds"].items():
        assert large["thresholds"][name] == pytest.approx(value)
    assert main(monkeypatch, "measure", str(file), "--missing", "drop") == 2
    assert "missing cannot be chosen" in capsys.readouterr().err.replace("\n", " ")
    assert main(monkeypatch, "card", str(file)) == 2
    assert "random part of its rows" in capsys.readouterr().err.replace("\n", " ")


FIELD = st.sampled_from(["1", "2.5", "-3", "a", "b", "", "NA", '"', ",", "2020-01-01", "true", "é"])
LINES = st.lists(st.lists(FIELD, min_size=1, max_size=4).map(",".join), max_size=30)


@given(LINES.map("\n".join))
@settings(
    max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_file_is_measured_or_refused_in_one_sentence(tmp_path, content):
    file = tmp_path / "t.csv"
    file.write_text(content, encoding="utf-8")
    try:
        found = commands.measure(str(file), None, {})
    except InputError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        measured = found.to_dict()
        json.dumps(measured, allow_nan=False)
        assert repr(found)
        t = measured["thresholds"]
        assert t["minimum"] <= t["expected"] + 1e-9
        assert t["expected"] <= t["maximum"] + 1e-9
        assert t["minimum"] <= t["total"] <= t["maximum"]
        assert sum(measured["class_counts"].values()) == measured["instances"]


def test_a_file_that_may_not_be_read(four, monkeypatch, capsys):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    Path(four).chmod(0)
    assert main(monkeypatch, "measure", four) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_brackets_in_a_name_are_no_markup(tmp_path, monkeypatch):
    file = tmp_path / "[bold]\x1b[31ma.csv"
    file.write_text(FOUR)
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=500)
    monkeypatch.setattr(commands, "console", console)
    commands.measure(str(file), None, {})
    assert r"[bold]\x1b[31ma.csv" in terminal.getvalue()
