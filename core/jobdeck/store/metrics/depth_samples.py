"""Samples, once a minute, the depth of the queues and the wait of their oldest ready job, and keeps the samples small."""

from __future__ import annotations

from ..backend import Backend, rows_of
from ..queries.oldest_wait import oldest_waits

MINUTE = 60
"""Seconds: one sample in each minute."""
_HOUR = 3600
_FINE_KEPT = 26 * _HOUR
"""Seconds: of older samples, only the peak of each hour is kept."""
_KEPT = 90 * 86400
"""Seconds: older samples are deleted."""
_QUEUES = 1000
"""The number of queues in one sample at most, the deepest; a queue without ready jobs needs no row."""

_GREATER = "{0} = CASE WHEN excluded.{0} > jobdeck_depths.{0} THEN excluded.{0} ELSE jobdeck_depths.{0} END"


def sample_depths(backend: Backend) -> bool:
    """See `SqlMetrics.sample_depths`."""
    with backend.read_transaction() as connection:
        now = backend.now(connection)
        slot = int(now) // MINUTE * MINUTE
        if connection.execute("SELECT 1 FROM jobdeck_depths WHERE slot = ? AND queue = ''", (slot,)).get:
            return False  # nearly always: no need to block writers
        depths = rows_of(
            connection,
            "SELECT queue, sum(n) FROM jobdeck_counts WHERE state = 'pending' GROUP BY queue HAVING sum(n) > 0 ORDER BY 2 DESC",
        )
        waits = oldest_waits(connection, now)
    rows = [(slot, queue, pending, waits.get(queue, 0.0)) for queue, pending in depths]
    total = (slot, "", sum(pending for _, pending in depths), max(waits.values(), default=0.0))
    with backend.write_transaction() as connection:
        connection.execute("INSERT INTO jobdeck_depths VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", total)
        if connection.changes() == 0:
            return False  # another process was faster
        connection.executemany("INSERT INTO jobdeck_depths VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows[:_QUEUES])
    return True


def prune_depths(backend: Backend, folded_before: int) -> int:
    """See `SqlMetrics.prune_depths`. Returns the time before which samples are now merged, for the next call."""
    with backend.read_transaction() as connection:
        now = backend.now(connection)
    before = (int(now) - _FINE_KEPT) // _HOUR * _HOUR
    if before == folded_before:
        return before
    return backend.retry_on_conflict(lambda: _prune(backend, now, before))


def _prune(backend: Backend, now: float, before: int) -> int:
    with backend.write_transaction() as connection:
        connection.execute(
            f"INSERT INTO jobdeck_depths SELECT slot / {_HOUR} * {_HOUR}, queue, max(pending), max(oldest) FROM jobdeck_depths"
            f" WHERE slot < ? AND slot % {_HOUR} <> 0 GROUP BY 1, 2"
            f" ON CONFLICT (slot, queue) DO UPDATE SET {_GREATER.format('pending')}, {_GREATER.format('oldest')}",
            (before,),
        )
        connection.execute(f"DELETE FROM jobdeck_depths WHERE slot < ? AND slot % {_HOUR} <> 0", (before,))
        connection.execute("DELETE FROM jobdeck_depths WHERE slot < ?", (int(now) - _KEPT,))
    return before
