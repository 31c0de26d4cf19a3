"""What has happened, as it is told from what is stored: the runs of a stretch of time, and events.

Times are seconds since 1970-01-01 UTC, durations seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .jobs import Outcome

MOST_RUNS = 5_000
"""Runs that are told at once."""
MOST_EVENTS = 10_000
"""Events that are told at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt, with what a person wants to know of its job."""

    job_id: int
    lease: int
    """Names the run: each claim has one of its own."""
    kind: str
    queue: str
    number: int
    """Which attempt it is, from 1."""
    max_attempts: int
    worker: str
    started_at: float
    finished_at: float | None = None
    outcome: Outcome | None = None
    """`None` while it runs."""
    again: bool = False
    """Whether its job has run again since, or is to."""
    error: str | None = None
    """Type and message of its error, cut after some hundred characters."""
    late_at: float | None = None
    """When its worker came back with a result although it had lost the lease."""
    lease_until: float | None = None
    """While it runs: when the lease ends if no heartbeat renews it."""
    cancelling: bool = False
    """Asked to stop; its code still runs."""
    progress: float | None = None
    """While it runs: from 0 to 1, if the handler tells."""

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from every other run."""
        return (self.job_id, self.lease)

    @property
    def failed(self) -> bool:
        """Whether it failed, timed out or crashed."""
        return self.outcome in FAILURES


FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CRASHED})
"""The outcomes after which a job is run again, or has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The runs that overlap a stretch of time."""

    at: float
    """When they were read."""
    since: float
    until: float
    runs: tuple[Run, ...] = ()
    """Newest end first; those that still run come before all others."""
    ended: int = 0
    """How many have ended in this time; counted up to 100,000."""
    whole: bool = True
    """Whether these are all. Otherwise they are a sample: of each slice of the time the newest."""


class Happening(StrEnum):
    """What an event tells of."""

    ENQUEUED = "enqueued"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    """For good, or until somebody retries the job."""
    RETRYING = "retrying"
    """Failed or timed out, and the job runs again."""
    CRASHED = "crashed"
    """The worker died or lost the lease in mid-job, whether or not the job runs again."""
    EXPIRED = "expired"
    """Not started in time."""
    CANCELLED = "cancelled"
    SNOOZED = "snoozed"
    RELEASED = "released"
    LATE = "late"
    """A result came from a worker that had lost the lease; it was not taken."""
    ACT = "act"
    """A person or a program did something to jobs or a queue."""
    UNDONE = "undone"
    """Somebody took such an act back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that has happened."""

    at: float
    what: Happening
    key: str
    """What tells it from every other event; the same in every reading."""
    job_id: int | None = None
    kind: str = ""
    queue: str = ""
    worker: str | None = None
    number: int | None = None
    """Which attempt it was, from 1."""
    took: float | None = None
    """How long the run took that has ended, in seconds."""
    text: str = ""
    """The error; of an act what was done, in words. May hold any text."""
    who: str | None = None
    """Of an act: who did it."""
