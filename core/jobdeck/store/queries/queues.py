"""Reads the queues, with their depths from the counters."""

from __future__ import annotations

from collections import Counter, defaultdict

from ...model.jobs import Limits
from ...model.overview import QueueInfo
from ...model.states import State
from ..backend import SqlConnection, rows_of
from ..records import RowCheck, state_of

_COLUMNS = "name, paused_at, max_running, rate, rate_period"
_check = RowCheck("jobdeck_queues", _COLUMNS)
_check_count = RowCheck("jobdeck_counts", "queue, state, n")


def read_queues(connection: SqlConnection) -> list[QueueInfo]:
    """See `Queries.queues`."""
    counts: defaultdict[str, Counter[State]] = defaultdict(Counter)
    for row in rows_of(connection, "SELECT queue, state, sum(n) FROM jobdeck_counts GROUP BY queue, state"):
        _check_count(row)
        queue, state, n = row
        if n:
            counts[queue][state_of(state)] = n
    rows = rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_queues")
    for row in rows:
        _check(row)
    stored = {name: (paused_at, Limits(running=most, rate=rate, period=period)) for name, paused_at, most, rate, period in rows}
    known = {name for name, (paused_at, limits) in stored.items() if paused_at is not None or limits != Limits()}
    nothing = (None, Limits())
    return [
        QueueInfo(
            name=name,
            counts=dict(counts[name]),
            paused_at=stored.get(name, nothing)[0],
            limits=stored.get(name, nothing)[1],
        )
        for name in sorted(counts.keys() | known)
    ]
