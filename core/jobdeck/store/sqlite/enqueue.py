"""Into the queue: the enqueue of the SQLite store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count

import apsw

from ...clock import Clock
from ...model.errors import JobNotFound, NotUnique, RowRefused, StoreError, StoreFailed
from ...model.jobs import Job, NewJob, OnConflict
from ...model.states import State
from ..counters import Tally
from ..new_job import due_of, record_of, stored_final, stored_tags
from .backend import read_jobs
from .connection import Connections
from .counters import SqliteTally
from .dependencies import WAITS, stage_released
from .group_commit import SharedCommit
from .rows import rows_of

# One above the highest id that there is or was.
_NEXT = "max((SELECT coalesce(max(id), 0) FROM jobdeck_jobs), (SELECT last FROM jobdeck_ids)) + 1"
_ENQUEUE = f"""
INSERT INTO jobdeck_jobs (id, kind, args, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at, unique_key, unique_final, if_parent_fails, batch)
VALUES ({_NEXT}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ENQUEUE_ALIKE = f"""
WITH first(id) AS MATERIALIZED (SELECT {_NEXT})
INSERT INTO jobdeck_jobs (id, args, kind, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at, batch)
SELECT first.id + key, value, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM first, json_each(?)
"""
# One statement, however many rows: each step gives up the interpreter's lock, and seven threads wait for it.
_ENQUEUE_TOGETHER = f"""
WITH first(id) AS MATERIALIZED (SELECT {_NEXT})
INSERT INTO jobdeck_jobs (id, kind, args, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at)
SELECT first.id + key, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, ?,
       value ->> 7, value ->> 8, value ->> 9, value ->> 10 FROM first, json_each(?)
"""


class Intake:
    """Puts new jobs into the queue."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock
        self._shared: SharedCommit[Sequence[NewJob], list[Job]] = SharedCommit(
            self._enqueue_all, lambda: StoreFailed(connections.where, "the thread that wrote for this one was interrupted")
        )

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Job]:
        """See `Store.enqueue_jobs`."""
        if self._connections.in_transaction():
            with self._connections.writing() as connection:
                return self.enqueue_in(connection, jobs)
        return self._shared.submit(jobs)

    def _enqueue_all(self, requests: Sequence[Sequence[NewJob]]) -> list[list[Job] | Exception]:
        """What several threads enqueue, in one commit. A request that is refused stops no other."""
        with self._connections.writing() as connection:
            if len(requests) == 1:
                return [self.enqueue_in(connection, requests[0])]
            if not any(new.unique_key is not None or new.after for jobs in requests for new in jobs):
                try:
                    with self._connections.writing():
                        return [*self._enqueue_together(connection, requests)]
                except RowRefused:
                    pass  # one of them: the others shall not suffer for it
            done: list[list[Job] | Exception] = []
            for jobs in requests:
                try:
                    with self._connections.writing():
                        done.append(self.enqueue_in(connection, jobs))
                except Exception as refusal:
                    if isinstance(refusal, StoreError) and not isinstance(refusal, RowRefused):
                        raise  # the transaction may be gone, and with it what the others asked for
                    done.append(refusal)
            return done

    def _enqueue_together(self, connection: apsw.Connection, requests: Sequence[Sequence[NewJob]]) -> list[list[Job]]:
        """Insert jobs that look at no others."""
        now = self._clock.now()
        tally = SqliteTally()
        rows = []
        for new in (new for jobs in requests for new in jobs):
            due, state = due_of(new, now)
            tally.move(new.queue, new.kind, None, state)
            told = (new.kind, new.args_json, new.queue, new.priority, state, new.max_attempts, new.timeout, due)
            rows.append((*told, stored_tags(new), new.backoff_json, new.expires_at))
        connection.execute(_ENQUEUE_TOGETHER, (now, json.dumps(rows, ensure_ascii=False)))
        tally.write(connection)
        ids = count(connection.last_insert_rowid() - len(rows) + 1)
        return [[record_of(new, next(ids), *due_of(new, now), now, None) for new in jobs] for jobs in requests]

    def enqueue_in(self, connection: apsw.Connection, jobs: Sequence[NewJob], batch: int | None = None) -> list[Job]:
        """Insert the jobs through this connection, whose transaction is somebody else's business."""
        now = self._clock.now()
        tally = SqliteTally()
        stored: list[Job] = []
        changed: list[int] = []
        for new in jobs:
            holder = None if new.unique_key is None else self._holder(connection, new, tally, now)
            stored.append(holder or self._insert(connection, new, tally, now, batch))
            # A parent that was final already may have settled a new one; a holder may have been given new arguments.
            if holder or new.after:
                changed.append(stored[-1].id)
        tally.write(connection)
        if not changed:
            return stored
        found = {job.id: job for job in read_jobs(connection, changed, now - self._clock.monotonic())}
        return [found.get(job.id, job) for job in stored]

    def enqueue_alike(self, pattern: NewJob, args: Sequence[str], batch: int | None = None) -> range:
        """See `Store.enqueue_alike`."""
        now = self._clock.now()
        due, state = due_of(pattern, now)
        tally = SqliteTally()
        tally.move(pattern.queue, pattern.kind, None, state, len(args))
        told = (
            *(pattern.kind, pattern.queue, pattern.priority, state, pattern.max_attempts, pattern.timeout, now, due),
            *(stored_tags(pattern), pattern.backoff_json, pattern.expires_at, batch),
        )
        with self._connections.writing() as connection:
            connection.execute(_ENQUEUE_ALIKE, (*told, json.dumps(args, ensure_ascii=False)))
            last = connection.last_insert_rowid() if args else 0
            tally.write(connection)
        # Ids count up without a gap: nobody else writes meanwhile.
        return range(last - len(args) + 1, last + 1)

    def _insert(self, connection: apsw.Connection, new: NewJob, tally: Tally, now: float, batch: int | None) -> Job:
        due, state = due_of(new, now)
        parents = _states(connection, new.after) if new.after else {}
        if any(parent is not State.COMPLETED for parent in parents.values()):
            state = State.WAITING
        unique_final = stored_final(new)
        connection.execute(
            _ENQUEUE,
            (
                *(new.kind, new.args_json, new.queue, new.priority, state, new.max_attempts, new.timeout, now, due),
                *(stored_tags(new), new.backoff_json, new.expires_at, new.unique_key, unique_final, new.if_parent_fails, batch),
            ),
        )
        job_id = connection.last_insert_rowid()
        tally.move(new.queue, new.kind, None, state)
        if parents:
            self._wait(connection, job_id, parents, tally, now)
        return record_of(new, job_id, due, state, now, batch)

    def _wait(self, connection: apsw.Connection, job_id: int, parents: Mapping[int, State], tally: Tally, now: float) -> None:
        connection.executemany("INSERT INTO jobdeck_after VALUES (?, ?)", [(job_id, parent) for parent in parents])
        open_parents = {parent: state for parent, state in parents.items() if state is not State.COMPLETED}
        connection.executemany("INSERT INTO jobdeck_waits VALUES (?, ?)", [(parent, job_id) for parent in open_parents])
        final: dict[int, State | None] = {parent: state for parent, state in open_parents.items() if state.is_final}
        WAITS.settle(connection, tally, final, now, only=job_id)
        stage_released(connection, tally, [job_id], now)

    def _holder(self, connection: apsw.Connection, new: NewJob, tally: Tally, now: float) -> Job | None:
        """The job that holds the unique key, as it was before the new one had its way; `None` if the key is free."""
        held_by = connection.execute("SELECT id FROM jobdeck_jobs WHERE unique_taken = ?", (new.unique_key,)).get
        if held_by is None:
            return None
        assert new.unique_key is not None
        (holder,) = read_jobs(connection, [held_by], 0.0)
        if new.on_conflict is OnConflict.REFUSE or (new.on_conflict is OnConflict.REPLACE and holder.kind != new.kind):
            raise NotUnique(new.unique_key, holder.id, holder.state)
        if new.on_conflict is OnConflict.RETURN or not holder.state.is_queued:
            return holder
        due = now if new.scheduled_at is None else new.scheduled_at
        state = holder.state
        if state in (State.PENDING, State.SCHEDULED):
            state = State.PENDING if due <= now else State.SCHEDULED
        connection.execute(
            "UPDATE jobdeck_jobs SET args = ?, priority = ?, scheduled_at = ?, state = ?, tags = ?, expires_at = ?"
            " WHERE id = ?",
            (new.args_json, new.priority, due, state, stored_tags(new), new.expires_at, holder.id),
        )
        tally.move(holder.queue, holder.kind, holder.state, state)
        return holder

    def enqueue_batch(self, name: str, jobs: Sequence[NewJob]) -> int:
        """See `Store.enqueue_batch`; returns the id of the batch."""
        with self._connections.writing() as connection:
            connection.execute(
                "INSERT INTO jobdeck_batches (name, total, created_at) VALUES (?, 0, ?)", (name, self._clock.now())
            )
            batch = connection.last_insert_rowid()
            self.enqueue_in(connection, jobs, batch)
            # Where a unique key was taken, the job that holds it is none of the batch.
            connection.execute(
                "UPDATE jobdeck_batches SET total = (SELECT count(*) FROM jobdeck_jobs WHERE batch = ?1) WHERE id = ?1",
                (batch,),
            )
            return batch


def _states(connection: apsw.Connection, ids: Sequence[int]) -> dict[int, State]:
    rows = rows_of(
        connection, "SELECT id, state FROM jobdeck_jobs WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
    )
    found = {row[0]: State(row[1]) for row in rows}
    for job_id in ids:
        if job_id not in found:
            raise JobNotFound(job_id)
    return found
