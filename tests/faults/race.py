"""Kind race: two processes and more do the same in the same folder."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rethink import paths
from tests.faults.cases import Ended, Outcome, call
from tests.faults.kill import difference, prepared, undisturbed
from tests.faults.works import NAMES, files, step

REFUSED = "another process is making the book"


def outcomes(kind: str, seed: int, count: int) -> Iterator[Outcome]:
    """Yield what becomes of races, so many in all; when who comes first is up to the machine."""
    races = {"write": _writers, "scratch": _tidiers, "train": _twice, "book": _twice}
    for number in range(count):
        name = list(races)[number % len(races)]
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            fault = races[name](Path(folder, "case"), name)
        yield Outcome(kind, seed, f"{number}: {name}", fault)


def _side_by_side(function: Callable[..., object], folder: Path, *given: tuple) -> list[Ended]:
    with ThreadPoolExecutor(len(given)) as pool:
        jobs = [pool.submit(call, function, folder, *each) for each in given]
        return [job.result() for job in jobs]


def _said(ended: list[Ended]) -> str:
    return "; ".join(each.fault or each.sentence for each in ended if each.fault or each.sentence)


def _three(function: Callable[[Path, int], None], folder: Path) -> str:
    """Let three do the same in a folder at a time, and see that no scratch folder is left."""
    ended = _side_by_side(function, folder, *((number,) for number in range(3)))
    left = {name for name in files(folder) if "scratch" in name}
    return _said(ended) or (f"left over: {left}" if left else "")


def _writers(folder: Path, _: str) -> str:
    return _three(write_often, folder)


def write_often(folder: Path, number: int) -> None:
    """Write the same files as others, and see that they are always those of one of us."""
    for _ in range(40):
        paths.write_files((folder / name, str(number).encode() * 5000) for name in NAMES)
        for name in NAMES:
            found = (folder / name).read_bytes()
            if len(found) != 5000 or len(set(found)) != 1:
                raise AssertionError(f"{name} is not whole")


def _tidiers(folder: Path, _: str) -> str:
    return _three(use_scratch, folder)


def use_scratch(folder: Path, number: int) -> None:
    """Have scratch folders beside those of others, who must leave them alone."""
    for _ in range(60):
        with paths.scratch_folder(folder) as mine:
            (mine / "file").write_text(str(number))
            with paths.scratch_folder(folder):
                pass
            if (mine / "file").read_text() != str(number):
                raise AssertionError("a scratch folder is not one's own")


def _twice(folder: Path, name: str) -> str:
    """Do the same work twice at a time; the second maker of a book may be refused."""
    shutil.copytree(prepared(name), folder)
    ended = _side_by_side(step, folder, (name, "do"), (name, "do"))
    failed = [each for each in ended if each.fault or REFUSED not in each.sentence]
    if said := _said(failed):
        return said
    if all(each.sentence for each in ended):
        return "both are refused"
    return difference(undisturbed(name)[0], call(step, folder, name, "state"))
