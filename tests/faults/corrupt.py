"""Kind corrupt: a file of a book or a store is changed; that is named, or makes no difference."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from rethink import checksums
from rethink.book import inputs, integrity
from rethink.runs.store import PUBLISHED, RecordsError, Store
from tests.faults.cases import Outcome, call
from tests.faults.kill import difference, prepared, undisturbed
from tests.faults.works import book, step
from tests.runs.examples import bits_of


def _flipped(random: Random, whole: bytes, other: bytes) -> bytes:
    place = random.randrange(len(whole))
    return whole[:place] + bytes([whole[place] ^ 1 << random.randrange(8)]) + whole[place + 1 :]


def _cut(random: Random, whole: bytes, other: bytes) -> bytes:
    return whole[: random.randrange(len(whole))]


def _longer(random: Random, whole: bytes, other: bytes) -> bytes:
    return whole + random.randbytes(random.randint(1, 100))


def _zeros(random: Random, whole: bytes, other: bytes) -> bytes:
    start = random.randrange(len(whole))
    return whole[:start] + bytes(len(whole) - start)


def _empty(random: Random, whole: bytes, other: bytes) -> bytes:
    return b""


def _other(random: Random, whole: bytes, other: bytes) -> bytes:
    return other


# Most often a single bit, which is the hardest to see.
CHANGES = (_flipped, _flipped, _flipped, _cut, _longer, _zeros, _empty, _other)
REMADE = 25  # after every so many cases the book is also made again


def outcomes(kind: str, seed: int, count: int) -> Iterator[Outcome]:
    """Yield what becomes of a book in which one file was changed, so many times."""
    random = Random(f"{kind} {seed}")
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        whole, place = Path(folder, "whole"), Path(folder, "case")
        shutil.copytree(prepared("book"), whole)
        made = call(step, whole, "book", "do")
        assert not made.fault and not made.sentence, made
        shutil.copytree(whole, place)
        readings = _readings(place)
        for number in range(count):
            name = random.choice(list(readings))
            file = random.choice(sorted(place.glob(name)))
            others = sorted(each for each in place.glob(name) if each != file)
            other = random.choice(others or [place / "tiny" / "_toc.yml"]).read_bytes()
            change = random.choice(CHANGES)
            content = file.read_bytes()
            spoiled = change(random, content, other)
            before = readings[name](file)
            file.write_bytes(spoiled)
            fault = "" if spoiled == content else _fault(readings[name], file, before)
            if not fault and number % REMADE == REMADE - 1:
                fault = _remade(place)
                shutil.rmtree(place)
                shutil.copytree(whole, place)
            file.write_bytes(content)
            case = f"{number}: {file.relative_to(place)} {change.__name__}"
            yield Outcome(kind, seed, case, fault)


def _fault(reading: Callable[[Path], object], file: Path, before: object) -> str:
    try:
        found = reading(file)
    except Exception as error:
        return f"a traceback: {error!r}"
    return "" if found in (None, before) else f"read as {found!r}"[:500]


def _remade(place: Path) -> str:
    """Make the book again; published records that were changed are refused in a sentence."""
    ended = call(step, place, "book", "do")
    if ended.sentence and "records.npz is damaged" in ended.sentence:
        return ""
    if ended.fault or ended.sentence:
        return ended.fault or ended.sentence
    return difference(undisturbed("book")[0], call(step, place, "book", "state"))


def _readings(place: Path) -> dict[str, Callable[[Path], object]]:
    """Return how files of each kind are read: their content, None if they are refused."""
    edition = book(place)

    def named(file: Path) -> bool:
        return any(kind.faults for kind in integrity.check(edition))

    def as_bytes(file: Path) -> object:
        return None if named(file) else file.read_bytes()

    def as_json(file: Path) -> object:
        return None if named(file) else json.loads(file.read_bytes())

    def digests(file: Path) -> object:
        return None if named(file) else checksums.recorded(file.parent)

    def published(file: Path) -> object:
        try:
            found = Store(place, place / "tiny" / PUBLISHED).published
        except RecordsError:
            return None if named(file) else "is refused, but not named"
        return {name: bits_of(each) for name, each in found.items()}

    def entry(file: Path) -> object:
        found = Store(file.parent, None).get(file.stem)
        return found and bits_of(found)

    def seconds(file: Path) -> object:
        # What is not known any more is executed again.
        return inputs.load(edition) or None

    def anything(file: Path) -> object:
        return None

    return {
        "tiny/book/*.ipynb": as_json,
        "tiny/book/results/*.json": as_bytes,
        "tiny/book/ledger.csv": as_bytes,
        "tiny/book/cover.png": as_bytes,
        "tiny/book/SHA256SUMS": digests,
        "tiny/book/records.npz": published,
        "tiny/_build/html/*.html": as_bytes,
        "tiny/_build/html/SHA256SUMS": digests,
        "tiny/_build/executed.json": seconds,
        "tiny/_build/complete": anything,
        "cache/records/*.npz": entry,
    }
