"""What people do to one job, each act beside its inverse.

Doing an act returns an *entry*: a JSON list that begins with the job's id and holds what it takes to undo it. Undoing first
checks that the job still is where the act left it, so that nothing that happened since is lost; otherwise it raises.
Both work inside an open transaction, and keep the counters with the `Turn`'s tally.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw

from ...errors import JobNotFound, KeyTaken, MovedOn
from ...jobs import IfParentFails, Job
from ...states import FINAL, QUEUED, Operation, State
from .rows import Row, rows_of
from .tally import Tally

Entry = list[Any]
Done = tuple[Entry, int, bool]
"""The entry, about how many bytes it takes, and whether the act on this job can be undone at all."""

LOG_BYTES = 256 << 10
"""Of a deleted job's log, and of what is told of its attempts, the newest so many bytes come back with it."""
LOWEST, HIGHEST = -(2**31), 2**31 - 1
"""Priorities stay within these."""

_BEGUN = 4
"""The place of `started_at` among the columns of an attempt."""

# 1 completed, 2 failed, 4 cancelled: see `unique_final` in the schema.
_KEEPS = {State.COMPLETED: 1, State.FAILED: 2, State.CANCELLED: 4}


@dataclass(frozen=True, slots=True)
class Turn:
    """One transaction that changes jobs."""

    connection: apsw.Connection
    now: float
    tally: Tally = field(default_factory=Tally)
    _columns: dict[str, str] = field(default_factory=dict)

    def columns(self, table: str) -> str:
        """A table's stored columns, as SQL lists them: all but those that SQLite computes."""
        if table not in self._columns:
            self._columns[table] = ", ".join(row[1] for row in self.connection.execute(f"PRAGMA table_info({table})"))
        return self._columns[table]


@dataclass(frozen=True, slots=True)
class Deed:
    """How an act is taken back, and done again."""

    undo: Callable[[Turn, Job | None, Entry, float], None]
    """Given the job as it is now, the entry, and when the act was done. Raises `MovedOn`, `KeyTaken` or `JobNotFound`."""
    again: Callable[[Turn, Job, Entry], Done]
    """Does it again where the undo left the job. Raises `MovedOn` or `KeyTaken`."""
    kept: Callable[[Entry], Entry] = lambda entry: entry
    """What to keep of an undone entry, to do it again."""


# -- cancel: [id, state, parents that a waiting job waited for, reason] ---------------------------------------------------


def cancel(turn: Turn, job: Job) -> Done:
    """Queued → `cancelled`; a running job is asked to stop."""
    if job.state is State.RUNNING:
        turn.connection.execute("UPDATE jobdeck_jobs SET cancelling = 1 WHERE id = ?", (job.id,))
        return [job.id, job.state], 30, False
    parents = _take_waits(turn, job.id) if job.state is State.WAITING else None
    turn.connection.execute("UPDATE jobdeck_jobs SET state = 'cancelled', finished_at = ? WHERE id = ?", (turn.now, job.id))
    turn.tally.move(job.queue, job.kind, job.state, State.CANCELLED)
    return [job.id, job.state, parents, None], 40 + 8 * len(parents or ()), True


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
    _check_key(turn, job_id, job.unique_key)
    after = _wait_again(turn, job_id, before, parents, job.scheduled_at, _policy(turn, job_id))
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
        _check_key(turn, job.id, job.unique_key)
    # Somebody wants it to run now, so a time after which it was not worth starting no longer holds.
    turn.connection.execute(
        "UPDATE jobdeck_jobs SET state = 'pending', scheduled_at = ?1, finished_at = NULL, result = NULL, progress = NULL,"
        " max_attempts = max(max_attempts, attempt + 1), reason = NULL,"
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


# -- delete: [id, the job's row, parents it waited for, parents it came after, attempts, log] ------------------------------
#
# Rows are kept as a list: first the names of their columns, as SQL lists them, then the rows.


def delete(turn: Turn, job: Job) -> Done:
    """Remove a job that is not running, with its attempts and log."""
    row = _taken(turn, "jobdeck_jobs", "id", job.id)
    parents = _take_waits(turn, job.id) if job.state is State.WAITING else []
    after = [pair[1] for pair in _taken(turn, "jobdeck_after", "child", job.id)[1:]]
    attempts, told = _taken(turn, "jobdeck_attempts", "job_id", job.id), 0
    logs: list[Any] = []
    if len(attempts) > 1:
        attempts, told = _newest(attempts[0], sorted(attempts[1:], key=lambda attempt: -attempt[_BEGUN]))
    if job.started_at is not None:  # otherwise nothing was logged
        names = turn.columns("jobdeck_logs")
        lines = turn.connection.execute(f"SELECT {names} FROM jobdeck_logs WHERE job_id = ? ORDER BY id DESC", (job.id,))
        logs, logged = _newest(names, lines)
        told += logged
        turn.connection.execute("DELETE FROM jobdeck_logs WHERE job_id = ?", (job.id,))
    turn.tally.move(job.queue, job.kind, job.state, None)
    size = 700 + len(job.args_json) + len(job.result_json or "") + told
    return [job.id, row, parents, after, attempts, logs], size, True


def remove(connection: apsw.Connection, job: Job) -> None:
    """Take a job out, with all that belongs to it."""
    connection.execute("DELETE FROM jobdeck_jobs WHERE id = ?", (job.id,))
    connection.execute("DELETE FROM jobdeck_attempts WHERE job_id = ?", (job.id,))
    connection.execute("DELETE FROM jobdeck_logs WHERE job_id = ?", (job.id,))
    connection.execute("DELETE FROM jobdeck_after WHERE child = ?", (job.id,))


def _restore(turn: Turn, job: Job | None, entry: Entry, _at: float) -> None:
    job_id, kept, parents, after, attempts, logs = entry
    if job is not None:
        raise MovedOn(job_id, "is there already")
    (row,) = _named(kept)
    state = State(row["state"])
    if state not in FINAL or row["unique_final"] & _KEEPS[state]:
        _check_key(turn, job_id, row["unique_key"])
    row["state"] = _wait_again(turn, job_id, state, parents, row["scheduled_at"], row["if_parent_fails"])
    _put(turn, "jobdeck_jobs", [row])
    _put(turn, "jobdeck_attempts", _named(attempts))
    _put(turn, "jobdeck_logs", _named(logs))
    pairs = [(job_id, parent) for parent in after]
    turn.connection.executemany("INSERT OR IGNORE INTO jobdeck_after (child, parent) VALUES (?, ?)", pairs)
    turn.tally.move(row["queue"], row["kind"], None, row["state"])


def _delete_again(turn: Turn, job: Job, entry: Entry) -> Done:
    if [job.started_at, job.attempt] != entry[1]:
        raise MovedOn(job.id, "was started since")
    return delete(turn, job)


def _only_begun(entry: Entry) -> Entry:
    (row,) = _named(entry[1])
    return [entry[0], [row["started_at"], row["attempt"]]]


DEEDS = {
    Operation.CANCEL: Deed(_uncancel, _cancel_again),
    Operation.RETRY: Deed(_unretry, _retry_again),
    Operation.REPRIORITISE: Deed(_unreprioritise, _reprioritise_again),
    Operation.DELETE: Deed(_restore, _delete_again, _only_begun),
}


# -- what they share ------------------------------------------------------------------------------------------------------


def _check_key(turn: Turn, job_id: int, key: str | None) -> None:
    """Refuse to queue a job again whose unique key is another's by now."""
    if key is None:
        return
    query = "SELECT id FROM jobdeck_jobs WHERE unique_taken = ? AND id <> ?"
    for (holder,) in rows_of(turn.connection, query, (key, job_id)):
        raise KeyTaken(job_id, key, holder)


def _take_waits(turn: Turn, job_id: int) -> list[int]:
    """The job waits no longer; returns for which jobs it did."""
    rows = rows_of(turn.connection, "DELETE FROM jobdeck_waits WHERE child = ? RETURNING parent", (job_id,))
    return sorted(row[0] for row in rows)


def _policy(turn: Turn, job_id: int) -> str:
    return str(rows_of(turn.connection, "SELECT if_parent_fails FROM jobdeck_jobs WHERE id = ?", (job_id,))[0][0])


def _wait_again(turn: Turn, job_id: int, before: State | str, parents: Sequence[int] | None, due: float, policy: str) -> State:
    """The state to come back to: a job that waited waits on for those of its parents that have not ended.

    Raises:
        MovedOn: one of them has failed or was cancelled meanwhile, and with it the job would have been.
    """
    if before != State.WAITING:
        return State(before)
    query = "SELECT id, state FROM jobdeck_jobs WHERE id IN (SELECT value FROM json_each(?)) AND state <> 'completed'"
    waits = []
    for parent, state in rows_of(turn.connection, query, (json.dumps(parents or []),)):
        if state in (State.FAILED, State.CANCELLED):
            if policy == IfParentFails.CANCEL:
                raise MovedOn(job_id, f"waited for job {parent}, which is {state} now")
            if policy == IfParentFails.RUN:
                continue
        waits.append((parent, job_id))
    turn.connection.executemany("INSERT OR IGNORE INTO jobdeck_waits (parent, child) VALUES (?, ?)", waits)
    if waits:
        return State.WAITING
    return State.SCHEDULED if due > turn.now else State.PENDING


def _taken(turn: Turn, table: str, column: str, job_id: int) -> list[Any]:
    """Remove rows, and return them."""
    names = turn.columns(table)
    return [names, *turn.connection.execute(f"DELETE FROM {table} WHERE {column} = ? RETURNING {names}", (job_id,))]


def _newest(names: str, rows: Iterable[Row]) -> tuple[list[Any], int]:
    """The rows, newest first, as far as they fit; and how large they are."""
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
    """Kept rows, with the names of their columns."""
    for row in kept[1:]:
        yield dict(zip(kept[0].split(", "), row, strict=True))


def _put(turn: Turn, table: str, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows; a column that has gone from the schema since they were kept is left out."""
    known = turn.columns(table).split(", ")
    for row in rows:
        names = [name for name in known if name in row]
        turn.connection.execute(
            f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            [row[name] for name in names],
        )
