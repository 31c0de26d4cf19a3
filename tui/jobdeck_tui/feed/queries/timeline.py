"""The runs of a stretch of time, in lanes."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobdeck import Queue

from ..lane_packing import Lanes, WorkerLanes

MOST = 3_000
"""Runs that are read: more of them would only share the same cells."""


@dataclass(frozen=True, slots=True)
class TimelineSeen:
    """What ran, by worker and lane."""

    at: float
    since: float
    until: float
    workers: tuple[WorkerLanes, ...]
    ended: int
    """How many runs have ended in this time; counted up to 100,000."""
    shown: int
    """How many of them are here."""
    whole: bool


@dataclass(frozen=True, slots=True)
class TimelineLook:
    """The runs of the `seconds` before `until`; before now where that is `None`."""

    seconds: float
    until: float | None = None
    slices: int = 100
    """A sample is spread over so many slices of the time."""
    lanes: Lanes = field(default_factory=Lanes, compare=False)
    """Where each run was seen before. Only the thread that reads touches it."""

    @property
    def every(self) -> float:
        """What moves less on the screen is read less often."""
        return 0.5 if self.seconds <= 300 else 1.0 if self.seconds <= 3600 else 3.0

    def read(self, queue: Queue) -> TimelineSeen:
        """Read them."""
        now = queue.clock.now()
        until = now if self.until is None else self.until
        # What has just begun is newer than the moment at which the look began.
        end = until + (1.0 if self.until is None else 0.0)
        found = queue.history.runs(until - self.seconds, end, limit=MOST, slices=self.slices)
        packed = self.lanes.pack(found.runs, queue.workers())
        ended = sum(run.finished_at is not None for run in found.runs)
        return TimelineSeen(found.at, until - self.seconds, until, packed, max(ended, found.ended), ended, found.whole)
