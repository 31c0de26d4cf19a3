"""The records of the whole queue: workers, queues, latencies, time slices, and the overview that contains them.

Times are seconds since 1970-01-01 UTC, durations seconds, unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from .jobs import Job, Limits
from .record_class import record
from .states import State


@record(kw_only=True)
class StuckJob:
    """A job that was asked to stop and whose code still occupies a thread."""

    job_id: int
    kind: str
    since: float
    """When it was asked to stop."""
    reason: str
    """`cancelled`, `timed out`, `lease lost` or `shutdown`."""


@record(kw_only=True)
class StalledThread:
    """A thread of a worker that makes no progress, so that its jobs are not claimed, not recorded or not run."""

    thread: str
    """`claimer` or `heartbeat`."""
    since: float
    """The time of its last progress."""
    error: str | None = None
    """The reason in one sentence if it fails repeatedly; `None` if it hangs."""


@record(kw_only=True)
class WorkerInfo:
    """A registered worker process."""

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
    """The number of jobs that it currently holds."""
    alive: bool
    """`True` if its last heartbeat is more recent than one lease ago."""
    silent_for: float = 0.0
    """Seconds since its last heartbeat."""
    kinds: tuple[str, ...] = ()
    """The kinds that it knows; empty means unknown."""
    processes: int = 0
    """The number of child processes that run its handlers; with 0, it runs them itself."""
    stuck: int = 0
    """The number of threads whose code ignores a stop request."""
    stopping: tuple[StuckJob, ...] = ()
    """The jobs that were asked to stop and have not stopped yet: stuck ones, and those within their grace period."""
    stalled: tuple[StalledThread, ...] = ()
    """The threads of the worker itself that make no progress."""


@record(kw_only=True)
class QueueInfo:
    """A queue, with its number of jobs by state."""

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


@record(kw_only=True)
class Latency:
    """Percentiles of a measured duration, in seconds. `None` if nothing was measured."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    count: int = 0


@record(kw_only=True)
class TimeSlice:
    """The metrics of one time slice."""

    at: float
    """The start of the slice."""
    seconds: float
    started: int = 0
    """Attempts that started, including those that are still running."""
    completed: int = 0
    failed: int = 0
    """Attempts that failed or crashed, whether or not they are retried."""
    retried: int = 0
    """The failed attempts after which the job is retried."""
    crashed: int = 0
    """The failed attempts whose worker died."""
    cancelled: int = 0
    """Attempts that were cancelled."""
    snoozed: int = 0
    released: int = 0
    run: Latency = Latency()
    """Run times of the attempts that finished in the slice."""
    wait: Latency = Latency()
    """Wait times, from due to start, of the jobs that started in the slice."""
    depth: int | None = None
    """The maximum number of ready jobs, sampled once a minute; `None` if not sampled."""
    oldest_wait: float | None = None
    """The longest wait of a ready job in the same samples, in seconds."""

    @property
    def throughput(self) -> float:
        """Completed jobs per second."""
        return self.completed / self.seconds

    @property
    def failure_rate(self) -> float | None:
        """The share of failed attempts among those that completed or failed; `None` if there were none."""
        ended = self.completed + self.failed
        return self.failed / ended if ended else None


@record(kw_only=True)
class Overview:
    """A consistent snapshot of the whole queue, as shown on the main screen of the cockpit."""

    at: float
    counts: Mapping[State, int]
    queues: tuple[QueueInfo, ...]
    workers: tuple[WorkerInfo, ...]
    running: tuple[Job, ...]
    """At most 1,000, oldest claim first."""
    slices: tuple[TimeSlice, ...]
    """Oldest first, without gaps; the last one is incomplete."""
    run: Latency
    """Run times over all slices."""
    wait: Latency
    next_due_at: float | None = None
    """When the next scheduled or retrying job is due."""
