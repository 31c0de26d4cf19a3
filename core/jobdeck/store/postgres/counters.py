"""Writes the counter deltas of one transaction to the PostgreSQL tables, in the connection's own shard."""

from __future__ import annotations

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


class PostgresCounterDeltas(CounterDeltas):
    """The changes of one transaction. Call `write` once, inside the transaction."""

    def write(self, connection: Session) -> None:
        """Write all changes to the tables, with the next statement: one statement each, regardless of the number of rows."""
        if counts := self.count_rows():
            connection.defer(_COUNT, (shard_of(connection), *map(list, zip(*counts, strict=True))))
        if metrics := self.metric_rows():
            connection.defer(_ADD_METRICS, (shard_of(connection), *map(list, zip(*metrics, strict=True))))
