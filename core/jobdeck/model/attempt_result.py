"""The records that travel through jobdeck. All are frozen: a change is a new record.

Times are seconds since 1970-01-01 UTC, durations seconds, unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from .jobs import Job, Outcome, Reason


@dataclass(frozen=True, slots=True)
class Ending:
    """An attempt that has ended. `job` is the job as it was claimed, with its lease."""

    job: Job
    started_at: float
    finished_at: float


@dataclass(frozen=True, slots=True)
class Completion(Ending):
    """The handler returned."""

    result_json: str | None = None


@dataclass(frozen=True, slots=True)
class Failure(Ending):
    """The handler raised, or took too long."""

    retry_at: float | None
    """When it is due again; `None` means never."""
    error_type: str
    message: str
    traceback: str | None = None
    outcome: Outcome = Outcome.FAILED
    reason: Reason | None = None
    """Why it is not run again, where that is so; where it is not told, the outcome tells it."""


@dataclass(frozen=True, slots=True)
class Nap(Ending):
    """The handler asked to be run again at `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Release(Ending):
    """The worker shuts down and gives the job back."""


@dataclass(frozen=True, slots=True)
class Stop(Ending):
    """The job was asked to stop, and its code has stopped."""
