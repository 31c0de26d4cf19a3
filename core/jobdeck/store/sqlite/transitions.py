"""The worker's side of the SQLite store: stage, heartbeat, the endings, rescue.

Every statement that touches a running job checks `state = 'running' AND lease = ?`: a worker that lost its
lease changes nothing, whenever it comes back.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import apsw

from ...clock import Clock
from ...model.attempt_result import Completion, Ending, Failure, Nap, Release, Stop
from ...model.jobs import Job, Outcome, Reason
from ...model.states import State
from ..base import Lost, Renewal
from ..counters import Tally
from ..dependencies import any_waits
from ..records import one_line
from .connection import Connections
from .counters import SqliteTally
from .dependencies import WAITS
from .rows import JOB_COLUMNS, job_of, rows_of, storable

_STAGED = """
SELECT json_group_array(json_array(id, queue, kind, state)) FROM (
    SELECT id, queue, kind, state FROM jobdeck_jobs INDEXED BY jobdeck_due
     WHERE state IN ('scheduled', 'retrying') AND scheduled_at <= ? ORDER BY scheduled_at LIMIT ?)
"""
_EXPIRED = """
SELECT id, queue, kind, state FROM jobdeck_jobs INDEXED BY jobdeck_expiring
 WHERE expires_at <= ? AND expires_at IS NOT NULL AND finished_at IS NULL AND state <> 'running'
 ORDER BY expires_at LIMIT ?
"""

_HELD = "id = ? AND state = 'running' AND lease = ?"
_LET_GO = "lease = NULL, lease_until = NULL, cancelling = 0"

_ATTEMPT = """
INSERT INTO jobdeck_attempts (job_id, lease, number, worker, started_at, finished_at, outcome, error_type, message, traceback)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_ENDED = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE state = 'running' AND lease_until < ? ORDER BY id LIMIT ?"
# Where a job goes that shall run again: nowhere, if somebody asked it to stop in the meantime.
_AGAIN = """
state = CASE WHEN cancelling THEN 'cancelled' ELSE '{state}' END,
finished_at = CASE WHEN cancelling THEN ? END, attempt = attempt - 1"""
_FAILED = """
state = CASE WHEN cancelling THEN 'cancelled' WHEN ?3 IS NULL OR attempt >= max_attempts THEN 'failed' ELSE 'retrying' END,
finished_at = CASE WHEN cancelling OR ?3 IS NULL OR attempt >= max_attempts THEN ?2 END,
scheduled_at = CASE WHEN cancelling OR attempt >= max_attempts THEN scheduled_at ELSE coalesce(?3, scheduled_at) END,
reason = CASE WHEN NOT cancelling AND (?3 IS NULL OR attempt >= max_attempts) THEN ?5 END,
error = ?4, crashes = crashes + ?6"""
_TOGETHER = 4
"""Completions from this many on are written in one statement."""
# The plus keeps the planner from reading all that runs for each of the rows.
_COMPLETE_TOGETHER = f"""
UPDATE jobdeck_jobs
   SET state = 'completed', started_at = (done.value ->> 4) / 1e6, finished_at = (done.value ->> 2) / 1e6,
       result = done.value ->> 3, error = NULL, {_LET_GO}
  FROM json_each(?) AS done
 WHERE jobdeck_jobs.id = done.value ->> 0 AND +state = 'running' AND lease = done.value ->> 1
"""
_ATTEMPTS_TOGETHER = """
INSERT INTO jobdeck_attempts (job_id, lease, number, worker, started_at, finished_at, outcome)
SELECT value ->> 0, value ->> 1, value ->> 5, ?, (value ->> 4) / 1e6, (value ->> 2) / 1e6, 'completed'
  FROM json_each(?) WHERE true
    ON CONFLICT DO NOTHING
"""
# Why a job is final, where its ending does not tell.
_REASONS = {Outcome.TIMED_OUT: Reason.TIMED_OUT, Outcome.CRASHED: Reason.CRASHED}


def _row_together(ending: Completion) -> str:
    # By hand, in a third of the time that a JSON encoder takes: all but the result are numbers. Times are told in whole
    # microseconds: the digits of a fraction take both sides three times as long.
    job, result = ending.job, ending.result_json
    told = "null" if result is None else json.dumps(storable(result), ensure_ascii=False)
    finished, started = int(ending.finished_at * 1e6 + 0.5), int(ending.started_at * 1e6 + 0.5)
    return f"[{job.id},{job.lease},{finished},{told},{started},{job.attempt}]"


_LATE = "UPDATE jobdeck_attempts SET late_at = ? WHERE job_id = ? AND lease = ? AND late_at IS NULL"


E = TypeVar("E", bound=Ending)


class Work:
    """Transitions that a worker makes, but for the claim."""

    def __init__(self, connections: Connections, clock: Clock, ring: Callable[[], None]) -> None:
        """`ring` wakes the workers of all processes: what a job waited for may have ended here."""
        self._connections = connections
        self._clock = clock
        self._ring = ring

    def stage(self, limit: int) -> int:
        """Due jobs become pending, earliest due first."""
        with self._connections.writing() as connection:
            tally = SqliteTally()
            staged = connection.execute(_STAGED, (self._clock.now(), limit)).get
            connection.execute(
                "UPDATE jobdeck_jobs SET state = 'pending' WHERE id IN (SELECT value ->> 0 FROM json_each(?))", (staged,)
            )
            jobs = json.loads(staged)
            for _, queue, kind, state in jobs:
                tally.move(queue, kind, state, State.PENDING)
            tally.write(connection)
            return len(jobs)

    def expire(self, limit: int) -> int:
        """Queued jobs that are not worth starting any more fail."""
        now = self._clock.now()
        with self._connections.reading() as connection:
            if not rows_of(connection, _EXPIRED, (now, 1)):
                return 0  # nearly always: no need to keep writers waiting
        with self._connections.writing() as connection:
            tally = SqliteTally()
            rows = rows_of(connection, _EXPIRED, (now, limit))
            for job_id, queue, kind, state in rows:
                connection.execute("DELETE FROM jobdeck_waits WHERE child = ?", (job_id,))
                # What went wrong in an attempt says more than that there is no time for another one.
                connection.execute(
                    "UPDATE jobdeck_jobs SET state = 'failed', finished_at = ?, reason = ?, error = coalesce(error, ?)"
                    " WHERE id = ?",
                    (now, Reason.EXPIRED.value, "It was not started before it expired", job_id),
                )
                tally.move(queue, kind, state, State.FAILED)
            self._settle(connection, tally, {row[0]: State.FAILED for row in rows})
            tally.write(connection)
            return len(rows)

    def heartbeat(self, held: Iterable[tuple[int, int]], lease: float) -> Renewal:
        """See `Store.heartbeat_jobs`."""
        pairs = dict(held)
        if not pairs:
            return Renewal(frozenset(), frozenset())
        with self._connections.writing() as connection:
            rows = rows_of(
                connection,
                "UPDATE jobdeck_jobs SET lease_until = ? FROM json_each(?) AS held"
                # The plus: by the id of each, never by reading all that runs for each of them.
                " WHERE jobdeck_jobs.id = held.value ->> 0 AND +state = 'running' AND lease = held.value ->> 1"
                " RETURNING jobdeck_jobs.id, cancelling",
                (self._clock.monotonic() + lease, json.dumps(list(pairs.items()))),
            )
        renewed = {row[0] for row in rows}
        return Renewal(frozenset(pairs.keys() - renewed), frozenset(row[0] for row in rows if row[1]))

    def complete(self, endings: Sequence[Completion]) -> Lost:
        """See `Store.complete_jobs`."""
        if len(endings) < _TOGETHER or not self._complete_together(endings):
            return self._end(
                endings,
                "state = 'completed', finished_at = ?, result = ?, error = NULL",
                lambda ending: (ending.finished_at, storable(ending.result_json)),
                "completed",
                lambda _: _attempt(Outcome.COMPLETED),
            )
        return []

    def _complete_together(self, endings: Sequence[Completion]) -> bool:
        """Complete many in two statements; `False`, and nothing is changed, if a lease among them was lost."""
        rows = f"[{','.join(map(_row_together, endings))}]"
        with self._connections.writing() as connection:
            connection.execute("SAVEPOINT together")
            connection.execute(_COMPLETE_TOGETHER, (rows,))
            if connection.changes() != len(endings):
                connection.execute("ROLLBACK TO together; RELEASE together")
                return False
            connection.execute("RELEASE together")
            connection.execute(_ATTEMPTS_TOGETHER, (endings[0].job.worker, rows))
            tally = SqliteTally()
            for (queue, kind), n in Counter((end.job.queue, end.job.kind) for end in endings).items():
                tally.move(queue, kind, State.RUNNING, State.COMPLETED, n)
            tally.measure_all(endings, "completed")
            self._settle(connection, tally, {end.job.id: State.COMPLETED for end in endings})
            tally.write(connection)
        return True

    def fail(self, endings: Sequence[Failure]) -> Lost:
        """See `Store.fail_jobs`."""

        def values(ending: Failure) -> tuple[Any, ...]:
            error = f"{ending.error_type}: {ending.message}" if ending.message else ending.error_type
            reason = ending.reason or _REASONS.get(ending.outcome, Reason.EXHAUSTED)
            return (ending.finished_at, ending.retry_at, one_line(error), reason.value, ending.outcome is Outcome.CRASHED)

        return self._end(
            endings,
            _FAILED,
            values,
            "failed",
            lambda ending: _attempt(ending.outcome, ending.error_type, ending.message, ending.traceback),
        )

    def snooze(self, endings: Sequence[Nap]) -> Lost:
        """See `Store.snooze_jobs`."""
        return self._end(
            endings,
            f"{_AGAIN.format(state='scheduled')}, scheduled_at = CASE WHEN cancelling THEN scheduled_at ELSE ? END",
            lambda ending: (ending.finished_at, ending.until),
            "snoozed",
            lambda _: _attempt(Outcome.SNOOZED),
        )

    def release(self, endings: Sequence[Release]) -> Lost:
        """See `Store.release_jobs`."""
        return self._end(
            endings,
            _AGAIN.format(state="pending"),
            lambda ending: (ending.finished_at,),
            "released",
            lambda _: _attempt(Outcome.RELEASED),
        )

    def stop(self, endings: Sequence[Stop]) -> Lost:
        """See `Store.stop_jobs`."""
        return self._end(
            endings,
            "state = 'cancelled', finished_at = ?",
            lambda ending: (ending.finished_at,),
            "cancelled",
            lambda _: _attempt(Outcome.CANCELLED),
        )

    def _end(
        self,
        endings: Sequence[E],
        assignments: str,
        values: Callable[[E], tuple[Any, ...]],
        measure: str,
        told: Callable[[E], tuple[Any, ...]],
    ) -> Lost:
        """End attempts: one guarded UPDATE each, its attempt row, its counters; or note a late result."""
        lost: Lost = []
        if not endings:
            return lost
        # The claim has set the time of the claim; a job that was claimed ahead began later.
        statement = f"UPDATE jobdeck_jobs SET started_at = ?, {assignments}, {_LET_GO} WHERE {_HELD} RETURNING state"
        attempts = []
        final: dict[int, State | None] = {}
        tally = SqliteTally()
        with self._connections.writing() as connection:
            for ending in endings:
                job = ending.job
                state = connection.execute(statement, (ending.started_at, *values(ending), job.id, job.lease)).get
                if state is None:
                    lost.append(job.id)
                    connection.execute(_LATE, (ending.finished_at, job.id, job.lease))
                    continue
                tally.move(job.queue, job.kind, State.RUNNING, state)
                tally.measure(job, ending, measure, state)
                begun = (job.id, job.lease, job.attempt, job.worker, ending.started_at, ending.finished_at)
                attempts.append((*begun, *told(ending)))
                if State(state).is_final:
                    final[job.id] = State(state)
            connection.executemany(_ATTEMPT, attempts)
            self._settle(connection, tally, final)
            tally.write(connection)
        return lost

    def _settle(self, connection: apsw.Connection, tally: Tally, final: Mapping[int, State | None]) -> None:
        if final and any_waits(connection):
            WAITS.settle(connection, tally, final, self._clock.now())
            # This process may not serve what is ready now.
            self._connections.after_commit(self._ring)

    def progress(self, job_id: int, lease: int, progress: float) -> bool:
        """See `Store.report_progress`."""
        with self._connections.writing() as connection:
            connection.execute(f"UPDATE jobdeck_jobs SET progress = ? WHERE {_HELD}", (progress, job_id, lease))
            return connection.changes() == 1

    def rescue(self, limit: int) -> list[int]:
        """See `Store.rescue_jobs`."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        with self._connections.reading() as connection:
            if not connection.execute(_ENDED, (monotonic, 1)).fetchall():
                return []  # nearly always: no need to keep writers waiting
        with self._connections.writing() as connection:
            rows = rows_of(connection, _ENDED, (monotonic, limit))
            final: dict[int, State | None] = {}
            tally = SqliteTally()
            for job in map(job_of(0.0), rows):
                state = _after_crash(job)
                connection.execute(
                    "UPDATE jobdeck_jobs SET state = ?, finished_at = ?, error = ?, reason = ?, crashes = crashes + 1,"
                    f" {_LET_GO} WHERE {_HELD}",
                    (state, now if state.is_final else None, _CRASHED, _crash_reason(state), job.id, job.lease),
                )
                tally.move(job.queue, job.kind, State.RUNNING, state)
                ending = Ending(job, job.started_at or now, now)
                tally.measure(job, ending, "crashed", state)
                crash = _attempt(Outcome.CRASHED, None, _CRASHED)
                begun = (job.id, job.lease, job.attempt, job.worker, ending.started_at, ending.finished_at)
                connection.execute(_ATTEMPT, (*begun, *crash))
                if state.is_final:
                    final[job.id] = state
            self._settle(connection, tally, final)
            tally.write(connection)
            return [row[0] for row in rows]


_CRASHED = "The worker died or stalled: its lease ended in mid-job"


def _after_crash(job: Job) -> State:
    if job.cancelling:
        return State.CANCELLED
    return State.PENDING if job.attempt < job.max_attempts else State.FAILED


def _crash_reason(state: State) -> Reason | None:
    return Reason.CRASHED if state is State.FAILED else None


def _attempt(
    outcome: Outcome, error_type: str | None = None, message: str | None = None, traceback: str | None = None
) -> tuple[Any, ...]:
    return (outcome.value, storable(error_type), storable(message), storable(traceback))
