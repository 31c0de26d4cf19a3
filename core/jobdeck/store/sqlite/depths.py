"""How deep the queues are and how long their oldest ready job has waited: sampled once a minute, kept small."""

from __future__ import annotations

from ..looking.oldest import oldest_waits
from .connection import Connections
from .rows import rows_of

MINUTE = 60
"""Seconds: one sample in each."""
_HOUR = 3600
_FINE_KEPT = 26 * _HOUR
"""Seconds: of samples older than this the peak of each hour is kept."""
_KEPT = 90 * 86400
"""Seconds: samples older than this are dropped."""
_QUEUES = 1000
"""Queues of one sample, the deepest; a queue without ready jobs needs no row."""


def sample_depths(connections: Connections, now: float) -> bool:
    """See `Measures.sample_depths`."""
    slot = int(now) // MINUTE * MINUTE
    with connections.reading() as connection:
        if connection.execute("SELECT 1 FROM jobdeck_depths WHERE slot = ? AND queue = ''", (slot,)).get:
            return False  # nearly always: no need to keep writers waiting
        depths = rows_of(
            connection,
            "SELECT queue, sum(n) FROM jobdeck_counts WHERE state = 'pending' GROUP BY queue HAVING sum(n) > 0 ORDER BY 2 DESC",
        )
        waits = oldest_waits(connection, now)
    rows = [(slot, queue, pending, waits.get(queue, 0.0)) for queue, pending in depths]
    total = (slot, "", sum(pending for _, pending in depths), max(waits.values(), default=0.0))
    with connections.writing() as connection:
        connection.execute("INSERT INTO jobdeck_depths VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", total)
        if connection.changes() == 0:
            return False  # somebody else was quicker
        connection.executemany("INSERT INTO jobdeck_depths VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows[:_QUEUES])
    return True


def prune_depths(connections: Connections, now: float, folded_before: int) -> int:
    """See `Measures.prune_depths`. Returns up to where samples are folded now, for the next call."""
    before = (int(now) - _FINE_KEPT) // _HOUR * _HOUR
    if before == folded_before:
        return before
    with connections.writing() as connection:
        connection.execute(
            f"INSERT INTO jobdeck_depths SELECT slot / {_HOUR} * {_HOUR}, queue, max(pending), max(oldest) FROM jobdeck_depths"
            f" WHERE slot < ? AND slot % {_HOUR} <> 0 GROUP BY 1, 2"
            " ON CONFLICT DO UPDATE SET pending = max(pending, excluded.pending), oldest = max(oldest, excluded.oldest)",
            (before,),
        )
        connection.execute(f"DELETE FROM jobdeck_depths WHERE slot < ? AND slot % {_HOUR} <> 0", (before,))
        connection.execute("DELETE FROM jobdeck_depths WHERE slot < ?", (int(now) - _KEPT,))
    return before
