"""Deletes a job, and restores it under its own id with all of its rows.

The undo data is `[id, the job's row, parents it waited for, parents it came after, attempts, log, batch]`. Rows are stored as a
list: first the names of their columns, as SQL lists them, then the rows, so that they fit a schema that has grown since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...model.errors import UndoConflict
from ...model.jobs import Job
from ...model.states import FINAL, State
from ..records import Row, RowCheck
from .unit_of_work import (
    Undo,
    UndoableOperation,
    UndoData,
    UnitOfWork,
    check_unique_key,
    remove_dependencies,
    restore_dependencies,
)

LOG_BYTES = 256 << 10
"""Bytes of a deleted job's log, and of its attempts, that an undo restores: the newest."""
_BEGUN = 4
"""The index of `started_at` among the columns of an attempt."""
# 1 completed, 2 failed, 4 cancelled: see `unique_final` in the schema.
_KEEPS = {State.COMPLETED: 1, State.FAILED: 2, State.CANCELLED: 4}


def delete(unit: UnitOfWork, job: Job) -> Undo:
    """Delete a job that is not running, with its attempts and log."""
    row = _taken(unit, "jobdeck_jobs", "id", job.id)
    for stored in row[1:]:  # what an undo puts back must be sound
        RowCheck("jobdeck_jobs", row[0])(stored)
    parents = remove_dependencies(unit, job.id) if job.state is State.WAITING else []
    after = [pair[1] for pair in _taken(unit, "jobdeck_after", "child", job.id)[1:]]
    attempts, text = _taken(unit, "jobdeck_attempts", "job_id", job.id), 0
    logs: list[Any] = []
    if len(attempts) > 1:
        attempts, text = _newest(attempts[0], sorted(attempts[1:], key=lambda attempt: -attempt[_BEGUN]))
    if job.started_at is not None:  # otherwise nothing was logged
        names = unit.columns("jobdeck_logs")
        lines = unit.connection.execute(f"SELECT {names} FROM jobdeck_logs WHERE job_id = ? ORDER BY id DESC", (job.id,))
        logs, logged = _newest(names, lines)
        text += logged
        unit.connection.execute("DELETE FROM jobdeck_logs WHERE job_id = ?", (job.id,))
    unit.counters.count_transition(job.queue, job.kind, job.state, None)
    batch = [] if job.batch is None else _emptied(unit, job.batch)
    size = 700 + len(job.args_json) + len(job.result_json or "") + text
    return [job.id, row, parents, after, attempts, logs, batch], size, True


def _emptied(unit: UnitOfWork, batch: int) -> list[Any]:
    """Delete a batch that has no job any more, and return its row."""
    unit.backend.lock_row(
        unit.connection, "jobdeck_batches", "id", batch
    )  # a transaction that deletes its other jobs runs before or after this one
    left = unit.connection.execute("SELECT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE batch = ?)", (batch,)).get
    return [] if left else _taken(unit, "jobdeck_batches", "id", batch)


def _undo_delete(unit: UnitOfWork, job: Job | None, entry: UndoData, _at: float) -> None:
    job_id, kept, parents, after, attempts, logs, batch = entry
    if job is not None:
        raise UndoConflict(job_id, "is there already")
    (row,) = _named(kept)
    state = State(row["state"])
    if state not in FINAL or row["unique_final"] & _KEEPS[state]:
        check_unique_key(unit, job_id, row["unique_key"])
    row["state"] = restore_dependencies(unit, job_id, state, parents, row["scheduled_at"], row["if_parent_fails"])
    _put(unit, "jobdeck_jobs", [row])
    # A late result or the like may have left rows of the job, which stay unchanged.
    _put(unit, "jobdeck_attempts", _named(attempts), "ON CONFLICT DO NOTHING")
    _put(unit, "jobdeck_logs", _named(logs), "ON CONFLICT DO NOTHING")
    _put(unit, "jobdeck_batches", _named(batch), "ON CONFLICT DO NOTHING")
    pairs = [(job_id, parent) for parent in after]
    unit.connection.executemany("INSERT INTO jobdeck_after (child, parent) VALUES (?, ?) ON CONFLICT DO NOTHING", pairs)
    unit.counters.count_transition(row["queue"], row["kind"], None, row["state"])


def _redo_delete(unit: UnitOfWork, job: Job, entry: UndoData) -> Undo:
    if [job.started_at, job.attempt] != entry[1]:
        raise UndoConflict(job.id, "was started since")
    return delete(unit, job)


def _redo_data(entry: UndoData) -> UndoData:
    (row,) = _named(entry[1])
    return [entry[0], [row["started_at"], row["attempt"]]]


DELETE = UndoableOperation(_undo_delete, _redo_delete, _redo_data)


def _taken(unit: UnitOfWork, table: str, column: str, job_id: int) -> list[Any]:
    """Delete rows, and return them."""
    names = unit.columns(table)
    return [names, *unit.connection.execute(f"DELETE FROM {table} WHERE {column} = ? RETURNING {names}", (job_id,))]


def _newest(names: str, rows: Iterable[Row]) -> tuple[list[Any], int]:
    """Return the rows, newest first, as far as they fit; and their size."""
    kept: list[Any] = [names]
    size = 0
    for row in rows:
        more = 80 + sum(len(value) for value in row if isinstance(value, str))
        if size + more > LOG_BYTES and size:
            break
        kept.append(row)
        size += more
    return kept, size


def _named(kept: list[Any]) -> Iterator[dict[str, Any]]:
    """Return stored rows by the names of their columns."""
    for row in kept[1:]:
        yield dict(zip(kept[0].split(", "), row, strict=True))


def _put(unit: UnitOfWork, table: str, rows: Iterable[dict[str, Any]], otherwise: str = "") -> None:
    """Insert rows, with a conflict clause; a column that the schema no longer has is omitted."""
    known = unit.columns(table).split(", ")
    for row in rows:
        names = [name for name in known if name in row]
        unit.connection.execute(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) {otherwise}",
            [row[name] for name in names],
        )
