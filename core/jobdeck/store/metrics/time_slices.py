"""What was counted and timed, by slices of time: read from the tables of metrics that every store has."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...model.overview import Slot
from ..backend import Sql
from ..counters import FINE
from .histogram import bucket, percentiles
from .rollup import COARSER

WIDTHS = (FINE, *(wider for _, _, wider in COARSER))
_REACH = (*(age for _, age, _ in COARSER), float("inf"))
"""Seconds back to which slots of each of the widths are kept."""

MEASURED = f"""
SELECT {{told_by}}, measure, bucket, sum(n) FROM jobdeck_metrics
 WHERE width IN ({", ".join(map(str, WIDTHS))}) AND slot >= :begin
   AND queue = coalesce(:queue, queue) AND kind = coalesce(:kind, kind)
 GROUP BY 1, 2, 3
"""
# The running ones have been measured by nobody yet, and their starts are no less true.
RUNNING = """
SELECT queue, kind, started_at, scheduled_at FROM jobdeck_jobs
 WHERE state = 'running' AND started_at >= :begin
   AND queue = coalesce(:queue, queue) AND kind = coalesce(:kind, kind)
"""
_DEPTHS = """
SELECT CAST((sampled.slot - :begin) / :width AS INTEGER), max(coalesce(one.pending, 0)), max(coalesce(one.oldest, 0))
  FROM jobdeck_depths AS sampled LEFT JOIN jobdeck_depths AS one ON one.slot = sampled.slot AND one.queue = :queue
 WHERE sampled.queue = '' AND sampled.slot >= :begin
 GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Slices:
    """Equal slices of time up to now. Each holds whole slots of metrics, however old those are by then."""

    begin: int
    width: int
    count: int

    @classmethod
    def of(cls, now: float, seconds: float, slots: int) -> Slices:
        """About `slots` slices over the last `seconds`."""
        width, count = _cut(seconds, slots, WIDTHS[-1])
        for unit, reach in zip(WIDTHS, _REACH, strict=True):
            width, count = _cut(seconds, slots, unit)
            if count * width <= reach:
                break
        return cls(int(now // width - count + 1) * width, width, count)


def _cut(seconds: float, slots: int, unit: int) -> tuple[int, int]:
    """Width and number of slices, each of whole units."""
    width = int(max(1, -(-seconds // (slots * unit)))) * unit
    return width, max(1, int(-(-seconds // width)))


class Sums:
    """What was measured of one slice, or one group."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.histograms: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def add(self, measure: str, step: int, n: int) -> None:
        """One sum of the table."""
        if measure in ("run", "wait"):
            self.histograms[measure][step] += n
        else:
            self.totals[measure] += n

    def merge(self, other: Sums) -> None:
        """Take in another one."""
        self.totals.update(other.totals)
        for measure, histogram in other.histograms.items():
            self.histograms[measure].update(histogram)

    def slot(self, at: float, seconds: float) -> Slot:
        """As a record."""
        totals = self.totals
        return Slot(
            at=at,
            seconds=seconds,
            started=self.histograms["wait"].total(),
            completed=totals["completed"],
            failed=totals["failed"] + totals["crashed"],
            retried=totals["retried"],
            crashed=totals["crashed"],
            cancelled=totals["cancelled"],
            snoozed=totals["snoozed"],
            released=totals["released"],
            run=percentiles(self.histograms["run"]),
            wait=percentiles(self.histograms["wait"]),
        )


def measured(
    connection: Sql, slices: Slices, now: float, queue: str | None = None, kind: str | None = None
) -> tuple[tuple[Slot, ...], Slot]:
    """The slices, and all of them together."""
    bound = {"begin": slices.begin, "width": slices.width, "queue": queue, "kind": kind}
    sums: defaultdict[int, Sums] = defaultdict(Sums)
    told_by = "CAST((slot - :begin) / :width AS INTEGER)"
    for index, measure, step, n in connection.execute(MEASURED.format(told_by=told_by), bound):
        sums[index].add(measure, step, n)
    for _, _, started, due in connection.execute(RUNNING, bound):
        sums[int((started - slices.begin) // slices.width)].add("wait", bucket(started - due), 1)
    whole = Sums()
    for each in sums.values():
        whole.merge(each)
    depths = _depths(connection, slices, "" if queue is None else queue) if kind is None else {}
    made = []
    for index in range(slices.count):
        depth, oldest = depths.get(index, (None, None))
        slot = sums[index].slot(slices.begin + index * slices.width, slices.width)
        made.append(replace(slot, depth=depth, oldest=oldest))
    total = whole.slot(slices.begin, max(1.0, now - slices.begin))
    if depths:
        total = replace(
            total, depth=max(depth for depth, _ in depths.values()), oldest=max(oldest for _, oldest in depths.values())
        )
    return tuple(made), total


def _depths(connection: Sql, slices: Slices, queue: str) -> Mapping[int, tuple[int, float]]:
    bound = {"begin": slices.begin, "width": slices.width, "queue": queue}
    return {index: (pending, oldest) for index, pending, oldest in connection.execute(_DEPTHS, bound)}
