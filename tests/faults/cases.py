"""A process that is disturbed at the n-th time that it changes a file, and what became of it.

Changes are counted by an audit hook, as SQLite's crash tests count them in a file system of their
own: every moment at which a file is opened for writing, half written, renamed or removed can be
tried, and the same number names the same moment again.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from rethink.errors import CommandError, writing_error

LIMIT = 120  # seconds after which a call hangs
# Forked from a process that has imported what is slow, and started no thread.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.works"])
CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "faults.write"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Outcome:
    """What became of a case: nothing, or the fault; kind and seed make it again."""

    kind: str
    seed: int
    case: str
    fault: str = ""


@dataclass(frozen=True)
class Disturbance:
    """A signal to the process itself, or an error of the system, at one of its changes.

    Attributes:
        moment: which change, from 0.
        signal: the signal.
        number: of the error.
        lasting: whether all later changes fail like that, too.
    """

    moment: int
    signal: int = 0
    number: int = 0
    lasting: bool = False


@dataclass(frozen=True)
class Ended:
    """How a call ended: what it returned, or its sentence; or the fault that it is."""

    value: Any = None
    sentence: str = ""
    fault: str = ""
    changes: int = 0


def call(
    function: Callable[..., Any], folder: Path, *given: Any, disturbed: Disturbance | None = None
) -> Ended:
    """Call a function of a folder in a process of its own, which may be disturbed."""
    mine, theirs = PROCESSES.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile("r") as log:
        process = PROCESSES.Process(
            target=_child, args=(theirs, log.name, function, folder, given, disturbed)
        )
        process.start()
        theirs.close()
        try:
            ended = mine.recv() if mine.poll(LIMIT) else Ended(fault=f"hangs for {LIMIT} s")
        except EOFError:
            process.join()
            wanted = disturbed is not None and process.exitcode == -disturbed.signal
            ended = Ended(fault="" if wanted else f"ended by {process.exitcode}")
        if not ended.fault:
            process.join(LIMIT)
        _kill_group(process.pid or 0)
        process.join()
        said = log.read()
    return replace(ended, fault=said[-2000:]) if "Traceback" in said else ended


def _kill_group(leader: int) -> None:
    """End a process and those that it started: they are a group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _child(
    result: Any,
    log: str,
    function: Callable[..., Any],
    folder: Path,
    given: tuple[Any, ...],
    disturbed: Disturbance | None,
) -> None:
    os.setsid()
    with Path(log).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    os.environ |= {"TMPDIR": str(temporary), "JOBLIB_TEMP_FOLDER": str(temporary)}
    tempfile.tempdir = str(temporary)
    counter = _Counter(folder, disturbed)
    try:
        value = function(folder, *given)
    except KeyboardInterrupt:
        ended = Ended(sentence="Stopped; nothing is half-written.")
    except BaseException as error:
        # What the command line makes one sentence of.
        said = error if isinstance(error, CommandError) else None
        if said is None and isinstance(error, OSError):
            said = writing_error(error)
        last = "".join(traceback.format_exception(error)[-3:])
        ended = Ended(sentence=str(said)) if said else Ended(fault=f"a traceback: {last}")
    else:
        ended = Ended(value, changes=counter.count)
    counter.over = True
    result.send(ended)


class _Counter:
    """Counts changes below a folder, and disturbs at one of them."""

    def __init__(self, folder: Path, disturbed: Disturbance | None) -> None:
        self.folder, self.disturbed = str(folder), disturbed
        self.count, self.over = 0, False
        sys.addaudithook(self)
        whole = Path.write_bytes

        def halves(path: Path, content: bytes) -> int:
            whole(path, content[: len(content) // 2])
            sys.audit("faults.write", str(path))
            return whole(path, content)

        Path.write_bytes = halves  # type: ignore[method-assign]

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.over or event not in CHANGES or not self._is_change(event, args):
            return
        number, self.count = self.count, self.count + 1
        wanted = self.disturbed
        if wanted is None or number < wanted.moment:
            return
        if number > wanted.moment and not wanted.lasting:
            return
        if wanted.signal:
            os.kill(os.getpid(), wanted.signal)
        else:
            raise OSError(wanted.number, os.strerror(wanted.number), os.fsdecode(args[0]))

    def _is_change(self, event: str, args: tuple[Any, ...]) -> bool:
        path, *others = args
        if isinstance(path, int) or (event == "open" and not (others[1] or 0) & WRITING):
            return False
        path = os.fsdecode(path)
        # `shutil.rmtree` names files as seen from a folder that it holds open.
        return path.startswith(self.folder) or not os.path.isabs(path)  # noqa: PTH117


def moments(random: Random, changes: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield seeds, and moments among so many changes: each once, before any comes again."""
    drawn: list[int] = []
    for number in range(count):
        drawn = drawn or random.sample(range(changes), changes)
        yield number, drawn.pop()
