"""Edits a job that is still queued, and undoes that.

The undo data is `[id, old columns, new columns, started]`: only the edited columns, and in `started` when the job was started
last and its number of attempts, because an edit that a worker has read cannot be undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...json_functions import json
from ...model.errors import InvalidOption, JobNotFound, UndoConflict
from ...model.jobs import Job, JobEdit
from ...model.states import QUEUED, State
from ..backend import rows_of
from .unit_of_work import Undo, UndoableOperation, UndoData, UnitOfWork

_COLUMNS = ("args", "kind", "queue", "priority", "max_attempts", "scheduled_at", "tags")
_NAMES = {"args": "arguments", "kind": "name", "max_attempts": "attempts", "scheduled_at": "time"}

# One statement, guarded by the state: a running or final job is never changed. Another time moves a ready job to later, or
# makes a later one ready.
_EDIT = """
UPDATE jobdeck_jobs SET args = coalesce(:args, args), kind = coalesce(:kind, kind), queue = coalesce(:queue, queue),
       priority = coalesce(:priority, priority), max_attempts = coalesce(:max_attempts, max_attempts),
       tags = coalesce(:tags, tags), scheduled_at = coalesce(:scheduled_at, scheduled_at),
       state = CASE WHEN :scheduled_at IS NULL OR state NOT IN ('pending', 'scheduled') THEN state
                    WHEN :scheduled_at > :now THEN 'scheduled' ELSE 'pending' END
 WHERE id = :id AND state IN ('scheduled', 'waiting', 'pending', 'retrying') AND attempt < coalesce(:max_attempts, max_attempts)
RETURNING state, queue, kind
"""


def edit(unit: UnitOfWork, job: Job, change: JobEdit) -> Undo:
    """Change the arguments or options of a queued job."""
    if change.max_attempts is not None and change.max_attempts <= job.attempt:
        started = "1 attempt" if job.attempt == 1 else f"{job.attempt:,} attempts"
        raise InvalidOption("max_attempts", f"must be more than the {started} that job {job.id} has started")
    if change.scheduled_at is not None and job.expires_at is not None and change.scheduled_at >= job.expires_at:
        raise InvalidOption("time", f"must be before job {job.id} expires")
    wanted = {name: value for name, value in _columns(change).items() if value is not None}
    before = {name: value for name, value in _stored(unit, job.id).items() if name in wanted}
    _put(unit, job, wanted)
    size = 80 + sum(len(str(value)) for each in (before, wanted) for value in each.values())
    return [job.id, before, wanted, [job.started_at, job.attempt]], size, True


def describe(change: JobEdit) -> str:
    """Name what was edited: `arguments and queue`."""
    names = [_NAMES.get(name, name) for name, value in _columns(change).items() if value is not None]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _columns(change: JobEdit) -> dict[str, Any]:
    tags = None if change.tags is None else json.dumps(change.tags)
    values = (change.args_json, change.kind, change.queue, change.priority, change.max_attempts, change.scheduled_at, tags)
    return dict(zip(_COLUMNS, values, strict=True))


def _stored(unit: UnitOfWork, job_id: int) -> dict[str, Any]:
    (row,) = rows_of(unit.connection, f"SELECT {', '.join(_COLUMNS)} FROM jobdeck_jobs WHERE id = ?", (job_id,))
    return dict(zip(_COLUMNS, row, strict=True))


def _put(unit: UnitOfWork, job: Job, columns: Mapping[str, Any]) -> None:
    bound = dict.fromkeys(_COLUMNS) | dict(columns) | {"id": job.id, "now": unit.now}
    for state, queue, kind in rows_of(unit.connection, _EDIT, bound):
        unit.counters.count_transition(job.queue, job.kind, job.state, None)
        unit.counters.count_transition(queue, kind, None, State(state))


def _undo_edit(unit: UnitOfWork, job: Job | None, entry: UndoData, _at: float) -> None:
    job_id, before, after, started = entry
    if job is None:
        raise JobNotFound(job_id)
    if job.state not in QUEUED and job.state is not State.RUNNING:
        raise UndoConflict(job_id, f"is {job.state} now")
    _check_same(_stored(unit, job_id), job, started, after)
    _put(unit, job, before)


def _redo_edit(unit: UnitOfWork, job: Job, entry: UndoData) -> Undo:
    job_id, before, after, started = entry
    stored = _stored(unit, job_id)
    # A retry that was redone too has made it due at another time.
    _check_same(stored, job, started, {name: value for name, value in before.items() if name != "scheduled_at"})
    _put(unit, job, after)
    return [job_id, {name: stored[name] for name in before}, after, started], 80, True


def _check_same(stored: Mapping[str, Any], job: Job, started: list[Any], columns: Mapping[str, Any]) -> None:
    """Raise `UndoConflict` unless the job is as the operation left it."""
    if job.state is State.RUNNING or [job.started_at, job.attempt] != started:
        raise UndoConflict(job.id, "was started since")
    if any(stored[name] != value for name, value in columns.items()):
        raise UndoConflict(job.id, "was changed again since")


EDIT = UndoableOperation(_undo_edit, _redo_edit)
