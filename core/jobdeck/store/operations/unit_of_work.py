"""One transaction in which people change jobs, and what all their acts need to know of a job's key and parents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...model.errors import UndoConflict, UniqueKeyTaken
from ...model.jobs import IfParentFails, Job
from ...model.states import State
from ..backend import Backend, SqlConnection, rows_of
from ..counters import CounterDeltas

UndoData = list[Any]
"""What it takes to undo an act on one job, as JSON; it begins with the job's id."""
Undo = tuple[UndoData, int, bool]
"""The entry, about how many bytes it takes, and whether the act on this job can be undone at all."""


@dataclass(frozen=True, slots=True)
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
        """Begin to change jobs in the connection's open transaction; `graves` finds the deleted, see `deleted`."""
        return cls(backend, connection, backend.now(connection), backend.new_counters(), deleted_states)

    def deleted(self) -> Mapping[int, State]:
        """The jobs that people have deleted and that could come back, each with its state when that was."""
        if not self._deleted:
            self._deleted.append(self.deleted_states(self.connection))
        return self._deleted[0]

    def columns(self, table: str) -> str:
        """A table's stored columns, as SQL lists them: all but those that the database computes."""
        if table not in self._columns:
            self._columns[table] = self.backend.stored_columns(self.connection, table)
        return self._columns[table]


@dataclass(frozen=True, slots=True)
class UndoableOperation:
    """How an act is taken back, and done again."""

    undo: Callable[[UnitOfWork, Job | None, UndoData, float], None]
    """Given the job as it is now, the entry, and when the act was done. Raises `MovedOn`, `KeyTaken` or `JobNotFound`."""
    redo: Callable[[UnitOfWork, Job, UndoData], Undo]
    """Does it again where the undo left the job. Raises `MovedOn` or `KeyTaken`."""
    redo_data: Callable[[UndoData], UndoData] = lambda entry: entry
    """What to keep of an undone entry, to do it again."""


def check_unique_key(unit: UnitOfWork, job_id: int, key: str | None) -> None:
    """Refuse to queue a job again whose unique key is another's by now."""
    if key is None:
        return
    query = "SELECT id FROM jobdeck_jobs WHERE unique_taken = ? AND id <> ?"
    for (holder,) in rows_of(unit.connection, query, (key, job_id)):
        raise UniqueKeyTaken(job_id, key, holder)


def remove_dependencies(unit: UnitOfWork, job_id: int) -> list[int]:
    """The job waits no longer; returns for which jobs it did."""
    rows = rows_of(unit.connection, "DELETE FROM jobdeck_waits WHERE child = ? RETURNING parent", (job_id,))
    return sorted(row[0] for row in rows)


def parent_policy(unit: UnitOfWork, job_id: int) -> str:
    """What becomes of the job when one that it waits for fails: see `IfParentFails`."""
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
    """The state to come back to: a job that waited waits on for those of its parents that have not ended.

    Args:
        turn: the transaction.
        job_id: the job.
        before: the state from which it was taken.
        parents: for whom it waited then.
        due: when it is due, once it does not wait any more.
        policy: what becomes of it when one of them fails.
        orphaned: it was cancelled for a parent's sake, which therefore has to be there again. Otherwise a parent that is
            not there, and that nobody has deleted, has completed and was pruned.

    Raises:
        MovedOn: a parent has failed, was cancelled or removed, and with it the job would have been cancelled.
    """
    if before != State.WAITING:
        return State(before)
    states = unit.backend.load_states(unit.connection, parents or [])
    waits = []
    for parent in parents or []:
        state = states.get(parent)
        if state is None and orphaned:
            raise UndoConflict(job_id, f"waited for job {parent}, which is gone")
        if state is None and unit.deleted().get(parent, State.COMPLETED) is not State.COMPLETED and policy != IfParentFails.RUN:
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
