"""A schedule as typed in the form: validate it, preview its next ticks, and save it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobdeck import JobdeckError, Kind, Queue, Schedule, ScheduleNotFound, handler_kind, record

from ..text.sanitize import safe
from .validation import Problems, error_to_problem

TICKS = 3
"""The number of ticks previewed while the expression is typed."""


@record
class TickPreview:
    """A preview of the next ticks."""

    at: float
    """The time of the preview."""
    cron: str
    timezone: str
    ticks: tuple[float, ...] = ()


@record
class ScheduleDraft:
    """The typed values, and the schedule to edit; `before` is `None` for a new one."""

    name: str
    cron: str
    timezone: str
    kind: Kind
    args: Mapping[str, Any]
    options: Mapping[str, Any]
    before: Schedule | None = None

    def validate(self, queue: Queue, *, stranger: bool) -> tuple[Problems, TickPreview]:
        """Validate the draft and preview its ticks.

        Args:
            queue: the queue of the schedule.
            stranger: whether its kind is unknown here, so that its arguments cannot be validated.
        """
        now, problems = queue.clock.now(), dict[str, str]()
        coming = TickPreview(now, self.cron, self.timezone)
        if not self.cron:
            return {"cron": "is missing"}, coming
        try:
            coming = TickPreview(now, self.cron, self.timezone, queue.schedules.preview(self.cron, self.timezone, TICKS))
            if not stranger:
                queue.schedules.new_schedule(
                    self.name, self.cron, self.kind.name, self.args, timezone=self.timezone, **self.options
                )
            if self.before is None and _exists(queue, self.name):
                problems["name"] = "is taken; choose another name, or edit the existing schedule"
        except JobdeckError as error:
            problems |= error_to_problem(error)
        return problems, coming

    def save(self, queue: Queue) -> str:
        """Create the schedule, or save the changes; return a message for the user."""
        if self.before is None:
            queue.schedules.add(self.name, self.cron, self.kind.name, self.args, timezone=self.timezone, **self.options)
            return f"Schedule {safe(self.name)} created · z to undo"
        changes = self.changes(queue)
        if not changes:
            return f"Schedule {safe(self.name)} is unchanged"
        queue.schedules.edit(self.name, **changes)
        return f"Schedule {safe(self.name)} edited · z to undo"

    def changes(self, queue: Queue) -> dict[str, Any]:
        """Return only the changed fields, so that a concurrent edit of the others is kept.

        An empty option falls back to the default of the kind.
        """
        before, kind = self.before, self.kind
        assert before is not None
        found: dict[str, Any] = {}
        if self.cron != before.cron:
            found["cron"] = self.cron
        if self.timezone != before.timezone:
            found["timezone"] = self.timezone
        if kind.name != handler_kind(before.kind):
            found |= {"kind": kind.name, "args": self.args}
        elif self.args != before.args and kind.parameters:
            found["args"] = self.args
        settings = queue.settings
        defaults = {"queue": kind.queue, "priority": kind.priority, "max_attempts": kind.max_attempts or settings.max_attempts}
        defaults |= {"timeout": settings.timeout if kind.timeout is None else kind.timeout, "tags": ()}
        for name, default in defaults.items():
            wanted = self.options.get(name, default)
            wanted = tuple(wanted) if name == "tags" else wanted
            if wanted != (getattr(before, name) or ({"timeout": 0}.get(name, getattr(before, name)))):
                found[name] = wanted
        return found


def _exists(queue: Queue, name: str) -> bool:
    try:
        queue.schedules.get(name)
    except ScheduleNotFound:
        return False
    return True
