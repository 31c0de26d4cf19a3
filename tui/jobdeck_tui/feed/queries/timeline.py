"""The runs of a time range, in lanes."""

from __future__ import annotations

from dataclasses import field

from jobdeck import Queue, record

from ..lane_packing import Lanes, WorkerLanes

MOST = 3_000
"""The maximum number of runs to read; more would only share the same cells."""


@record
class TimelineData:
    """The runs, by worker and lane."""

    at: float
    since: float
    until: float
    workers: tuple[WorkerLanes, ...]
    ended: int
    """The number of runs that ended in the range; counted up to 100,000."""
    shown: int
    """The number of them that are included here."""
    is_complete: bool


@record
class TimelineQuery:
    """Reads the runs of the `seconds` before `until`, or before now if that is `None`."""

    seconds: float
    until: float | None = None
    slices: int = 100
    """The number of time slices over which a sample of runs is spread."""
    lanes: Lanes = field(default_factory=Lanes, compare=False)
    """The previous lane of each run. Used by the reading thread only."""

    @property
    def interval(self) -> float:
        """Seconds between two reads: longer ranges move less on the screen."""
        return 0.5 if self.seconds <= 300 else 1.0 if self.seconds <= 3600 else 3.0

    def read(self, queue: Queue) -> TimelineData:
        """Read the runs and pack them into lanes."""
        now = queue.clock.now()
        until = now if self.until is None else self.until
        # Runs that have just started are newer than `now`.
        end = until + (1.0 if self.until is None else 0.0)
        found = queue.history.runs(until - self.seconds, end, limit=MOST, slices=self.slices)
        packed = self.lanes.pack(found.runs, queue.workers.list())
        ended = sum(run.finished_at is not None for run in found.runs)
        return TimelineData(found.at, until - self.seconds, until, packed, max(ended, found.ended), ended, found.is_complete)
