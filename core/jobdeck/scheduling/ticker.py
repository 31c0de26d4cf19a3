"""Periodic jobs: what people do with schedules, and the enqueueing at each tick.

A schedule's row holds the tick that comes next. Whoever moves it on enqueues the job, in the same transaction, and
only one can: the move requires the tick that was seen. So each tick enqueues once, with any number of processes.
A process need not know the kind: the arguments were checked when the schedule was made.
"""

from __future__ import annotations

import logging

from ..clock import Clock
from ..model.cron import next_tick
from ..model.errors import RowRefused
from ..model.jobs import NewJob
from ..model.schedules import Schedule
from ..store.base import Store

logger = logging.getLogger("jobdeck.schedule")


TAG = "schedule:"
"""Before the schedule's name, in the tag of each of its jobs."""


SET_BACK = 3 * 3600.0
"""Seconds: a clock set back by more was wrong before, and the time that it tells now counts (as in cron(8)).
Below, no tick comes twice."""


TRY_AGAIN = 60.0
"""Seconds until a schedule whose tick could not be worked out is tried again."""


_AT_ONCE = 100


def run_due(store: Store, clock: Clock) -> float | None:
    """Enqueue the jobs of schedules whose tick has come, a hundred at most; returns when `clock` says the next tick.

    Of several ticks that were missed while no process was there, one is made up for. A schedule that cannot go on
    gets its error noted, and stops no other.

    Raises:
        StoreError: the database failed. No tick was lost.
    """
    tick = store.schedules.next_at()
    if tick is None or tick > _now(store, clock):
        return _told(store, tick)
    # The time may have passed a tick before this line is over: what follows, follows the tick in any case.
    following = [(seen, _following(seen, max(_now(store, clock), seen.next_at))) for seen in store.schedules.due(_AT_ONCE)]
    with store.transaction():
        for seen, then in following:
            if isinstance(then, Exception):
                _note(store, clock, seen, then)
                continue
            try:
                _enqueue_tick(store, seen, then)
            except RowRefused as error:
                _note(store, clock, seen, error)
    return _told(store, store.schedules.next_at())


def _now(store: Store, clock: Clock) -> float:
    """What time it is by the clock that ticks come by."""
    return clock.now() + store.schedules.clock_offset()


def _told(store: Store, tick: float | None) -> float | None:
    """When the tick comes by this machine's clock."""
    return None if tick is None else tick - store.schedules.clock_offset()


def mend(store: Store, clock: Clock) -> None:
    """Let schedules that were moved on while the clock was far ahead go by the time that it tells now.

    A tick that comes after the one that follows `SET_BACK` from now cannot have been worked out by this clock.
    """
    now = _now(store, clock)
    for seen in store.schedules.list():
        if seen.paused:
            continue
        latest = _following(seen, now + SET_BACK)
        if not isinstance(latest, Exception) and seen.next_at > latest:
            logger.warning("The clock was set back: schedule %r goes by the new time", seen.name)
            store.schedules.advance(seen, next_tick(seen.cron, seen.timezone, now))


def _following(seen: Schedule, after: float) -> float | Exception:
    try:
        return next_tick(seen.cron, seen.timezone, after)
    except Exception as error:  # whatever its row holds, the other schedules go on
        return error


def _enqueue_tick(store: Store, seen: Schedule, then: float) -> None:
    with store.transaction():
        schedule = store.schedules.advance(seen, then)
        if schedule is not None:
            (job,) = store.enqueuer.enqueue([new_job(schedule, seen.next_at)])
            store.schedules.record_job(schedule.name, job.id)


def _note(store: Store, clock: Clock, seen: Schedule, error: Exception) -> None:
    text = " ".join(str(error).split()) or type(error).__name__
    if text != seen.error:
        logger.warning("Schedule %r enqueued nothing: %s", seen.name, text)
    store.schedules.record_error(seen, text, _now(store, clock) + TRY_AGAIN)


def new_job(schedule: Schedule, at: float | None = None) -> NewJob:
    """The job that the schedule enqueues for its tick `at`, or just now."""
    return NewJob(
        kind=schedule.kind,
        args_json=schedule.args_json,
        queue=schedule.queue,
        priority=schedule.priority,
        max_attempts=schedule.max_attempts,
        scheduled_at=at,
        timeout=schedule.timeout,
        tags=(*schedule.tags, TAG + schedule.name),
    )
