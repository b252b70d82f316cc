"""Kind fuzz: files of tables that were damaged at random are measured, or refused in a sentence."""

import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
from PIL import Image

from rethink.errors import InputError
from rethink.instrument.entry import measure
from rethink.tables.read import read
from tests.faults.cases import Outcome, call
from tests.tables.reading import check

TOGETHER = 25  # files that one process reads

# Parts of text files that are read in more ways than one.
PIECES = [
    *[
        b"",
        b"\0",
        b'"',
        b'""',
        b"\r",
        b"\n",
        b",",
        b";",
        b"\t",
        b"\x1f\x8b",
        b"PK\x03\x04",
        b"PAR1",
    ],
    *[b"NA", b"1e400", b"inf", b"nan", b"-0.0", b"007", b"2020-02-30", b"1,5", b"9" * 30],
    *[b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", "é\u2028".encode()],
]


def outcomes(kind: str, seed: int, count: int) -> Iterator[Outcome]:
    """Yield what becomes of so many files."""
    for first in range(0, count, TOGETHER):
        numbers = range(first, min(first + TOGETHER, count))
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            ended = call(measure_files, Path(folder), kind, seed, list(numbers))
        if ended.fault or ended.sentence:
            yield Outcome(kind, seed, f"{numbers}", ended.fault or ended.sentence)
            continue
        for number, fault in zip(numbers, ended.value, strict=True):
            yield Outcome(kind, seed, f"{number}", fault)


def measure_files(folder: Path, kind: str, seed: int, numbers: list[int]) -> list[str]:
    """Return the fault of each file, by its number; most have none."""
    warnings.simplefilter("error")
    found = []
    for number in numbers:
        place = folder / str(number)
        place.mkdir()
        found.append(_fault(Random(f"{kind} {seed} {number}"), place))
    return found


def _fault(random: Random, folder: Path) -> str:
    name, make = random.choice(list(SOURCES.items()))
    content = make(random)
    damaged = content if random.random() < 0.1 else _damaged(random, content)
    picture = name.endswith(".png")
    file = folder / ("images/a" if picture else "") / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    source = folder / "images" if picture else file
    if picture:
        (folder / "images" / "b").mkdir()
        Image.new("L", (5, 4), 7).save(folder / "images" / "b" / "other.png")
    try:
        whole = read(source)
        file.write_bytes(damaged)
        table = read(source)
        check(table)
        measure(source)
    except InputError as error:
        return f"no sentence: {error!r}" if "\n" in str(error) or len(str(error)) < 10 else ""
    except BaseException as error:  # of Polars', a panic is no Exception
        return f"{name}: {type(error).__name__}: {error}"[:500]
    # These formats have checksums of what is in them.
    same = table.features.tobytes() == whole.features.tobytes()
    if name in ("table.npz", "one.png") and not same:
        return f"{name}: other numbers are read in silence"
    return ""


def _damaged(random: Random, content: bytes) -> bytes:
    for _ in range(random.choice([1, 1, 1, 2, 8])):
        place = random.randrange(len(content) + 1)
        end = min(len(content), place + random.choice([0, 1, 1, 4, 40]))
        new = random.choice([random.randbytes(end - place), random.choice(PIECES), b""])
        content = content[:place] + new + content[end:]
    return content if random.random() < 0.9 else content[: random.randrange(len(content) + 1)]


def _csv(random: Random) -> bytes:
    rows = [["a", "b", "y"]]
    for _ in range(random.randint(1, 12)):
        rows.append([str(random.gauss(0, 10)), str(random.randint(0, 9)), random.choice("uv")])
    separator = random.choice([",", ";", "\t"])
    return "\n".join(separator.join(row) for row in rows).encode()


def _npz(random: Random) -> bytes:
    generator = np.random.default_rng(random.randrange(2**32))
    buffer = io.BytesIO()
    save = random.choice([np.savez, np.savez_compressed])
    save(buffer, X=generator.normal(size=(9, 3)), y=np.arange(9) % 2)
    return buffer.getvalue()


def _parquet(random: Random) -> bytes:
    generator = np.random.default_rng(random.randrange(2**32))
    frame = pl.DataFrame(
        {"a": generator.normal(size=9), "b": list("uvwuvwuvw"), "y": [0, 1, 2] * 3}
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression=random.choice(["zstd", "snappy", "uncompressed"]))
    return buffer.getvalue()


def _png(random: Random) -> bytes:
    generator = np.random.default_rng(random.randrange(2**32))
    buffer = io.BytesIO()
    Image.fromarray(generator.integers(256, size=(4, 5), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


SOURCES: dict[str, Callable[[Random], bytes]] = {
    "table.csv": _csv,
    "table.npz": _npz,
    "table.parquet": _parquet,
    "one.png": _png,
}
