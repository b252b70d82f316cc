"""The kinds of faults: how many cases of each, in an ordinary run of the tests and in all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.faults import corrupt, fuzz, kill, race
from tests.faults.cases import Outcome


@dataclass(frozen=True)
class Kind:
    """A kind of faults: what tries it, and how many cases are few, and how many all."""

    outcomes: Callable[[str, int, int], Iterator[Outcome]]
    few: int
    all: int


KINDS = {
    "kill": Kind(kill.outcomes, 5, 100),
    "signal": Kind(kill.outcomes, 5, 60),
    "corrupt": Kind(corrupt.outcomes, 120, 1000),
    "fill": Kind(kill.outcomes, 5, 100),
    "forbid": Kind(kill.outcomes, 5, 100),
    "race": Kind(race.outcomes, 4, 24),
    "kernel": Kind(kill.with_kernel, 0, 8),
    "fuzz": Kind(fuzz.outcomes, 100, 2000),
}


def outcomes(kind: str, seed: int, count: int) -> Iterator[Outcome]:
    """Yield what becomes of so many cases of a kind."""
    return KINDS[kind].outcomes(kind, seed, count)
