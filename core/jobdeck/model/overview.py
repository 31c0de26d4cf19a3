"""The records that travel through jobdeck. All are frozen: a change is a new record.

Times are seconds since 1970-01-01 UTC, durations seconds, unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .jobs import Job, Limits
from .states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """Code that a worker has asked to stop, and that still holds its thread."""

    job_id: int
    kind: str
    since: float
    """When it was asked."""
    why: str
    """`cancelled`, `timed out`, `lease lost` or `shutdown`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A worker process that has reported itself."""

    id: str
    """`host:pid:random`."""
    host: str
    pid: int
    threads: int
    queues: tuple[str, ...]
    """Empty means all."""
    started_at: float
    heartbeat_at: float
    draining: bool
    running: int
    """Jobs it holds now."""
    alive: bool
    """Whether its newest heartbeat is younger than the lease."""
    kinds: tuple[str, ...] = ()
    """The kinds that it runs."""
    processes: int = 0
    """Child processes that run its handlers; 0 means that it runs them itself."""
    stuck: int = 0
    """Threads whose code was asked to stop and does not."""
    stopping: tuple[Stopping, ...] = ()
    """What was asked to stop and has not yet: the stuck ones, and those that still have their grace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """A queue and its depth."""

    name: str
    counts: Mapping[State, int]
    paused_at: float | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def paused(self) -> bool:
        return self.paused_at is not None

    @property
    def pending(self) -> int:
        return self.counts.get(State.PENDING, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles, in seconds, of the values of one measure. `None` where nothing was measured."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What happened in one slice of time."""

    at: float
    """When the slice begins."""
    seconds: float
    started: int = 0
    """Attempts begun, those that still run included."""
    completed: int = 0
    failed: int = 0
    """Attempts that failed or crashed, whether or not they are retried."""
    retried: int = 0
    """Of those, the attempts after which the job runs again."""
    crashed: int = 0
    """Of those, the attempts that ended with their worker."""
    cancelled: int = 0
    """Attempts that were stopped on request."""
    snoozed: int = 0
    released: int = 0
    run: Latency = Latency()
    """How long the attempts took that ended in the slice."""
    wait: Latency = Latency()
    """How long the jobs that started in the slice had been due."""
    depth: int | None = None
    """Most ready jobs, of the samples taken once a minute; `None` where none was taken."""
    oldest: float | None = None
    """Longest that a ready job had waited, in seconds, of the same samples."""

    @property
    def throughput(self) -> float:
        """Completed jobs a second."""
        return self.completed / self.seconds

    @property
    def failure_rate(self) -> float | None:
        """Failed attempts as a share of those that completed or failed; `None` where there was neither."""
        ended = self.completed + self.failed
        return self.failed / ended if ended else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One consistent look at the whole queue: what the cockpit's main screen shows."""

    at: float
    counts: Mapping[State, int]
    queues: tuple[QueueInfo, ...]
    workers: tuple[WorkerInfo, ...]
    running: tuple[Job, ...]
    """At most 1,000, oldest claim first."""
    slots: tuple[Slot, ...]
    """Oldest first, without gaps, the last one still filling."""
    run: Latency
    """Over all the slots."""
    wait: Latency
    next_due_at: float | None = None
    """When the next scheduled or retrying job is due."""
