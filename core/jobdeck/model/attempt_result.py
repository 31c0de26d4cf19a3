"""The results of attempts: one record for each way in which an attempt ends.

The executor returns one for each claimed job, and the worker passes it to the store. Times are seconds since
1970-01-01 UTC. Nobody changes a result, but the records are not frozen: each attempt creates one, and a frozen one takes four
times as long.
"""

from __future__ import annotations

from dataclasses import dataclass

from .jobs import Job, Outcome, Reason


@dataclass(slots=True)
class AttemptResult:
    """The result of an attempt. `job` is the job as it was claimed, with its lease."""

    job: Job
    started_at: float
    finished_at: float


@dataclass(slots=True)
class Completed(AttemptResult):
    """The handler returned."""

    result_json: str | None = None


@dataclass(slots=True)
class Failed(AttemptResult):
    """The handler raised, or the attempt timed out."""

    retry_at: float | None
    """When the job is due again; `None` means never."""
    error_type: str
    message: str
    traceback: str | None = None
    outcome: Outcome = Outcome.FAILED
    reason: Reason | None = None
    """Why the job is not retried; if `None`, the outcome is the reason."""
    extra_attempts: int = 0
    """By how much the maximum number of attempts grows: 1 if the handler did not start."""

    @property
    def error(self) -> str:
        """Type and message, `ValueError: no luck`; the type alone if there is no message."""
        return f"{self.error_type}: {self.message}" if self.message else self.error_type


@dataclass(slots=True)
class Snoozed(AttemptResult):
    """The handler snoozed the job until `until`."""

    until: float


@dataclass(slots=True)
class Released(AttemptResult):
    """The worker is shutting down and releases the job."""


@dataclass(slots=True)
class Cancelled(AttemptResult):
    """The job was cancelled, and its code has stopped."""
