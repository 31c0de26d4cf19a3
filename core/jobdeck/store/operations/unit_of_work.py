"""A unit of work: one transaction that changes jobs, with the checks of keys and parents that all operations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from ...model.errors import UndoConflict, UniqueKeyTaken
from ...model.jobs import IfParentFails, Job
from ...model.record_class import record
from ...model.states import State
from ..backend import Backend, SqlConnection, rows_of
from ..counters import CounterDeltas

UndoData = list[Any]
"""What it takes to undo an operation on one job, as JSON; it starts with the job's id."""
Undo = tuple[UndoData, int, bool]
"""The undo data, its approximate size in bytes, and whether the operation on this job can be undone at all."""


@record
class UnitOfWork:
    """One transaction that changes jobs."""

    backend: Backend
    connection: SqlConnection
    now: float
    counters: CounterDeltas
    deleted_states: Callable[[SqlConnection], Mapping[int, State]]
    _columns: dict[str, str] = field(default_factory=dict)
    _deleted: list[Mapping[int, State]] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        backend: Backend,
        connection: SqlConnection,
        deleted_states: Callable[[SqlConnection], Mapping[int, State]] = lambda connection: {},
    ) -> UnitOfWork:
        """Start a unit of work in the connection's open transaction; `deleted_states` finds deleted jobs, see `deleted`."""
        return cls(backend, connection, backend.now(connection), backend.new_counters(), deleted_states)

    def deleted(self) -> Mapping[int, State]:
        """Return the deleted jobs that an undo could restore, each with its state when it was deleted."""
        if not self._deleted:
            self._deleted.append(self.deleted_states(self.connection))
        return self._deleted[0]

    def columns(self, table: str) -> str:
        """Return a table's stored columns as SQL lists them, without those that the database computes."""
        if table not in self._columns:
            self._columns[table] = self.backend.stored_columns(self.connection, table)
        return self._columns[table]


@record
class UndoableOperation:
    """How an operation on one job is undone and redone."""

    undo: Callable[[UnitOfWork, Job | None, UndoData, float], None]
    """Called with the current job, the undo data and the operation's time.

    Raises `UndoConflict`, `UniqueKeyTaken` or `JobNotFound`.
    """
    redo: Callable[[UnitOfWork, Job, UndoData], Undo]
    """Redoes the operation if the job is as the undo left it. Raises `UndoConflict` or `UniqueKeyTaken`."""
    redo_data: Callable[[UndoData], UndoData] = lambda entry: entry
    """Reduces undo data to what a redo needs."""


def check_unique_key(unit: UnitOfWork, job_id: int, key: str | None) -> None:
    """Refuse to requeue a job whose unique key another job has taken in the meantime."""
    if key is None:
        return
    query = "SELECT id FROM jobdeck_jobs WHERE unique_taken = ? AND id <> ?"
    for (holder,) in rows_of(unit.connection, query, (key, job_id)):
        raise UniqueKeyTaken(job_id, key, holder)


def remove_dependencies(unit: UnitOfWork, job_id: int) -> list[int]:
    """Remove the job's dependencies; return the jobs that it waited for."""
    rows = rows_of(unit.connection, "DELETE FROM jobdeck_waits WHERE child = ? RETURNING parent", (job_id,))
    return sorted(row[0] for row in rows)


def parent_policy(unit: UnitOfWork, job_id: int) -> str:
    """Return what happens to the job when one that it waits for fails: see `IfParentFails`."""
    return str(rows_of(unit.connection, "SELECT if_parent_fails FROM jobdeck_jobs WHERE id = ?", (job_id,))[0][0])


def restore_dependencies(
    unit: UnitOfWork,
    job_id: int,
    before: State | str,
    parents: Sequence[int] | None,
    due: float,
    policy: str,
    *,
    orphaned: bool = False,
) -> State:
    """Return the state to restore: a job that was waiting waits again for those of its parents that have not ended.

    Args:
        unit: the transaction.
        job_id: the job.
        before: its state before the operation.
        parents: the jobs that it waited for.
        due: when it is due, once it waits for no parent any more.
        policy: what happens to it when a parent fails.
        orphaned: whether it was cancelled because of a parent, which therefore has to exist again.

    Raises:
        UndoConflict: a parent has failed, or was cancelled or deleted, which would have cancelled the job too; or it is gone,
            and nothing says that it had completed.
    """
    if before != State.WAITING:
        return State(before)
    states = unit.backend.load_states(unit.connection, parents or [])
    waits = []
    for parent in parents or []:
        state = states.get(parent)
        if state is None and orphaned:
            raise UndoConflict(job_id, f"waited for job {parent}, which is gone")
        if state is None and policy != IfParentFails.RUN:
            deleted = unit.deleted().get(parent)
            if deleted is None:  # it was pruned, or the journal had no space left for its deletion
                raise UndoConflict(job_id, f"waited for job {parent}, which is gone and may not have completed")
            if deleted is not State.COMPLETED:
                raise UndoConflict(job_id, f"waited for job {parent}, which was deleted")
        if state is None or state == State.COMPLETED:
            continue
        if state in (State.FAILED, State.CANCELLED):
            if policy == IfParentFails.CANCEL:
                raise UndoConflict(job_id, f"waited for job {parent}, which is {state} now")
            if policy == IfParentFails.RUN:
                continue
        waits.append((parent, job_id))
    unit.connection.executemany("INSERT INTO jobdeck_waits (parent, child) VALUES (?, ?) ON CONFLICT DO NOTHING", waits)
    if waits:
        return State.WAITING
    return State.SCHEDULED if due > unit.now else State.PENDING
