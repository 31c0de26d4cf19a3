"""How attempts end: complete, fail, snooze, release, stop, for the holder of the lease only.

A worker tells its times by the clock of its own machine; here they are put on the server's, from which all other times are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ...model.attempt_result import Completion, Ending, Failure, Nap, Release, Stop
from ...model.jobs import Outcome, Reason
from ...model.states import State
from ..base import Lost
from ..counters import Tally
from ..dependencies import any_waits
from ..records import one_line, storable
from .connection import Connections
from .counters import PostgresTally
from .dependencies import WAITS
from .session import Session

HELD = "id = ? AND state = 'running' AND lease = ?"
LET_GO = "lease = NULL, lease_until = NULL, cancelling = false"

_ATTEMPT = """
INSERT INTO jobdeck_attempts (job_id, lease, number, worker, started_at, finished_at, outcome, error_type, message, traceback)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
# Where a job goes that shall run again: nowhere, if somebody asked it to stop in the meantime.
_AGAIN = """
state = CASE WHEN cancelling THEN 'cancelled' ELSE '{state}' END,
finished_at = CASE WHEN cancelling THEN ?::double precision END, attempt = attempt - 1"""
_FAILED = """
state = CASE WHEN cancelling THEN 'cancelled' WHEN ?3::double precision IS NULL OR attempt >= max_attempts THEN 'failed'
             ELSE 'retrying' END,
finished_at = CASE WHEN cancelling OR ?3 IS NULL OR attempt >= max_attempts THEN ?2::double precision END,
scheduled_at = CASE WHEN cancelling OR attempt >= max_attempts THEN scheduled_at ELSE coalesce(?3, scheduled_at) END,
reason = CASE WHEN NOT cancelling AND (?3 IS NULL OR attempt >= max_attempts) THEN ?5 END,
error = ?4, crashes = crashes + ?6, {let_go} WHERE id = ?7 AND state = 'running' AND lease = ?8"""
_TOGETHER = 4
"""Completions from this many on are written in one statement."""
_COMPLETE_TOGETHER = f"""
WITH held AS MATERIALIZED (
    SELECT job.id, done.started_at, done.finished_at, done.result
      FROM unnest(?1::bigint[], ?2::bigint[], ?3::double precision[], ?4::double precision[], ?5::text[])
           AS done (id, lease, started_at, finished_at, result)
      JOIN jobdeck_jobs AS job ON job.id = done.id
     WHERE job.state = 'running' AND job.lease = done.lease ORDER BY job.id FOR UPDATE OF job)
UPDATE jobdeck_jobs AS job
   SET state = 'completed', started_at = held.started_at, finished_at = held.finished_at, result = held.result, error = NULL,
       {LET_GO}
  FROM held WHERE job.id = held.id
"""
_ATTEMPTS_TOGETHER = """
INSERT INTO jobdeck_attempts (job_id, lease, number, worker, started_at, finished_at, outcome)
SELECT id, lease, number, ?1, started_at, finished_at, 'completed'
  FROM unnest(?2::bigint[], ?3::bigint[], ?4::integer[], ?5::double precision[], ?6::double precision[])
       AS done (id, lease, number, started_at, finished_at)
    ON CONFLICT DO NOTHING
"""
_LATE = "UPDATE jobdeck_attempts SET late_at = ? WHERE job_id = ? AND lease = ? AND late_at IS NULL"
# Why a job is final, where its ending does not tell.
_REASONS = {Outcome.TIMED_OUT: Reason.TIMED_OUT, Outcome.CRASHED: Reason.CRASHED}

E = TypeVar("E", bound=Ending)


class _LeaseGone(Exception):
    """Inside `complete`: a lease among many was lost, so each is looked at by itself."""


class Endings:
    """Ends attempts."""

    def __init__(self, connections: Connections, ring: Callable[[], None]) -> None:
        """`ring` wakes the workers of all processes: what a job waited for may have ended here."""
        self._connections = connections
        self._ring = ring

    def complete(self, endings: Sequence[Completion]) -> Lost:
        """See `Store.complete_jobs`."""
        if len(endings) >= _TOGETHER:
            try:
                self._complete_together(endings)
            except _LeaseGone:
                pass
            else:
                return []
        return self._end(
            endings,
            f"state = 'completed', finished_at = ?, result = ?, error = NULL, {LET_GO} WHERE {HELD}",
            lambda ending: (ending.finished_at, storable(ending.result_json)),
            "completed",
            lambda _: attempt_told(Outcome.COMPLETED),
        )

    def _complete_together(self, endings: Sequence[Completion]) -> None:
        """Complete many in two statements.

        Raises:
            _LeaseGone: a lease among them was lost, and nothing is changed.
        """
        with self._connections.writing() as session:
            endings = self._on_servers_clock(endings)
            ids, leases = [end.job.id for end in endings], [end.job.lease for end in endings]
            started, finished = [float(end.started_at) for end in endings], [float(end.finished_at) for end in endings]
            results = [storable(end.result_json) for end in endings]
            session.execute(_COMPLETE_TOGETHER, (ids, leases, started, finished, results))
            if session.changes() != len(endings):
                raise _LeaseGone
            numbers = [end.job.attempt for end in endings]
            session.execute(_ATTEMPTS_TOGETHER, (endings[0].job.worker, ids, leases, numbers, started, finished))
            tally = PostgresTally()
            for (queue, kind), n in Counter((end.job.queue, end.job.kind) for end in endings).items():
                tally.move(queue, kind, State.RUNNING, State.COMPLETED, n)
            tally.measure_all(endings, "completed")
            self.settle(session, tally, dict.fromkeys(ids, State.COMPLETED))
            tally.write(session)

    def fail(self, endings: Sequence[Failure]) -> Lost:
        """See `Store.fail_jobs`."""

        def values(ending: Failure) -> tuple[Any, ...]:
            error = f"{ending.error_type}: {ending.message}" if ending.message else ending.error_type
            reason = ending.reason or _REASONS.get(ending.outcome, Reason.EXHAUSTED)
            retry_at = None if ending.retry_at is None else ending.retry_at + self._connections.ahead
            return (ending.finished_at, retry_at, one_line(error), reason.value, int(ending.outcome is Outcome.CRASHED))

        return self._end(
            endings,
            _FAILED.format(let_go=LET_GO),
            values,
            "failed",
            lambda ending: attempt_told(ending.outcome, ending.error_type, ending.message, ending.traceback),
        )

    def snooze(self, endings: Sequence[Nap]) -> Lost:
        """See `Store.snooze_jobs`."""
        due = "scheduled_at = CASE WHEN cancelling THEN scheduled_at ELSE ? END"
        return self._end(
            endings,
            f"{_AGAIN.format(state='scheduled')}, {due}, {LET_GO} WHERE {HELD}",
            lambda ending: (ending.finished_at, ending.until + self._connections.ahead),
            "snoozed",
            lambda _: attempt_told(Outcome.SNOOZED),
        )

    def release(self, endings: Sequence[Release]) -> Lost:
        """See `Store.release_jobs`."""
        return self._end(
            endings,
            f"{_AGAIN.format(state='pending')}, {LET_GO} WHERE {HELD}",
            lambda ending: (ending.finished_at,),
            "released",
            lambda _: attempt_told(Outcome.RELEASED),
        )

    def stop(self, endings: Sequence[Stop]) -> Lost:
        """See `Store.stop_jobs`."""
        return self._end(
            endings,
            f"state = 'cancelled', finished_at = ?, {LET_GO} WHERE {HELD}",
            lambda ending: (ending.finished_at,),
            "cancelled",
            lambda _: attempt_told(Outcome.CANCELLED),
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
        if not endings:
            return []
        lost: Lost = []
        attempts, late = [], []
        final: dict[int, State | None] = {}
        tally = PostgresTally()
        with self._connections.writing() as session:
            # In the order of their ids, as everybody who locks several jobs.
            endings = sorted(self._on_servers_clock(endings), key=lambda ending: ending.job.id)
            # The claim has set the time of the claim; a job that was claimed ahead began later.
            statement = f"UPDATE jobdeck_jobs SET started_at = ?, {assignments} RETURNING state"
            rows = [(ending.started_at, *values(ending), ending.job.id, ending.job.lease) for ending in endings]
            found = session.each(statement, rows)
            for ending, row in zip(endings, found, strict=True):
                job = ending.job
                if row is None:
                    lost.append(job.id)
                    late.append((ending.finished_at, job.id, job.lease))
                    continue
                state = State(row[0])
                tally.move(job.queue, job.kind, State.RUNNING, state)
                tally.measure(job, ending, measure, state)
                begun = (job.id, job.lease, job.attempt, job.worker, ending.started_at, ending.finished_at)
                attempts.append((*begun, *told(ending)))
                if state.is_final:
                    final[job.id] = state
            session.executemany(_LATE, late)
            note_attempts(session, attempts)
            self.settle(session, tally, final)
            tally.write(session)
        return lost

    def _on_servers_clock(self, endings: Sequence[E]) -> Sequence[E]:
        ahead = self._connections.ahead
        if not ahead:
            return endings
        # No attempt begins before it was claimed, however badly the clocks are read.
        return [
            replace(
                end,
                started_at=max(end.started_at + ahead, end.job.started_at or 0.0),
                finished_at=max(end.finished_at + ahead, end.job.started_at or 0.0),
            )
            for end in endings
        ]

    def settle(self, session: Session, tally: Tally, final: Mapping[int, State | None]) -> None:
        """Tell the children of jobs that have become final."""
        if final and any_waits(session):
            WAITS.settle(session, tally, final, self._connections.now(session))
            # This process may not serve what is ready now.
            self._ring()


def note_attempts(session: Session, attempts: Sequence[tuple[Any, ...]]) -> None:
    """Record attempts that have ended."""
    session.executemany(_ATTEMPT, attempts)


def attempt_told(
    outcome: Outcome, error_type: str | None = None, message: str | None = None, traceback: str | None = None
) -> tuple[Any, ...]:
    """What a record of an attempt tells of its end."""
    return (outcome.value, storable(error_type), storable(message), storable(traceback))
