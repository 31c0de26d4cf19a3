"""Cancels, retries, reprioritizes, edits and deletes jobs for a person or a program.

Each operation is one transaction, with a journal entry that holds what it takes to undo it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ...model.errors import InvalidOption, JobdeckError, JobNotFound, WrongState
from ...model.jobs import Job, JobEdit, OperationResult
from ...model.journal import Actor
from ...model.states import Operation, State, allows
from ..backend import Backend, retried
from . import deletion, edits, job_operations
from .journal_writer import MAX_ENTRY_BYTES, UNKNOWN_ACTOR, JournalWriter
from .unit_of_work import Undo, UnitOfWork

_FINAL_STATES = {Operation.CANCEL: State.CANCELLED, Operation.DELETE: None}
"""The states that jobs reach by the operations that end them; `None` if they are deleted."""

ApplyOperation = Callable[[UnitOfWork, Job], Undo]
"""Changes one job inside the transaction; returns what it takes to undo that."""


class Operations:
    """Changes that people and programs make to jobs."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def cancel(self, ids: Sequence[int], *, by: Actor = UNKNOWN_ACTOR) -> OperationResult:
        """Cancel queued jobs immediately; ask running jobs to stop."""
        return self._apply_to_each(Operation.CANCEL, ids, by, job_operations.cancel)

    def retry(self, ids: Sequence[int], *, by: Actor = UNKNOWN_ACTOR) -> OperationResult:
        """Move final, `retrying` or `scheduled` jobs to `pending`, with at least one more attempt allowed."""
        return self._apply_to_each(Operation.RETRY, ids, by, job_operations.retry)

    def reprioritize(
        self, ids: Sequence[int], priority: int, *, relative: bool = False, by: Actor = UNKNOWN_ACTOR
    ) -> OperationResult:
        """Set the priority of queued jobs, or add to it if `relative`."""
        apply = partial(job_operations.reprioritize, priority=priority, relative=relative)
        details = f"by {priority:+d}" if relative else f"to {priority}"
        return self._apply_to_each(Operation.REPRIORITIZE, ids, by, apply, details, notify=False)

    def edit(self, job_id: int, change: JobEdit, *, by: Actor = UNKNOWN_ACTOR) -> OperationResult:
        """Change the arguments or options of a queued job. Another time moves it between `pending` and `scheduled`."""
        return self._apply_to_each(Operation.EDIT, [job_id], by, partial(edits.edit, change=change), edits.describe(change))

    def delete(self, ids: Sequence[int], *, by: Actor = UNKNOWN_ACTOR) -> OperationResult:
        """Delete jobs that are not running, with their attempts and logs."""
        return self._apply_to_each(Operation.DELETE, ids, by, deletion.delete)

    def change(
        self, operation: Operation, ids: Sequence[int], *, priority: int, relative: bool, by: Actor = UNKNOWN_ACTOR
    ) -> OperationResult:
        """Do one of these operations, which are those on many jobs. Raises `InvalidOption` for another one."""
        match operation:
            case Operation.CANCEL:
                return self.cancel(ids, by=by)
            case Operation.RETRY:
                return self.retry(ids, by=by)
            case Operation.DELETE:
                return self.delete(ids, by=by)
            case Operation.REPRIORITIZE:
                return self.reprioritize(ids, priority, relative=relative, by=by)
            case _:
                raise InvalidOption("operation", f"must be cancel, retry, delete or reprioritize, not {operation}")

    @retried
    def _apply_to_each(
        self,
        operation: Operation,
        ids: Sequence[int],
        by: Actor,
        apply: ApplyOperation,
        details: str = "",
        *,
        notify: bool = True,
    ) -> OperationResult:
        """Apply the operation to each job whose state allows it, and refuse the others.

        `notify` wakes the workers: a job may be ready now, a running one must stop, or a dependent may run.
        """
        done: list[int] = []
        refused: dict[int, JobdeckError] = {}
        with self._backend.write_transaction() as connection:
            unit = UnitOfWork.begin(self._backend, connection)
            writer = JournalWriter(connection, operation, by, unit.now, MAX_ENTRY_BYTES)
            found = {job.id: job for job in self._backend.load_for_update(connection, ids)}
            for job_id in dict.fromkeys(ids):
                job = found.get(job_id)
                if job is None:
                    refused[job_id] = JobNotFound(job_id)
                elif not allows(operation, job.state):
                    refused[job_id] = WrongState(job_id, operation, job.state)
                else:
                    try:
                        writer.add(*apply(unit, job))
                    except JobdeckError as problem:
                        refused[job_id] = problem
                    else:
                        done.append(job_id)
            for child in cancel_dependents(unit, operation, (found[job_id] for job_id in done)):
                writer.add(*child, child=True)
            unit.counters.write(connection)
            entry = writer.write(details)
        if notify and done:
            self._backend.notify()
        return OperationResult(tuple(done), refused, entry, writer.undoable - writer.children, writer.children)


def cancel_dependents(unit: UnitOfWork, operation: Operation, parents: Iterable[Job]) -> list[Undo]:
    """Resolve the dependents of jobs that were cancelled or deleted; return what it takes to restore the cancelled ones."""
    if operation not in _FINAL_STATES or not unit.backend.has_dependents(unit.connection):
        return []
    ended = {job.id: _FINAL_STATES[operation] for job in parents if job.state is not State.RUNNING}
    children = unit.backend.resolve_dependents(unit.connection, unit.counters, ended, unit.now)
    return [job_operations.cancelled_child(*child) for child in children.items()]
