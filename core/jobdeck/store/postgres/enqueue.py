"""Enqueues jobs in PostgreSQL.

Threads that enqueue at the same time each commit by themselves: the server writes the commits of several connections
together, and a group commit as in SQLite would gain nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...model.errors import BatchNotFound, JobNotFound, UniqueKeyConflict
from ...model.jobs import Batch, Job, NewJob, OnConflict
from ...model.kind_names import handler_kind
from ...model.states import State
from ..backend import rows_of
from ..counters import CounterDeltas
from ..new_job import batch_total, encode_tags, initial_state, new_job_record, unique_states_mask
from ..queries.job_details import read_batch
from ..records import JOB_COLUMNS, job_reader
from .caller_transaction import caller_connection
from .connection import Connections, retried
from .counters import PostgresCounterDeltas
from .dependencies import DEPENDENCIES, stage_ready
from .errors import Conflict
from .identity import TABLE
from .notifier import PostgresNotifier
from .rows import lock_states, read_jobs
from .session import Session
from .sharded_counters import shard_of

_ENQUEUE = """
INSERT INTO jobdeck_jobs (id, kind, args, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at, unique_key, unique_final, if_parent_fails, batch, trace)
VALUES (jobdeck_take_ids(1), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (unique_taken) WHERE unique_taken IS NOT NULL DO NOTHING
RETURNING id
"""
_TYPES = {
    "kind": "text",
    "args": "text",
    "queue": "text",
    "priority": "integer",
    "max_attempts": "integer",
    "timeout": "double precision",
    "due": "double precision",
    "tags": "text",
    "backoff": "text",
    "expires_at": "double precision",
    "trace": "text",
}
"""The values of a job that depends on no others, and their types."""


def _build_insert(values: str, place: str) -> str:
    """Return the statement that stores jobs that depend on no others, with their counters.

    The time is the server's own if none is given. Nothing is inserted if the queue is not the one that the caller takes it for.

    Args:
        values: what to select from, with a column for each of `_TYPES`.
        place: the place of a job among them, from 1 on.
    """
    return f"""
WITH given AS MATERIALIZED (
    SELECT coalesce(:now::double precision, extract(epoch FROM clock_timestamp())::double precision) AS now
     WHERE :table::bigint IS NULL OR {TABLE} = :table),
first AS MATERIALIZED (SELECT now, jobdeck_take_ids(:n) AS id FROM given),
new AS (
    SELECT first.id + {place} - 1 AS id, first.now, coalesce(due, first.now) AS due, kind, args, queue, priority, max_attempts,
           timeout, tags, backoff, expires_at, trace
      FROM first, {values}),
stored AS (
    INSERT INTO jobdeck_jobs (id, kind, args, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                              backoff, expires_at, batch, trace)
    SELECT id, kind, args, queue, priority, CASE WHEN due <= now THEN 'pending' ELSE 'scheduled' END, max_attempts, timeout,
           now, due, tags, backoff, expires_at, :batch::bigint, trace
      FROM new ORDER BY id
 RETURNING queue, kind, state),
counted AS (
    INSERT INTO jobdeck_stripes (stripe, queue, kind, state, n)
    SELECT :shard::integer, queue, kind, state, count(*) FROM stored GROUP BY queue, kind, state
        ON CONFLICT (stripe, queue, kind, state) DO UPDATE SET n = jobdeck_stripes.n + excluded.n)
SELECT id, now FROM first
"""


_ARRAYS = ", ".join(f":{name}::{kind}[]" for name, kind in _TYPES.items())
_VALUES = ", ".join(f":{name}::{kind}" for name, kind in _TYPES.items())
_NAMES = ", ".join(_TYPES)
_ENQUEUE_TOGETHER = _build_insert(f"unnest({_ARRAYS}) WITH ORDINALITY AS each ({_NAMES}, place)", "place")
# A list of one value costs the driver and the server more than the value: a third of the time of an enqueue.
_ENQUEUE_ALONE = _build_insert(f"(SELECT {_VALUES}) AS each ({_NAMES})", "1")
_ENQUEUE_BULK = """
WITH first AS MATERIALIZED (SELECT jobdeck_take_ids(?1) AS id)
INSERT INTO jobdeck_jobs (id, args, kind, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at, trace)
SELECT first.id + new.place - 1, new.args, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
  FROM first, unnest(?14::text[]) WITH ORDINALITY AS new (args, place)
RETURNING (SELECT id FROM first)
"""
_HOLDER = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE unique_taken = ?"
_TRIES = 5
"""The number of times that a key may be released and taken by another transaction between two statements."""


class Enqueuer:
    """Enqueues new jobs."""

    def __init__(self, connections: Connections, notifier: PostgresNotifier) -> None:
        self._connections = connections
        self._notify = notifier.notify

    @retried
    def enqueue(self, jobs: Sequence[NewJob]) -> list[Job]:
        """See `base.Enqueuer.enqueue`."""
        if _are_independent(jobs):
            row = self._connections.run_alone(*self._together(jobs))
            if row is not None:
                self._notify()
                return _records(jobs, *row)
        with self._connections.write_transaction() as session:
            stored = self._insert_all(session, jobs)
        if stored:
            self._notify()
        return stored

    def enqueue_in(self, connection: object, jobs: Sequence[NewJob]) -> list[Job]:
        """See `base.Enqueuer.enqueue_in`."""
        with caller_connection(connection, self._connections) as session:
            return self._insert_all(session, jobs)

    def _insert_all(self, session: Session, jobs: Sequence[NewJob], batch: int | None = None) -> list[Job]:
        """Insert the jobs through this session, in its open transaction."""
        if not jobs:
            return []
        now = self._connections.now(session)
        counters = PostgresCounterDeltas()
        if _are_independent(jobs):
            statement, bound = self._together(jobs, batch, now)
            first, now = session.execute(statement, {**bound, "table": None, "shard": shard_of(session)}).get
            return _records(jobs, first, now, batch)
        stored: list[Job] = []
        changed: list[int] = []
        for new in jobs:
            job, known = self._enqueue_one(session, new, counters, now, batch)
            stored.append(job)
            # A parent that was already final may have resolved a new job; a holder may have got new arguments.
            if not known:
                changed.append(job.id)
        counters.write(session)
        if not changed:
            return stored
        found = {job.id: job for job in read_jobs(session, changed, self._connections.lease_skew())}
        return [found.get(job.id, job) for job in stored]

    def _enqueue_one(
        self, session: Session, new: NewJob, counters: CounterDeltas, now: float, batch: int | None
    ) -> tuple[Job, bool]:
        """Return the new job or the one that holds its key; and whether it is stored exactly as returned."""
        for _ in range(_TRIES):
            holder = None if new.unique_key is None else _holder(session, new, counters, now)
            if holder is not None:
                return holder, False
            job = _insert(session, new, counters, now, batch)
            if job is not None:
                return job, not new.after
        raise Conflict(self._connections.where)

    def _together(
        self, jobs: Sequence[NewJob], batch: int | None = None, now: float | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Return the statement that inserts jobs that depend on no others, and its values but for `table` and `shard`.

        Args:
            jobs: the jobs.
            batch: the batch that they belong to.
            now: the time; the store's own clock's if `None`.
        """
        rows = [
            (
                *(new.kind, new.args_json, new.queue, new.priority, new.max_attempts, _real(new.timeout)),
                *(_real(new.scheduled_at), encode_tags(new), new.backoff_json, _real(new.expires_at), new.trace),
            )
            for new in jobs
        ]
        bound: dict[str, Any]
        if len(rows) == 1:
            statement, bound = _ENQUEUE_ALONE, dict(zip(_TYPES, rows[0], strict=True))
        else:
            statement, bound = _ENQUEUE_TOGETHER, dict(zip(_TYPES, map(list, zip(*rows, strict=True)), strict=True))
        return statement, bound | {"now": self._connections.given_now() if now is None else now, "n": len(jobs), "batch": batch}

    @retried
    def enqueue_bulk(self, pattern: NewJob, args: Sequence[str]) -> range:
        """See `base.Enqueuer.enqueue_bulk`."""
        if not args:
            return range(1, 1)
        with self._connections.write_transaction() as session:
            now = self._connections.now(session)
            due, state = initial_state(pattern, now)
            counters = PostgresCounterDeltas()
            counters.count_transition(pattern.queue, pattern.kind, None, state, len(args))
            values = (
                *(pattern.kind, pattern.queue, pattern.priority, state.value, pattern.max_attempts, pattern.timeout, now, due),
                *(encode_tags(pattern), pattern.backoff_json, pattern.expires_at, pattern.trace),
            )
            first = int(session.execute(_ENQUEUE_BULK, (len(args), *values, [*args])).get)
            counters.write(session)
        self._notify()
        return range(first, first + len(args))

    @retried
    def enqueue_batch(self, name: str, jobs: Sequence[NewJob], into: int | None = None) -> Batch:
        """See `base.Enqueuer.enqueue_batch`."""
        with self._connections.write_transaction() as session:
            batch = into
            if batch is None:
                insert = "INSERT INTO jobdeck_batches (name, total, created_at) VALUES (?, 0, ?) RETURNING id"
                batch = int(session.execute(insert, (name, self._connections.now(session))).get)
            self._insert_all(session, jobs, batch)
            session.execute(f"UPDATE jobdeck_batches SET total = {batch_total(jobs)} WHERE id = ?1", (batch,))
            found = read_batch(session, batch)
            if found is None:
                raise BatchNotFound(batch)
        if jobs:
            self._notify()
        return found


def _are_independent(jobs: Sequence[NewJob]) -> bool:
    """Return whether the jobs depend on no others, by a unique key or as dependents."""
    return bool(jobs) and not any(new.unique_key is not None or new.after for new in jobs)


def _records(jobs: Sequence[NewJob], first: int, now: float, batch: int | None = None) -> list[Job]:
    """Return the records of jobs that were just stored, with ids from `first` on."""
    return [new_job_record(new, first + place, *initial_state(new, now), now, batch) for place, new in enumerate(jobs)]


def _real(value: Any) -> Any:
    """Return a whole number as a float, as the other numbers of its list are."""
    return float(value) if isinstance(value, int) else value


def _insert(session: Session, new: NewJob, counters: CounterDeltas, now: float, batch: int | None) -> Job | None:
    """Insert the job and return it; `None` if its key has just been taken."""
    due, state = initial_state(new, now)
    parents = _lock_parents(session, new.after) if new.after else {}
    if any(parent is not State.COMPLETED for parent in parents.values()):
        state = State.WAITING
    job_id: int | None = session.execute(
        _ENQUEUE,
        (
            *(new.kind, new.args_json, new.queue, new.priority, state.value, new.max_attempts, new.timeout, now, due),
            *(encode_tags(new), new.backoff_json, new.expires_at, new.unique_key, unique_states_mask(new)),
            *(new.if_parent_fails.value, batch, new.trace),
        ),
    ).get
    if job_id is None:
        return None
    counters.count_transition(new.queue, new.kind, None, state)
    if parents:
        _wait(session, job_id, parents, counters, now)
    return new_job_record(new, job_id, due, state, now, batch)


def _wait(session: Session, job_id: int, parents: Mapping[int, State], counters: CounterDeltas, now: float) -> None:
    session.executemany("INSERT INTO jobdeck_after (child, parent) VALUES (?, ?)", [(job_id, parent) for parent in parents])
    open_parents = {parent: state for parent, state in parents.items() if state is not State.COMPLETED}
    session.executemany(
        "INSERT INTO jobdeck_waits (parent, child) VALUES (?, ?)", [(parent, job_id) for parent in open_parents]
    )
    final: dict[int, State | None] = {parent: state for parent, state in open_parents.items() if state.is_final}
    DEPENDENCIES.resolve(session, counters, final, now, only=job_id)
    stage_ready(session, counters, [job_id], now)


def _holder(session: Session, new: NewJob, counters: CounterDeltas, now: float) -> Job | None:
    """Return the job that holds the unique key, as it was before the new job replaced it; `None` if the key is free."""
    assert new.unique_key is not None
    replacing = new.on_conflict is OnConflict.REPLACE
    found = rows_of(session, f"{_HOLDER} FOR UPDATE" if replacing else _HOLDER, (new.unique_key,))
    if not found:
        return None
    holder = job_reader(0.0)(found[0])
    if new.on_conflict is OnConflict.REFUSE or (replacing and handler_kind(holder.kind) != handler_kind(new.kind)):
        raise UniqueKeyConflict(new.unique_key, holder.id, holder.state)
    if not replacing or not holder.state.is_queued:
        return holder
    due = now if new.scheduled_at is None else new.scheduled_at
    state = holder.state
    if state in (State.PENDING, State.SCHEDULED):
        state = State.PENDING if due <= now else State.SCHEDULED
    session.execute(
        "UPDATE jobdeck_jobs SET kind = ?, args = ?, priority = ?, scheduled_at = ?, state = ?, tags = ?, expires_at = ?,"
        " trace = ? WHERE id = ?",
        (new.kind, new.args_json, new.priority, due, state.value, encode_tags(new), new.expires_at, new.trace, holder.id),
    )
    counters.count_transition(holder.queue, holder.kind, holder.state, None)
    counters.count_transition(holder.queue, new.kind, None, state)
    return holder


def _lock_parents(session: Session, ids: Sequence[int]) -> Mapping[int, State]:
    """Lock the jobs to wait for until the new one is stored, and return their states.

    Raises:
        JobNotFound: one of them does not exist.
    """
    found = lock_states(session, ids)
    for job_id in ids:
        if job_id not in found:
            raise JobNotFound(job_id)
    return {job_id: found[job_id] for job_id in dict.fromkeys(ids)}
