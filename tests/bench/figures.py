"""What a measurement gives: rows of the table, and the little arithmetic that they need."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is measured, and where."""

    folder: Path
    """Every database goes here; it is removed at the end."""
    rounds: int = 5
    """How often the variants of a measurement are run in turn."""
    seconds: float = 1.5
    """How long one variant runs in one round."""
    jobs: int = 100_000
    """Pending jobs at the start of a drain. A variant that has done them all before the time is over has ended."""
    rows: int = 1_000_000
    """Finished, scheduled and pending rows, each, of the large table."""
    bulk: int = 50_000
    """Jobs of one bulk enqueue."""
    tries: int = 300
    """Wake-ups."""
    fighting: float = 10.0
    """Seconds that four processes share one file."""
    idle: float = 10.0
    """Seconds over which the CPU of an idle worker is taken."""
    remembered: int = 20_000
    """Jobs that a worker runs before its memory is read."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    unit: str
    values: Sequence[float]
    """One for each round; none if it was not measured."""
    target: str = ""
    """In words; empty for what only stands beside the others."""
    ratio: float | None = None
    """To what the target names; the median of the rounds' ratios, where it is one of two measured figures."""
    ok: bool | None = None
    """Whether the target was reached; `None`: there is none, or it could not be measured."""
    durability: str = "FULL"
    note: str = ""
    part: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def verdict(self) -> str:
        """`ok`, `MISS`, `not measured`, or nothing."""
        if self.ok is None:
            return "not measured" if self.target or not self.values else ""
        return "ok" if self.ok else "MISS"


Measure = Callable[[Scale], list[Row]]


def ratio(values: Sequence[float], base: Sequence[float]) -> float | None:
    """The median of the ratios of figures that were taken in the same rounds; `None` if either is missing."""
    pairs = [value / below for value, below in zip(values, base, strict=False) if below]
    return statistics.median(pairs) if pairs else None


def best(*variants: Sequence[float]) -> list[float]:
    """The variant with the largest median; empty if all are."""
    measured = [list(values) for values in variants if values]
    return max(measured, key=statistics.median) if measured else []


def at_least(found: float | None, target: float) -> bool | None:
    """Whether the target is reached; `None` if nothing was found."""
    return None if found is None else found >= target


def at_most(found: float | None, target: float) -> bool | None:
    """Whether the target is kept; `None` if nothing was found."""
    return None if found is None else found <= target


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
