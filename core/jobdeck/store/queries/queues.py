"""Reads the queues, with their depths from the counters."""

from __future__ import annotations

from collections import Counter, defaultdict

from ...model.jobs import Limits
from ...model.overview import QueueInfo
from ...model.states import State
from ..backend import SqlConnection, rows_of


def read_queues(connection: SqlConnection) -> list[QueueInfo]:
    """See `Queries.queues`."""
    counts: defaultdict[str, Counter[State]] = defaultdict(Counter)
    for queue, state, n in rows_of(connection, "SELECT queue, state, sum(n) FROM jobdeck_counts GROUP BY queue, state"):
        if n:
            counts[queue][State(state)] = n
    rows = rows_of(connection, "SELECT name, paused_at, max_running, rate, rate_period FROM jobdeck_queues")
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
