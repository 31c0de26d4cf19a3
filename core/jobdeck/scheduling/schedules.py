"""Periodic jobs: what people do with schedules, and the enqueueing at each tick.

A schedule's row holds the tick that comes next. Whoever moves it on enqueues the job, in the same transaction, and
only one can: the move requires the tick that was seen. So each tick enqueues once, with any number of processes.
A process need not know the kind: the arguments were checked when the schedule was made.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as changed
from typing import Any

from ..clock import Clock
from ..kinds.registry import SHELL, Handler
from ..model.cron import explain_cron, local_zone, next_tick, next_ticks
from ..model.errors import InvalidOption, ScheduleExists, ScheduleNotFound
from ..model.jobs import Job, NewJob
from ..model.journal import By
from ..model.schedules import PastJob, Schedule
from ..store.base import Store
from .ticker import _now, new_job

logger = logging.getLogger("jobdeck.schedule")

_NAME = re.compile(r"[^\W_][\w.:/@+-]{0,99}")


class Timetable:
    """The schedules of a queue. Reached as `queue.schedules`.

    Example:
        >>> with Queue("jobs.db") as queue:
        ...     queue.schedules.add("nightly", "0 3 * * *", "shell", {"command": ["./backup"]}, timezone="Europe/Berlin")
        ...     queue.schedules.run("nightly").state
        <State.PENDING: 'pending'>
    """

    def __init__(self, store: Store, clock: Clock, draft: Callable[..., NewJob], by: Callable[[str | None], By]) -> None:
        """Use `Queue.schedules`.

        Args:
            store: where the schedules are kept.
            clock: where the time is read.
            draft: `Queue.draft`, which checks what a schedule enqueues.
            by: says who acts, for the journal.
        """
        self._by = by
        self._store = store
        self._clock = clock
        self._draft = draft

    # -- look -------------------------------------------------------------------------------------

    def list(self) -> Sequence[Schedule]:
        """All schedules, by name."""
        return self._store.schedules.list()

    def get(self, name: str) -> Schedule:
        """The schedule.

        Raises:
            ScheduleNotFound: there is none of this name.
        """
        found = self._store.schedules.get(name)
        if found is None:
            raise ScheduleNotFound(name)
        return found

    def history(self, name: str, limit: int = 20) -> Sequence[PastJob]:
        """The newest `limit` jobs that it has enqueued and that were not pruned, newest first; none for an unknown name."""
        return self._store.schedules.history(name, limit)

    def preview(self, cron: str, timezone: str = "UTC", n: int = 5) -> tuple[float, ...]:
        """The next `n` ticks of an expression, in seconds since 1970. Raises `InvalidCron`, `InvalidOption`."""
        if n < 1:
            raise InvalidOption("number of ticks", "must be at least 1")
        return next_ticks(cron, _zone(timezone), after=_now(self._store, self._clock), n=n)

    def explain(self, cron: str) -> str:
        """The expression in plain words. Raises `InvalidCron`."""
        return explain_cron(cron)

    # -- change -----------------------------------------------------------------------------------

    def draft(
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
        """The schedule that `add` would keep, whether or not there is one of this name. Takes and raises what `add` does."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidOption(
                "name of a schedule", "must be 1 to 100 letters, digits and . _ - : / @ +, and begin with a letter or digit"
            )
        job = self._draft(kind, args, queue=queue, priority=priority, max_attempts=max_attempts, timeout=timeout, tags=tags)
        zone = _zone(timezone)
        return Schedule(
            name=name,
            cron=cron,
            timezone=zone,
            next_at=next_tick(cron, zone, _now(self._store, self._clock)),
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
        who: str | None = None,
    ) -> Schedule:
        """Enqueue a job of the kind at every tick from now on. `draft` checks the same, and keeps nothing.

        Args:
            name: what the schedule is called: 1 to 100 letters, digits and `. _ - : / @ +`.
            cron: `minute hour day-of-month month day-of-week`, or six fields with seconds first; `@hourly`, `@daily`,
                `@weekly`, `@monthly`, `@yearly`; or `every 90s`, counted from 1970 UTC.
            kind: a registered kind, or the handler itself.
            args: the handler's arguments by name, the same for each job. They are checked now.
            timezone: where the fields are read, such as `Europe/Berlin`; `local` for the machine's own. UTC unless
                said: a queue's processes need not agree on what is local.
            replace: give a schedule of this name, if there is one, all of this instead. It stays paused if it was; its
                next tick stays the same if its time does.
            queue: the queue of its jobs; the kind's when `None`.
            priority: larger runs first; the kind's when `None`.
            max_attempts: how often each job may start; the kind's, or JOBDECK_MAX_ATTEMPTS, when `None`.
            timeout: seconds one attempt may take; the kind's, or JOBDECK_TIMEOUT, when `None`.
            tags: words to find its jobs by, besides `schedule:NAME`.
            who: who makes it, for the journal; the queue's `who` when `None`. As everywhere here: `Queue.undo` takes it back.

        Raises:
            ScheduleExists: there is one of this name, and `replace` was not said.
            InvalidCron: the expression cannot be read, or never comes true.
            InvalidOption: the name, time zone or an option cannot be used.
            UnknownKind, InvalidArguments, ArgumentsTooLarge: as for `Queue.draft`.
        """
        schedule = self.draft(
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
                schedules.update(_in_place_of(self.get(name), schedule))
            schedules.record_change("add schedule" if before is None else "edit schedule", name, self._by(who), before)
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
        who: str | None = None,
    ) -> Schedule:
        """Change what is given, and leave the rest. A new time counts from now; missed ticks are not made up for.

        `timeout=0` means none. Only a change of the kind or the arguments needs the kind to be known here.

        Raises:
            ScheduleNotFound: there is none of this name.
            InvalidCron, InvalidOption, UnknownKind, InvalidArguments, ArgumentsTooLarge: as for `add`.
        """
        with self._store.transaction():
            self._store.schedules.lock(name)
            before = self.get(name)
            kept = {**_options(before), "timeout": before.timeout or 0}
            told = {"queue": queue, "priority": priority, "max_attempts": max_attempts, "timeout": timeout, "tags": tags}
            options = kept | {option: value for option, value in told.items() if value is not None}
            if kind is None and args is None:
                # Options are checked alike for every kind, so one that is always known stands in.
                checked = self._draft(SHELL, {"command": ["true"]}, **options)
                after = changed(before, **_options(checked))
            else:
                job = self._draft(kind or before.kind, before.args if args is None else args, **options)
                after = changed(before, kind=job.kind, args_json=job.args_json, **_options(job))
            if cron is not None or timezone is not None:
                after = changed(
                    after, cron=cron or before.cron, timezone=before.timezone if timezone is None else _zone(timezone)
                )
                after = self._from_now(after)
            self._store.schedules.update(after)
            self._store.schedules.record_change("edit schedule", name, self._by(who), before)
            return self.get(name)

    def pause(self, name: str, *, who: str | None = None) -> bool:
        """Enqueue nothing more; `False` if it was paused before. Raises `ScheduleNotFound`."""
        with self._store.transaction():
            self._store.schedules.lock(name)
            before = self.get(name)
            self._store.schedules.pause(name)
            self._store.schedules.record_change("pause schedule", name, self._by(who), before)
            return not before.paused

    def resume(self, name: str, *, who: str | None = None) -> bool:
        """Go on with the next tick; those of the pause are not made up for. `False` if it was not paused.

        Raises:
            ScheduleNotFound: there is none of this name.
            InvalidCron, InvalidOption: its stored time cannot be used; edit it.
        """
        with self._store.transaction():
            self._store.schedules.lock(name)
            before = self.get(name)
            if before.paused:
                self._store.schedules.update(changed(self._from_now(before), paused_at=None))
                self._store.schedules.record_change("resume schedule", name, self._by(who), before)
            return before.paused

    def run(self, name: str) -> Job:
        """Enqueue its job now, paused or not. Its ticks stay as they are. Raises `ScheduleNotFound`."""
        with self._store.transaction():
            (job,) = self._store.enqueuer.enqueue([new_job(self.get(name))])
            self._store.schedules.record_job(name, job.id)
            return job

    def delete(self, name: str, *, who: str | None = None) -> None:
        """Forget the schedule; the jobs that it enqueued stay. Raises `ScheduleNotFound`."""
        with self._store.transaction():
            self._store.schedules.lock(name)
            before = self.get(name)
            self._store.schedules.delete(name)
            self._store.schedules.record_change("delete schedule", name, self._by(who), before)

    def _from_now(self, schedule: Schedule) -> Schedule:
        following = next_tick(schedule.cron, schedule.timezone, _now(self._store, self._clock))
        return changed(schedule, next_at=following, error=None)


def _zone(timezone: str) -> str:
    return local_zone() if timezone == "local" else timezone


def _options(job: NewJob | Schedule) -> dict[str, Any]:
    return {
        "queue": job.queue,
        "priority": job.priority,
        "max_attempts": job.max_attempts,
        "timeout": job.timeout,
        "tags": job.tags,
    }


def _in_place_of(before: Schedule, after: Schedule) -> Schedule:
    same_time = (before.cron, before.timezone) == (after.cron, after.timezone)
    return changed(
        after,
        paused_at=before.paused_at,
        next_at=before.next_at if same_time else after.next_at,
        error=before.error if same_time else None,
    )
