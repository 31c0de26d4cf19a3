"""Changes of limits and schedules, and how they are undone.

The undo data is `[name, before, after]`: the old and the new values, or null if they did not exist. An undo first checks that
the values are still as the operation left them, so that no later change is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...json_functions import json
from ...model.cron import next_tick
from ...model.errors import UndoConflict
from ...model.journal import SCHEDULE_OPERATIONS, Actor
from ...model.schedules import Schedule
from ..backend import SqlConnection, rows_of
from .journal_writer import JournalWriter
from .unit_of_work import UndoData

LIMIT = "limit"
Values = list[Any] | None
"""The stored values of limits or of a schedule; `None` if they do not exist."""

_LIMITS = "max_running, rate, rate_period"
#: The columns of a schedule that a person decides, and those that the store records.
_DECIDED = (
    "cron",
    "timezone",
    "kind",
    "args",
    "queue",
    "priority",
    "max_attempts",
    "timeout",
    "tags",
    "paused_at",
    "created_at",
)
_TOLD = ("next_at", "last_at", "last_job", "error")
_WHEN = [_DECIDED.index(name) for name in ("cron", "timezone", "paused_at")]
_COLUMNS = ", ".join(_DECIDED + _TOLD)


def read_limits(connection: SqlConnection, name: str) -> Values:
    """Return the limits of a queue as stored."""
    found = rows_of(connection, f"SELECT {_LIMITS} FROM jobdeck_queues WHERE name = ?", (name,))
    return [*found[0]] if found else [None, None, None]


def set_limits(connection: SqlConnection, name: str, limits: Sequence[Any]) -> None:
    """Replace the limits of a queue."""
    connection.execute(
        f"INSERT INTO jobdeck_queues (name, {_LIMITS}) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
        " max_running = excluded.max_running, rate = excluded.rate, rate_period = excluded.rate_period",
        (name, *limits),
    )


def read_schedule(connection: SqlConnection, name: str) -> Values:
    """Return the schedule as stored; `None` if it does not exist."""
    found = rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_schedules WHERE name = ?", (name,))
    return [*found[0]] if found else None


def schedule_values(schedule: Schedule) -> list[Any]:
    """Convert a schedule to its stored values."""
    values = {**{name: getattr(schedule, name, None) for name in _DECIDED + _TOLD}, "args": schedule.args_json}
    return [*(values | {"tags": json.dumps(schedule.tags)}).values()]


def record_change(
    connection: SqlConnection, operation: str, by: Actor, at: float, name: str, before: Values, after: Values
) -> None:
    """Write the journal entry of a change, if something changed."""
    if _decided(before, operation) != _decided(after, operation):
        writer = JournalWriter(connection, operation, Actor(by.name), at, MAX_BYTES)
        writer.add([name, before, after], 200 + sum(len(str(value)) for value in [*(before or ()), *(after or ())]))
        writer.write()


MAX_BYTES = 1 << 20
"""Bytes kept for one such entry; arguments are smaller."""


def undo_or_redo(connection: SqlConnection, now: float, operation: str, entry: UndoData, *, undo: bool) -> UndoData:
    """Undo or redo the operation; return what it takes to revert that.

    Raises:
        UndoConflict: the values are not as the operation, or its undo, left them.
    """
    name, before, after = entry
    expected, wanted = (after, before) if undo else (before, after)
    restore: Callable[[SqlConnection, float, str, Values, Values], None]
    restore = _restore_limits if operation == LIMIT else _restore_schedule
    restore(connection, now, name, expected, wanted)
    return entry


def _decided(thing: Values, operation: str) -> Values:
    return thing if thing is None or operation == LIMIT else thing[: len(_DECIDED)]


def _restore_limits(connection: SqlConnection, _now: float, name: str, expected: Values, wanted: Values) -> None:
    if read_limits(connection, name) != expected:
        raise UndoConflict(name, "got other limits since")
    assert wanted is not None
    set_limits(connection, name, wanted)


def _restore_schedule(connection: SqlConnection, now: float, name: str, expected: Values, wanted: Values) -> None:
    there = read_schedule(connection, name)
    if _decided(there, "") != _decided(expected, ""):
        problem = "was deleted since" if there is None else "was made again since" if expected is None else "was changed since"
        raise UndoConflict(name, problem, what="Schedule")
    if wanted is None:
        connection.execute("DELETE FROM jobdeck_schedules WHERE name = ?", (name,))
        return
    decided, text = wanted[: len(_DECIDED)], wanted[len(_DECIDED) :]
    if there is not None:
        # What the store has recorded since stays; so does the next tick, if its time is unchanged.
        same_time = all(there[place] == wanted[place] for place in _WHEN)
        text = there[len(_DECIDED) :] if same_time else [text[0], *there[len(_DECIDED) + 1 : -1], None]
    if text[0] <= now:
        text = [_next_tick(decided, text[0], now), *text[1:]]
    marks = ", ".join("?" * (len(_DECIDED) + len(_TOLD) + 1))
    same = ", ".join(f"{column} = excluded.{column}" for column in _DECIDED + _TOLD)
    connection.execute(
        f"INSERT INTO jobdeck_schedules (name, {_COLUMNS}) VALUES ({marks}) ON CONFLICT (name) DO UPDATE SET {same}",
        (name, *decided, *text),
    )


def _next_tick(decided: Sequence[Any], tick: float, now: float) -> float:
    """Return the next tick: ticks that were missed while the schedule did not exist are not made up for."""
    try:
        return next_tick(decided[0], decided[1], now)
    except Exception:  # its time zone is unknown here: the process that runs it records the error
        return tick


def is_config_change(operation: str) -> bool:
    """Return whether the operation changes limits or a schedule."""
    return operation == LIMIT or operation in SCHEDULE_OPERATIONS
