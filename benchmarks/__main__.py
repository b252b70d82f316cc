"""Run all benchmarks, leave what they measured for the book, and say which targets are met."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import joblib
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import engine, estimator
from rethink.book.inputs import asked_by_all, wanted_by
from rethink.book.pages import Edition, Request
from rethink.data import Dataset, fashion_mnist
from rethink.paths import repository, write_text
from rethink.runs import tasks
from rethink.runs.machine import environment
from rethink.runs.store import Store
from rethink.runs.training_results import record
from rethink.trainer import MILESTONES

console = Console(highlight=False, width=100)
LARGE, _, SMALL = engine.NETWORKS


@dataclass(frozen=True)
class Target:
    """A figure that must not be under (``at_least``) or over a limit.

    ``low`` and ``high`` are the extremes over the repeats, ``value`` their median; a figure that
    was measured once has all three equal.
    """

    what: str
    unit: str
    value: float
    low: float
    high: float
    limit: float
    goal: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the median is within the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def reached(self) -> bool:
        """Whether the median is within the goal beyond the limit."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def __str__(self) -> str:
        """Verdict, what, value and limit on one line."""
        bound = "at least" if self.at_least else "at most"
        spread = f" ({self.low:.2f} to {self.high:.2f})" if self.low < self.high else ""
        goal = f", goal {self.goal:g} {'met' if self.reached else 'missed'}"
        return (
            f"{'met' if self.met else 'MISSED':7}{self.what}: {self.value:.2f}{self.unit}{spread}, "
            f"{bound} {self.limit:g}{goal if self.goal != self.limit else ''}"
        )


def main() -> None:
    """Measure, print, and write book/bench.json."""
    folder = repository()
    if folder is None:
        sys.exit("benchmarks need the repository that this package was installed from")
    data = fashion_mnist()
    print("About fifteen minutes; leave the machine alone meanwhile.", file=sys.stderr)
    steps = engine.anatomy()
    found = {
        "environment": environment(),
        "cores": joblib.cpu_count(),
        "epochs": engine.EPOCHS,
        "batch": engine.BATCH,
        "trainers": engine.compare(),
        "steps": steps,
        "studies": studies(folder, data, steps),
        "experiments": experiments(folder, data),
        "algorithm": estimator.algorithm(data),
        "progression": estimator.progression(data),
        "rows": estimator.rows(),
    }
    judged = targets(found)
    found["targets"] = [asdict(t) | {"met": t.met, "reached": t.reached} for t in judged]
    write_text(folder / "book" / "bench.json", json.dumps(rounded(found), indent=1) + "\n")
    show(found)
    for command in (["chapter", "costs"], ["html"]):
        subprocess.run([sys.executable, "-m", "rethink", *command], cwd=folder, check=False)
    for target in judged:
        print(target)


def rounded(found: Any) -> Any:
    """Return the same with floats of six digits, which is more than a clock knows."""
    if isinstance(found, dict):
        return {name: rounded(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [rounded(value) for value in found]
    return float(f"{found:.6g}") if isinstance(found, float) else found


def studies(root: Path, data: Dataset, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold the time that the training runs of the book took against their matrix products alone.

    Members of two studies count for the first. Products are those of the training steps and of the
    evaluations after them, as timed by `engine.anatomy`.
    """
    parts = {tuple(entry["hidden"]): entry for entry in steps}
    rows, test_rows = len(data.train_images), len(data.test_images)
    seen: set[str] = set()
    found = []
    for asked in shown(root):
        if asked.experiment != "training_runs":
            continue
        members = [task for task in wanted_by([asked]) if task.text not in seen]
        seen |= {task.text for task in members}
        seconds = products = 0.0
        for result in results_of(members, data):
            run = record(result)
            spec = run.spec
            entry = parts[spec.hidden]
            trained = round(0.8 * rows) * spec.share
            looks = len({e for e in MILESTONES if e < spec.epochs} | {spec.epochs})
            evaluated = spec.epochs * (0.2 * rows + test_rows) + looks * rows + test_rows
            seconds += run.seconds
            products += spec.epochs * trained / spec.batch * entry["products"] / 1e6
            products += evaluated / 1e3 * entry["evaluation_products"] / 1e6
        found.append(
            {
                "study": asked.parameters["study"],
                "members": len(members),
                "seconds": seconds,
                "products": products,
            }
        )
    return found


def experiments(root: Path, data: Dataset) -> list[dict[str, Any]]:
    """Add up the time that the other measurements of the book took, by experiment."""
    found = []
    for asked in shown(root):
        if asked.experiment == "training_runs":
            continue
        results = results_of(wanted_by([asked]), data)
        seconds = sum(tasks.seconds(result) for result in results)
        found.append({"experiment": asked.experiment, "tasks": len(results), "seconds": seconds})
    return found


def results_of(wanted: list[tasks.Task], data: Dataset) -> list[tasks.Arrays]:
    """Return the results of tasks, all of which must be there."""
    store = Store.here()
    found = [store.get(tasks.key(task, data.digest)) for task in wanted]
    if any(result is None for result in found):
        raise LookupError(f"{wanted[0].experiment} lacks a result; run `make book` first")
    return [result for result in found if result is not None]


def shown(root: Path) -> list[Request]:
    """Return what the pages of the book ask for, each once."""
    return asked_by_all(Edition.full(root))


def ratios(entries: dict[Any, list[float]], slow: Any, quick: Any) -> tuple[float, float, float]:
    """Return median, least and most of the paired ratios of two contenders' seconds."""
    pairs = [a / b for a, b in zip(entries[slow], entries[quick], strict=False)]
    return median(pairs), min(pairs), max(pairs)


def targets(found: dict[str, Any]) -> list[Target]:
    """Judge what does not hang on a machine's kind.

    How many times faster the trainer is than another way does: 8.3 times the report's way on an
    AMD EPYC with AVX2, 4.9 on an Intel Xeon with AVX-512. So those ratios are shown and not judged,
    but for the slowest, since nobody should be faster anywhere.
    """
    times = {(t["contender"], tuple(t["hidden"])): t["seconds"] for t in found["trainers"]}
    judged = []
    for hidden, limit, goal in ((LARGE, 1.3, 1.2), (SMALL, 2.0, 1.6)):
        three = ratios(times, ("this trainer", hidden), ("products alone", hidden))
        what = f"the trainer's time in those of its products, {list(hidden)}"
        judged.append(Target(what, "x", *three, limit, goal, at_least=False))
    ours = ("this trainer", "products alone")
    others = [(name, hidden) for name, hidden in times if name not in ours]
    closest = min(others, key=lambda each: ratios(times, each, ("this trainer", each[1])))
    three = ratios(times, closest, ("this trainer", closest[1]))
    what = f"the trainer against the fastest peer, {closest[0]} on {list(closest[1])}"
    judged.append(Target(what, "x", *three, 1, 1, at_least=True))
    peak = max(entry["megabytes"] for entry in found["steps"])
    judged.append(Target("peak memory of a worker, MB", "", peak, peak, peak, 2000, 2000, False))
    way = {n: c["seconds"] for n, c in found["algorithm"]["contenders"].items()}
    three = ratios(way, "thresholds", "sum and argsort")
    what = "Algorithm 1's time in those of the row sum and the sort"
    judged.append(Target(what, "x", *three, 2, 2, at_least=False))
    return judged


def show(found: dict[str, Any]) -> None:
    """Print the tables that the book's page has, too."""
    table = Table("network", "contender", "s an epoch", "ratio", "MB", "test accuracy")
    times = {(t["contender"], tuple(t["hidden"])): t["seconds"] for t in found["trainers"]}
    for entry in found["trainers"]:
        hidden = tuple(entry["hidden"])
        ratio = ratios(times, (entry["contender"], hidden), ("this trainer", hidden))
        reached = np.array(entry["accuracies"])
        table.add_row(
            str(list(hidden)),
            entry["contender"],
            f"{median(entry['seconds']):.3f}",
            "{:.2f} ({:.2f} to {:.2f})".format(*ratio),
            f"{max(entry['megabytes']):.0f}",
            f"{reached.mean():.3f} ± {reached.std(ddof=1):.3f}" if len(reached) else "–",
        )
    console.print(table)
    names = ("gather", "forward", "backward", "adam", "whole", "products")
    table = Table("network", "members", *names, "evaluation ms", "MB", title="µs a member and step")
    for entry in found["steps"]:
        table.add_row(
            str(entry["hidden"]),
            str(entry["members"]),
            *(f"{entry[name]:.0f}" for name in names),
            f"{entry['evaluation']:.0f}",
            f"{entry['megabytes']:.0f}",
        )
    console.print(table)
    table = Table("study", "networks", "core minutes", "products alone", "ratio")
    for entry in found["studies"]:
        table.add_row(
            entry["study"],
            str(entry["members"]),
            f"{entry['seconds'] / 60:.1f}",
            f"{entry['products'] / 60:.1f}",
            f"{entry['seconds'] / entry['products']:.2f}",
        )
    console.print(table)
    table = Table("experiment", "tasks", "core minutes")
    for entry in found["experiments"]:
        table.add_row(entry["experiment"], str(entry["tasks"]), f"{entry['seconds'] / 60:.1f}")
    console.print(table)
    for name in ("algorithm", "progression"):
        table = Table(name, "seconds", "count", "MB")
        for contender, entry in found[name]["contenders"].items():
            count, peak = entry.get("count"), entry.get("peak_mb")
            table.add_row(
                contender,
                f"{median(entry['seconds']):.4f}",
                "–" if count is None else f"{count:,.1f}",
                "–" if peak is None else f"{peak:.0f}",
            )
        console.print(table)
    table = Table("rows", "ns a row")
    for entry in found["rows"]:
        table.add_row(f"{entry['rows']:,}", f"{entry['nanoseconds_per_row']:.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
