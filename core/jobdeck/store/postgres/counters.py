"""Writing the depth counters and metrics of one transaction, in the connection's own stripe."""

from __future__ import annotations

from ..counters import FINE, Tally
from .session import Session
from .sharded_counters import stripe_of

_COUNT = """
INSERT INTO jobdeck_stripes (stripe, queue, kind, state, n)
SELECT ?1::integer, * FROM unnest(?2::text[], ?3::text[], ?4::text[], ?5::bigint[])
    ON CONFLICT (stripe, queue, kind, state) DO UPDATE SET n = jobdeck_stripes.n + excluded.n
"""
_MEASURE = f"""
INSERT INTO jobdeck_metrics (width, stripe, slot, queue, kind, measure, bucket, n)
SELECT {FINE}, ?1::integer, * FROM unnest(?2::bigint[], ?3::text[], ?4::text[], ?5::text[], ?6::integer[], ?7::bigint[])
    ON CONFLICT (width, slot, queue, kind, measure, bucket, stripe) DO UPDATE SET n = jobdeck_metrics.n + excluded.n
"""


class PostgresTally(Tally):
    """What one transaction changes in the counters. Call `write` once, inside the transaction."""

    def write(self, connection: Session) -> None:
        """Add it all to the tables: one statement each, however many rows."""
        if changed := self.counted():
            connection.execute(_COUNT, (stripe_of(connection), *map(list, zip(*changed, strict=True))))
        if measured := self.measured():
            connection.execute(_MEASURE, (stripe_of(connection), *map(list, zip(*measured, strict=True))))
