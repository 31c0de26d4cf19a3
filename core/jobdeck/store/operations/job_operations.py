"""What people do to one job of the queue, each act beside its inverse.

Doing an act returns what it takes to undo it. Undoing first checks that the job still is where the act left it, so that
nothing that happened since is lost; otherwise it raises. Both work inside a `Turn`, and keep its counters.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...model.errors import JobNotFound, MovedOn
from ...model.jobs import Job, Reason
from ...model.states import QUEUED, State
from ..backend import rows_of
from .unit_of_work import Deed, Done, Entry, Turn, check_key, policy_of, take_waits, wait_again

# A job that waits for one that comes back to its end would be told of that end, and run or be cancelled by an undo.
_WOULD_BE_TOLD = """
SELECT waits.child FROM jobdeck_waits AS waits JOIN jobdeck_jobs AS child ON child.id = waits.child
 WHERE waits.parent = ? AND (child.if_parent_fails <> 'wait' OR ? = 'completed') LIMIT 1
"""
LOWEST, HIGHEST = -(2**31), 2**31 - 1
"""Priorities stay within these."""


# -- cancel: [id, state, parents that a waiting job waited for, reason] -------------------------------------------------


def cancel(turn: Turn, job: Job) -> Done:
    """Queued → `cancelled`; a running job is asked to stop."""
    if job.state is State.RUNNING:
        turn.connection.execute("UPDATE jobdeck_jobs SET cancelling = true WHERE id = ?", (job.id,))
        return [job.id, job.state], 30, False
    parents = take_waits(turn, job.id) if job.state is State.WAITING else None
    turn.connection.execute("UPDATE jobdeck_jobs SET state = 'cancelled', finished_at = ? WHERE id = ?", (turn.now, job.id))
    turn.tally.move(job.queue, job.kind, job.state, State.CANCELLED)
    return [job.id, job.state, parents, None], 40 + 8 * len(parents or ()), True


def child(job_id: int, parents: Sequence[int]) -> Done:
    """What it takes to bring back a job that was cancelled because one that it waited for was cancelled or deleted."""
    return [job_id, State.WAITING, parents, Reason.PARENT], 40 + 8 * len(parents), True


def is_child(entry: Entry) -> bool:
    """Whether the entry is of such a job, in whatever act."""
    return len(entry) == 4 and entry[3] == Reason.PARENT


def _uncancel(turn: Turn, job: Job | None, entry: Entry, at: float) -> None:
    job_id, before, *more = entry
    if before == State.RUNNING:
        raise MovedOn(job_id, "was running, and its code was told to stop")
    if job is None:
        raise JobNotFound(job_id)
    parents, reason = more
    if job.state is not State.CANCELLED:
        raise MovedOn(
            job_id, "was retried and started since" if job.started_at and job.started_at >= at else "was retried since"
        )
    if (job.finished_at, job.reason) != (at, reason):
        raise MovedOn(job_id, "was cancelled again since")
    check_key(turn, job_id, job.unique_key)
    orphaned = reason == Reason.PARENT
    after = wait_again(turn, job_id, before, parents, job.scheduled_at, policy_of(turn, job_id), orphaned=orphaned)
    turn.connection.execute(
        "UPDATE jobdeck_jobs SET state = ?, finished_at = NULL, reason = NULL"
        " WHERE id = ? AND state = 'cancelled' AND finished_at = ?",
        (after, job_id, at),
    )
    turn.tally.move(job.queue, job.kind, State.CANCELLED, after)


def _cancel_again(turn: Turn, job: Job, _entry: Entry) -> Done:
    if job.state is State.RUNNING:
        raise MovedOn(job.id, "was started since")
    return cancel(turn, job)


# -- retry: [id, state, scheduled_at, finished_at, result, progress, max_attempts, reason, expires_at, started_at, attempt] ---


def retry(turn: Turn, job: Job) -> Done:
    """Final, scheduled or retrying → `pending`, with at least one more attempt allowed."""
    if job.unique_key is not None:
        check_key(turn, job.id, job.unique_key)
    # Somebody wants it to run now, so a time after which it was not worth starting no longer holds.
    turn.connection.execute(
        "UPDATE jobdeck_jobs SET state = 'pending', scheduled_at = ?1, finished_at = NULL, result = NULL, progress = NULL,"
        " max_attempts = CASE WHEN max_attempts > attempt THEN max_attempts ELSE attempt + 1 END, reason = NULL,"
        " expires_at = CASE WHEN expires_at > ?1 THEN expires_at END WHERE id = ?2",
        (turn.now, job.id),
    )
    turn.tally.move(job.queue, job.kind, job.state, State.PENDING)
    entry = [
        *(job.id, job.state, job.scheduled_at, job.finished_at, job.result_json, job.progress, job.max_attempts),
        *(job.reason, job.expires_at, job.started_at, job.attempt),
    ]
    return entry, 150 + len(job.result_json or ""), True


def _unretry(turn: Turn, job: Job | None, entry: Entry, at: float) -> None:
    job_id, before, scheduled_at, finished_at, result, progress, max_attempts, reason, expires_at, *begun = entry
    if job is None:
        raise JobNotFound(job_id)
    if job.state is State.RUNNING or [job.started_at, job.attempt] != begun:
        raise MovedOn(job_id, "was started since")
    if job.state is State.CANCELLED:
        raise MovedOn(job_id, "was cancelled since")
    if job.state is not State.PENDING or job.scheduled_at != at:
        raise MovedOn(job_id, "was changed since")
    for (child,) in rows_of(turn.connection, _WOULD_BE_TOLD, (job_id, before)) if finished_at is not None else ():
        raise MovedOn(job_id, f"is waited for by job {child} since")
    turn.connection.execute(
        "UPDATE jobdeck_jobs SET state = ?, scheduled_at = ?, finished_at = ?, result = ?, progress = ?, max_attempts = ?,"
        " reason = ?, expires_at = ? WHERE id = ? AND state = 'pending'",
        (before, scheduled_at, finished_at, result, progress, max_attempts, reason, expires_at, job_id),
    )
    turn.tally.move(job.queue, job.kind, State.PENDING, before)


def _retry_again(turn: Turn, job: Job, entry: Entry) -> Done:
    if [job.started_at, job.attempt] != entry[9:11]:
        raise MovedOn(job.id, "was started since")
    if job.state != entry[1]:
        raise MovedOn(job.id, "was changed since")
    return retry(turn, job)


# -- reprioritise: [id, priority before, priority after] ------------------------------------------------------------------


def reprioritise(turn: Turn, job: Job, priority: int, *, relative: bool = False) -> Done:
    """Another priority, for a queued job."""
    wanted = max(LOWEST, min(HIGHEST, job.priority + priority if relative else priority))
    turn.connection.execute("UPDATE jobdeck_jobs SET priority = ? WHERE id = ?", (wanted, job.id))
    return [job.id, job.priority, wanted], 30, True


def _unreprioritise(turn: Turn, job: Job | None, entry: Entry, _at: float) -> None:
    job_id, before, after = entry
    if job is None:
        raise JobNotFound(job_id)
    if job.state not in QUEUED:
        raise MovedOn(job_id, "was started since" if job.state is State.RUNNING else f"is {job.state} now")
    _set_priority(turn, job, after, before)


def _reprioritise_again(turn: Turn, job: Job, entry: Entry) -> Done:
    _set_priority(turn, job, entry[1], entry[2])
    return entry, 30, True


def _set_priority(turn: Turn, job: Job, expected: int, wanted: int) -> None:
    if job.priority != expected:
        raise MovedOn(job.id, "was reprioritised again since")
    turn.connection.execute("UPDATE jobdeck_jobs SET priority = ? WHERE id = ?", (wanted, job.id))


CANCEL = Deed(_uncancel, _cancel_again)
RETRY = Deed(_unretry, _retry_again)
REPRIORITISE = Deed(_unreprioritise, _reprioritise_again)
