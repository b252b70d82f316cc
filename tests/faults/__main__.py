"""All kinds of faults, in numbers that take minutes; `fuzz 7` tries one kind with one seed."""

import sys
import time
from collections import Counter

from rich.table import Table

from rethink.progress import console
from tests.faults.kinds import KINDS, outcomes

MINUTES = 20.0


def main(kinds: list[str], seed: int) -> int:
    """Try kinds of faults and print a table; return 1 if anything was lost, else 0."""
    table = Table("kind", "tried", "survived", "lost", "seconds", title=f"Faults, seed {seed}")
    lost = 0
    end = time.monotonic() + 60 * MINUTES
    for place, kind in enumerate(kinds):
        start = time.monotonic()
        # What others leave of their time is left to those that follow.
        until = start + (end - start) / (len(kinds) - place)
        found: Counter[bool] = Counter()
        for outcome in outcomes(kind, seed, KINDS[kind].all):
            found[not outcome.fault] += 1
            if outcome.fault:
                console.print(f"lost: {outcome}", markup=False, soft_wrap=True)
            if time.monotonic() > until:
                console.print(f"{kind}: out of time")
                break
        lost += found[False]
        numbers = (found.total(), found[True], found[False], round(time.monotonic() - start))
        table.add_row(kind, *map(str, numbers))
    console.print(table)
    return 1 if lost else 0


if __name__ == "__main__":
    given = sys.argv[1:]
    seed = int(given.pop()) if given and given[-1].isdigit() else 0
    sys.exit(main(given or list(KINDS), seed))
