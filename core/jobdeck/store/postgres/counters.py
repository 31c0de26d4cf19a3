"""Writes the counter deltas of one transaction to the PostgreSQL tables, in the connection's own shard."""

from __future__ import annotations

from collections.abc import Sequence

from ..counters import SLOT_WIDTH, CounterDeltas
from .session import Session
from .sharded_counters import shard_of

_COUNT = """
INSERT INTO jobdeck_stripes (stripe, queue, kind, state, n)
SELECT ?1::integer, * FROM unnest(?2::text[], ?3::text[], ?4::text[], ?5::bigint[])
    ON CONFLICT (stripe, queue, kind, state) DO UPDATE SET n = jobdeck_stripes.n + excluded.n
"""
_ADD_METRICS = f"""
INSERT INTO jobdeck_metrics (width, stripe, slot, queue, kind, measure, bucket, n)
SELECT {SLOT_WIDTH}, ?1::integer, * FROM unnest(?2::bigint[], ?3::text[], ?4::text[], ?5::text[], ?6::integer[], ?7::bigint[])
    ON CONFLICT (width, slot, queue, kind, measure, bucket, stripe) DO UPDATE SET n = jobdeck_metrics.n + excluded.n
"""
_ADD_TOTALS = """
INSERT INTO jobdeck_totals (stripe, queue, kind, measure, bucket, n)
SELECT ?1::integer, * FROM unnest({0}::text[], {1}::text[], {2}::text[], {3}::integer[], {4}::bigint[])
    ON CONFLICT (queue, kind, measure, bucket, stripe) DO UPDATE SET n = jobdeck_totals.n + excluded.n
"""
_ADD_TOTALS_ONLY = _ADD_TOTALS.format("?2", "?3", "?4", "?5", "?6")
# Results always have both; one statement is one round trip.
_ADD_BOTH = f"WITH sliced AS ({_ADD_METRICS}) {_ADD_TOTALS.format('?8', '?9', '?10', '?11', '?12')}"


class PostgresCounterDeltas(CounterDeltas):
    """The changes of one transaction. Call `write` once, inside the transaction."""

    def write(self, connection: Session) -> None:
        """Write all changes to the tables, with the next statement: two at most, regardless of the number of rows."""
        if counts := self.count_rows():
            connection.defer(_COUNT, (shard_of(connection), *map(list, zip(*counts, strict=True))))
        metrics, totals = _columns(self.metric_rows()), _columns(self.total_rows())
        if metrics and totals:
            connection.defer(_ADD_BOTH, (shard_of(connection), *metrics, *totals))
        elif totals:
            connection.defer(_ADD_TOTALS_ONLY, (shard_of(connection), *totals))


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    """Return the columns of rows; none without rows."""
    return [*map(list, zip(*rows, strict=True))]
