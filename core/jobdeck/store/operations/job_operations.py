"""Operations on one job, each next to its inverse.

An operation returns what it takes to undo it. An undo first checks that the job is still as the operation left it, so that no
later change is lost; otherwise it raises. Both work inside a `UnitOfWork`, and update its counters.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...model.errors import JobNotFound, UndoConflict
from ...model.jobs import Job, Reason
from ...model.states import QUEUED, State
from ..backend import rows_of
from .unit_of_work import (
    Undo,
    UndoableOperation,
    UndoData,
    UnitOfWork,
    check_unique_key,
    parent_policy,
    remove_dependencies,
    restore_dependencies,
)

# A dependent of a job that an undo restores to its final state would be resolved, and so run or be cancelled by the undo.
_AFFECTED_DEPENDENT = """
SELECT waits.child FROM jobdeck_waits AS waits JOIN jobdeck_jobs AS child ON child.id = waits.child
 WHERE waits.parent = ? AND (child.if_parent_fails <> 'wait' OR ? = 'completed') LIMIT 1
"""
LOWEST, HIGHEST = -(2**31), 2**31 - 1
"""The bounds of a priority."""


# -- cancel: [id, state, parents that a waiting job waited for, reason] -------------------------------------------------


def cancel(unit: UnitOfWork, job: Job) -> Undo:
    """Cancel a queued job; ask a running one to stop."""
    if job.state is State.RUNNING:
        unit.connection.execute("UPDATE jobdeck_jobs SET cancelling = true WHERE id = ?", (job.id,))
        return [job.id, job.state], 30, False
    parents = remove_dependencies(unit, job.id) if job.state is State.WAITING else None
    unit.connection.execute("UPDATE jobdeck_jobs SET state = 'cancelled', finished_at = ? WHERE id = ?", (unit.now, job.id))
    unit.counters.count_transition(job.queue, job.kind, job.state, State.CANCELLED)
    return [job.id, job.state, parents, None], 40 + 8 * len(parents or ()), True


def cancelled_child(job_id: int, parents: Sequence[int]) -> Undo:
    """Return what it takes to restore a job that was cancelled because one that it waited for was cancelled or deleted."""
    return [job_id, State.WAITING, parents, Reason.PARENT], 40 + 8 * len(parents), True


def is_cancelled_child(entry: UndoData) -> bool:
    """Return whether the undo data is of such a job, in any operation."""
    return len(entry) == 4 and entry[3] == Reason.PARENT


def _undo_cancel(unit: UnitOfWork, job: Job | None, entry: UndoData, at: float) -> None:
    job_id, before, *more = entry
    if before == State.RUNNING:
        raise UndoConflict(job_id, "was running, and its code was asked to stop")
    if job is None:
        raise JobNotFound(job_id)
    parents, reason = more
    if job.state is not State.CANCELLED:
        raise UndoConflict(
            job_id, "was retried and started since" if job.started_at and job.started_at >= at else "was retried since"
        )
    if (job.finished_at, job.reason) != (at, reason):
        raise UndoConflict(job_id, "was cancelled again since")
    check_unique_key(unit, job_id, job.unique_key)
    orphaned = reason == Reason.PARENT
    after = restore_dependencies(
        unit, job_id, before, parents, job.scheduled_at, parent_policy(unit, job_id), orphaned=orphaned
    )
    unit.connection.execute(
        "UPDATE jobdeck_jobs SET state = ?, finished_at = NULL, reason = NULL"
        " WHERE id = ? AND state = 'cancelled' AND finished_at = ?",
        (after, job_id, at),
    )
    unit.counters.count_transition(job.queue, job.kind, State.CANCELLED, after)


def _redo_cancel(unit: UnitOfWork, job: Job, _entry: UndoData) -> Undo:
    if job.state is State.RUNNING:
        raise UndoConflict(job.id, "was started since")
    return cancel(unit, job)


# -- retry: [id, state, scheduled_at, finished_at, result, progress, max_attempts, reason, expires_at, started_at, attempt] ---


def retry(unit: UnitOfWork, job: Job) -> Undo:
    """Move a final, scheduled or retrying job to `pending`, with at least one more attempt allowed."""
    if job.unique_key is not None:
        check_unique_key(unit, job.id, job.unique_key)
    # The actor wants it to run now, so an expiry in the past no longer applies.
    unit.connection.execute(
        "UPDATE jobdeck_jobs SET state = 'pending', scheduled_at = ?1, finished_at = NULL, result = NULL, progress = NULL,"
        " max_attempts = CASE WHEN max_attempts > attempt THEN max_attempts ELSE attempt + 1 END, reason = NULL,"
        " expires_at = CASE WHEN expires_at > ?1 THEN expires_at END WHERE id = ?2",
        (unit.now, job.id),
    )
    unit.counters.count_transition(job.queue, job.kind, job.state, State.PENDING)
    entry = [
        *(job.id, job.state, job.scheduled_at, job.finished_at, job.result_json, job.progress, job.max_attempts),
        *(job.reason, job.expires_at, job.started_at, job.attempt),
    ]
    return entry, 150 + len(job.result_json or ""), True


def _undo_retry(unit: UnitOfWork, job: Job | None, entry: UndoData, at: float) -> None:
    job_id, before, scheduled_at, finished_at, result, progress, max_attempts, reason, expires_at, *started = entry
    if job is None:
        raise JobNotFound(job_id)
    if job.state is State.RUNNING or [job.started_at, job.attempt] != started:
        raise UndoConflict(job_id, "was started since")
    if job.state is State.CANCELLED:
        raise UndoConflict(job_id, "was cancelled since")
    if job.state is not State.PENDING or job.scheduled_at != at:
        raise UndoConflict(job_id, "was changed since")
    for (child,) in rows_of(unit.connection, _AFFECTED_DEPENDENT, (job_id, before)) if finished_at is not None else ():
        raise UndoConflict(job_id, f"is waited for by job {child} since")
    unit.connection.execute(
        "UPDATE jobdeck_jobs SET state = ?, scheduled_at = ?, finished_at = ?, result = ?, progress = ?, max_attempts = ?,"
        " reason = ?, expires_at = ? WHERE id = ? AND state = 'pending'",
        (before, scheduled_at, finished_at, result, progress, max_attempts, reason, expires_at, job_id),
    )
    # In two steps: a restored job does not finish once more.
    unit.counters.count_transition(job.queue, job.kind, State.PENDING, None)
    unit.counters.count_transition(job.queue, job.kind, None, before)


def _redo_retry(unit: UnitOfWork, job: Job, entry: UndoData) -> Undo:
    if [job.started_at, job.attempt] != entry[9:11]:
        raise UndoConflict(job.id, "was started since")
    if job.state != entry[1]:
        raise UndoConflict(job.id, "was changed since")
    return retry(unit, job)


# -- reprioritize: [id, priority before, priority after] ------------------------------------------------------------------


def reprioritize(unit: UnitOfWork, job: Job, priority: int, *, relative: bool = False) -> Undo:
    """Set the priority of a queued job, or add to it."""
    wanted = max(LOWEST, min(HIGHEST, job.priority + priority if relative else priority))
    unit.connection.execute("UPDATE jobdeck_jobs SET priority = ? WHERE id = ?", (wanted, job.id))
    return [job.id, job.priority, wanted], 30, True


def _undo_reprioritize(unit: UnitOfWork, job: Job | None, entry: UndoData, _at: float) -> None:
    job_id, before, after = entry
    if job is None:
        raise JobNotFound(job_id)
    if job.state not in QUEUED:
        raise UndoConflict(job_id, "was started since" if job.state is State.RUNNING else f"is {job.state} now")
    _set_priority(unit, job, after, before)


def _redo_reprioritize(unit: UnitOfWork, job: Job, entry: UndoData) -> Undo:
    _set_priority(unit, job, entry[1], entry[2])
    return entry, 30, True


def _set_priority(unit: UnitOfWork, job: Job, expected: int, wanted: int) -> None:
    if job.priority != expected:
        raise UndoConflict(job.id, "was reprioritized again since")
    unit.connection.execute("UPDATE jobdeck_jobs SET priority = ? WHERE id = ?", (wanted, job.id))


CANCEL = UndoableOperation(_undo_cancel, _redo_cancel)
RETRY = UndoableOperation(_undo_retry, _redo_retry)
REPRIORITIZE = UndoableOperation(_undo_reprioritize, _redo_reprioritize)
