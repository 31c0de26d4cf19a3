"""Enqueues jobs in SQLite. Threads that enqueue at the same time share a commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count

import apsw

from ...clock import Clock
from ...json_functions import json
from ...model.errors import BatchNotFound, JobNotFound, RowRefused, StoreError, StoreFailed, UniqueKeyConflict
from ...model.jobs import Batch, Job, NewJob, OnConflict
from ...model.kind_names import handler_kind
from ...model.states import State
from ..counters import CounterDeltas
from ..new_job import batch_total, encode_tags, initial_state, new_job_record, unique_states_mask
from ..notifier import SocketNotifier
from ..queries.job_details import read_batch
from .caller_transaction import caller_connection
from .connection import Connections
from .counters import SqliteCounterDeltas
from .dependencies import DEPENDENCIES, stage_ready
from .errors import CONVERTED, to_store_error
from .group_commit import GroupCommit
from .rows import read_jobs, read_states

# One above the highest id ever given.
_NEXT = "max((SELECT coalesce(max(id), 0) FROM jobdeck_jobs), (SELECT last FROM jobdeck_ids)) + 1"
_ENQUEUE = f"""
INSERT INTO jobdeck_jobs (id, kind, args, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at, unique_key, unique_final, if_parent_fails, batch, trace)
VALUES ({_NEXT}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ENQUEUE_BULK = f"""
WITH first(id) AS MATERIALIZED (SELECT {_NEXT})
INSERT INTO jobdeck_jobs (id, args, kind, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at, trace)
SELECT first.id + key, value, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM first, json_each(?)
"""
# One statement, regardless of the number of rows: each step releases the interpreter's lock, and seven threads wait for it.
_ENQUEUE_TOGETHER = f"""
WITH first(id) AS MATERIALIZED (SELECT {_NEXT})
INSERT INTO jobdeck_jobs (id, kind, args, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at, trace)
SELECT first.id + key, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, ?,
       value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11 FROM first, json_each(?)
"""

Request = Sequence[NewJob]
"""The jobs of one call."""


class Enqueuer:
    """Enqueues new jobs."""

    def __init__(self, connections: Connections, clock: Clock, notifier: SocketNotifier) -> None:
        self._connections = connections
        self._clock = clock
        self._notify = notifier.notify
        self._group_commit: GroupCommit[Request, list[Job]] = GroupCommit(
            self._enqueue_all, lambda: StoreFailed(connections.where, "the thread that wrote for this one was interrupted")
        )

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Job]:
        """See `base.Enqueuer.enqueue`."""
        if self._connections.in_transaction():
            with self._connections.write_transaction() as connection:
                stored = self._insert_all(connection, jobs)
        else:
            stored = self._group_commit.submit(jobs)
        if stored:
            self._connections.after_commit(self._notify)
        return stored

    def _enqueue_all(
        self, requests: Sequence[Request], arrived: Callable[[], Sequence[Request]]
    ) -> list[list[Job] | Exception]:
        """Enqueue the jobs of several threads in one commit. A request that is refused stops no other."""
        stored: list[list[Job] | Exception] = []
        counters = SqliteCounterDeltas()
        with self._connections.write_transaction() as connection:
            if len(requests) == 1:  # if it is refused, no other is stored yet
                stored.append(self._insert_jobs(connection, requests[0], counters))
                requests = arrived()
            # A thread has one request at a time, so that this ends.
            while requests:
                stored += self._insert_requests(connection, requests, counters)
                requests = arrived()
            counters.write(connection)
        return stored

    def _insert_requests(
        self, connection: apsw.Connection, requests: Sequence[Request], counters: CounterDeltas
    ) -> list[list[Job] | Exception]:
        if not any(new.unique_key is not None or new.after for jobs in requests for new in jobs):
            try:
                return [*self._insert_together(connection, requests, counters)]
            except Exception as error:
                if isinstance(error, CONVERTED) and not isinstance(to_store_error(error, self._connections.where), RowRefused):
                    raise
                # One of them is refused; the others must not be. The statement has stored none.
        stored: list[list[Job] | Exception] = []
        for jobs in requests:
            try:
                with self._connections.write_transaction():
                    stored.append(self._insert_all(connection, jobs))
            except Exception as refusal:
                if isinstance(refusal, StoreError) and not isinstance(refusal, RowRefused):
                    raise  # the transaction may be rolled back, and with it the requests of the others
                stored.append(refusal)
        return stored

    def _insert_together(
        self, connection: apsw.Connection, requests: Sequence[Request], counters: CounterDeltas
    ) -> list[list[Job]]:
        """Insert jobs that depend on no others."""
        now = self._clock.now()
        rows = []
        for new in (new for jobs in requests for new in jobs):
            due, state = initial_state(new, now)
            values = (new.kind, new.args_json, new.queue, new.priority, state, new.max_attempts, new.timeout, due)
            rows.append((*values, encode_tags(new), new.backoff_json, new.expires_at, new.trace))
        connection.execute(_ENQUEUE_TOGETHER, (now, json.dumps(rows, ensure_ascii=False)))
        for kind, _, queue, _, state, *_ in rows:
            counters.count_transition(queue, kind, None, state)
        ids = count(connection.last_insert_rowid() - len(rows) + 1)
        return [[new_job_record(new, next(ids), *initial_state(new, now), now, None) for new in jobs] for jobs in requests]

    def enqueue_in(self, connection: object, jobs: Sequence[NewJob]) -> list[Job]:
        """See `base.Enqueuer.enqueue_in`."""
        with caller_connection(connection, self._connections) as own:
            return self._insert_all(own, jobs)

    def _insert_all(self, connection: apsw.Connection, jobs: Sequence[NewJob], batch: int | None = None) -> list[Job]:
        """Insert the jobs through this connection, in its open transaction, and count them."""
        counters = SqliteCounterDeltas()
        stored = self._insert_jobs(connection, jobs, counters, batch)
        counters.write(connection)
        return stored

    def _insert_jobs(
        self, connection: apsw.Connection, jobs: Sequence[NewJob], counters: CounterDeltas, batch: int | None = None
    ) -> list[Job]:
        now = self._clock.now()
        stored: list[Job] = []
        changed: list[int] = []
        for new in jobs:
            holder = None if new.unique_key is None else self._holder(connection, new, counters, now)
            stored.append(holder or self._insert(connection, new, counters, now, batch))
            # A parent that was already final may have resolved a new job; a holder may have got new arguments.
            if holder or new.after:
                changed.append(stored[-1].id)
        if not changed:
            return stored
        found = {job.id: job for job in read_jobs(connection, changed, now - self._clock.monotonic())}
        return [found.get(job.id, job) for job in stored]

    def enqueue_bulk(self, pattern: NewJob, args: Sequence[str]) -> range:
        """See `base.Enqueuer.enqueue_bulk`."""
        now = self._clock.now()
        due, state = initial_state(pattern, now)
        counters = SqliteCounterDeltas()
        counters.count_transition(pattern.queue, pattern.kind, None, state, len(args))
        values = (
            *(pattern.kind, pattern.queue, pattern.priority, state, pattern.max_attempts, pattern.timeout, now, due),
            *(encode_tags(pattern), pattern.backoff_json, pattern.expires_at, pattern.trace),
        )
        with self._connections.write_transaction() as connection:
            connection.execute(_ENQUEUE_BULK, (*values, json.dumps(args, ensure_ascii=False)))
            last = connection.last_insert_rowid() if args else 0
            counters.write(connection)
        if args:
            self._connections.after_commit(self._notify)
        # Ids are consecutive: no other connection writes meanwhile.
        return range(last - len(args) + 1, last + 1)

    def _insert(self, connection: apsw.Connection, new: NewJob, counters: CounterDeltas, now: float, batch: int | None) -> Job:
        due, state = initial_state(new, now)
        parents = _parent_states(connection, new.after) if new.after else {}
        if any(parent is not State.COMPLETED for parent in parents.values()):
            state = State.WAITING
        unique_final = unique_states_mask(new)
        connection.execute(
            _ENQUEUE,
            (
                *(new.kind, new.args_json, new.queue, new.priority, state, new.max_attempts, new.timeout, now, due),
                *(encode_tags(new), new.backoff_json, new.expires_at, new.unique_key, unique_final, new.if_parent_fails, batch),
                new.trace,
            ),
        )
        job_id = connection.last_insert_rowid()
        counters.count_transition(new.queue, new.kind, None, state)
        if parents:
            self._wait(connection, job_id, parents, counters, now)
        return new_job_record(new, job_id, due, state, now, batch)

    def _wait(
        self, connection: apsw.Connection, job_id: int, parents: Mapping[int, State], counters: CounterDeltas, now: float
    ) -> None:
        connection.executemany("INSERT INTO jobdeck_after VALUES (?, ?)", [(job_id, parent) for parent in parents])
        open_parents = {parent: state for parent, state in parents.items() if state is not State.COMPLETED}
        connection.executemany("INSERT INTO jobdeck_waits VALUES (?, ?)", [(parent, job_id) for parent in open_parents])
        final: dict[int, State | None] = {parent: state for parent, state in open_parents.items() if state.is_final}
        DEPENDENCIES.resolve(connection, counters, final, now, only=job_id)
        stage_ready(connection, counters, [job_id], now)

    def _holder(self, connection: apsw.Connection, new: NewJob, counters: CounterDeltas, now: float) -> Job | None:
        """Return the job that holds the unique key, as it was before the new job replaced it; `None` if the key is free."""
        held_by = connection.execute("SELECT id FROM jobdeck_jobs WHERE unique_taken = ?", (new.unique_key,)).get
        if held_by is None:
            return None
        assert new.unique_key is not None
        (holder,) = read_jobs(connection, [held_by], 0.0)
        if new.on_conflict is OnConflict.REFUSE or (
            new.on_conflict is OnConflict.REPLACE and handler_kind(holder.kind) != handler_kind(new.kind)
        ):
            raise UniqueKeyConflict(new.unique_key, holder.id, holder.state)
        if new.on_conflict is OnConflict.RETURN or not holder.state.is_queued:
            return holder
        due = now if new.scheduled_at is None else new.scheduled_at
        state = holder.state
        if state in (State.PENDING, State.SCHEDULED):
            state = State.PENDING if due <= now else State.SCHEDULED
        connection.execute(
            "UPDATE jobdeck_jobs SET kind = ?, args = ?, priority = ?, scheduled_at = ?, state = ?, tags = ?, expires_at = ?,"
            " trace = ? WHERE id = ?",
            (new.kind, new.args_json, new.priority, due, state, encode_tags(new), new.expires_at, new.trace, holder.id),
        )
        counters.count_transition(holder.queue, holder.kind, holder.state, None)
        counters.count_transition(holder.queue, new.kind, None, state)
        return holder

    def enqueue_batch(self, name: str, jobs: Sequence[NewJob], into: int | None = None) -> Batch:
        """See `base.Enqueuer.enqueue_batch`."""
        with self._connections.write_transaction() as connection:
            if into is None:
                connection.execute(
                    "INSERT INTO jobdeck_batches (name, total, created_at) VALUES (?, 0, ?)", (name, self._clock.now())
                )
            batch = connection.last_insert_rowid() if into is None else into
            self._insert_all(connection, jobs, batch)
            connection.execute(f"UPDATE jobdeck_batches SET total = {batch_total(jobs)} WHERE id = ?1", (batch,))
            found = read_batch(connection, batch)
            if found is None:
                raise BatchNotFound(batch)
        if jobs:
            self._connections.after_commit(self._notify)
        return found


def _parent_states(connection: apsw.Connection, ids: Sequence[int]) -> dict[int, State]:
    """Return the states of the jobs to wait for.

    Raises:
        JobNotFound: one of them does not exist.
    """
    found = read_states(connection, ids)
    for job_id in ids:
        if job_id not in found:
            raise JobNotFound(job_id)
    return found
