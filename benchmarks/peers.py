"""How long this book's instrument takes beside its peers, on the same files.

`python -m benchmarks.peers` writes book/peers.json. Every peer gets a virtual environment of its
own in the cache, so that its pins touch nobody else's, and is called as its documentation says, in
a fresh process; the clock covers that process from start to end. What a tool reports is another
matter than how fast it is: benchmarks/peers.csv says what each reports, with a source each.

No tool stops the others: one that does not install, fails or takes too long leaves its reason.
"""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl
from sklearn.datasets import load_breast_cancer, load_digits

from rethink.data import fashion_mnist
from rethink.paths import DISTRIBUTION, cache_folder, repository, scratch_folder, write_text
from rethink.runs.machine import environment

FILES = ("breast_cancer", "digits", "Fashion-MNIST")  # from small to large
REPEATS = 3
LONG = 60.0  # seconds: what takes longer is run once
LIMIT = 300.0  # seconds, then a run is ended
INSTALLATION = 900.0  # seconds, then it is given up
LABEL = "label"  # the last column of every file
FILE, OUTPUT = "{file}", "{output}"  # in commands: the table, and what the tool may write

# Both as in the tools' own guides, with the choices that these leave to their users made plainly.
# The check that skore leaves out, of correlated columns, fails in 0.28.0 if a column is constant.
CLEANLAB = """
import sys, pandas
from cleanlab import Datalab
table = pandas.read_csv(sys.argv[1])
features = table.drop(columns="label").to_numpy()
lab = Datalab({"features": features, "label": table["label"].to_numpy()}, label_name="label")
lab.find_issues(features=features)
lab.report()
"""
SKORE = """
import sys, pandas, skore
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
table = pandas.read_csv(sys.argv[1])
labels = table.pop("label")
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
report = skore.evaluate(model, table, labels, splitter=5)
print(report.metrics.summarize().frame())
print(report.checks.summarize(ignore=["SKD008"]).frame())
"""


class Unavailable(Exception):
    """A tool cannot be timed; the message is the reason, in one line."""


@dataclass(frozen=True)
class Tool:
    """Something to be timed.

    Attributes:
        name: in the table.
        command: a program of the tool's environment and its arguments, FILE and OUTPUT among them.
        requirement: what pip installs, pinned; empty for this project's own environment.
        absent: why there is nothing to install, where there is nothing.
    """

    name: str
    command: tuple[str, ...] = ()
    requirement: str = ""
    absent: str = ""

    @property
    def version(self) -> str | None:
        """The version that is timed; None if there is nothing to install."""
        if self.absent:
            return None
        return self.requirement.partition("==")[2] if self.requirement else version(DISTRIBUTION)


YDATA, PROFILE = "ydata-profiling==4.18.4", ("ydata_profiling", "--silent")
TOOLS = (
    Tool("rethink", ("rethink", "measure", FILE, "--json")),
    Tool("cleanlab", ("python", "-c", CLEANLAB, FILE), "cleanlab[datalab]==2.9.0"),
    Tool("skore", ("python", "-c", SKORE, FILE), "skore==0.28.0"),
    Tool("ydata-profiling", (*PROFILE, FILE, OUTPUT), YDATA),
    Tool("ydata-profiling, minimal", (*PROFILE, "--minimal", FILE, OUTPUT), YDATA),
    Tool("Brainome", ("brainome", FILE, "-y", "-measureonly"), "brainome==1.6.86"),
    Tool("nntailoring", absent="no package: scripts for Python 2 in a repository"),
    Tool("TFMeter", absent="no package: a web page that reads two columns and a label"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the tools and write what came out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest file, once; no installs")
    parser.add_argument("--tool", action="append", help="this one only; the others' times are kept")
    parser.add_argument("--output", type=Path, help="book/peers.json unless given")
    chosen = parser.parse_args(arguments)
    names = [tool.name for tool in TOOLS]
    if unknown := set(chosen.tool or ()) - set(names):
        parser.error(f"no tool named {', '.join(sorted(unknown))}; there are {'; '.join(names)}")
    output = chosen.output
    if output is None:
        folder = repository()
        if folder is None:
            parser.error("name --output: this package was not installed from its repository")
        output = folder / "book" / "peers.json"
    tools = [tool for tool in TOOLS if not chosen.tool or tool.name in chosen.tool]
    cache = cache_folder() / "peers"
    tables = write_files(cache / "files", FILES[:1] if chosen.quick else FILES)
    repeats = 1 if chosen.quick else REPEATS
    found = json.loads(output.read_text(encoding="utf-8")) if output.exists() else []
    found = [entry for entry in found if entry["tool"] not in {tool.name for tool in tools}]
    for entry in measure(tools, tables, cache, repeats, install=not chosen.quick):
        outcome = entry["seconds"] or entry["reason"]
        print(f"{entry['tool']}, {entry['file']}: {outcome}", file=sys.stderr, flush=True)
        found.append(entry)
        # After every entry, so that an interruption loses one run at most.
        found.sort(key=lambda known: names.index(known["tool"]))
        write_text(output, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def measure(
    tools: Iterable[Tool],
    tables: Sequence[Path],
    cache: Path,
    repeats: int = REPEATS,
    install: bool = True,
    limit: float = LIMIT,
) -> Iterator[dict[str, Any]]:
    """Time every tool on every table.

    Args:
        tools: what to time.
        tables: CSV files with a column of labels, from small to large.
        cache: where the tools' environments are.
        repeats: runs of each, of which the second and later are left out after a LONG one.
        install: whether to make environments that are missing; that needs a network.
        limit: seconds after which a run is ended, and larger files are not tried.

    Yields:
        One entry a tool and file: ``tool``, ``version``, ``file``, ``seconds`` (of each run that
        was finished), ``cpu`` (the same on the processor, all cores together), ``reason`` (what
        kept it from another run, or None) and ``machine``. A tool that cannot be had has one entry,
        whose ``file`` is None.
    """
    described = environment()
    machine = f"{described['processor']}, {joblib.cpu_count()} cores, {described['system']}"
    for tool in tools:
        blank: dict[str, Any] = {"tool": tool.name, "version": tool.version, "machine": machine}
        try:
            programs = prepare(tool, cache, install)
        except Unavailable as why:
            yield blank | {"file": None, "seconds": [], "cpu": [], "reason": str(why)}
            continue
        slow = ""
        for table in tables:
            seconds: list[float] = []
            cpu: list[float] = []
            reason = slow or None
            try:
                while not slow and len(seconds) < repeats and max(seconds, default=0) <= LONG:
                    wall, busy = clock(tool, programs, table, limit)
                    seconds.append(round(wall, 3))
                    cpu.append(round(busy, 3))
            except TimeoutError as why:
                reason = str(why)
                slow = f"left out: {table.stem} took over {limit:g} seconds"
            except Unavailable as why:
                reason = str(why)
            yield blank | {"file": table.stem, "seconds": seconds, "cpu": cpu, "reason": reason}


def prepare(tool: Tool, cache: Path, install: bool = True) -> Path:
    """Return the folder of a tool's programs, made with pip if it is missing.

    Raises:
        Unavailable: if it cannot be had.
    """
    if tool.absent:
        raise Unavailable(tool.absent)
    if not tool.requirement:
        return Path(sys.executable).parent
    folder = cache / re.split(r"[\[=]", tool.requirement)[0]
    ready = folder / ".ready"
    if ready.exists() and ready.read_text(encoding="utf-8") == tool.requirement:
        return folder / "bin"
    if not install:
        raise Unavailable("not installed")
    shutil.rmtree(folder, ignore_errors=True)
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1")
    steps = (
        (sys.executable, "-m", "venv", str(folder)),
        (str(folder / "bin" / "python"), *pip, tool.requirement),
    )
    print(f"  installing {tool.requirement}", file=sys.stderr, flush=True)
    try:
        for step in steps:
            _run(step, INSTALLATION, folder.parent)
    except TimeoutError:
        raise Unavailable(f"not installed after {INSTALLATION:g} seconds") from None
    write_text(ready, tool.requirement)
    return folder / "bin"


def clock(tool: Tool, programs: Path, table: Path, limit: float) -> tuple[float, float]:
    """Return the seconds that a fresh process of a tool takes for a table: wall, processor.

    Raises:
        TimeoutError: if it takes longer than the limit.
        Unavailable: if it fails.
    """
    with scratch_folder() as scratch:
        output = str(scratch / "report.html")
        filled = {FILE: str(table), OUTPUT: output}
        command = [filled.get(part, part) for part in tool.command]
        command[0] = str(programs / command[0])
        start, busy = time.perf_counter(), _children()
        try:
            _run(command, limit, scratch)
        except TimeoutError:
            # On a busy machine these are few, and the tool is not to blame.
            busy = _children() - busy
            why = f"ended after {limit:g} seconds, {busy:.0f} on the processor"
            raise TimeoutError(why) from None
        return time.perf_counter() - start, _children() - busy


def _children() -> float:
    """Processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(command: Sequence[str], limit: float, folder: Path) -> None:
    """Run a command in a folder; raise TimeoutError, or Unavailable with what it said last."""
    # Nothing is to be sent anywhere, and no window to be opened.
    quiet = {"YDATA_PROFILING_NO_ANALYTICS": "True", "DO_NOT_TRACK": "1", "MPLBACKEND": "Agg"}
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    settings = {name: value for name, value in os.environ.items() if name not in ours} | quiet
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=settings,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"{Path(command[0]).name}: {error.strerror}") from None
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with what it has started itself
                process.wait()
        if status:
            said.seek(0)
            raise Unavailable(_reason(said.read(), status))


def _reason(said: str, status: int) -> str:
    """Say in one line, without addresses and folders, why a process failed."""
    if "connection broken by" in said or "Connection refused" in said:
        return "the package index cannot be reached"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    # Pip says first what it misses; what Python says comes last.
    line = errors[0].removeprefix("ERROR: ") if errors else lines[-1] if lines else ""
    line = re.sub(r"\w+://\S+", "…", line)
    line = re.sub(r"(?:/[^\s/'\"():]+)+/([^\s/'\"():]+)", r"\1", line)
    return line[:200] or f"ended with status {status}"


def write_files(folder: Path, names: Iterable[str]) -> list[Path]:
    """Write tables as CSV with a header and the labels last, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.csv" for name in names]
    for path in paths:
        if not path.exists():
            features, labels = _table(path.stem)
            header = [f"column {k + 1}" for k in range(features.shape[1])]
            frame = pl.DataFrame(features, schema=header).with_columns(pl.Series(LABEL, labels))
            with scratch_folder(folder) as scratch:
                frame.write_csv(scratch / path.name)
                (scratch / path.name).replace(path)
    return paths


def _table(name: str) -> tuple[Any, Any]:
    """Return features, shape (n, d), whole numbers as such, and labels, shape (n,)."""
    if name == "Fashion-MNIST":
        data = fashion_mnist()
        return data.train_images.reshape(len(data.train_images), -1), data.train_labels
    bunch = {"breast_cancer": load_breast_cancer, "digits": load_digits}[name]()
    whole = np.array_equal(bunch.data, np.round(bunch.data))
    return bunch.data.astype(np.int64) if whole else bunch.data, bunch.target


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no tool runs on alone
    main()
