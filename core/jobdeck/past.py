"""What became of a job, in short: enough to draw a history from, without its arguments, result and log."""

from __future__ import annotations

from dataclasses import dataclass

from .states import State


@dataclass(frozen=True, slots=True)
class PastJob:
    """A job that a schedule has enqueued, and how far it has come."""

    id: int
    state: State
    created_at: float
    scheduled_at: float
    """When it was due: its tick."""
    started_at: float | None = None
    finished_at: float | None = None
    attempt: int = 0
    error: str | None = None
    """The beginning of its newest error."""

    @property
    def took(self) -> float | None:
        """Seconds of its newest attempt, if that has ended."""
        if self.started_at is None or self.finished_at is None or self.finished_at < self.started_at:
            return None
        return self.finished_at - self.started_at
