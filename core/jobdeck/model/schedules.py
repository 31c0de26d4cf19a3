"""What became of a job, in short: enough to draw a history from, without its arguments, result and log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A periodic job: what is enqueued at each tick, and when the next one comes."""

    name: str
    cron: str
    """Five fields; six with seconds first; a name such as `@daily`; or `every 90s`."""
    timezone: str
    """Where the fields are read: `UTC`, `Europe/Berlin`."""
    kind: str
    args_json: str
    """The arguments of each job, checked when the schedule was made: a JSON object."""
    queue: str
    priority: int
    max_attempts: int
    next_at: float
    """The tick that comes next. Of no meaning while the schedule is paused."""
    timeout: float | None = None
    tags: tuple[str, ...] = ()
    created_at: float = 0.0
    paused_at: float | None = None
    last_at: float | None = None
    """When it enqueued a job last."""
    last_job: int | None = None
    """The id of that job, which may have been deleted since."""
    error: str | None = None
    """Why its newest tick enqueued nothing, on one line; `None` if it did."""

    @property
    def paused(self) -> bool:
        return self.paused_at is not None

    @property
    def args(self) -> Any:
        """The arguments as JSON read them; the stored text itself if it is not JSON."""
        try:
            return json.loads(self.args_json)
        except (ValueError, RecursionError):
            return self.args_json
