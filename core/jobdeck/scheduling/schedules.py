"""Schedules of periodic jobs: list, preview, add, edit, pause, resume, run and delete them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as changed
from typing import Any

from ..clock import Clock
from ..kinds.command_name import given_name
from ..kinds.definition import Handler
from ..model.cron import explain_cron, local_zone, next_tick, next_ticks
from ..model.errors import InvalidOption, ScheduleExists, ScheduleNotFound
from ..model.jobs import Job, NewJob
from ..model.journal import Actor
from ..model.kind_names import SHELL, handler_kind
from ..model.schedules import Schedule, ScheduledRun
from ..store.base import Store
from ..tracing.tracer import send
from .ticker import current_time, job_of_schedule

_NAME = re.compile(r"[^\W_][\w.:/@+-]{0,99}")


class Schedules:
    """Manages the schedules of a queue. Available as `queue.schedules`.

    Example:
        >>> with Queue("jobs.db") as queue:
        ...     queue.schedules.add("nightly", "0 3 * * *", "shell", {"command": ["./backup"]}, timezone="Europe/Berlin")
        ...     queue.schedules.run("nightly").state
        <State.PENDING: 'pending'>
    """

    def __init__(self, store: Store, clock: Clock, draft: Callable[..., NewJob], by: Callable[[str | None], Actor]) -> None:
        """Create the service; programs use `Queue.schedules` instead.

        Args:
            store: the store that holds the schedules.
            clock: the clock for the ticks.
            draft: `Queue.draft`, which validates the job that a schedule enqueues.
            by: returns the actor of an operation, for the journal.
        """
        self._actor = by
        self._store = store
        self._clock = clock
        self._new_job = draft

    # -- queries ----------------------------------------------------------------------------------

    def list(self) -> Sequence[Schedule]:
        """Return all schedules, sorted by name."""
        return self._store.schedules.list()

    def get(self, name: str) -> Schedule:
        """Return the schedule with this name.

        Raises:
            ScheduleNotFound: no schedule has this name.
        """
        found = self._store.schedules.get(name)
        if found is None:
            raise ScheduleNotFound(name)
        return found

    def history(self, name: str, limit: int = 20) -> Sequence[ScheduledRun]:
        """Return the latest `limit` jobs of a schedule that were not pruned, newest first; empty for an unknown name."""
        return self._store.schedules.history(name, limit)

    def preview(self, cron: str, timezone: str = "UTC", n: int = 5) -> tuple[float, ...]:
        """Return the next `n` ticks of an expression, as Unix times in seconds. Raises `InvalidCron`, `InvalidOption`."""
        if n < 1:
            raise InvalidOption("number of ticks", "must be at least 1")
        return next_ticks(cron, _resolve_timezone(timezone), after=current_time(self._store, self._clock), n=n)

    def explain(self, cron: str) -> str:
        """Describe the expression in plain words. Raises `InvalidCron`."""
        return explain_cron(cron)

    # -- operations -------------------------------------------------------------------------------

    def new_schedule(
        self,
        name: str,
        cron: str,
        kind: str | Handler,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        timezone: str = "UTC",
        queue: str | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        timeout: float | None = None,
        tags: Sequence[str] = (),
    ) -> Schedule:
        """Return the schedule that `add` would store, whether or not the name is taken. Arguments and errors as for `add`."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidOption(
                "name of a schedule", "must be 1 to 100 letters, digits and . _ - : / @ +, and start with a letter or digit"
            )
        job = self._new_job(kind, args, queue=queue, priority=priority, max_attempts=max_attempts, timeout=timeout, tags=tags)
        zone = _resolve_timezone(timezone)
        return Schedule(
            name=name,
            cron=cron,
            timezone=zone,
            next_at=next_tick(cron, zone, current_time(self._store, self._clock)),
            kind=job.kind,
            args_json=job.args_json,
            **_options(job),
        )

    def add(
        self,
        name: str,
        cron: str,
        kind: str | Handler,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        timezone: str = "UTC",
        replace: bool = False,
        queue: str | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        timeout: float | None = None,
        tags: Sequence[str] = (),
        actor: str | None = None,
    ) -> Schedule:
        """Add a schedule that enqueues a job of the kind at every tick. `draft` validates the same and stores nothing.

        `Queue.undo` undoes this, as it does every operation on schedules.

        Args:
            name: the name of the schedule: 1 to 100 letters, digits and `. _ - : / @ +`.
            cron: `minute hour day-of-month month day-of-week`, or six fields with seconds first; `@hourly`, `@daily`,
                `@weekly`, `@monthly`, `@yearly`; or `every 90s`, counted from 1970 UTC.
            kind: a registered kind, or the handler itself; `shell:NAME` is a command with a name.
            args: the handler's arguments by name, the same for each job. They are validated now.
            timezone: the time zone of the fields, such as `Europe/Berlin`, or `local` for that of this machine (default
                UTC, because the processes of a queue may have different local time zones).
            replace: replace an existing schedule with this name. It stays paused if it was, and keeps its next tick if
                the expression and time zone are the same.
            queue: the queue of its jobs (default that of the kind).
            priority: the priority of its jobs; larger runs first (default that of the kind).
            max_attempts: the maximum attempts of each job (default that of the kind, or JOBDECK_MAX_ATTEMPTS).
            timeout: the timeout of an attempt in seconds (default that of the kind, or JOBDECK_TIMEOUT).
            tags: tags of its jobs, in addition to `schedule:NAME`.
            actor: the actor, for the journal (default the queue's `actor`).

        Raises:
            ScheduleExists: the name is taken and `replace` is false.
            InvalidCron: the expression is invalid, or never matches.
            InvalidOption: the name, the time zone or an option is invalid.
            UnknownKind, InvalidArguments, ArgumentsTooLarge: as for `Queue.draft`.
        """
        schedule = self.new_schedule(
            name,
            cron,
            kind,
            args,
            timezone=timezone,
            queue=queue,
            priority=priority,
            max_attempts=max_attempts,
            timeout=timeout,
            tags=tags,
        )
        schedules = self._store.schedules
        with self._store.transaction():
            schedules.lock(name)
            before = schedules.get(name)
            if not schedules.add(schedule):
                if not replace:
                    raise ScheduleExists(name)
                schedules.update(_merge_replacement(self.get(name), schedule))
            schedules.record_change("add schedule" if before is None else "edit schedule", name, self._actor(actor), before)
            return self.get(name)

    def edit(
        self,
        name: str,
        /,
        *,
        cron: str | None = None,
        timezone: str | None = None,
        kind: str | Handler | None = None,
        args: Mapping[str, Any] | None = None,
        queue: str | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        timeout: float | None = None,
        tags: Sequence[str] | None = None,
        actor: str | None = None,
    ) -> Schedule:
        """Change the given options and keep the others. A changed time applies from now on; missed ticks are skipped.

        `timeout=0` means no timeout. The kind must be registered in this process only to change the kind or arguments.

        Raises:
            ScheduleNotFound: no schedule has this name.
            InvalidCron, InvalidOption, UnknownKind, InvalidArguments, ArgumentsTooLarge: as for `add`.
        """
        with self._store.transaction():
            self._store.schedules.lock(name)
            before = self.get(name)
            kept = {**_options(before), "timeout": before.timeout or 0}
            given = {"queue": queue, "priority": priority, "max_attempts": max_attempts, "timeout": timeout, "tags": tags}
            options = kept | {option: value for option, value in given.items() if value is not None}
            if kind is None and args is None:
                # Options are validated the same way for every kind, so use one that is always registered.
                checked = self._new_job(SHELL, {"command": ["true"]}, **options)
                after = changed(before, **_options(checked))
            else:
                job = self._new_job(self._kind_to_edit(before, kind), before.args if args is None else args, **options)
                after = changed(before, kind=job.kind, args_json=job.args_json, **_options(job))
            if cron is not None or timezone is not None:
                after = changed(
                    after,
                    cron=cron or before.cron,
                    timezone=before.timezone if timezone is None else _resolve_timezone(timezone),
                )
                after = self._with_next_tick(after)
            self._store.schedules.update(after)
            self._store.schedules.record_change("edit schedule", name, self._actor(actor), before)
            return self.get(name)

    def pause(self, name: str, *, actor: str | None = None) -> bool:
        """Pause the schedule; return `False` if it was already paused. Raises `ScheduleNotFound`."""
        with self._store.transaction():
            self._store.schedules.lock(name)
            before = self.get(name)
            self._store.schedules.pause(name)
            self._store.schedules.record_change("pause schedule", name, self._actor(actor), before)
            return not before.paused

    def resume(self, name: str, *, actor: str | None = None) -> bool:
        """Resume the schedule with its next tick, without the ticks of the pause; return `False` if it was not paused.

        Raises:
            ScheduleNotFound: no schedule has this name.
            InvalidCron, InvalidOption: the stored expression or time zone is invalid; edit the schedule.
        """
        with self._store.transaction():
            self._store.schedules.lock(name)
            before = self.get(name)
            if before.paused:
                self._store.schedules.update(changed(self._with_next_tick(before), paused_at=None))
                self._store.schedules.record_change("resume schedule", name, self._actor(actor), before)
            return before.paused

    def run(self, name: str) -> Job:
        """Enqueue its job now, whether or not it is paused, and keep its ticks. Raises `ScheduleNotFound`."""
        with self._store.transaction():
            (job,) = send(self._store.enqueuer.enqueue, [job_of_schedule(self.get(name))])
            self._store.schedules.record_job(name, job.id)
            return job

    def delete(self, name: str, *, actor: str | None = None) -> None:
        """Delete the schedule and keep the jobs that it enqueued. Raises `ScheduleNotFound`."""
        with self._store.transaction():
            self._store.schedules.lock(name)
            before = self.get(name)
            self._store.schedules.delete(name)
            self._store.schedules.record_change("delete schedule", name, self._actor(actor), before)

    def _kind_to_edit(self, before: Schedule, kind: str | Handler | None) -> str | Handler:
        """Return the kind of the edited jobs: a command keeps a name that a person gave it."""
        if kind is not None and (kind != SHELL or handler_kind(before.kind) != SHELL):
            return kind
        return before.kind if given_name(before.kind, before.args) is not None else handler_kind(before.kind)

    def _with_next_tick(self, schedule: Schedule) -> Schedule:
        following = next_tick(schedule.cron, schedule.timezone, current_time(self._store, self._clock))
        return changed(schedule, next_at=following, error=None)


def _resolve_timezone(timezone: str) -> str:
    return local_zone() if timezone == "local" else timezone


def _options(job: NewJob | Schedule) -> dict[str, Any]:
    return {
        "queue": job.queue,
        "priority": job.priority,
        "max_attempts": job.max_attempts,
        "timeout": job.timeout,
        "tags": job.tags,
    }


def _merge_replacement(before: Schedule, after: Schedule) -> Schedule:
    same_time = (before.cron, before.timezone) == (after.cron, after.timezone)
    return changed(
        after,
        paused_at=before.paused_at,
        next_at=before.next_at if same_time else after.next_at,
        error=before.error if same_time else None,
    )
