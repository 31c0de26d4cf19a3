"""A schedule that somebody types: what is wrong with it, when it would come, and how it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobdeck import JobdeckError, Kind, Queue, Schedule, ScheduleNotFound

from ..text.sanitize import safe
from .validation import Problems, problem_of

TICKS = 3
"""Ticks that are worked out while the time is typed."""


@dataclass(frozen=True, slots=True)
class Coming:
    """When it would come."""

    at: float
    """When this was worked out."""
    cron: str
    timezone: str
    ticks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ScheduleDraft:
    """What was typed, and the schedule that it shall change; a new one where that is `None`."""

    name: str
    cron: str
    timezone: str
    kind: Kind
    args: Mapping[str, Any]
    options: Mapping[str, Any]
    before: Schedule | None = None

    def judged(self, queue: Queue, *, stranger: bool) -> tuple[Problems, Coming]:
        """What is wrong with it, and when it would come.

        Args:
            queue: where it would be kept.
            stranger: its kind is not known here, so that its arguments stay what they are.
        """
        now, problems = queue.clock.now(), dict[str, str]()
        coming = Coming(now, self.cron, self.timezone)
        if not self.cron:
            return {"cron": "is missing"}, coming
        try:
            coming = Coming(now, self.cron, self.timezone, queue.schedules.preview(self.cron, self.timezone, TICKS))
            if not stranger:
                queue.schedules.draft(self.name, self.cron, self.kind.name, self.args, timezone=self.timezone, **self.options)
            if self.before is None and _there(queue, self.name):
                problems["name"] = "is taken; choose another, or edit the schedule that there is"
        except JobdeckError as error:
            problems |= problem_of(error)
        return problems, coming

    def keep(self, queue: Queue) -> str:
        """Make it, or change what there is; returns the sentence for it."""
        if self.before is None:
            queue.schedules.add(self.name, self.cron, self.kind.name, self.args, timezone=self.timezone, **self.options)
            return f"Schedule {safe(self.name)} is made · z undoes"
        changes = self.changes(queue)
        if not changes:
            return f"Schedule {safe(self.name)} stays as it was"
        queue.schedules.edit(self.name, **changes)
        return f"Schedule {safe(self.name)} is changed · z undoes"

    def changes(self, queue: Queue) -> dict[str, Any]:
        """What is to be changed: only that, so that what somebody else has changed meanwhile stays.

        An option that was left empty is the kind's choice again.
        """
        before, kind = self.before, self.kind
        assert before is not None
        found: dict[str, Any] = {}
        if self.cron != before.cron:
            found["cron"] = self.cron
        if self.timezone != before.timezone:
            found["timezone"] = self.timezone
        if kind.name != before.kind:
            found |= {"kind": kind.name, "args": self.args}
        elif self.args != before.args and kind.parameters:
            found["args"] = self.args
        settings = queue.settings
        usual = {"queue": kind.queue, "priority": kind.priority, "max_attempts": kind.max_attempts or settings.max_attempts}
        usual |= {"timeout": settings.timeout if kind.timeout is None else kind.timeout, "tags": ()}
        for name, otherwise in usual.items():
            wanted = self.options.get(name, otherwise)
            wanted = tuple(wanted) if name == "tags" else wanted
            if wanted != (getattr(before, name) or ({"timeout": 0}.get(name, getattr(before, name)))):
                found[name] = wanted
        return found


def _there(queue: Queue, name: str) -> bool:
    try:
        queue.schedules.get(name)
    except ScheduleNotFound:
        return False
    return True
