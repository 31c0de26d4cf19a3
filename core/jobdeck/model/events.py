"""Records of what happened, derived from stored data: the runs in a time range, and events.

Times are seconds since 1970-01-01 UTC, durations seconds.
"""

from __future__ import annotations

from enum import StrEnum

from .jobs import Outcome
from .record_class import record

MAX_RUNS = 5_000
"""The maximum number of runs returned at once."""
MAX_EVENTS = 10_000
"""The maximum number of events returned at once."""


@record(kw_only=True)
class Run:
    """One attempt, with the main properties of its job."""

    job_id: int
    lease: int
    """Identifies the run: each claim has its own lease."""
    kind: str
    queue: str
    number: int
    """The number of the attempt, from 1."""
    max_attempts: int
    worker: str
    started_at: float
    finished_at: float | None = None
    outcome: Outcome | None = None
    """`None` while it runs."""
    superseded: bool = False
    """`True` if its job has been run again since, or will be."""
    error: str | None = None
    """Type and message of its error, truncated to a few hundred characters."""
    late_at: float | None = None
    """When its worker delivered a result after it had lost the lease."""
    lease_until: float | None = None
    """While it runs: when the lease expires if no heartbeat renews it."""
    cancelling: bool = False
    """`True` if it was asked to stop and its code still runs."""
    progress: float | None = None
    """While it runs: from 0 to 1, if the handler reports it."""

    @property
    def key(self) -> tuple[int, int]:
        """A key that is unique among runs."""
        return (self.job_id, self.lease)

    @property
    def failed(self) -> bool:
        """Return whether it failed, timed out or crashed."""
        return self.outcome in FAILURES


FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CRASHED})
"""The outcomes after which a job is retried or fails."""


@record(kw_only=True)
class Runs:
    """The runs that overlap a time range."""

    at: float
    """When they were read."""
    since: float
    until: float
    runs: tuple[Run, ...] = ()
    """Ordered by their end, newest first; unfinished runs precede all others."""
    ended: int = 0
    """Number of runs that finished in the range, counted up to 100,000."""
    is_complete: bool = True
    """`True` if these are all runs. Otherwise they are a sample: the newest runs of each slice of the range."""


class EventType(StrEnum):
    """The type of an event."""

    ENQUEUED = "enqueued"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    """Permanently, unless the job is retried manually."""
    RETRYING = "retrying"
    """Failed or timed out, and the job will be retried."""
    CRASHED = "crashed"
    """The worker died or lost the lease during the job, whether or not the job is retried."""
    EXPIRED = "expired"
    """Not started in time."""
    CANCELLED = "cancelled"
    SNOOZED = "snoozed"
    RELEASED = "released"
    LATE = "late"
    """A worker that had lost the lease delivered a result, which was ignored."""
    OPERATION = "operation"
    """A person or a program performed an operation on jobs, queues or schedules."""
    UNDONE = "undone"
    """An operation was undone."""


@record(kw_only=True)
class Event:
    """One event."""

    at: float
    type: EventType
    key: str
    """A key that is unique among events and the same in every query."""
    job_id: int | None = None
    kind: str = ""
    queue: str = ""
    worker: str | None = None
    number: int | None = None
    """The number of the attempt, from 1."""
    took: float | None = None
    """The duration of the finished run, in seconds."""
    text: str = ""
    """The error, or the summary of an operation. May contain any text."""
    actor: str | None = None
    """The actor of an operation."""
