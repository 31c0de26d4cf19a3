"""Rolls up old metrics into wider slots and deletes the oldest, so that the metrics take bounded space."""

from __future__ import annotations

from ..counters import SLOT_WIDTH
from ..metrics.time_slices import METRICS_KEPT, ROLLUPS
from .advisory_locks import UPKEEP, advisory_lock
from .session import Session
from .sharded_counters import UNOWNED_SHARD

_COUNTED_FOR = 60
"""Seconds after which a slot usually receives no more counts, so that its shards can be merged."""

# Rows that a long transaction has locked are left for the next time.
_FOLDED = f"""
WITH old AS (SELECT ctid FROM jobdeck_metrics WHERE width = ?1 AND slot < ?2 {{sharded}} FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM jobdeck_metrics USING old WHERE jobdeck_metrics.ctid = old.ctid
         RETURNING slot, queue, kind, measure, bucket, n)
INSERT INTO jobdeck_metrics (width, slot, queue, kind, measure, bucket, stripe, n)
SELECT ?3::integer, slot / ?3::integer * ?3::integer, queue, kind, measure, bucket, {UNOWNED_SHARD}, sum(n) FROM gone
 GROUP BY 2, 3, 4, 5, 6
    ON CONFLICT (width, slot, queue, kind, measure, bucket, stripe) DO UPDATE SET n = jobdeck_metrics.n + excluded.n
"""


def roll_up_metrics(session: Session, now: float) -> None:
    """Roll up the metrics that are old at `now`, inside the caller's transaction."""
    advisory_lock(session, UPKEEP)
    whole = int(now)
    for width, age, wider in ROLLUPS:
        session.execute(_FOLDED.format(sharded=""), (width, (whole - age) // wider * wider, wider))
    # Each connection has counted in its own shard.
    session.execute(_FOLDED.format(sharded=f"AND stripe <> {UNOWNED_SHARD}"), (SLOT_WIDTH, whole - _COUNTED_FOR, SLOT_WIDTH))
    session.execute("DELETE FROM jobdeck_metrics WHERE width = ? AND slot < ?", (ROLLUPS[-1][2], whole - METRICS_KEPT))
