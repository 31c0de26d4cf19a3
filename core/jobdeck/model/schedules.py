"""The records of periodic jobs: schedules, and the jobs that they enqueued."""

from __future__ import annotations

from typing import Any

from ..json_functions import json
from .record_class import record
from .states import State


@record
class ScheduledRun:
    """A job that a schedule enqueued, in short: without arguments, result and log."""

    id: int
    state: State
    created_at: float
    scheduled_at: float
    """When it was due: the time of its tick."""
    started_at: float | None = None
    finished_at: float | None = None
    attempt: int = 0
    error: str | None = None
    """The start of its newest error message."""

    @property
    def took(self) -> float | None:
        """The duration of its newest attempt in seconds, if that has finished."""
        if self.started_at is None or self.finished_at is None or self.finished_at < self.started_at:
            return None
        return self.finished_at - self.started_at


@record(kw_only=True)
class Schedule:
    """A periodic job: what is enqueued at each tick, and when the next tick is."""

    name: str
    cron: str
    """Five fields; six with seconds first; a name such as `@daily`; or `every 90s`."""
    timezone: str
    """The time zone of the cron fields: `UTC`, `Europe/Berlin`."""
    kind: str
    args_json: str
    """The arguments of each job, validated when the schedule was created: a JSON object."""
    queue: str
    priority: int
    max_attempts: int
    next_at: float
    """The next tick. Meaningless while the schedule is paused."""
    timeout: float | None = None
    tags: tuple[str, ...] = ()
    created_at: float = 0.0
    paused_at: float | None = None
    last_at: float | None = None
    """When it last enqueued a job."""
    last_job: int | None = None
    """The id of that job, which may have been deleted since."""
    error: str | None = None
    """Why its last tick enqueued no job, on one line; `None` if it did."""

    @property
    def paused(self) -> bool:
        return self.paused_at is not None

    @property
    def args(self) -> Any:
        """The arguments, parsed from JSON; the stored text if it is not JSON."""
        try:
            return json.loads(self.args_json)
        except (ValueError, RecursionError):
            return self.args_json
