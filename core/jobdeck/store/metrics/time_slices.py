"""Aggregates the stored metrics by slices of time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

from ...model.kind_names import ONE_KIND_SQL
from ...model.overview import TimeSlice
from ...model.record_class import record
from ..backend import SqlConnection
from ..counters import SLOT_WIDTH
from .histogram import bucket, percentiles

ROLLUPS = ((SLOT_WIDTH, 3600, 60), (60, 6 * 3600, 600), (600, 2 * 86400, 3600), (3600, 10 * 86400, 86400))
"""Width, age and new width: slots of this width are merged into wider ones at this age (all in seconds)."""
METRICS_KEPT = 90 * 86400
"""Seconds: older metrics are deleted."""
WIDTHS = (SLOT_WIDTH, *(wider for _, _, wider in ROLLUPS))
_REACH = (*(age for _, age, _ in ROLLUPS), float("inf"))
"""Seconds before now for which slots of each width are kept."""

METRICS = f"""
SELECT {{group_by}}, measure, bucket, sum(n) FROM jobdeck_metrics
 WHERE width IN ({", ".join(map(str, WIDTHS))}) AND slot >= :begin
   AND queue = coalesce(:queue, queue) AND {ONE_KIND_SQL}
 GROUP BY 1, 2, 3
"""
# Running jobs have no metrics yet, but their starts count.
RUNNING = f"""
SELECT queue, kind, started_at, scheduled_at FROM jobdeck_jobs
 WHERE state = 'running' AND started_at >= :begin
   AND queue = coalesce(:queue, queue) AND {ONE_KIND_SQL}
"""
_DEPTHS = """
SELECT CAST((sampled.slot - :begin) / :width AS INTEGER), max(coalesce(one.pending, 0)), max(coalesce(one.oldest, 0))
  FROM jobdeck_depths AS sampled LEFT JOIN jobdeck_depths AS one ON one.slot = sampled.slot AND one.queue = :queue
 WHERE sampled.queue = '' AND sampled.slot >= :begin
 GROUP BY 1
"""


@record
class TimeSlices:
    """Equal slices of time up to now. Each holds whole slots of metrics, regardless of their age."""

    begin: int
    width: int
    count: int

    @classmethod
    def of(cls, now: float, seconds: float, slices: int) -> TimeSlices:
        """Cut the last `seconds` into about `slices` slices."""
        width, count = _align(seconds, slices, WIDTHS[-1])
        for unit, reach in zip(WIDTHS, _REACH, strict=True):
            width, count = _align(seconds, slices, unit)
            if count * width <= reach:
                break
        return cls(int(now // width - count + 1) * width, width, count)


def _align(seconds: float, slices: int, unit: int) -> tuple[int, int]:
    """Return the width and number of slices of whole units."""
    width = int(max(1, -(-seconds // (slices * unit)))) * unit
    return width, max(1, int(-(-seconds // width)))


class SliceTotals:
    """The totals of one slice, or one group."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.histograms: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def add(self, measure: str, step: int, n: int) -> None:
        """Add one sum of the table."""
        if measure in ("run", "wait"):
            self.histograms[measure][step] += n
        else:
            self.totals[measure] += n

    def merge(self, other: SliceTotals) -> None:
        """Add the totals of another slice."""
        self.totals.update(other.totals)
        for measure, histogram in other.histograms.items():
            self.histograms[measure].update(histogram)

    def slot(self, at: float, seconds: float) -> TimeSlice:
        """Return the totals as a record."""
        totals = self.totals
        return TimeSlice(
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


def aggregate(
    connection: SqlConnection, slices: TimeSlices, now: float, queue: str | None = None, kind: str | None = None
) -> tuple[tuple[TimeSlice, ...], TimeSlice]:
    """Return the slices, and their total."""
    bound = {"begin": slices.begin, "width": slices.width, "queue": queue, "kind": kind}
    sums: defaultdict[int, SliceTotals] = defaultdict(SliceTotals)
    group_by = "CAST((slot - :begin) / :width AS INTEGER)"
    for index, measure, step, n in connection.execute(METRICS.format(group_by=group_by), bound):
        sums[index].add(measure, step, n)
    for _, _, started, due in connection.execute(RUNNING, bound):
        sums[int((started - slices.begin) // slices.width)].add("wait", bucket(started - due), 1)
    whole = SliceTotals()
    for each in sums.values():
        whole.merge(each)
    depths = _depths(connection, slices, "" if queue is None else queue) if kind is None else {}
    made = []
    for index in range(slices.count):
        depth, oldest = depths.get(index, (None, None))
        slot = sums[index].slot(slices.begin + index * slices.width, slices.width)
        made.append(replace(slot, depth=depth, oldest_wait=oldest))
    total = whole.slot(slices.begin, max(1.0, now - slices.begin))
    if depths:
        total = replace(
            total, depth=max(depth for depth, _ in depths.values()), oldest_wait=max(oldest for _, oldest in depths.values())
        )
    return tuple(made), total


def _depths(connection: SqlConnection, slices: TimeSlices, queue: str) -> Mapping[int, tuple[int, float]]:
    bound = {"begin": slices.begin, "width": slices.width, "queue": queue}
    return {index: (pending, oldest) for index, pending, oldest in connection.execute(_DEPTHS, bound)}
