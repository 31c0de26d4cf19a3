"""Stores periodic jobs.

Each method is one transaction, or joins the one opened with `Store.transaction`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import Any

from ...json_functions import json
from ...model.journal import Actor
from ...model.schedules import Schedule, ScheduledRun
from ..backend import Backend, rows_of
from ..queries.dialect import Dialect
from ..queries.filter_sql import schedule_tail
from ..records import Row, RowCheck, parse_tags, replace_surrogates, state_of
from . import config_changes

_COLUMNS = (
    "name, cron, timezone, kind, args, queue, priority, max_attempts, timeout, tags, created_at, paused_at, next_at,"
    " last_at, last_job, error"
)
_check = RowCheck("jobdeck_schedules", _COLUMNS)
_HISTORY = "id, state, created_at, scheduled_at, started_at, finished_at, attempt, substr(error, 1, 300)"
"""The columns of a job in a schedule's history."""
# The next tick was computed from these values; it is valid only if they have not changed.
_SEEN = "name = ? AND next_at = ? AND cron = ? AND timezone = ? AND paused_at IS NULL"


class SqlSchedules:
    """The table of schedules, each known by its name."""

    def __init__(self, backend: Backend, dialect: Dialect) -> None:
        self._backend = backend
        self._dialect = dialect

    def clock_offset(self) -> float:
        """Return the seconds by which the clock for ticks is ahead of this machine's; 0 if they are the same."""
        return self._backend.clock_offset()

    def lock(self, name: str) -> None:
        """Lock the schedule until the open transaction ends, so that what is read of it afterwards stays valid."""
        with self._backend.write_transaction() as connection:
            self._backend.lock_journal(connection)
            self._backend.lock_row(connection, "jobdeck_schedules", "name", name)

    def add(self, schedule: Schedule) -> bool:
        """Store a new schedule, created now; return `False` if its name is taken."""
        with self._backend.write_transaction() as connection:
            connection.execute(
                "INSERT INTO jobdeck_schedules (cron, timezone, kind, args, queue, priority, max_attempts, timeout, tags,"
                " paused_at, next_at, error, name, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (*_definition(schedule), schedule.name, self._backend.now(connection)),
            )
            return connection.changes() == 1

    def update(self, schedule: Schedule) -> bool:
        """Replace the schedule with this name; return `False` if it does not exist.

        Keeps what the store records itself: when it was created, and its last job.
        """
        with self._backend.write_transaction() as connection:
            connection.execute(
                "UPDATE jobdeck_schedules SET cron = ?, timezone = ?, kind = ?, args = ?, queue = ?, priority = ?,"
                " max_attempts = ?, timeout = ?, tags = ?, paused_at = ?, next_at = ?, error = ? WHERE name = ?",
                (*_definition(schedule), schedule.name),
            )
            return connection.changes() == 1

    def pause(self, name: str) -> bool:
        """Enqueue no more jobs; return `False` if the schedule is paused already, or does not exist."""
        with self._backend.write_transaction() as connection:
            connection.execute(
                "UPDATE jobdeck_schedules SET paused_at = ? WHERE name = ? AND paused_at IS NULL",
                (self._backend.now(connection), name),
            )
            return connection.changes() == 1

    def delete(self, name: str) -> bool:
        """Delete the schedule; return `False` if it does not exist. Its jobs stay."""
        with self._backend.write_transaction() as connection:
            connection.execute("DELETE FROM jobdeck_schedules WHERE name = ?", (name,))
            return connection.changes() == 1

    def get(self, name: str) -> Schedule | None:
        """Return the schedule, or `None`."""
        with self._backend.read_transaction() as connection:
            rows = rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_schedules WHERE name = ?", (name,))
        return make_schedule(rows[0]) if rows else None

    def list(self) -> Sequence[Schedule]:
        """Return all schedules, by name."""
        with self._backend.read_transaction() as connection:
            return [*map(make_schedule, rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_schedules ORDER BY name"))]

    def record_change(self, operation: str, name: str, by: Actor, before: Schedule | None) -> None:
        """Write the journal entry of an operation on the schedule, in the same transaction.

        Args:
            operation: one of `model.journal.SCHEDULE_OPERATIONS`.
            name: the name of the schedule; its new values are read here.
            by: the actor.
            before: the schedule before the operation; `None` if it did not exist.
        """
        with self._backend.write_transaction() as connection:
            after = config_changes.read_schedule(connection, name)
            stored = None if before is None else config_changes.schedule_values(before)
            config_changes.record_change(connection, operation, by, self._backend.now(connection), name, stored, after)

    def history(self, name: str, limit: int) -> Sequence[ScheduledRun]:
        """Return the newest jobs that it has enqueued and that still exist, newest first."""
        query = self._dialect.schedule_history(_HISTORY)
        with self._backend.read_transaction() as connection:
            return [*starmap(_make_past_job, rows_of(connection, query, (schedule_tail(name), limit)))]

    def next_at(self) -> float | None:
        """Return when the next tick of any active schedule comes."""
        with self._backend.read_transaction() as connection:
            found: float | None = connection.execute("SELECT min(next_at) FROM jobdeck_schedules WHERE paused_at IS NULL").get
            return found

    def due(self, limit: int) -> Sequence[Schedule]:
        """Return the schedules whose tick has come, those with the earliest tick first."""
        with self._backend.read_transaction() as connection:
            rows = rows_of(
                connection,
                f"SELECT {_COLUMNS} FROM jobdeck_schedules WHERE paused_at IS NULL AND next_at <= ?"
                # In one order, so that two processes that advance them do not wait for each other.
                " ORDER BY next_at, name LIMIT ?",
                (self._backend.now(connection), limit),
            )
        return [*map(make_schedule, rows)]

    def advance(self, seen: Schedule, next_at: float) -> Schedule | None:
        """Advance from the tick that was seen to the next one, and clear the error of the last tick.

        Only the process that advances the schedule enqueues its job, in the same transaction. Returns `None`, and changes
        nothing, if another process was faster, or the schedule was paused or got another time in the meantime.

        Returns:
            The schedule as it is now: it may have been edited after it was seen.
        """
        with self._backend.write_transaction() as connection:
            rows = rows_of(
                connection,
                f"UPDATE jobdeck_schedules SET next_at = ?, error = NULL WHERE {_SEEN} RETURNING {_COLUMNS}",
                (next_at, *_seen_values(seen)),
            )
        return make_schedule(rows[0]) if rows else None

    def record_job(self, name: str, job_id: int) -> None:
        """Record that the schedule has enqueued this job now."""
        with self._backend.write_transaction() as connection:
            connection.execute(
                "UPDATE jobdeck_schedules SET last_at = ?, last_job = ? WHERE name = ?",
                (self._backend.now(connection), job_id, name),
            )

    def record_error(self, seen: Schedule, error: str, next_at: float) -> bool:
        """Record why the tick that was seen enqueued no job, and when to retry it. Guarded as `advance` is."""
        with self._backend.write_transaction() as connection:
            connection.execute(
                f"UPDATE jobdeck_schedules SET error = ?, next_at = ? WHERE {_SEEN}",
                (replace_surrogates(error), next_at, *_seen_values(seen)),
            )
            return connection.changes() == 1


def _definition(schedule: Schedule) -> tuple[str | float | None, ...]:
    return (
        schedule.cron,
        schedule.timezone,
        schedule.kind,
        schedule.args_json,
        schedule.queue,
        schedule.priority,
        schedule.max_attempts,
        schedule.timeout,
        json.dumps(schedule.tags),
        schedule.paused_at,
        schedule.next_at,
        schedule.error,
    )


def _seen_values(seen: Schedule) -> tuple[str | float, ...]:
    return (seen.name, seen.next_at, seen.cron, seen.timezone)


def make_schedule(row: Row) -> Schedule:
    """Convert a row of the table to a record."""
    _check(row)
    return Schedule(
        name=row[0],
        cron=row[1],
        timezone=row[2],
        kind=row[3],
        args_json=row[4],
        queue=row[5],
        priority=row[6],
        max_attempts=row[7],
        timeout=row[8],
        tags=parse_tags(row[9]),
        created_at=row[10],
        paused_at=row[11],
        next_at=row[12],
        last_at=row[13],
        last_job=row[14],
        error=row[15],
    )


def _make_past_job(job_id: int, state: str, *rest: Any) -> ScheduledRun:
    return ScheduledRun(job_id, state_of(state), *rest)
