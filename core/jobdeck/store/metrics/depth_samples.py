"""How deep the queues are and how long their oldest ready job has waited: sampled once a minute, kept small."""

from __future__ import annotations

from ..backend import House, rows_of
from ..queries.oldest_wait import oldest_waits

MINUTE = 60
"""Seconds: one sample in each."""
_HOUR = 3600
_FINE_KEPT = 26 * _HOUR
"""Seconds: of samples older than this the peak of each hour is kept."""
_KEPT = 90 * 86400
"""Seconds: samples older than this are dropped."""
_QUEUES = 1000
"""Queues of one sample, the deepest; a queue without ready jobs needs no row."""

_GREATER = "{0} = CASE WHEN excluded.{0} > jobdeck_depths.{0} THEN excluded.{0} ELSE jobdeck_depths.{0} END"


def sample_depths(house: House) -> bool:
    """See `Measures.sample_depths`."""
    with house.reading() as connection:
        now = house.now(connection)
        slot = int(now) // MINUTE * MINUTE
        if connection.execute("SELECT 1 FROM jobdeck_depths WHERE slot = ? AND queue = ''", (slot,)).get:
            return False  # nearly always: no need to keep writers waiting
        depths = rows_of(
            connection,
            "SELECT queue, sum(n) FROM jobdeck_counts WHERE state = 'pending' GROUP BY queue HAVING sum(n) > 0 ORDER BY 2 DESC",
        )
        waits = oldest_waits(connection, now)
    rows = [(slot, queue, pending, waits.get(queue, 0.0)) for queue, pending in depths]
    total = (slot, "", sum(pending for _, pending in depths), max(waits.values(), default=0.0))
    with house.writing() as connection:
        connection.execute("INSERT INTO jobdeck_depths VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", total)
        if connection.changes() == 0:
            return False  # somebody else was quicker
        connection.executemany("INSERT INTO jobdeck_depths VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows[:_QUEUES])
    return True


def prune_depths(house: House, folded_before: int) -> int:
    """See `Measures.prune_depths`. Returns up to where samples are folded now, for the next call."""
    with house.reading() as connection:
        now = house.now(connection)
    before = (int(now) - _FINE_KEPT) // _HOUR * _HOUR
    if before == folded_before:
        return before
    return house.repeat(lambda: _prune(house, now, before))


def _prune(house: House, now: float, before: int) -> int:
    with house.writing() as connection:
        connection.execute(
            f"INSERT INTO jobdeck_depths SELECT slot / {_HOUR} * {_HOUR}, queue, max(pending), max(oldest) FROM jobdeck_depths"
            f" WHERE slot < ? AND slot % {_HOUR} <> 0 GROUP BY 1, 2"
            f" ON CONFLICT (slot, queue) DO UPDATE SET {_GREATER.format('pending')}, {_GREATER.format('oldest')}",
            (before,),
        )
        connection.execute(f"DELETE FROM jobdeck_depths WHERE slot < ? AND slot % {_HOUR} <> 0", (before,))
        connection.execute("DELETE FROM jobdeck_depths WHERE slot < ?", (int(now) - _KEPT,))
    return before
