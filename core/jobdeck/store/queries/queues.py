"""The queues, with their depths, as the counters tell them."""

from __future__ import annotations

from collections import Counter, defaultdict

from ...model.jobs import Limits
from ...model.overview import QueueInfo
from ...model.states import State
from ..backend import Sql, rows_of


def read_queues(connection: Sql) -> list[QueueInfo]:
    """See `Store.list_queues`."""
    counts: defaultdict[str, Counter[State]] = defaultdict(Counter)
    for queue, state, n in rows_of(connection, "SELECT queue, state, sum(n) FROM jobdeck_counts GROUP BY queue, state"):
        if n:
            counts[queue][State(state)] = n
    rows = rows_of(connection, "SELECT name, paused_at, max_running, rate, rate_period FROM jobdeck_queues")
    told = {name: (paused_at, Limits(running=most, rate=rate, period=period)) for name, paused_at, most, rate, period in rows}
    known = {name for name, (paused_at, limits) in told.items() if paused_at is not None or limits != Limits()}
    nothing = (None, Limits())
    return [
        QueueInfo(
            name=name,
            counts=dict(counts[name]),
            paused_at=told.get(name, nothing)[0],
            limits=told.get(name, nothing)[1],
        )
        for name in sorted(counts.keys() | known)
    ]
