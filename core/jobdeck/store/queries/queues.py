"""Reads the queues, with their depths from the counters."""

from __future__ import annotations

from ...model.errors import RowDamaged
from ...model.jobs import Limits
from ...model.overview import QueueInfo
from ...model.states import State
from ..backend import SqlConnection, rows_of
from ..records import RowCheck

_COLUMNS = "name, paused_at, max_running, rate, rate_period"
_check = RowCheck("jobdeck_queues", _COLUMNS)
_STATES = tuple(State)
_INTEGERS = {int}
_NAMES = ", ".join(f"'{state}'" for state in _STATES)
# One row for each queue: with a thousand queues, rows for each state take most of the time.
_DEPTHS = f"""
SELECT queue, sum(CASE WHEN state IN ({_NAMES}) THEN 0 ELSE 1 END),
       {", ".join(f"sum(CASE state WHEN '{state}' THEN n ELSE 0 END)" for state in _STATES)}
  FROM jobdeck_counts WHERE n <> 0 GROUP BY queue
"""


def read_queues(connection: SqlConnection) -> list[QueueInfo]:
    """See `Queries.queues`."""
    counts: dict[str, dict[State, int]] = {}
    for queue, unknown, *depths in rows_of(connection, _DEPTHS):
        if unknown or type(queue) is not str or {*map(type, depths)} != _INTEGERS:
            raise RowDamaged("queue, state or n in jobdeck_counts")
        if any(depths):
            counts[queue] = {state: n for state, n in zip(_STATES, depths, strict=True) if n}
    rows = rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_queues")
    for row in rows:
        _check(row)
    stored = {name: (paused_at, Limits(running=most, rate=rate, period=period)) for name, paused_at, most, rate, period in rows}
    known = {name for name, (paused_at, limits) in stored.items() if paused_at is not None or limits != Limits()}
    nothing = (None, Limits())
    found = []
    for name in sorted(counts.keys() | known):
        paused_at, limits = stored.get(name, nothing)
        found.append(QueueInfo(name=name, counts=counts.get(name, {}), paused_at=paused_at, limits=limits))
    return found
