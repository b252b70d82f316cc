"""How long the capacity estimator takes, and how much memory, beside the ways it was done before.

Contenders take turns: each is timed once a round, so the i-th times of two make a pair that saw the
same machine. Data are in memory before a clock starts, except for the contender whose way it is to
read a file. A contender that counts something else than `rethink.mec` raises AssertionError.
"""

import csv
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.memory import peak_megabytes
from rethink import mec
from rethink.data import Dataset
from rethink.paths import scratch_folder

SHARES = (0.05, *(tenth / 10 for tenth in range(1, 11)))  # as in chapters/05-enough-data.md
SUBSETS = 20
SLOW_REPEATS = 3
Pixels = npt.NDArray[np.uint8]


def algorithm(data: Dataset, repeats: int = 5) -> dict[str, Any]:
    """Time Algorithm 1 on a training set; report counts and peak memory of each contender.

    Contenders: "sum and argsort", the plain beginning of any count, as a yardstick; "thresholds",
    all orders of the ties at once; "thresholds in order"; "pandas loop", as the report's authors
    did; "csv loop", as nntailoring does, file reading included, at most SLOW_REPEATS times. The
    last three count the same thing.

    Returns:
        rows, features, and contenders: by name, a list of seconds, one a round; count of label
        changes (None for the bound); loaded_mb and peak_mb, the most memory that a process of its
        own held before the contender ran and at its end.
    """
    images, labels = data.train_images, data.train_labels
    in_order = mec.thresholds_in_order(images, labels).total
    over_ties = mec.thresholds(images, labels)
    counts: dict[str, float | None] = dict.fromkeys(_CONTENDERS, in_order)
    counts |= {"sum and argsort": None, "thresholds": over_ties.total}
    if not over_ties.minimum <= in_order <= over_ties.maximum:
        raise AssertionError(f"{in_order:,} label changes in order are not between the extremes")
    contenders: dict[str, dict[str, Any]] = {
        name: {"seconds": [], "count": count} for name, count in counts.items()
    }
    with scratch_folder() as folder:
        _write(folder, images, labels)
        loaded = {name: load(folder) for name, (load, _) in _CONTENDERS.items()}
        for turn in range(repeats):
            for name, (_, run) in _CONTENDERS.items():
                if name != "csv loop":
                    run(loaded[name])  # or it pays for memory that the one before gave back
                elif turn >= SLOW_REPEATS:
                    continue
                seconds, count = _time(run, loaded[name])
                if count != counts[name]:
                    raise AssertionError(f"{name} must count {counts[name]}, but counts {count}")
                contenders[name]["seconds"].append(seconds)
        for name, contender in contenders.items():
            contender |= _memory(name, folder)
    rows, features = images.shape
    return {"rows": rows, "features": features, "contenders": contenders}


def progression(data: Dataset, repeats: int = 5) -> dict[str, Any]:
    """Time Algorithm 2 on a training set, as chapter 5 runs it, against a sort for every subset.

    Both count the same subsets, and their thresholds must agree in every bit. To draw the same
    rows, the second contender is told the order of the line beforehand; it sums the rows only once.

    Returns:
        rows, shares, subsets (of each share), and contenders: by name, a list of seconds.
    """
    images, labels = data.train_images, data.train_labels
    order = np.lexsort((labels, images.sum(axis=1, dtype=np.int64)))
    classes, n = np.unique(labels), len(labels)

    def one_sort() -> npt.NDArray[np.float64]:
        return mec.progression(images, labels, SHARES, SUBSETS, seed=0).expected

    def a_sort_each() -> npt.NDArray[np.float64]:
        sums = images.sum(axis=1, dtype=np.int64)
        rng = np.random.default_rng([0, 2])  # the stream of mec.progression's seed 0
        expected = np.zeros((len(SHARES), SUBSETS, len(classes)))
        for i, m in enumerate(np.rint(np.array(SHARES) * n).astype(int)):
            for j in range(SUBSETS if m < n else 1):
                rows = order[rng.choice(n, size=m, replace=False)] if m < n else order
                found = mec.thresholds(sums[rows], labels[rows])
                expected[i, j:] = 0  # a small subset may lack a class
                expected[i, j:, np.isin(classes, found.classes)] = found.expected[:, None]
        return expected

    seconds: dict[str, list[float]] = {"progression": [], "a sort each": []}
    for _ in range(repeats):
        first, ours = _time(one_sort)
        second, theirs = _time(a_sort_each)
        if not np.array_equal(ours, theirs):
            raise AssertionError("progression and a sort each count the same subsets differently")
        seconds["progression"].append(first)
        seconds["a sort each"].append(second)
    return {
        "rows": n,
        "shares": list(SHARES),
        "subsets": SUBSETS,
        "contenders": {name: {"seconds": times} for name, times in seconds.items()},
    }


def rows(repeats: int = 3, largest: int = 10**7) -> list[dict[str, Any]]:
    """Time `mec.thresholds` on random bytes in 16 columns and 10 classes, from 1,000 rows up.

    Returns:
        For each half decade up to `largest`: rows, features, a list of seconds, and the median of
        these in nanoseconds a row.
    """
    sizes = [round(10 ** (half / 2)) for half in range(6, 1 + round(2 * np.log10(largest)))]
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (sizes[-1], 16), dtype=np.uint8)
    labels = rng.integers(0, 10, sizes[-1], dtype=np.uint8)
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(repeats):
        for size, times in seconds.items():
            times.append(_time(mec.thresholds, values[:size], labels[:size])[0])
    return [
        {
            "rows": size,
            "features": values.shape[1],
            "seconds": times,
            "nanoseconds_per_row": 1e9 * median(times) / size,
        }
        for size, times in seconds.items()
    ]


def _sum_and_argsort(table: tuple[Pixels, Pixels]) -> None:
    np.argsort(table[0].sum(axis=1, dtype=np.int64), kind="stable")


def _thresholds(table: tuple[Pixels, Pixels]) -> float:
    return mec.thresholds(*table).total


def _thresholds_in_order(table: tuple[Pixels, Pixels]) -> float:
    return mec.thresholds_in_order(*table).total


def _pandas_loop(frame: Any) -> int:
    """The report's way, but with a stable sort: its own leaves the order of ties to chance."""
    frame = frame.copy(deep=False)  # so that the next round does not find this one's column
    frame["sum"] = frame.drop(columns="label").sum(axis=1)
    return _count(frame.sort_values("sum", kind="stable")["label"])


def _csv_loop(path: Path) -> int:
    """The way of nntailoring, kinder in one thing: it makes its list anew with each row."""
    table = []
    with path.open(newline="") as file:
        for row in csv.reader(file):
            total = 0.0
            for cell in row[:-1]:
                total += float(cell)
            table.append((total, row[-1]))
    table.sort(key=lambda pair: pair[0])
    return _count(label for _, label in table)


def _count(labels: Iterable[Any]) -> int:
    """Count label changes as both do, one label after the other, less the first row's."""
    changes: defaultdict[Any, int] = defaultdict(int)
    current = None
    for label in labels:
        if label != current:
            current = label
            changes[label] += 1
    return sum(changes.values()) - 1


def _load_arrays(folder: Path) -> tuple[Pixels, Pixels]:
    return np.load(folder / "images.npy"), np.load(folder / "labels.npy")


def _load_frame(folder: Path) -> Any:
    import pandas

    images, labels = _load_arrays(folder)
    # In memory as pandas.read_csv leaves it, int64 and column by column.
    table = np.empty((len(labels), images.shape[1] + 1), np.int64, order="F")
    table[:, 0], table[:, 1:] = labels, images
    names = ["label", *(f"pixel{i}" for i in range(1, table.shape[1]))]
    return pandas.DataFrame(table, columns=names, copy=False)


def _load_path(folder: Path) -> Path:
    return folder / "table.csv"


_CONTENDERS: dict[str, tuple[Callable[[Path], Any], Callable[[Any], float | None]]] = {
    "sum and argsort": (_load_arrays, _sum_and_argsort),
    "thresholds": (_load_arrays, _thresholds),
    "thresholds in order": (_load_arrays, _thresholds_in_order),
    "pandas loop": (_load_frame, _pandas_loop),
    "csv loop": (_load_path, _csv_loop),
}


def _write(folder: Path, images: Pixels, labels: Pixels) -> None:
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", labels)
    with (folder / "table.csv").open("w", newline="") as file:
        pairs = zip(images, labels, strict=True)
        csv.writer(file).writerows([*row.tolist(), int(label)] for row, label in pairs)


def _time(run: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run(*arguments)
    return time.perf_counter() - start, result


def _memory(name: str, folder: Path) -> dict[str, float]:
    """Run a contender once in a process that does nothing else."""
    code = "import sys; from benchmarks import estimator; estimator._report_memory(*sys.argv[1:])"
    command = [sys.executable, "-c", code, name, str(folder)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} failed in a process of its own: {done.stderr.strip()}")
    return dict(json.loads(done.stdout))


def _report_memory(name: str, folder: str) -> None:
    load, run = _CONTENDERS[name]
    data = load(Path(folder))
    loaded = peak_megabytes()
    run(data)
    print(json.dumps({"loaded_mb": loaded, "peak_mb": peak_megabytes()}))
