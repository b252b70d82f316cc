"""How long a table larger than memory takes, and how much memory: `python -m benchmarks.streaming`.

So called it leaves what it measured for the book, in book/streaming.json. Called with a number of
rows, or also with names of `TABLES`, it prints only.

Each contender counts the same files in a fresh process, whose peak of memory is its own. Tables are
written to a temporary folder, which the reading of them finds in the file cache if memory allows.
A contender that counts something else than the first raises AssertionError.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl

from benchmarks.memory import peak_megabytes
from rethink.paths import repository, scratch_folder, write_text
from rethink.tables import large_tables

ROWS = 200_000_000
BOOK = ("fractions", "two columns", "integers")
_WRITTEN = 5_000_000  # rows of a file


def main(arguments: list[str]) -> None:
    """Measure, print, and write book/streaming.json if nothing was asked for otherwise."""
    rows, *names = arguments or [str(ROWS)]
    folder = None if arguments else repository()
    if folder is None and not arguments:
        sys.exit("benchmarks need the repository that this package was installed from")
    runs = measure(int(rows), tuple(names) or BOOK)
    print(json.dumps(runs, indent=1))
    if folder:
        # Not above: what is imported there counts in the memory of every contender.
        from benchmarks.__main__ import rounded
        from rethink.runs.machine import environment

        found = {"environment": environment(), "cores": joblib.cpu_count(), "runs": runs}
        write_text(folder / "book" / "streaming.json", json.dumps(rounded(found), indent=1) + "\n")


def measure(rows: int = ROWS, names: tuple[str, ...] = BOOK) -> list[dict[str, Any]]:
    """Time the contenders on the tables of these names.

    Returns:
        One entry for each table and contender: ``table``, ``contender``, ``rows``, ``columns``
        (features), ``bytes`` of the files, ``count`` (label changes along the line, tied rows in
        the order of the files), ``seconds`` on the clock, ``cpu_seconds`` and ``peak_mb`` of the
        process.
    """
    found = []
    for name in names:
        with scratch_folder() as folder:
            write(folder, name, rows)
            size = sum(path.stat().st_size for path in folder.iterdir())
            counts: list[float] = []
            for contender in CONTENDERS:
                if contender == "polars" and name not in BOOK:
                    continue  # it has no exact sums of decimals, or is not what is looked at
                entry = _alone(contender, folder)
                counts.append(entry["count"])
                if counts[-1] != counts[0]:
                    raise AssertionError(f"{contender} counts {counts[-1]:,}, not {counts[0]:,}")
                about = {"table": name, "contender": contender, "rows": rows, "bytes": size}
                found.append(about | entry)
                print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    return found


def write(folder: Path, name: str, rows: int) -> None:
    """Write a table of 10 classes, a file for every 5 million rows."""
    form = "csv" if name == "csv" else "parquet"
    for k, start in enumerate(range(0, rows, _WRITTEN)):
        rng, n = np.random.default_rng([0, k]), min(_WRITTEN, rows - start)
        columns = {f"x{j}": x for j, x in enumerate(TABLES[name](rng, n))}
        frame = pl.DataFrame({**columns, "y": rng.integers(0, 10, n, dtype=np.int8)})
        path = folder / f"{k:05d}.{form}"
        if form == "csv":
            frame.write_csv(path)
        else:
            frame.write_parquet(path)


def contend(contender: str, folder: str) -> dict[str, Any]:
    """Run one contender in this process on the files of a folder."""
    (suffix,) = {path.suffix for path in Path(folder).iterdir()}
    source = str(Path(folder) / f"*{suffix}")
    start = time.perf_counter()
    columns, count = CONTENDERS[contender](source)
    seconds, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "columns": columns,
        "count": count,
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mb": peak_megabytes(),
    }


def _streamed(source: str) -> tuple[int, float]:
    found = large_tables.count(source)
    return len(found.columns), found.in_order.total


def _polars(source: str) -> tuple[int, float]:
    """Sort by the sum in Polars' streaming engine, and compare neighbours batch by batch."""
    scan = pl.scan_csv(source) if source.endswith("csv") else pl.scan_parquet(source)
    features = scan.collect_schema().names()[:-1]
    total = sum((pl.col(name) for name in features[1:]), pl.col(features[0]))
    changes, last = 0, None
    for batch in (
        scan.select(total.alias("sum"), "y")
        .sort("sum", maintain_order=True)
        .select("y")
        .collect_batches()
    ):
        labels = batch.to_series().to_numpy()
        changes += int((labels[1:] != labels[:-1]).sum())
        changes += int(last is not None and len(labels) > 0 and labels[0] != last)
        last = labels[-1] if len(labels) else last
    return len(features), float(changes)


TABLES: dict[str, Any] = {
    "fractions": lambda rng, n: [rng.standard_normal(n)],
    "integers": lambda rng, n: [rng.integers(0, 100_000_000, n)],
    "two columns": lambda rng, n: [rng.standard_normal(n), rng.random(n)],
    "one value": lambda rng, n: [np.zeros(n)],
    "ten columns": lambda rng, n: list(rng.integers(0, 1000, (10, n)) / 100),
    "csv": lambda rng, n: [rng.standard_normal(n)],
}
CONTENDERS = {"streamed": _streamed, "polars": _polars}


def _alone(contender: str, folder: Path) -> Any:
    command = [sys.executable, "-m", "benchmarks.streaming", "contend", contender, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    if sys.argv[1:2] == ["contend"]:
        print(json.dumps(contend(*sys.argv[2:])))
    else:
        main(sys.argv[1:])
