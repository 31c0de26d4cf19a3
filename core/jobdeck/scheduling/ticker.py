"""Enqueue the jobs of schedules at their ticks, exactly once with any number of processes.

The row of a schedule holds its next tick. One transaction advances it and enqueues the job, and only one process can:
advancing requires the tick that was read. The process need not have the kind registered, because the arguments were
validated when the schedule was added.
"""

from __future__ import annotations

from ..clock import Clock
from ..logs import get_logger
from ..model.cron import next_tick
from ..model.errors import RowRefused
from ..model.jobs import NewJob
from ..model.schedules import Schedule
from ..store.base import Store
from ..tracing.tracer import send

logger = get_logger("jobdeck.schedule")

TAG = "schedule:"
"""The prefix of the tag that contains the schedule's name, on each of its jobs."""

CLOCK_SET_BACK = 3 * 3600.0
"""Seconds. If the clock is set back by more, it was wrong before, and the new time applies (as in cron(8)). If it is set
back by less, no tick is repeated."""

RETRY_AFTER = 60.0
"""Seconds until a schedule whose tick failed is retried."""

_BATCH = 100


def enqueue_due(store: Store, clock: Clock) -> float | None:
    """Enqueue the jobs of up to a hundred due schedules; return the time of the next tick by `clock`.

    Ticks missed during downtime collapse into one job. If a schedule fails, its error is recorded, and the others
    continue.

    Raises:
        StoreError: the database failed. No tick was lost.
    """
    tick = store.schedules.next_at()
    if tick is None or tick > current_time(store, clock):
        return _to_local_clock(store, tick)
    # Time advances while this runs, so compute the following tick from the later of now and the due tick.
    due = [(seen, _tick_after(seen, max(current_time(store, clock), seen.next_at))) for seen in store.schedules.due(_BATCH)]
    with store.transaction():
        for seen, following in due:
            if isinstance(following, Exception):
                _record_error(store, clock, seen, following)
                continue
            try:
                _enqueue_tick(store, seen, following)
            except RowRefused as error:
                _record_error(store, clock, seen, error)
    return _to_local_clock(store, store.schedules.next_at())


def current_time(store: Store, clock: Clock) -> float:
    """Return the time by the clock of the store, which determines ticks."""
    return clock.now() + store.schedules.clock_offset()


def _to_local_clock(store: Store, tick: float | None) -> float | None:
    """Convert the time of a tick to this machine's clock."""
    return None if tick is None else tick - store.schedules.clock_offset()


def repair_future_ticks(store: Store, clock: Clock) -> None:
    """Repair schedules that were advanced while the clock was far ahead.

    A next tick later than the one that follows `now + SET_BACK` cannot have been computed from the current time.
    """
    now = current_time(store, clock)
    for seen in store.schedules.list():
        if seen.paused:
            continue
        latest = _tick_after(seen, now + CLOCK_SET_BACK)
        if not isinstance(latest, Exception) and seen.next_at > latest:
            logger.warning("The clock was set back; schedule %r continues with the new time", seen.name)
            store.schedules.advance(seen, next_tick(seen.cron, seen.timezone, now))


def _tick_after(seen: Schedule, after: float) -> float | Exception:
    try:
        return next_tick(seen.cron, seen.timezone, after)
    except Exception as error:  # an invalid row must not affect other schedules
        return error


def _enqueue_tick(store: Store, seen: Schedule, following: float) -> None:
    with store.transaction():
        schedule = store.schedules.advance(seen, following)
        if schedule is not None:
            (job,) = send(store.enqueuer.enqueue, [job_of_schedule(schedule, seen.next_at)])
            store.schedules.record_job(schedule.name, job.id)


def _record_error(store: Store, clock: Clock, seen: Schedule, error: Exception) -> None:
    text = " ".join(str(error).split()) or type(error).__name__
    if text != seen.error:
        logger.warning("Schedule %r did not enqueue its job: %s", seen.name, text)
    store.schedules.record_error(seen, text, current_time(store, clock) + RETRY_AFTER)


def job_of_schedule(schedule: Schedule, at: float | None = None) -> NewJob:
    """Return the job that the schedule enqueues for its tick `at`, or now if `None`."""
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
