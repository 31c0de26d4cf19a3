"""A person's side of the SQLite store: cancel, retry, reprioritise, delete, pause."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import apsw

from ...clock import Clock
from ...errors import JobdeckError, JobNotFound, WrongState
from ...jobs import Changes, Job, Limits
from ...states import Operation, State, allows
from .connection import Connections
from .family import any_waits, settle
from .pruning import remove_jobs
from .rows import JOB_COLUMNS, job_of
from .tally import Tally

Act = Callable[[apsw.Connection, Job], State | None]
"""Changes one job inside the transaction; returns its new state, `None` for gone."""


class Acts:
    """Transitions that people and programs ask for, of jobs that are in the queue."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    def cancel(self, ids: Sequence[int]) -> Changes:
        """See `Store.cancel_jobs`."""
        now = self._clock.now()

        def act(connection: apsw.Connection, job: Job) -> State:
            if job.state is State.RUNNING:
                connection.execute("UPDATE jobdeck_jobs SET cancelling = 1 WHERE id = ?", (job.id,))
                return State.RUNNING
            connection.execute("UPDATE jobdeck_jobs SET state = 'cancelled', finished_at = ? WHERE id = ?", (now, job.id))
            return State.CANCELLED

        return self._each(Operation.CANCEL, ids, act)

    def retry(self, ids: Sequence[int]) -> Changes:
        """See `Store.retry_jobs`."""
        now = self._clock.now()

        def act(connection: apsw.Connection, job: Job) -> State:
            connection.execute(
                "UPDATE jobdeck_jobs SET state = 'pending', scheduled_at = ?1, finished_at = NULL, reason = NULL,"
                " result = NULL, progress = NULL, max_attempts = max(max_attempts, attempt + 1),"
                # Somebody wants it to run, so a time after which it was not worth starting no longer holds.
                " expires_at = CASE WHEN expires_at > ?1 THEN expires_at END WHERE id = ?2",
                (now, job.id),
            )
            return State.PENDING

        return self._each(Operation.RETRY, ids, act)

    def reprioritise(self, ids: Sequence[int], priority: int, *, relative: bool) -> Changes:
        """See `Store.reprioritise_jobs`."""

        def act(connection: apsw.Connection, job: Job) -> State:
            wanted = job.priority + priority if relative else priority
            bounded = max(-(2**31), min(2**31 - 1, wanted))
            connection.execute("UPDATE jobdeck_jobs SET priority = ? WHERE id = ?", (bounded, job.id))
            return job.state

        return self._each(Operation.REPRIORITISE, ids, act)

    def delete(self, ids: Sequence[int]) -> Changes:
        """See `Store.delete_jobs`."""
        return self._each(Operation.DELETE, ids, _remove)

    def _each(self, operation: Operation, ids: Sequence[int], act: Act) -> Changes:
        """Do `act` to each job that is in a state for it; say of the others why not."""
        done: list[int] = []
        refused: dict[int, JobdeckError] = {}
        tally = Tally()
        ended: dict[int, State | None] = {}
        with self._connections.writing() as connection:
            found = {job.id: job for job in read_jobs(connection, ids, 0.0)}
            for job_id in dict.fromkeys(ids):
                job = found.get(job_id)
                if job is None:
                    refused[job_id] = JobNotFound(job_id)
                elif not allows(operation, job.state):
                    refused[job_id] = WrongState(job_id, operation, job.state)
                else:
                    state = act(connection, job)
                    tally.move(job.queue, job.kind, job.state, state)
                    if state is None or state.is_final:
                        ended[job_id] = state
                    done.append(job_id)
            if ended and any_waits(connection):
                # They themselves wait no longer.
                connection.execute(
                    "DELETE FROM jobdeck_waits WHERE child IN (SELECT value FROM json_each(?))", (json.dumps(list(ended)),)
                )
                settle(connection, tally, ended, self._clock.now())
            tally.write(connection)
        return Changes(tuple(done), refused)

    def limit(self, name: str, limits: Limits) -> None:
        """See `Store.limit_queue`."""
        with self._connections.writing() as connection:
            connection.execute(
                "INSERT INTO jobdeck_queues (name, max_running, rate, rate_period) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET max_running = excluded.max_running, rate = excluded.rate, rate_period = excluded.rate_period",
                (name, limits.running, limits.rate, limits.period),
            )

    def pause(self, name: str) -> bool:
        """See `Store.pause_queue`."""
        with self._connections.writing() as connection:
            connection.execute(
                "INSERT INTO jobdeck_queues (name, paused_at) VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET paused_at = excluded.paused_at WHERE paused_at IS NULL",
                (name, self._clock.now()),
            )
            return connection.changes() == 1

    def resume(self, name: str) -> bool:
        """See `Store.resume_queue`."""
        with self._connections.writing() as connection:
            connection.execute("UPDATE jobdeck_queues SET paused_at = NULL WHERE name = ? AND paused_at IS NOT NULL", (name,))
            return connection.changes() == 1


def _remove(connection: apsw.Connection, job: Job) -> None:
    remove_jobs(connection, [job.id], set() if job.batch is None else {job.batch})


def read_jobs(connection: apsw.Connection, ids: Sequence[int], skew: float) -> Iterator[Job]:
    """The jobs with these ids, in no order."""
    rows = connection.execute(
        f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
    )
    return map(job_of(skew), rows)
