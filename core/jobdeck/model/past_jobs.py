"""Jobs that have ended before they came into this queue."""

from __future__ import annotations

from .jobs import Outcome
from .record_class import record
from .states import State


@record(kw_only=True)
class PastAttempt:
    """An attempt that has ended. Times are seconds since 1970-01-01 UTC."""

    due_at: float
    """The time at which the job was due: the wait of the attempt counts from here."""
    started_at: float
    finished_at: float
    worker: str
    """The name of the worker that ran it."""
    outcome: Outcome = Outcome.COMPLETED
    error_type: str | None = None
    message: str | None = None
    traceback: str | None = None


@record(kw_only=True)
class PastJob:
    """A job that has ended; it is final, and never runs."""

    kind: str
    args_json: str
    queue: str
    created_at: float
    attempts: tuple[PastAttempt, ...]
    """All of its attempts, at least one. Its last one says how it ended: it completed, or it failed."""
    priority: int = 0
    max_attempts: int = 1
    tags: tuple[str, ...] = ()
    result_json: str | None = None

    @property
    def state(self) -> State:
        """Return its final state."""
        return State.COMPLETED if self.attempts[-1].outcome is Outcome.COMPLETED else State.FAILED
