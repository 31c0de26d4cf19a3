"""Metrics age: their slots become wider, until the oldest are dropped. So they take bounded space."""

from __future__ import annotations

from ..counters import FINE
from ..metrics.rollup import COARSER, METRICS_KEPT
from .advisory_locks import UPKEEP, pass_door
from .session import Session
from .sharded_counters import NOBODY

_COUNTED_FOR = 60
"""Seconds after which nobody counts in a slot any more, as a rule, and so its stripes can be put together."""

# What a transaction that goes on for long has in its hands is left for the next time.
_FOLDED = f"""
WITH old AS (SELECT ctid FROM jobdeck_metrics WHERE width = ?1 AND slot < ?2 {{striped}} FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM jobdeck_metrics USING old WHERE jobdeck_metrics.ctid = old.ctid
         RETURNING slot, queue, kind, measure, bucket, n)
INSERT INTO jobdeck_metrics (width, slot, queue, kind, measure, bucket, stripe, n)
SELECT ?3::integer, slot / ?3::integer * ?3::integer, queue, kind, measure, bucket, {NOBODY}, sum(n) FROM gone
 GROUP BY 2, 3, 4, 5, 6
    ON CONFLICT (width, slot, queue, kind, measure, bucket, stripe) DO UPDATE SET n = jobdeck_metrics.n + excluded.n
"""


def fold_metrics(session: Session, now: float) -> None:
    """Fold what has become old by `now`, inside the caller's transaction."""
    pass_door(session, UPKEEP)
    whole = int(now)
    for width, age, wider in COARSER:
        session.execute(_FOLDED.format(striped=""), (width, (whole - age) // wider * wider, wider))
    # Each connection has counted in rows of its own.
    session.execute(_FOLDED.format(striped=f"AND stripe <> {NOBODY}"), (FINE, whole - _COUNTED_FOR, FINE))
    session.execute("DELETE FROM jobdeck_metrics WHERE width = ? AND slot < ?", (COARSER[-1][2], whole - METRICS_KEPT))
