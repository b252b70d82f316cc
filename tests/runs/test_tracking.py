import dataclasses
import http.server
import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rethink.protocol import Spec
from rethink.runs import tracking
from rethink.runs.store import result_digest
from rethink.runs.tracking import TrackingError, track
from tests.runs.examples import made

KEY = "0123456789" * 4


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where runs go; the user's home is an empty folder, and nobody is logged in."""
    pytest.importorskip("wandb", reason="wandb is not installed; run `make extras`")
    nobody(monkeypatch)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    # Should anything be sent, it is sent to nobody.
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    yield tmp_path / "runs"
    assert not list(home.rglob("*")) or (home / ".netrc").exists()


def nobody(monkeypatch):
    for name in (
        "API_KEY",
        "MODE",
        "PROJECT",
        "ENTITY",
        "DIR",
        "CONFIG_DIR",
        "IDENTITY_TOKEN_FILE",
    ):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.delenv("NETRC", raising=False)


def first():
    return made(1)


def second():
    """A record with as many epochs as any, of which every number is another."""
    epochs = 80
    generator = np.random.default_rng(2)
    return made(
        2,
        spec=Spec((256, 128, 128), seed=4, random_labels=0.25),
        curves={name: generator.random(epochs) for name in first().curves},
        milestones=np.array([1, 10, 40]),  # its outcome is not of one epoch
        train=generator.random(3),
        leaking=generator.random(3),
        seconds=float(generator.random()),
    )


def read(path):
    """Read a .wandb file: wandb's header, then LevelDB's log format, whose content is protobuf."""
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    assert content.startswith(b":W&B")
    found, begun, at = [], b"", 7
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:  # no record begins so near to the end of a block
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        begun += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            found.append(Record.FromString(begun))
            begun = b""
    assert not begun
    return found


def name_of(item):
    return item.key or "/".join(item.nested_key)


def logged(folder):
    """What every run of a folder says, by its id."""
    found = {}
    for path in folder.glob("*/*.wandb"):
        run, history, summary, config = None, {}, {}, {}
        for record in read(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                run = record.run
                config |= {i.key: json.loads(i.value_json) for i in run.config.update}
            elif kind == "config":
                config |= {i.key: json.loads(i.value_json) for i in record.config.update}
            elif kind == "history":
                row = {name_of(i): json.loads(i.value_json) for i in record.history.item}
                history[row.pop("_step")] = row
            elif kind == "summary":
                summary |= {name_of(i): json.loads(i.value_json) for i in record.summary.update}
            else:
                assert kind in ("header", "exit", "final", "footer", "telemetry", "request", None)
        assert run.run_id not in found
        found[run.run_id] = (run, config, history, summary)
    return found


def own(values):
    """Without what wandb adds; NaN equals itself, and 0 whichever sign and type it has."""
    kept = {name: value for name, value in values.items() if not name.startswith("_")}
    return {name: repr(value if value != 0 else 0) for name, value in kept.items()}


@pytest.mark.parametrize("record", [first, second])
def test_a_run_says_what_its_record_says(folder, record):
    record = record()
    track("wandb", {"key": record}, folder)
    ((identity, (run, config, history, summary)),) = logged(folder).items()
    assert identity == f"key-{result_digest([record.to_arrays()])[:8]}"
    assert run.project == "rethink-generalization"
    assert run.host == ""  # not the machine that trained
    expected = dataclasses.asdict(record.spec) | {"environment": record.environment}
    expected["hidden"] = list(expected["hidden"])
    assert own(config) == own(expected)

    assert list(history) == list(range(1, record.spec.epochs + 1))
    for epoch, row in history.items():
        expected = {name: curve[epoch - 1] for name, curve in record.curves.items()}
        for number, milestone in enumerate(record.milestones):
            if milestone == epoch:
                expected |= {"train": record.train[number], "leaking": record.leaking[number]}
        assert own(row) == own({name: float(value) for name, value in expected.items()})

    expected = {name: float(curve[-1]) for name, curve in record.curves.items()}
    expected |= {"train": float(record.train[-1]), "leaking": float(record.leaking[-1])}
    assert own(summary) == own(expected | {"seconds": record.seconds})


def test_runs_are_named_and_grouped_by_what_was_trained(folder):
    usual = dataclasses.replace(second(), spec=Spec((4, 4, 2), 3))
    track("wandb", {"a": second(), "b": usual, "c": first()}, folder)
    runs = {identity[0]: run for identity, (run, *_) in logged(folder).items()}
    shown = {key: (run.display_name, run.run_group, *run.tags) for key, run in runs.items()}
    a = "256-128-128 random labels 0.25"
    assert shown["a"] == (f"{a} seed 4", a, "256-128-128", "random labels")
    assert shown["b"] == ("4-4-2 seed 3", "4-4-2", "4-4-2")
    assert len({names[0] for names in shown.values()}) == 3


def test_what_is_said_and_written_is_about_the_runs_only(folder, capfd):
    said = track("wandb", {"a": first(), "b": second()}, folder)
    assert capfd.readouterr() == ("", "")
    wandb = Path(sys.executable).with_name("wandb")
    assert said == (
        f"Weights & Biases: 2 of 2 runs are new in {folder}; 2 are not uploaded yet: "
        f"`{wandb} sync {folder}` does it."
    )
    # No code, no packages, no machine, no console: a record may be of another one.
    assert [path for path in folder.rglob("files/*")] == []
    shown = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--dry-run", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Would sync 2 run(s)" in shown.stdout + shown.stderr


def test_the_same_record_is_logged_once(folder):
    track("wandb", {"a": first()}, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert len(before) == 3  # a run's folder, its file, and a folder of other files
    elsewhere = dataclasses.replace(first(), seconds=99.0, environment={})
    assert " 0 of 1 runs are new" in track("wandb", {"a": elsewhere}, folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert " 1 of 2 runs are new" in track("wandb", {"a": first(), "b": first()}, folder)


def test_another_outcome_is_another_run(folder):
    other = dataclasses.replace(first(), train=first().train + 0.1)
    track("wandb", {"a": first()}, folder)
    track("wandb", {"a": other}, folder)
    found = logged(folder)
    assert len(found) == 2
    assert {summary["train"] for *_, summary in found.values()} == {
        first().train[-1],
        other.train[-1],
    }


def test_a_run_is_written_whole_or_not_at_all(folder, monkeypatch):
    def interrupted(record, history=tracking._history):
        if record.spec == second().spec:
            yield from list(history(record))[:2]
            raise KeyboardInterrupt
        yield from history(record)

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "_history", interrupted)
        with pytest.raises(KeyboardInterrupt):
            track("wandb", {"a": first(), "b": second()}, folder)
    assert [identity[0] for identity in logged(folder)] == ["a"]
    assert len(list(folder.iterdir())) == 1
    assert " 1 of 2 runs are new" in track("wandb", {"a": first(), "b": second()}, folder)
    assert len(logged(folder)) == 2


# Who is logged in


def set_key(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)


def set_netrc(machine):
    def write(monkeypatch):
        path = Path.home() / ".netrc"
        path.write_text(f"machine {machine}\n  login user\n  password {KEY}\n", encoding="utf-8")
        path.chmod(0o600)

    return write


def set_mode(mode, key=False):
    def write(monkeypatch):
        monkeypatch.setenv("WANDB_MODE", mode)
        if key:
            set_key(monkeypatch)

    return write


@pytest.mark.parametrize(
    ("user", "uploads"),
    [
        (lambda _: None, 0),
        (set_key, 1),
        (set_netrc("127.0.0.1:1"), 1),
        (set_netrc("elsewhere"), 0),
        (set_mode("online"), 1),
        (set_mode("offline", key=True), 0),
        (set_mode("disabled", key=True), 0),
    ],
    ids=["nobody", "key", "netrc", "other netrc", "online", "offline key", "disabled key"],
)
def test_runs_are_uploaded_for_who_is_logged_in(folder, monkeypatch, user, uploads):
    user(monkeypatch)
    done = []
    monkeypatch.setattr(tracking, "_upload", done.append)
    said = track("wandb", {"a": first()}, folder)
    assert done == [folder] * uploads
    disabled = said == "Weights & Biases: WANDB_MODE is disabled, so that no run is logged."
    assert len(logged(folder)) == (0 if disabled else 1)
    assert disabled or ("see " in said) == bool(uploads)


class Server(http.server.ThreadingHTTPServer):
    """As much of a W&B server as an upload needs; it keeps what was asked of it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.refuses = False
        self.asked = []

    def history(self):
        """Every step that was uploaded, by run: the steps are lines of a file."""
        found = {}
        for path, content in self.asked:
            if path.endswith("/file_stream"):
                lines = content.get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
                rows = found.setdefault(path.split("/")[-2], {})
                rows |= {row.pop("_step"): row for row in map(json.loads, lines)}
        return found


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        content = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, content))
        data = {}
        if content.get("operationName") == "CreateRunFiles":
            url = f"{self.server.address}/upload"
            files = [{"name": name, "uploadUrl": url} for name in content["variables"]["files"]]
            data = {"data": {"createRunFiles": {"uploadHeaders": [], "files": files}}}
        self.answer(json.dumps(data).encode())

    def do_PUT(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(b"")

    def answer(self, body):
        self.send_response(401 if self.server.refuses else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: it would be on standard error."""


@pytest.fixture
def server(folder, monkeypatch):
    """A server that stands for wandb's, and for every other that anything would be sent to."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, server.address)
        yield server
        server.shutdown()
        thread.join()


def test_what_is_uploaded_is_what_was_recorded_and_once(folder, server, monkeypatch):
    set_key(monkeypatch)
    records = {"a": first(), "b": second()}
    said = track("wandb", records, folder)
    assert said == f"Weights & Biases: 2 of 2 runs are new in {folder}; all are uploaded."
    uploaded = {identity[0]: rows for identity, rows in server.history().items()}
    for key, record in records.items():
        rows = uploaded.pop(key)
        assert list(rows) == list(range(1, record.spec.epochs + 1))
        for name, curve in record.curves.items():
            assert repr([float(row[name]) for row in rows.values()]) == repr((curve + 0.0).tolist())
        assert [epoch for epoch, row in rows.items() if "train" in row] == list(record.milestones)
    assert not uploaded

    server.asked.clear()
    monkeypatch.delattr(tracking, "_upload")
    said = track("wandb", records, folder)
    assert said == f"Weights & Biases: 0 of 2 runs are new in {folder}; all are uploaded."
    assert server.asked == []


def test_an_upload_that_failed_can_be_made_up_for(folder, server, monkeypatch):
    set_key(monkeypatch)
    server.refuses = True
    said = track("wandb", {"a": first()}, folder)
    assert server.asked
    assert f"; 1 are not uploaded yet (see {folder / 'sync.log'}): `" in said
    assert "ERROR" in (folder / "sync.log").read_text(encoding="utf-8")
    server.refuses = False
    said = track("wandb", {"a": first()}, folder)
    assert said == f"Weights & Biases: 0 of 1 runs are new in {folder}; all are uploaded."


def test_an_upload_without_end_is_given_up(folder, monkeypatch):
    set_key(monkeypatch)  # and nobody is at the server's address
    monkeypatch.setattr(tracking, "UPLOAD_SECONDS", 1.0)
    said = track("wandb", {"a": first()}, folder)
    assert f"; 1 are not uploaded yet (see {folder / 'sync.log'}): `" in said


def test_nothing_is_sent_where_nobody_is_logged_in(folder, server):
    track("wandb", {"a": first()}, folder)
    assert server.asked == []


# What cannot be done


def test_an_unknown_tracker_is_named(tmp_path):
    with pytest.raises(TrackingError, match=r"^TRACK must be wandb, but 'mlflow' was passed$"):
        track("mlflow", {}, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_tracker_that_is_not_installed_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(
        TrackingError, match=r"^Weights & Biases is not installed; run `make extras`$"
    ):
        track("wandb", {"a": first()}, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_an_unknown_mode_is_said_to_be(folder, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "bogus")
    with pytest.raises(
        TrackingError, match=r"^WANDB_MODE must be online, offline or disabled, but 'bogus' is set$"
    ):
        track("wandb", {"a": first()}, folder)


def test_what_wandb_refuses_is_one_sentence(folder, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "a/b")
    with pytest.raises(TrackingError, match=r"^Weights & Biases cannot log the runs: [^\n]+$"):
        track("wandb", {"a": first()}, folder)
    assert not list(folder.iterdir())
    monkeypatch.delenv("WANDB_PROJECT")
    assert " 1 of 1 runs are new" in track("wandb", {"a": first()}, folder)


def test_the_environment_is_left_as_it_was(folder, monkeypatch):
    monkeypatch.setenv("WANDB_CACHE_DIR", "mine")
    before = dict(os.environ)
    track("wandb", {"a": first()}, folder)
    assert dict(os.environ) == before
