"""Define the rows of the table, the scale of measurements, and the arithmetic on figures."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Set the scale of the measurements and the folder of their databases."""

    folder: Path
    """The folder of all databases; removed at the end."""
    rounds: int = 5
    """The number of rounds of each variant."""
    seconds: float = 1.5
    """The seconds of one variant in one round."""
    jobs: int = 100_000
    """The pending jobs at the start of a drain. A variant ends early if it completes them all."""
    rows: int = 1_000_000
    """The number each of finished, scheduled and pending rows in the large table."""
    bulk: int = 50_000
    """The number of jobs of one bulk enqueue."""
    tries: int = 300
    """The number of wake-ups."""
    fighting: float = 10.0
    """The seconds for which four processes share one file."""
    idle: float = 10.0
    """The seconds over which the CPU of an idle worker is measured."""
    remembered: int = 20_000
    """The number of jobs that a worker runs before its memory is read."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Hold one line of the table."""

    what: str
    unit: str
    values: Sequence[float]
    """One figure per round; empty if not measured."""
    target: str = ""
    """The target in words; empty if the row is shown for comparison only."""
    ratio: float | None = None
    """The ratio to the target, or, if the target is a measured figure, the median of the rounds' ratios to it."""
    ok: bool | None = None
    """Whether the target was reached; `None` if there is none, or if it was not measured."""
    durability: str = "FULL"
    note: str = ""
    part: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def verdict(self) -> str:
        """Return `ok`, `MISS`, `not measured`, or an empty text."""
        if self.ok is None:
            return "not measured" if self.target or not self.values else ""
        return "ok" if self.ok else "MISS"


Measure = Callable[[Scale], list[Row]]


def ratio(values: Sequence[float], base: Sequence[float]) -> float | None:
    """Return the median of the ratios of figures from the same rounds; `None` if either is missing."""
    pairs = [value / below for value, below in zip(values, base, strict=False) if below]
    return statistics.median(pairs) if pairs else None


def best(*variants: Sequence[float]) -> list[float]:
    """Return the figures with the largest median; empty if all are empty."""
    measured = [list(values) for values in variants if values]
    return max(measured, key=statistics.median) if measured else []


def at_least(found: float | None, target: float) -> bool | None:
    """Return whether the figure reaches the target; `None` if there is no figure."""
    return None if found is None else found >= target


def at_most(found: float | None, target: float) -> bool | None:
    """Return whether the figure stays within the target; `None` if there is no figure."""
    return None if found is None else found <= target


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
