"""The outcome of a running job whose lease has expired, for every store."""

from __future__ import annotations

from ..model.jobs import Job, Reason
from ..model.states import State

CRASHED = "The worker died or stalled: its lease ended while the job was running"
"""The error of such an attempt."""


def state_after_crash(job: Job) -> tuple[State, str | None]:
    """Return the job's next state, and the reason if it has failed permanently."""
    if job.cancelling:
        return State.CANCELLED, None
    if job.attempt < job.max_attempts:
        return State.PENDING, None
    return State.FAILED, Reason.CRASHED.value
