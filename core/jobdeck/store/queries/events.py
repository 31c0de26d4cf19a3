"""Derives events from the stored jobs, attempts and journal: nothing is stored for events alone.

A job's row says when it was enqueued and how it ended, its attempts say when it ran, the journal says what people did. So an
event exists as long as its job does, and a later event may replace it: after a retry, for example, only the journal entry says
that the job had been cancelled. Each source is read from its newest end, `limit` entries at most.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from ...json_functions import json
from ...model.events import FAILURES as FAILED_OUTCOMES
from ...model.events import Event, EventType, Run
from ...model.jobs import Outcome
from ...model.states import State
from ..backend import SqlConnection
from ..records import Row, RowCheck
from .dialect import Dialect
from .runs import FAILED, ended_ids_query, ended_runs, ids_of, jobs_given_back, running_runs

_LATE_READ = 500
"""The number of failures, the newest, that are searched for late results."""

_ENQUEUED = """
FROM (SELECT id, kind, queue, created_at FROM jobdeck_jobs ORDER BY id DESC LIMIT :limit) AS newest
 WHERE created_at > :after"""
_LATE = f"""
SELECT job_id AS id FROM (SELECT job_id, late_at FROM jobdeck_attempts {{failures}}
    WHERE {FAILED} ORDER BY finished_at DESC LIMIT {_LATE_READ}) AS newest WHERE late_at > :after"""
# Final jobs that did not end with an attempt: cancelled while queued, or not started in time.
_UNRUN = """
FROM json_each(:ids) AS wanted CROSS JOIN jobdeck_jobs AS job
 WHERE job.id = wanted.value
   AND NOT EXISTS (SELECT 1 FROM jobdeck_attempts WHERE job_id = job.id AND finished_at = job.finished_at)"""
_OPERATIONS = """
FROM (SELECT * FROM jobdeck_journal ORDER BY id DESC LIMIT :limit) AS newest WHERE at > :after OR undone_at > :after"""

_NEW_COLUMNS = ("id", "kind", "queue", "created_at")
_check_new = RowCheck("jobdeck_jobs", ", ".join(_NEW_COLUMNS))
_check_unrun = RowCheck("jobdeck_jobs", "id, kind, queue, state, finished_at, error")
_OPERATION_COLUMNS = ("id", "at", "who", "act", "n", "told", "undone", "undone_at", "undone_by")
_check_operation = RowCheck("jobdeck_journal", ", ".join(_OPERATION_COLUMNS))

_H = EventType
_OF_OUTCOME = {
    Outcome.COMPLETED: _H.COMPLETED,
    Outcome.CANCELLED: _H.CANCELLED,
    Outcome.CRASHED: _H.CRASHED,
    Outcome.SNOOZED: _H.SNOOZED,
    Outcome.RELEASED: _H.RELEASED,
}
_RUN_EVENTS = frozenset({*_OF_OUTCOME.values(), _H.STARTED, _H.FAILED, _H.RETRYING, _H.LATE})
_NEEDED = {
    State.COMPLETED: {_H.COMPLETED, _H.STARTED, _H.SNOOZED, _H.RELEASED},
    State.CANCELLED: {_H.CANCELLED, _H.STARTED, _H.SNOOZED, _H.RELEASED},
    State.FAILED: {_H.FAILED, _H.EXPIRED, _H.CANCELLED},
    None: {_H.FAILED, _H.RETRYING, _H.CRASHED, _H.STARTED},
}
"""The states of the jobs that are searched (`None`: those of failed attempts), and for which events."""
_ALL = frozenset(EventType)
_ORDER = {what: place for place, what in enumerate(EventType)}
_ONE_JOB = re.compile(r"\bjob (\d+)")


def read_events(
    connection: SqlConnection, dialect: Dialect, after: float | None, limit: int, only: Collection[EventType], skew: float
) -> list[Event]:
    """See `SqlHistory.events`; `skew` is wall clock minus monotonic clock."""
    begin = -math.inf if after is None else after
    wanted = frozenset(only) or _ALL
    found: list[Event] = []
    if _H.ENQUEUED in wanted:
        found += _enqueued(connection, dialect, begin, limit)
    if wanted & (_RUN_EVENTS | {_H.EXPIRED}):
        found += _of_jobs(connection, dialect, begin, limit, wanted, skew, [*found])
    if wanted & {_H.OPERATION, _H.UNDONE}:
        found += _operations(connection, dialect, begin, limit)
    text = [event for event in found if event.type in wanted and event.at > begin]
    text.sort(key=lambda event: (event.at, _ORDER[event.type], event.job_id or 0, event.key))
    return text[-limit:]


def _enqueued(connection: SqlConnection, dialect: Dialect, after: float, limit: int) -> Iterator[Event]:
    for row in dialect.rows(connection, _NEW_COLUMNS, _ENQUEUED, {"after": after, "limit": limit}):
        _check_new(row)
        job_id, kind, queue, at = row
        yield Event(at=at, type=_H.ENQUEUED, key=f"new:{job_id}", job_id=job_id, kind=kind, queue=queue)


def _of_jobs(
    connection: SqlConnection,
    dialect: Dialect,
    after: float,
    limit: int,
    wanted: frozenset[EventType],
    skew: float,
    known: list[Event],
) -> Iterator[Event]:
    """Return the events of jobs that have run or ended; `known` are events that are included anyway."""
    ends: dict[State | None, Sequence[Row]] = {}
    for state, needed in _NEEDED.items():
        if needed & wanted:
            bound = {"begin": after, "end": math.inf, "each": limit, "state": state}
            ends[state] = dialect.rows(connection, ("id", "at"), f"FROM ({ended_ids_query(dialect, state)}) AS ended", bound)
    if wanted == _ALL:
        # Each of these is one event, so none earlier than the last requested one can be among the newest.
        times = sorted([at for source in (State.COMPLETED, None) for _, at in ends[source]] + [each.at for each in known])
        after = max(after, times[-limit]) if len(times) >= limit else after
        after = math.nextafter(after, -math.inf)
    ids = {job_id for found in ends.values() for job_id, at in found if at > after}
    unrun = [job_id for state in (State.CANCELLED, State.FAILED) for job_id, at in ends.get(state, ()) if at > after]
    if wanted & {_H.STARTED, _H.SNOOZED, _H.RELEASED}:
        ids.update(jobs_given_back(connection, dialect))
    if _H.STARTED in wanted:
        yield from map(_started, running_runs(connection, dialect, math.inf, skew))
    if _H.LATE in wanted:
        ids.update(ids_of(connection, dialect, _LATE.format(failures=dialect.by("jobdeck_failures")), {"after": after}))
    yield from _of_runs(ended_runs(connection, dialect, ids, after, math.inf, late_since=after), wanted)
    columns = ("job.id", "kind", "queue", "state", "finished_at", "substr(error, 1, 400)")
    rows = dialect.rows(connection, columns, _UNRUN, {"ids": json.dumps(unrun)}) if unrun else ()
    for row in rows:
        _check_unrun(row)
        job_id, kind, queue, state, at, error = row
        what = _H.CANCELLED if state == State.CANCELLED else _H.EXPIRED
        key = f"unrun:{job_id}:{at}"
        yield Event(at=at, type=what, key=key, job_id=job_id, kind=kind, queue=queue, text=error or "before it ran")


def _of_runs(ended: Iterable[Run], wanted: frozenset[EventType]) -> Iterator[Event]:
    for run in ended:
        if _H.STARTED in wanted:
            yield _started(run)
        if (what := _ending(run)) in wanted:
            at = run.finished_at or run.started_at
            yield _event(run, what, "end", at, took=max(0.0, at - run.started_at), text=run.error or "")
        if run.late_at is not None:
            yield _event(
                run, _H.LATE, "late", run.late_at, text="a result arrived after the lease had ended, and was discarded"
            )


def _started(run: Run) -> Event:
    return _event(run, _H.STARTED, "start", run.started_at)


def _ending(run: Run) -> EventType:
    if run.outcome in FAILED_OUTCOMES and run.outcome is not Outcome.CRASHED:
        return _H.RETRYING if run.superseded else _H.FAILED
    return _OF_OUTCOME[run.outcome or Outcome.COMPLETED]


def _event(run: Run, what: EventType, key: str, at: float, *, took: float | None = None, text: str = "") -> Event:
    return Event(
        at=at,
        type=what,
        key=f"{key}:{run.job_id}:{run.lease}",
        job_id=run.job_id,
        kind=run.kind,
        queue=run.queue,
        worker=run.worker,
        number=run.number,
        took=took,
        text=text,
    )


def _operations(connection: SqlConnection, dialect: Dialect, after: float, limit: int) -> Iterator[Event]:
    for row in dialect.rows(connection, _OPERATION_COLUMNS, _OPERATIONS, {"after": after, "limit": limit}):
        _check_operation(row)
        entry_id, at, actor, operation, n, text, undone, undone_at, undone_by = row
        named = _ONE_JOB.search(text) if n == 1 and operation not in ("pause", "resume") else None
        job_id = int(named[1]) if named else None
        yield Event(at=at, type=_H.OPERATION, key=f"operation:{entry_id}", job_id=job_id, text=text, actor=actor)
        if undone and undone_at is not None:
            key = f"undone:{entry_id}:{undone_at}"
            yield Event(at=undone_at, type=_H.UNDONE, key=key, job_id=job_id, text=text, actor=undone_by)
