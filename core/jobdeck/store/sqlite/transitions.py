"""Moves jobs that no result and no person moves: stage, expire, rescue. Renews leases and stores progress."""

from __future__ import annotations

from collections.abc import Iterable

from ...clock import Clock, time
from ...json_functions import json
from ...model.attempt_result import AttemptResult
from ...model.jobs import Outcome, Reason
from ...model.states import State
from ..backend import rows_of
from ..base import HeartbeatResult
from ..notifier import SocketNotifier
from ..records import JOB_COLUMNS, job_reader
from ..rescue import CRASHED, state_after_crash
from .complete import END_LEASE, HELD, attempt_values, record_attempts
from .connection import Connections
from .counters import SqliteCounterDeltas
from .dependencies import DEPENDENCIES
from .foreign_clocks import ENDED, ForeignClocks

_DUE = """
SELECT json_group_array(json_array(id, queue, kind, state)) FROM (
    SELECT id, queue, kind, state FROM jobdeck_jobs INDEXED BY jobdeck_due
     WHERE state IN ('scheduled', 'retrying') AND scheduled_at <= ? ORDER BY scheduled_at LIMIT ?)
"""
_EXPIRED = """
SELECT id, queue, kind, state FROM jobdeck_jobs INDEXED BY jobdeck_expiring
 WHERE expires_at <= ? AND expires_at IS NOT NULL AND finished_at IS NULL AND state <> 'running'
 ORDER BY expires_at LIMIT ?
"""
_LEASE_ENDED = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE state = 'running' AND {ENDED} ORDER BY id LIMIT ?"

_RECENT_WAIT = 30.0
"""Seconds for which a wait for the lock is a reason to expect late renewals."""
_RENEWAL_PAUSE = 0.05
"""Seconds, at least, in which other processes can renew leases before expired ones are ended."""
_LONGEST_RENEWAL_PAUSE = 2.0
"""Seconds after which leases are ended, however contended the lock is."""


class Transitions:
    """Moves jobs on their time, and keeps running jobs alive."""

    def __init__(self, connections: Connections, clock: Clock, notifier: SocketNotifier) -> None:
        self._connections = connections
        self._clock = clock
        self._foreign_clocks = ForeignClocks(clock)
        self._notify = notifier.notify

    def stage(self, limit: int = 1000) -> int:
        """See `base.Transitions.stage`."""
        with self._connections.write_transaction() as connection:
            counters = SqliteCounterDeltas()
            due = connection.execute(_DUE, (self._clock.now(), limit)).get
            connection.execute(
                "UPDATE jobdeck_jobs SET state = 'pending' WHERE id IN (SELECT value ->> 0 FROM json_each(?))", (due,)
            )
            jobs = json.loads(due)
            for _, queue, kind, state in jobs:
                counters.count_transition(queue, kind, state, State.PENDING)
            counters.write(connection)
            return len(jobs)

    def expire(self, limit: int = 1000) -> int:
        """See `base.Transitions.expire`."""
        now = self._clock.now()
        with self._connections.read_transaction() as connection:
            if not rows_of(connection, _EXPIRED, (now, 1)):
                return 0  # nearly always: no need to block writers
        with self._connections.write_transaction() as connection:
            counters = SqliteCounterDeltas()
            rows = rows_of(connection, _EXPIRED, (now, limit))
            for job_id, queue, kind, state in rows:
                connection.execute("DELETE FROM jobdeck_waits WHERE child = ?", (job_id,))
                # The error of an attempt says more than that there was no time for another one.
                connection.execute(
                    "UPDATE jobdeck_jobs SET state = 'failed', finished_at = ?, reason = ?, error = coalesce(error, ?)"
                    " WHERE id = ?",
                    (now, Reason.EXPIRED.value, "It was not started before it expired", job_id),
                )
                counters.count_transition(queue, kind, state, State.FAILED)
            if DEPENDENCIES.resolve_ended(connection, counters, {row[0]: State.FAILED for row in rows}, now):
                self._connections.after_commit(self._notify)
            counters.write(connection)
            return len(rows)

    def heartbeat(self, held: Iterable[tuple[int, int]], lease: float) -> HeartbeatResult:
        """See `base.Transitions.heartbeat`."""
        pairs = dict(held)
        if not pairs:
            return HeartbeatResult(frozenset(), frozenset())
        # A lease that ends because its worker waits for claims of others would let its job run twice.
        with self._connections.urgent(), self._connections.write_transaction() as connection:
            rows = rows_of(
                connection,
                "UPDATE jobdeck_jobs SET lease_until = ? FROM json_each(?) AS held"
                # The plus: by the id of each, never by reading all running jobs for each of them.
                " WHERE jobdeck_jobs.id = held.value ->> 0 AND +state = 'running' AND lease = held.value ->> 1"
                " RETURNING jobdeck_jobs.id, cancelling",
                (self._clock.monotonic() + lease, json.dumps(list(pairs.items()))),
            )
        renewed = {row[0] for row in rows}
        return HeartbeatResult(frozenset(pairs.keys() - renewed), frozenset(row[0] for row in rows if row[1]))

    def report_progress(self, job_id: int, lease: int, progress: float, message: str | None = None) -> bool:
        """See `base.Transitions.report_progress`."""
        with self._connections.write_transaction() as connection:
            query = f"UPDATE jobdeck_jobs SET progress = ?, progress_message = ? WHERE {HELD}"
            connection.execute(query, (progress, message, job_id, lease))
            return connection.changes() == 1

    def rescue(self, limit: int = 100) -> list[int]:
        """See `base.Transitions.rescue`."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        with self._connections.read_transaction() as connection:
            others = self._foreign_clocks.read(connection)
            if not connection.execute(_LEASE_ENDED, (others, monotonic, 1)).fetchall():
                return []  # nearly always: no need to block writers
        self._let_renewals_pass()
        with self._connections.write_transaction() as connection:
            jobs = [*map(job_reader(0.0), rows_of(connection, _LEASE_ENDED, (others, monotonic, limit)))]
            final: dict[int, State | None] = {}
            counters = SqliteCounterDeltas()
            attempts = []
            for job in jobs:
                state, reason = state_after_crash(job)
                connection.execute(
                    "UPDATE jobdeck_jobs SET state = ?, finished_at = ?, error = ?, reason = ?, crashes = crashes + 1,"
                    f" {END_LEASE} WHERE {HELD}",
                    (state, now if state.is_final else None, CRASHED, reason, job.id, job.lease),
                )
                counters.count_transition(job.queue, job.kind, State.RUNNING, state)
                result = AttemptResult(job, job.started_at or now, now)
                counters.record_result(job, result, "crashed", state)
                started = (job.id, job.lease, job.attempt, job.worker, result.started_at, result.finished_at)
                attempts.append((*started, *attempt_values(Outcome.CRASHED, None, CRASHED)))
                if state.is_final:
                    final[job.id] = state
            record_attempts(connection, attempts)
            DEPENDENCIES.resolve_ended(connection, counters, final, now)
            counters.write(connection)
        if jobs:
            self._connections.after_commit(self._notify)
        return [job.id for job in jobs]

    def _let_renewals_pass(self) -> None:
        """Give the workers that wait for the lock time to renew their leases, before any expired lease is ended.

        A lease may have expired because another program held the lock. As soon as the lock is free, this process could be
        faster than the lease's worker, which is alive. So it takes the lock, releases it, and waits. If it then has to wait
        for the lock for a large part of that time, so had the others, and the next pause is longer.
        """
        if self._connections.in_transaction():
            return
        pause = _RENEWAL_PAUSE
        while True:
            with self._connections.write_transaction():
                released = time.monotonic()
            if not self._connections.lock_waits.ended_within(_RECENT_WAIT):
                return  # a worker takes the lock every few seconds: it would have waited
            time.sleep(pause)
            requested = time.monotonic()
            with self._connections.write_transaction():
                waited = time.monotonic() - requested
            if waited <= (requested - released) / 2 or pause > _LONGEST_RENEWAL_PAUSE:
                return
            pause = max(2 * pause, 3 * waited)
