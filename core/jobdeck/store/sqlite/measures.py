"""Measures of the SQLite store: counts and latencies by slices of time, samples of depth, failures grouped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import apsw

from ...clock import Clock
from ...jobs import Slot
from ...metrics import ErrorGroup, Grouping, Metrics, place_of
from ..histogram import bucket, percentiles
from ..measures import FAILURES_READ, Measures
from ..tally import FINE
from .connection import Connections
from .depths import oldest_waits, prune_depths, sample_depths
from .metrics import COARSER

WIDTHS = (FINE, *(wider for _, _, wider in COARSER))
_REACH = (*(age for _, age, _ in COARSER), float("inf"))
"""Seconds back to which slots of each of the widths are kept."""
_SAMPLES = 5
"""Jobs named of each group of errors."""

_MEASURED = f"""
SELECT {{told_by}}, measure, bucket, sum(n) FROM jobdeck_metrics
 WHERE width IN ({", ".join(map(str, WIDTHS))}) AND slot >= :begin
   AND (:queue IS NULL OR queue = :queue) AND (:kind IS NULL OR kind = :kind)
 GROUP BY 1, 2, 3
"""
_COMPLETED = f"""
SELECT {{told_by}}, CAST((slot - :begin) / :width AS INTEGER), sum(n) FROM jobdeck_metrics
 WHERE width IN ({", ".join(map(str, WIDTHS))}) AND slot >= :begin AND measure = 'completed'
   AND (:queue IS NULL OR queue = :queue) AND (:kind IS NULL OR kind = :kind)
 GROUP BY 1, 2
"""
# The running ones have been measured by nobody yet, and their starts are no less true.
RUNNING = """
SELECT queue, kind, started_at, scheduled_at FROM jobdeck_jobs
 WHERE state = 'running' AND started_at >= :begin
   AND (:queue IS NULL OR queue = :queue) AND (:kind IS NULL OR kind = :kind)
"""
_DEPTHS = """
SELECT CAST((sampled.slot - :begin) / :width AS INTEGER), max(coalesce(one.pending, 0)), max(coalesce(one.oldest, 0))
  FROM jobdeck_depths AS sampled LEFT JOIN jobdeck_depths AS one ON one.slot = sampled.slot AND one.queue = :queue
 WHERE sampled.queue = '' AND sampled.slot >= :begin
 GROUP BY 1
"""
_FAILURES = """
SELECT a.job_id, job.kind, a.error_type, a.message, a.traceback, a.finished_at, a.outcome
  FROM jobdeck_attempts AS a INDEXED BY jobdeck_failures JOIN jobdeck_jobs AS job ON job.id = a.job_id
 WHERE a.outcome IN ('failed', 'timed out', 'crashed') ORDER BY a.finished_at DESC LIMIT ?
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
    connection: apsw.Connection, slices: Slices, now: float, queue: str | None = None, kind: str | None = None
) -> tuple[tuple[Slot, ...], Slot]:
    """The slices, and all of them together."""
    bound = {"begin": slices.begin, "width": slices.width, "queue": queue, "kind": kind}
    sums: defaultdict[int, Sums] = defaultdict(Sums)
    told_by = "CAST((slot - :begin) / :width AS INTEGER)"
    for index, measure, step, n in connection.execute(_MEASURED.format(told_by=told_by), bound):
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


def _depths(connection: apsw.Connection, slices: Slices, queue: str) -> Mapping[int, tuple[int, float]]:
    bound = {"begin": slices.begin, "width": slices.width, "queue": queue}
    return {index: (pending, oldest) for index, pending, oldest in connection.execute(_DEPTHS, bound)}


class SqliteMeasures(Measures):
    """The measures of one database file."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock
        self._folded_before = 0

    def sample_depths(self) -> bool:
        return sample_depths(self._connections, self._clock.now())

    def prune_depths(self) -> None:
        self._folded_before = prune_depths(self._connections, self._clock.now(), self._folded_before)

    def metrics(
        self, *, seconds: float, slots: int, queue: str | None = None, kind: str | None = None, by: Grouping | None = None
    ) -> Metrics:
        now = self._clock.now()
        slices = Slices.of(now, seconds, slots)
        with self._connections.reading() as connection:
            made, total = measured(connection, slices, now, queue, kind)
            only = {"queue": queue, "kind": kind}
            groups = self._groups(connection, slices, now, by, only) if by else {}
            completed = _completed(connection, slices, by, only) if by else {}
            waits = oldest_waits(connection, now, queue, kind)
            pending = connection.execute(
                "SELECT coalesce(sum(n), 0) FROM jobdeck_counts WHERE state = 'pending'"
                " AND (:queue IS NULL OR queue = :queue) AND (:kind IS NULL OR kind = :kind)",
                {"queue": queue, "kind": kind},
            ).get
        return Metrics(
            at=now,
            slots=made,
            total=total,
            pending=pending,
            oldest=max(waits.values(), default=None),
            groups=groups,
            completed={name: completed.get(name) or (0,) * slices.count for name in groups},
        )

    def _groups(
        self, connection: apsw.Connection, slices: Slices, now: float, by: Grouping, only: Mapping[str, str | None]
    ) -> dict[str, Slot]:
        sums: defaultdict[str, Sums] = defaultdict(Sums)
        bound = {"begin": slices.begin, **only}
        for name, measure, step, n in connection.execute(_MEASURED.format(told_by=by.value), bound):
            sums[name].add(measure, step, n)
        for queue, kind, started, due in connection.execute(RUNNING, bound):
            sums[queue if by is Grouping.QUEUE else kind].add("wait", bucket(started - due), 1)
        seconds = max(1.0, now - slices.begin)
        return {name: sums[name].slot(slices.begin, seconds) for name in sorted(sums)}

    def errors(self, newest: int = FAILURES_READ) -> list[ErrorGroup]:
        with self._connections.reading() as connection:
            return _grouped(connection.execute(_FAILURES, (newest,)))


def _completed(
    connection: apsw.Connection, slices: Slices, by: Grouping, only: Mapping[str, str | None]
) -> dict[str, tuple[int, ...]]:
    found: defaultdict[str, list[int]] = defaultdict(lambda: [0] * slices.count)
    bound = {"begin": slices.begin, "width": slices.width, **only}
    for name, index, n in connection.execute(_COMPLETED.format(told_by=by.value), bound):
        if 0 <= index < slices.count:  # a clock that was set back leaves slots of the future
            found[name][index] += n
    return {name: tuple(counts) for name, counts in found.items()}


def _grouped(rows: Iterable[Any]) -> list[ErrorGroup]:
    """Groups of failures, which come newest first; the largest group first, of equal ones the newest."""
    found: dict[tuple[str, str, str], tuple[str, dict[int, None], list[float]]] = {}
    for job_id, kind, error_type, message, traceback, at, outcome in rows:
        key = (kind, error_type or outcome, place_of(traceback))
        message, jobs, seen = found.setdefault(key, (message or "", {}, []))
        seen.append(at)
        if len(jobs) < _SAMPLES:
            jobs[job_id] = None
    groups = [
        ErrorGroup(
            kind=kind,
            error_type=error_type,
            place=place,
            count=len(seen),
            first_seen=seen[-1],
            last_seen=seen[0],
            message=message,
            job_ids=tuple(jobs),
            seen_at=tuple(seen),
        )
        for (kind, error_type, place), (message, jobs, seen) in found.items()
    ]
    return sorted(groups, key=lambda group: (-group.count, -group.last_seen))
