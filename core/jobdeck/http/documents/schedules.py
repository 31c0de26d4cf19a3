"""Documents of schedules."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from ...model.cron import explain_cron
from ...model.environment import mask_arguments
from ...model.errors import InvalidCron
from ...model.schedules import Schedule
from ...model.states import State
from .base import Document, Id, Time


class ScheduleDocument(Document):
    """A schedule."""

    name: str
    cron: str
    description: str | None = Field(description="The expression in words.")
    timezone: str
    kind: str
    args: Any
    queue: str
    priority: int
    max_attempts: int
    timeout: float | None
    tags: list[str]
    created_at: Time
    paused: bool
    paused_at: Time | None
    next_at: Time | None = Field(description="The next tick; null while it is paused.")
    last_at: Time | None
    last_job: int | None
    error: str | None = Field(description="Why its last tick enqueued no job.")

    @classmethod
    def of(cls, schedule: Schedule, /, **members: Any) -> Self:
        """Return the document of a schedule."""
        try:
            description = explain_cron(schedule.cron)
        except InvalidCron:
            description = None
        return super().of(
            schedule,
            description=description,
            args=mask_arguments(schedule.kind, schedule.args),
            tags=list(schedule.tags),
            next_at=None if schedule.paused else schedule.next_at,
            **members,
        )


class ScheduleList(Document):
    """All schedules, by name."""

    schedules: list[ScheduleDocument]


class ScheduledRunDocument(Document):
    """A job that a schedule enqueued."""

    id: Id
    state: State
    created_at: Time
    scheduled_at: Time
    started_at: Time | None
    finished_at: Time | None
    attempt: int
    error: str | None


class ScheduleHistory(Document):
    """The newest jobs of a schedule, newest first."""

    jobs: list[ScheduledRunDocument]


class SchedulePreview(Document):
    """The meaning of a cron expression."""

    description: str
    ticks: list[Time]
