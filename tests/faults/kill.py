"""Kinds kill, signal, fill and forbid: one work, disturbed at any of its changes, is done again."""

import atexit
import errno
import shutil
import signal
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random

from tests.faults.cases import Disturbance, Ended, Outcome, call, moments
from tests.faults.works import State, step

SIGNALS = {"kill": [signal.SIGKILL], "signal": [signal.SIGINT, signal.SIGTERM]}
ERRORS = {
    "fill": [errno.ENOSPC, errno.EDQUOT],
    "forbid": [errno.EACCES, errno.EROFS, errno.EPERM],
}
USUAL = ("write", "train", "book", "edit")


def outcomes(kind: str, seed: int, count: int, works: tuple[str, ...] = USUAL) -> Iterator[Outcome]:
    """Yield what becomes of works that are disturbed, so many times in all.

    Args:
        kind: kill, signal, fill or forbid.
        seed: decides the moments.
        count: of cases.
        works: which, in turn.
    """
    random = Random(f"{kind} {seed}")
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        drawn = {name: moments(random, undisturbed(name)[1], count) for name in works}
        for number in range(count):
            name = works[number % len(works)]
            moment = next(drawn[name])[1]
            yield _outcome(Path(folder), kind, seed, name, _disturbance(kind, random, moment))


def with_kernel(kind: str, seed: int, count: int) -> Iterator[Outcome]:
    """Yield what becomes of books whose kernels are real, which takes seconds each."""
    return outcomes("kill", seed, count, ("kernel",))


def _disturbance(kind: str, random: Random, moment: int) -> Disturbance:
    if kind in SIGNALS:
        return Disturbance(moment, signal=random.choice(SIGNALS[kind]))
    number = random.choice(ERRORS[kind])
    return Disturbance(moment, number=number, lasting=random.random() < 0.7)


def _outcome(folder: Path, kind: str, seed: int, name: str, disturbed: Disturbance) -> Outcome:
    place = folder / "case"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(prepared(name), place)
    fault = _fault(place, name, disturbed)
    return Outcome(kind, seed, f"{name} {disturbed}", fault)


def _fault(place: Path, name: str, disturbed: Disturbance) -> str:
    first = call(step, place, name, "do", disturbed=disturbed)
    if first.fault:
        return first.fault
    if "\n" in first.sentence:
        return f"more than a sentence: {first.sentence}"
    half = call(step, place, name, "whole")
    if half.fault or half.value:
        return f"half-written: {half.fault or half.value}"
    again = call(step, place, name, "do")
    if again.fault or again.sentence:
        return f"the next call cannot mend it: {again.fault or again.sentence}"
    return difference(undisturbed(name)[0], call(step, place, name, "state"))


def difference(wanted: State, ended: Ended) -> str:
    """Say in what a state differs from an undisturbed one."""
    if ended.fault or ended.sentence:
        return f"unreadable: {ended.fault or ended.sentence}"
    found = ended.value
    names = sorted(found["names"] ^ wanted["names"])
    if names:
        return f"left over or missing: {names}"
    differ = [name for name in wanted | found if wanted.get(name) != found.get(name)]
    return f"another result: {differ}" if differ else ""


@lru_cache
def prepared(name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="faults-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ended = call(step, folder, name, "prepare")
    assert not ended.fault and not ended.sentence, ended
    return folder


@lru_cache
def undisturbed(name: str) -> tuple[State, int]:
    """Return what stands after an undisturbed work, and how many changes it makes."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        place = Path(folder, "case")
        shutil.copytree(prepared(name), place)
        ended = call(step, place, name, "do")
        assert not ended.fault and not ended.sentence, ended
        return call(step, place, name, "state").value, ended.changes
