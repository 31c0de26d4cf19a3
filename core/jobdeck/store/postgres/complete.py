"""Records how attempts end: complete, fail, snooze, release, cancel, for the holder of the lease only.

A worker measures times by its own machine's clock; here they are converted to the server's, which all other times use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ...model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Released, Snoozed
from ...model.jobs import Outcome, Reason
from ...model.retention import GIVEN_BACK_KEPT
from ...model.states import State
from ..base import LostLeases
from ..dependencies import HAS_DEPENDENTS
from ..records import REASON_OF_OUTCOME, one_line, replace_surrogates
from .connection import Connections, retried
from .counters import PostgresCounterDeltas
from .dependencies import DEPENDENCIES
from .notifier import PostgresNotifier
from .session import Session

HELD = "id = ? AND state = 'running' AND lease = ?"
END_LEASE = "lease = NULL, lease_until = NULL, cancelling = false"

_ATTEMPT = """
INSERT INTO jobdeck_attempts (job_id, lease, number, worker, started_at, finished_at, outcome, error_type, message, traceback)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
# A job that would run again is cancelled instead if it was asked to stop in the meantime.
_REQUEUE = """
state = CASE WHEN cancelling THEN 'cancelled' ELSE '{state}' END,
finished_at = CASE WHEN cancelling THEN ?::double precision END, attempt = attempt - 1"""
_FAIL = """
state = CASE WHEN cancelling THEN 'cancelled' WHEN ?3::double precision IS NULL OR attempt >= max_attempts + ?7 THEN 'failed'
             ELSE 'retrying' END,
finished_at = CASE WHEN cancelling OR ?3 IS NULL OR attempt >= max_attempts + ?7 THEN ?2::double precision END,
scheduled_at = CASE WHEN cancelling OR attempt >= max_attempts + ?7 THEN scheduled_at ELSE coalesce(?3, scheduled_at) END,
reason = CASE WHEN NOT cancelling AND (?3 IS NULL OR attempt >= max_attempts + ?7) THEN ?5 END,
error = ?4, crashes = crashes + ?6, max_attempts = max_attempts + ?7, {end_lease}
WHERE id = ?8 AND state = 'running' AND lease = ?9"""
# Every transaction that locks several jobs does so in the order of their ids, to which these are sorted: a nested loop takes
# them in that order. (A subquery that locks them first would tell the planner, too, and costs a sixth of the statement.) If one
# of the leases is lost, the caller undoes the others.
_COMPLETE_BULK = f"""
UPDATE jobdeck_jobs AS job
   SET state = 'completed', started_at = done.started_at, finished_at = done.finished_at, result = done.result, error = NULL,
       {END_LEASE}
  FROM unnest(?1::bigint[], ?2::bigint[], ?3::double precision[], ?4::double precision[], ?5::text[])
       AS done (id, lease, started_at, finished_at, result)
 WHERE job.id = done.id AND job.state = 'running' AND job.lease = done.lease
"""
_ATTEMPTS_BULK = """
INSERT INTO jobdeck_attempts (job_id, lease, number, worker, started_at, finished_at, outcome)
SELECT id, lease, number, ?1, started_at, finished_at, 'completed'
  FROM unnest(?2::bigint[], ?3::bigint[], ?4::integer[], ?5::double precision[], ?6::double precision[])
       AS done (id, lease, number, started_at, finished_at)
    ON CONFLICT DO NOTHING
"""
_TRIM = f"""
DELETE FROM jobdeck_attempts WHERE job_id = ?1::bigint AND lease IN (
    SELECT lease FROM jobdeck_attempts WHERE job_id = ?1 AND outcome IN ('snoozed', 'released')
     ORDER BY finished_at DESC OFFSET {GIVEN_BACK_KEPT})
"""
_LATE = "UPDATE jobdeck_attempts SET late_at = ? WHERE job_id = ? AND lease = ? AND late_at IS NULL RETURNING 1"

R = TypeVar("R", bound=AttemptResult)


class _LeaseLost(Exception):
    """Inside `complete`: one lease among many is lost, so each job is completed by itself."""


class Completer:
    """Records results of attempts."""

    def __init__(self, connections: Connections, notifier: PostgresNotifier) -> None:
        self._connections = connections
        self._notify = notifier.notify

    @retried
    def complete(self, results: Sequence[Completed]) -> LostLeases:
        """See `base.Completer.complete`."""
        if results:
            try:
                self._complete_bulk(results)
            except _LeaseLost:
                pass
            else:
                return []
        return self._record(
            results,
            f"state = 'completed', finished_at = ?, result = ?, error = NULL, {END_LEASE} WHERE {HELD}",
            lambda result: (result.finished_at, replace_surrogates(result.result_json)),
            "completed",
            lambda _: attempt_values(Outcome.COMPLETED),
        )

    def _complete_bulk(self, results: Sequence[Completed]) -> None:
        """Complete jobs in one statement, and record their attempts in another one.

        Raises:
            _LeaseLost: one of the leases is lost, and nothing is changed.
        """
        with self._connections.write_transaction() as session:
            results = sorted(self._on_server_clock(results), key=_id_of)
            ids, leases = [each.job.id for each in results], [each.job.lease for each in results]
            started, finished = [float(each.started_at) for each in results], [float(each.finished_at) for each in results]
            values = [replace_surrogates(each.result_json) for each in results]
            session.keep_plans()
            completed, waits = session.together(
                (_COMPLETE_BULK, (ids, leases, started, finished, values)),
                (HAS_DEPENDENTS, None),  # read once the rows are locked: see `dependencies`
            )
            if completed.changed != len(results):
                raise _LeaseLost
            numbers = [each.job.attempt for each in results]
            session.defer(_ATTEMPTS_BULK, (results[0].job.worker, ids, leases, numbers, started, finished))
            counters = PostgresCounterDeltas()
            counters.record_completions(results)
            if waits.get:
                DEPENDENCIES.resolve(session, counters, dict.fromkeys(ids, State.COMPLETED), self._connections.now(session))
                self._notify()  # this process may not serve the jobs that are ready now
            counters.write(session)

    @retried
    def fail(self, results: Sequence[Failed]) -> LostLeases:
        """See `base.Completer.fail`."""

        def values(result: Failed) -> tuple[Any, ...]:
            reason = result.reason or REASON_OF_OUTCOME.get(result.outcome, Reason.EXHAUSTED)
            retry_at = None if result.retry_at is None else result.retry_at + self._connections.clock_offset
            return (
                result.finished_at,
                retry_at,
                one_line(result.error),
                reason.value,
                int(result.outcome is Outcome.CRASHED),
                result.extra_attempts,
            )

        return self._record(
            results,
            _FAIL.format(end_lease=END_LEASE),
            values,
            "failed",
            lambda result: attempt_values(result.outcome, result.error_type, result.message, result.traceback),
        )

    @retried
    def snooze(self, results: Sequence[Snoozed]) -> LostLeases:
        """See `base.Completer.snooze`."""
        due = "scheduled_at = CASE WHEN cancelling THEN scheduled_at ELSE ? END"
        return self._record(
            results,
            f"{_REQUEUE.format(state='scheduled')}, {due}, {END_LEASE} WHERE {HELD}",
            lambda result: (result.finished_at, result.until + self._connections.clock_offset),
            "snoozed",
            lambda _: attempt_values(Outcome.SNOOZED),
        )

    @retried
    def release(self, results: Sequence[Released]) -> LostLeases:
        """See `base.Completer.release`."""
        lost = self._record(
            results,
            f"{_REQUEUE.format(state='pending')}, {END_LEASE} WHERE {HELD}",
            lambda result: (result.finished_at,),
            "released",
            lambda _: attempt_values(Outcome.RELEASED),
        )
        if len(lost) < len(results):
            self._notify()
        return lost

    @retried
    def cancel_running(self, results: Sequence[Cancelled]) -> LostLeases:
        """See `base.Completer.cancel_running`."""
        return self._record(
            results,
            f"state = 'cancelled', finished_at = ?, {END_LEASE} WHERE {HELD}",
            lambda result: (result.finished_at,),
            "cancelled",
            lambda _: attempt_values(Outcome.CANCELLED),
        )

    def _record(
        self,
        results: Sequence[R],
        assignments: str,
        values: Callable[[R], tuple[Any, ...]],
        measure: str,
        attempt: Callable[[R], tuple[Any, ...]],
    ) -> LostLeases:
        """End attempts: one guarded UPDATE each, its attempt row, its counters; or record a late result."""
        if not results:
            return []
        lost: LostLeases = []
        attempts, late = [], list[R]()
        final: dict[int, State | None] = {}
        counters = PostgresCounterDeltas()
        with self._connections.write_transaction() as session:
            # In the order of their ids, as every transaction that locks several jobs.
            results = sorted(self._on_server_clock(results), key=_id_of)
            # The claim has set the time of the claim; a prefetched job started later.
            statement = f"UPDATE jobdeck_jobs SET started_at = ?, {assignments} RETURNING state"
            rows = [(result.started_at, *values(result), result.job.id, result.job.lease) for result in results]
            found = session.each(statement, rows)
            for result, row in zip(results, found, strict=True):
                job = result.job
                if row is None:
                    lost.append(job.id)
                    late.append(result)
                    continue
                state = State(row[0])
                counters.count_transition(job.queue, job.kind, State.RUNNING, state)
                counters.record_result(job, result, measure, state)
                started = (job.id, job.lease, job.attempt, job.worker, result.started_at, result.finished_at)
                attempts.append((*started, *attempt(result)))
                if state.is_final:
                    final[job.id] = state
            recorded = session.each(_LATE, [(each.finished_at, each.job.id, each.job.lease) for each in late])
            for each, row in zip(late, recorded, strict=True):
                if row is not None:
                    counters.record_late_result(each.job)
            record_attempts(session, attempts)
            if measure in ("snoozed", "released"):
                session.defer_many(_TRIM, [(job_id,) for job_id, *_ in attempts])
            self._resolve(session, counters, final)
            counters.write(session)
        return lost

    def _on_server_clock(self, results: Sequence[R]) -> Sequence[R]:
        offset = self._connections.clock_offset
        if not offset:
            return results
        # No attempt starts before it was claimed, however inaccurately the clocks are read.
        return [
            replace(
                result,
                started_at=max(result.started_at + offset, result.job.started_at or 0.0),
                finished_at=max(result.finished_at + offset, result.job.started_at or 0.0),
            )
            for result in results
        ]

    def _resolve(self, session: Session, counters: PostgresCounterDeltas, final: dict[int, State | None]) -> None:
        if DEPENDENCIES.resolve_ended(session, counters, final, self._connections.now(session)):
            # This process may not serve the jobs that are ready now.
            self._notify()


def _id_of(result: AttemptResult) -> int:
    return result.job.id


def record_attempts(session: Session, attempts: Sequence[tuple[Any, ...]]) -> None:
    """Record attempts that have ended."""
    session.defer_many(_ATTEMPT, attempts)


def attempt_values(
    outcome: Outcome, error_type: str | None = None, message: str | None = None, traceback: str | None = None
) -> tuple[Any, ...]:
    """Return the fields that an attempt's record stores about its end."""
    return (outcome.value, replace_surrogates(error_type), replace_surrogates(message), replace_surrogates(traceback))
