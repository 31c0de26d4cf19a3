"""Periodic jobs, in the tables of the queue itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import starmap
from typing import Any

from ...model.journal import By
from ...model.schedules import PastJob, Schedule
from ...model.states import State
from ..backend import House, rows_of
from ..records import Row, storable, tags_of
from ..schedules import Schedules
from . import config_changes as arrangements

_COLUMNS = (
    "name, cron, timezone, kind, args, queue, priority, max_attempts, timeout, tags, created_at, paused_at, next_at,"
    " last_at, last_job, error"
)
PAST_COLUMNS = "id, state, created_at, scheduled_at, started_at, finished_at, attempt, substr(error, 1, 300)"
"""What is told of a past job."""
# What was computed from a schedule holds only while that schedule is what it was.
_SEEN = "name = ? AND next_at = ? AND cron = ? AND timezone = ? AND paused_at IS NULL"


class KeptSchedules(Schedules):
    """The table of schedules."""

    def __init__(self, house: House, past: str, tail: Callable[[str], str]) -> None:
        """Keep schedules.

        Args:
            house: where they are.
            past: SQL for the `PAST_COLUMNS` of the jobs of a schedule, newest first, given their tail and how many.
            tail: how the stored tags of these jobs end, given the schedule's name.
        """
        self._house = house
        self._past = past
        self._tail = tail

    def ahead(self) -> float:
        return self._house.ahead()

    def hold(self, name: str) -> None:
        with self._house.writing() as connection:
            self._house.alone(connection)
            self._house.hold(connection, "jobdeck_schedules", "name", name)

    def add(self, schedule: Schedule) -> bool:
        with self._house.writing() as connection:
            connection.execute(
                "INSERT INTO jobdeck_schedules (cron, timezone, kind, args, queue, priority, max_attempts, timeout, tags,"
                " paused_at, next_at, error, name, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (*_definition(schedule), schedule.name, self._house.now(connection)),
            )
            return connection.changes() == 1

    def change(self, schedule: Schedule) -> bool:
        with self._house.writing() as connection:
            connection.execute(
                "UPDATE jobdeck_schedules SET cron = ?, timezone = ?, kind = ?, args = ?, queue = ?, priority = ?,"
                " max_attempts = ?, timeout = ?, tags = ?, paused_at = ?, next_at = ?, error = ? WHERE name = ?",
                (*_definition(schedule), schedule.name),
            )
            return connection.changes() == 1

    def pause(self, name: str) -> bool:
        with self._house.writing() as connection:
            connection.execute(
                "UPDATE jobdeck_schedules SET paused_at = ? WHERE name = ? AND paused_at IS NULL",
                (self._house.now(connection), name),
            )
            return connection.changes() == 1

    def delete(self, name: str) -> bool:
        with self._house.writing() as connection:
            connection.execute("DELETE FROM jobdeck_schedules WHERE name = ?", (name,))
            return connection.changes() == 1

    def get(self, name: str) -> Schedule | None:
        with self._house.reading() as connection:
            rows = rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_schedules WHERE name = ?", (name,))
        return schedule_of(rows[0]) if rows else None

    def list(self) -> Sequence[Schedule]:
        with self._house.reading() as connection:
            return [*map(schedule_of, rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_schedules ORDER BY name"))]

    def note_act(self, operation: str, name: str, by: By, before: Schedule | None) -> None:
        with self._house.writing() as connection:
            after = arrangements.schedule_as_stored(connection, name)
            was = None if before is None else arrangements.stored(before)
            arrangements.note(connection, operation, by, self._house.now(connection), name, was, after)

    def history(self, name: str, limit: int) -> Sequence[PastJob]:
        with self._house.reading() as connection:
            return [*starmap(_past, rows_of(connection, self._past, (self._tail(name), limit)))]

    def next_at(self) -> float | None:
        with self._house.reading() as connection:
            found: float | None = connection.execute("SELECT min(next_at) FROM jobdeck_schedules WHERE paused_at IS NULL").get
            return found

    def due(self, limit: int) -> Sequence[Schedule]:
        with self._house.reading() as connection:
            rows = rows_of(
                connection,
                f"SELECT {_COLUMNS} FROM jobdeck_schedules WHERE paused_at IS NULL AND next_at <= ?"
                # Whoever takes them takes them in one order, so that two who do so do not wait for each other.
                " ORDER BY next_at, name LIMIT ?",
                (self._house.now(connection), limit),
            )
        return [*map(schedule_of, rows)]

    def advance(self, seen: Schedule, next_at: float) -> Schedule | None:
        with self._house.writing() as connection:
            rows = rows_of(
                connection,
                f"UPDATE jobdeck_schedules SET next_at = ?, error = NULL WHERE {_SEEN} RETURNING {_COLUMNS}",
                (next_at, *_sight(seen)),
            )
        return schedule_of(rows[0]) if rows else None

    def note_job(self, name: str, job_id: int) -> None:
        with self._house.writing() as connection:
            connection.execute(
                "UPDATE jobdeck_schedules SET last_at = ?, last_job = ? WHERE name = ?",
                (self._house.now(connection), job_id, name),
            )

    def note_error(self, seen: Schedule, error: str, next_at: float) -> bool:
        with self._house.writing() as connection:
            connection.execute(
                f"UPDATE jobdeck_schedules SET error = ?, next_at = ? WHERE {_SEEN}", (storable(error), next_at, *_sight(seen))
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


def _sight(seen: Schedule) -> tuple[str | float, ...]:
    return (seen.name, seen.next_at, seen.cron, seen.timezone)


def schedule_of(row: Row) -> Schedule:
    """A row of the table as a record."""
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
        tags=tags_of(row[9]),
        created_at=row[10],
        paused_at=row[11],
        next_at=row[12],
        last_at=row[13],
        last_job=row[14],
        error=row[15],
    )


def _past(job_id: int, state: str, *rest: Any) -> PastJob:
    return PastJob(job_id, State(state), *rest)
