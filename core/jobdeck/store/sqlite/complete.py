"""Records how attempts end: complete, fail, snooze, release, cancel, for the holder of the lease only.

Every statement that changes a running job checks `state = 'running' AND lease = ?`: a worker that lost its lease changes
nothing, whenever it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import apsw

from ...clock import Clock
from ...json_functions import json
from ...model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Released, Snoozed
from ...model.jobs import Outcome, Reason
from ...model.retention import GIVEN_BACK_KEPT
from ...model.states import State
from ..base import LostLeases
from ..notifier import SocketNotifier
from ..records import REASON_OF_OUTCOME, one_line, replace_surrogates
from .connection import Connections
from .counters import SqliteCounterDeltas
from .dependencies import DEPENDENCIES

HELD = "id = ? AND state = 'running' AND lease = ?"
END_LEASE = "lease = NULL, lease_until = NULL, cancelling = 0"

_ATTEMPT = """
INSERT INTO jobdeck_attempts (job_id, lease, number, worker, started_at, finished_at, outcome, error_type, message, traceback)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
# A job that would run again is cancelled instead if it was asked to stop in the meantime.
_REQUEUE = """
state = CASE WHEN cancelling THEN 'cancelled' ELSE '{state}' END,
finished_at = CASE WHEN cancelling THEN ? END, attempt = attempt - 1"""
_FAIL = """
state = CASE WHEN cancelling THEN 'cancelled' WHEN ?3 IS NULL OR attempt >= max_attempts + ?7 THEN 'failed' ELSE 'retrying' END,
finished_at = CASE WHEN cancelling OR ?3 IS NULL OR attempt >= max_attempts + ?7 THEN ?2 END,
scheduled_at = CASE WHEN cancelling OR attempt >= max_attempts + ?7 THEN scheduled_at ELSE coalesce(?3, scheduled_at) END,
reason = CASE WHEN NOT cancelling AND (?3 IS NULL OR attempt >= max_attempts + ?7) THEN ?5 END,
error = ?4, crashes = crashes + ?6, max_attempts = max_attempts + ?7"""
_BULK_FROM = 4
"""The minimum number of completions to write them in one statement."""
# The plus keeps the planner from reading all running jobs for each of the rows.
_COMPLETE_BULK = f"""
UPDATE jobdeck_jobs
   SET state = 'completed', started_at = (done.value ->> 4) / 1e6, finished_at = (done.value ->> 2) / 1e6,
       result = done.value ->> 3, error = NULL, {END_LEASE}
  FROM json_each(?) AS done
 WHERE jobdeck_jobs.id = done.value ->> 0 AND +state = 'running' AND lease = done.value ->> 1
"""
_ATTEMPTS_BULK = """
INSERT INTO jobdeck_attempts (job_id, lease, number, worker, started_at, finished_at, outcome)
SELECT value ->> 0, value ->> 1, value ->> 5, ?, (value ->> 4) / 1e6, (value ->> 2) / 1e6, 'completed'
  FROM json_each(?) WHERE true
    ON CONFLICT DO NOTHING
"""
_TRIM = f"""
DELETE FROM jobdeck_attempts WHERE job_id = ?1 AND lease IN (
    SELECT lease FROM jobdeck_attempts WHERE job_id = ?1 AND outcome IN ('snoozed', 'released')
     ORDER BY finished_at DESC LIMIT -1 OFFSET {GIVEN_BACK_KEPT})
"""
_LATE = "UPDATE jobdeck_attempts SET late_at = ? WHERE job_id = ? AND lease = ? AND late_at IS NULL"

R = TypeVar("R", bound=AttemptResult)


class Completer:
    """Records results of attempts."""

    def __init__(self, connections: Connections, clock: Clock, notifier: SocketNotifier) -> None:
        self._connections = connections
        self._clock = clock
        self._notify = notifier.notify

    def complete(self, results: Sequence[Completed]) -> LostLeases:
        """See `base.Completer.complete`."""
        if len(results) < _BULK_FROM or not self._complete_bulk(results):
            return self._record(
                results,
                "state = 'completed', finished_at = ?, result = ?, error = NULL",
                lambda result: (result.finished_at, replace_surrogates(result.result_json)),
                "completed",
                lambda _: attempt_values(Outcome.COMPLETED),
            )
        return []

    def _complete_bulk(self, results: Sequence[Completed]) -> bool:
        """Complete many jobs in two statements; return `False`, and change nothing, if one of the leases is lost."""
        rows = f"[{','.join(map(_encode, results))}]"
        with self._connections.write_transaction() as connection:
            connection.execute("SAVEPOINT together")
            connection.execute(_COMPLETE_BULK, (rows,))
            if connection.changes() != len(results):
                connection.execute("ROLLBACK TO together; RELEASE together")
                return False
            connection.execute("RELEASE together")
            connection.execute(_ATTEMPTS_BULK, (results[0].job.worker, rows))
            counters = SqliteCounterDeltas()
            counters.record_completions(results)
            self._resolve(connection, counters, dict.fromkeys([result.job.id for result in results], State.COMPLETED))
            counters.write(connection)
        return True

    def fail(self, results: Sequence[Failed]) -> LostLeases:
        """See `base.Completer.fail`."""

        def values(result: Failed) -> tuple[Any, ...]:
            reason = result.reason or REASON_OF_OUTCOME.get(result.outcome, Reason.EXHAUSTED)
            return (
                result.finished_at,
                result.retry_at,
                one_line(result.error),
                reason.value,
                result.outcome is Outcome.CRASHED,
                result.extra_attempts,
            )

        return self._record(
            results,
            _FAIL,
            values,
            "failed",
            lambda result: attempt_values(result.outcome, result.error_type, result.message, result.traceback),
        )

    def snooze(self, results: Sequence[Snoozed]) -> LostLeases:
        """See `base.Completer.snooze`."""
        return self._record(
            results,
            f"{_REQUEUE.format(state='scheduled')}, scheduled_at = CASE WHEN cancelling THEN scheduled_at ELSE ? END",
            lambda result: (result.finished_at, result.until),
            "snoozed",
            lambda _: attempt_values(Outcome.SNOOZED),
        )

    def release(self, results: Sequence[Released]) -> LostLeases:
        """See `base.Completer.release`."""
        lost = self._record(
            results,
            _REQUEUE.format(state="pending"),
            lambda result: (result.finished_at,),
            "released",
            lambda _: attempt_values(Outcome.RELEASED),
        )
        if len(lost) < len(results):
            self._connections.after_commit(self._notify)
        return lost

    def cancel_running(self, results: Sequence[Cancelled]) -> LostLeases:
        """See `base.Completer.cancel_running`."""
        return self._record(
            results,
            "state = 'cancelled', finished_at = ?",
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
        lost: LostLeases = []
        if not results:
            return lost
        # The claim has set the time of the claim; a prefetched job started later.
        statement = f"UPDATE jobdeck_jobs SET started_at = ?, {assignments}, {END_LEASE} WHERE {HELD} RETURNING state"
        attempts = []
        final: dict[int, State | None] = {}
        counters = SqliteCounterDeltas()
        with self._connections.write_transaction() as connection:
            for result in results:
                job = result.job
                state = connection.execute(statement, (result.started_at, *values(result), job.id, job.lease)).get
                if state is None:
                    lost.append(job.id)
                    connection.execute(_LATE, (result.finished_at, job.id, job.lease))
                    if connection.changes():
                        counters.record_late_result(job)
                    continue
                counters.count_transition(job.queue, job.kind, State.RUNNING, state)
                counters.record_result(job, result, measure, state)
                started = (job.id, job.lease, job.attempt, job.worker, result.started_at, result.finished_at)
                attempts.append((*started, *attempt(result)))
                if State(state).is_final:
                    final[job.id] = State(state)
            record_attempts(connection, attempts)
            if measure in ("snoozed", "released"):
                connection.executemany(_TRIM, [(job_id,) for job_id, *_ in attempts])
            self._resolve(connection, counters, final)
            counters.write(connection)
        return lost

    def _resolve(self, connection: apsw.Connection, counters: SqliteCounterDeltas, final: dict[int, State | None]) -> None:
        if DEPENDENCIES.resolve_ended(connection, counters, final, self._clock.now()):
            # This process may not serve the jobs that are ready now.
            self._connections.after_commit(self._notify)


def record_attempts(connection: apsw.Connection, attempts: Sequence[tuple[Any, ...]]) -> None:
    """Record attempts that have ended."""
    connection.executemany(_ATTEMPT, attempts)


def attempt_values(
    outcome: Outcome, error_type: str | None = None, message: str | None = None, traceback: str | None = None
) -> tuple[Any, ...]:
    """Return the fields that an attempt's record stores about its end."""
    return (outcome.value, replace_surrogates(error_type), replace_surrogates(message), replace_surrogates(traceback))


def _encode(result: Completed) -> str:
    # Formatted by hand, in a third of the time that a JSON encoder takes: every value except the result is a number. Times are
    # whole microseconds: the digits of a fraction take both sides three times as long.
    job, value = result.job, result.result_json
    text = "null" if value is None else json.dumps(replace_surrogates(value), ensure_ascii=False)
    finished, started = int(result.finished_at * 1e6 + 0.5), int(result.started_at * 1e6 + 0.5)
    return f"[{job.id},{job.lease},{finished},{text},{started},{job.attempt}]"
