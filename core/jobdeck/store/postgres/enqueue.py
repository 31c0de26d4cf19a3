"""Into the queue: the enqueue of the PostgreSQL store.

Threads that enqueue at the same time each commit by themselves: the server writes the commits of several connections
together, and a leader among the threads, as SQLite has, would gain nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...model.errors import JobNotFound, NotUnique
from ...model.jobs import Job, NewJob, OnConflict
from ...model.states import State
from ..counters import Tally
from ..new_job import due_of, record_of, stored_final, stored_tags
from ..records import JOB_COLUMNS, job_of
from .connection import Connections
from .counters import PostgresTally
from .dependencies import WAITS, stage_released
from .errors import Conflict
from .rows import hold_states, read_jobs
from .session import Session, rows_of

_ENQUEUE = """
INSERT INTO jobdeck_jobs (id, kind, args, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at, unique_key, unique_final, if_parent_fails, batch)
VALUES (jobdeck_take_ids(1), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (unique_taken) WHERE unique_taken IS NOT NULL DO NOTHING
RETURNING id
"""
_ENQUEUE_TOGETHER = """
WITH first AS MATERIALIZED (SELECT jobdeck_take_ids(?1) AS id)
INSERT INTO jobdeck_jobs (id, kind, args, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at, batch)
SELECT first.id + new.place - 1, new.kind, new.args, new.queue, new.priority, new.state, new.max_attempts, new.timeout,
       ?2::double precision, new.due, new.tags, new.backoff, new.expires_at, ?3::bigint
  FROM first, unnest(?4::text[], ?5::text[], ?6::text[], ?7::integer[], ?8::text[], ?9::integer[], ?10::double precision[],
                     ?11::double precision[], ?12::text[], ?13::text[], ?14::double precision[]) WITH ORDINALITY
       AS new (kind, args, queue, priority, state, max_attempts, timeout, due, tags, backoff, expires_at, place)
RETURNING (SELECT id FROM first)
"""
_ENQUEUE_ALIKE = """
WITH first AS MATERIALIZED (SELECT jobdeck_take_ids(?1) AS id)
INSERT INTO jobdeck_jobs (id, args, kind, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff, expires_at, batch)
SELECT first.id + new.place - 1, new.args, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
  FROM first, unnest(?14::text[]) WITH ORDINALITY AS new (args, place)
RETURNING (SELECT id FROM first)
"""
_HOLDER = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE unique_taken = ?"
_TRIES = 5
"""How often a key may be let go of and taken by somebody else between two statements."""


class Intake:
    """Puts new jobs into the queue."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Job]:
        """See `Store.enqueue_jobs`."""
        with self._connections.writing() as session:
            return self.enqueue_in(session, jobs)

    def enqueue_in(self, session: Session, jobs: Sequence[NewJob], batch: int | None = None) -> list[Job]:
        """Insert the jobs through this session, whose transaction is somebody else's business."""
        if not jobs:
            return []
        now = self._connections.now(session)
        tally = PostgresTally()
        if not any(new.unique_key is not None or new.after for new in jobs):
            together = _enqueue_together(session, jobs, tally, now, batch)
            tally.write(session)
            return together
        stored: list[Job] = []
        changed: list[int] = []
        for new in jobs:
            job, known = self._enqueue_one(session, new, tally, now, batch)
            stored.append(job)
            # A parent that was final already may have settled a new one; a holder may have been given new arguments.
            if not known:
                changed.append(job.id)
        tally.write(session)
        if not changed:
            return stored
        found = {job.id: job for job in read_jobs(session, changed, self._connections.lease_skew())}
        return [found.get(job.id, job) for job in stored]

    def _enqueue_one(self, session: Session, new: NewJob, tally: Tally, now: float, batch: int | None) -> tuple[Job, bool]:
        """The new job or the one that holds its key; and whether it is known to be stored just so."""
        for _ in range(_TRIES):
            holder = None if new.unique_key is None else _holder(session, new, tally, now)
            if holder is not None:
                return holder, False
            job = _insert(session, new, tally, now, batch)
            if job is not None:
                return job, not new.after
        raise Conflict(self._connections.where)

    def enqueue_alike(self, pattern: NewJob, args: Sequence[str], batch: int | None = None) -> range:
        """See `Store.enqueue_alike`."""
        if not args:
            return range(1, 1)
        with self._connections.writing() as session:
            now = self._connections.now(session)
            due, state = due_of(pattern, now)
            tally = PostgresTally()
            tally.move(pattern.queue, pattern.kind, None, state, len(args))
            told = (
                *(pattern.kind, pattern.queue, pattern.priority, state.value, pattern.max_attempts, pattern.timeout, now, due),
                *(stored_tags(pattern), pattern.backoff_json, pattern.expires_at, batch),
            )
            first = int(session.execute(_ENQUEUE_ALIKE, (len(args), *told, [*args])).get)
            tally.write(session)
        return range(first, first + len(args))

    def enqueue_batch(self, name: str, jobs: Sequence[NewJob]) -> int:
        """See `Store.enqueue_batch`; returns the id of the batch."""
        with self._connections.writing() as session:
            batch = int(
                session.execute(
                    "INSERT INTO jobdeck_batches (name, total, created_at) VALUES (?, 0, ?) RETURNING id",
                    (name, self._connections.now(session)),
                ).get
            )
            self.enqueue_in(session, jobs, batch)
            # Where a unique key was taken, the job that holds it is none of the batch.
            session.execute(
                "UPDATE jobdeck_batches SET total = (SELECT count(*) FROM jobdeck_jobs WHERE batch = ?1) WHERE id = ?1",
                (batch,),
            )
            return batch


def _enqueue_together(session: Session, jobs: Sequence[NewJob], tally: Tally, now: float, batch: int | None) -> list[Job]:
    """Insert jobs that look at no others, in one statement."""
    rows: list[tuple[Any, ...]] = []
    for new in jobs:
        due, state = due_of(new, now)
        tally.move(new.queue, new.kind, None, state)
        told = (new.kind, new.args_json, new.queue, new.priority, state.value, new.max_attempts, _real(new.timeout))
        rows.append((*told, _real(due), stored_tags(new), new.backoff_json, _real(new.expires_at)))
    first = int(session.execute(_ENQUEUE_TOGETHER, (len(rows), now, batch, *map(list, zip(*rows, strict=True)))).get)
    return [record_of(new, first + place, *due_of(new, now), now, batch) for place, new in enumerate(jobs)]


def _real(value: Any) -> Any:
    """A whole number among the others of a list has to be written as they are."""
    return float(value) if isinstance(value, int) else value


def _insert(session: Session, new: NewJob, tally: Tally, now: float, batch: int | None) -> Job | None:
    """Insert the job; `None` if its key has just been taken."""
    due, state = due_of(new, now)
    parents = _parents(session, new.after) if new.after else {}
    if any(parent is not State.COMPLETED for parent in parents.values()):
        state = State.WAITING
    job_id: int | None = session.execute(
        _ENQUEUE,
        (
            *(new.kind, new.args_json, new.queue, new.priority, state.value, new.max_attempts, new.timeout, now, due),
            *(stored_tags(new), new.backoff_json, new.expires_at, new.unique_key, stored_final(new)),
            *(new.if_parent_fails.value, batch),
        ),
    ).get
    if job_id is None:
        return None
    tally.move(new.queue, new.kind, None, state)
    if parents:
        _wait(session, job_id, parents, tally, now)
    return record_of(new, job_id, due, state, now, batch)


def _wait(session: Session, job_id: int, parents: Mapping[int, State], tally: Tally, now: float) -> None:
    session.executemany("INSERT INTO jobdeck_after (child, parent) VALUES (?, ?)", [(job_id, parent) for parent in parents])
    open_parents = {parent: state for parent, state in parents.items() if state is not State.COMPLETED}
    session.executemany(
        "INSERT INTO jobdeck_waits (parent, child) VALUES (?, ?)", [(parent, job_id) for parent in open_parents]
    )
    final: dict[int, State | None] = {parent: state for parent, state in open_parents.items() if state.is_final}
    WAITS.settle(session, tally, final, now, only=job_id)
    stage_released(session, tally, [job_id], now)


def _holder(session: Session, new: NewJob, tally: Tally, now: float) -> Job | None:
    """The job that holds the unique key, as it was before the new one had its way; `None` if the key is free."""
    assert new.unique_key is not None
    replacing = new.on_conflict is OnConflict.REPLACE
    found = rows_of(session, f"{_HOLDER} FOR UPDATE" if replacing else _HOLDER, (new.unique_key,))
    if not found:
        return None
    holder = job_of(0.0)(found[0])
    if new.on_conflict is OnConflict.REFUSE or (replacing and holder.kind != new.kind):
        raise NotUnique(new.unique_key, holder.id, holder.state)
    if not replacing or not holder.state.is_queued:
        return holder
    due = now if new.scheduled_at is None else new.scheduled_at
    state = holder.state
    if state in (State.PENDING, State.SCHEDULED):
        state = State.PENDING if due <= now else State.SCHEDULED
    session.execute(
        "UPDATE jobdeck_jobs SET args = ?, priority = ?, scheduled_at = ?, state = ?, tags = ?, expires_at = ? WHERE id = ?",
        (new.args_json, new.priority, due, state.value, stored_tags(new), new.expires_at, holder.id),
    )
    tally.move(holder.queue, holder.kind, holder.state, state)
    return holder


def _parents(session: Session, ids: Sequence[int]) -> Mapping[int, State]:
    """The states of the jobs to wait for, which stay so until the new one is there.

    Raises:
        JobNotFound: there is no such job.
    """
    found = hold_states(session, ids)
    for job_id in ids:
        if job_id not in found:
            raise JobNotFound(job_id)
    return {job_id: found[job_id] for job_id in dict.fromkeys(ids)}
