"""Rolls up old metrics into wider slots and deletes the oldest, so that the metrics take bounded space."""

from __future__ import annotations

import apsw

from ..metrics.time_slices import METRICS_KEPT, ROLLUPS


def roll_up_metrics(connection: apsw.Connection, now: float) -> None:
    """Roll up the metrics that are old at `now`, inside the caller's transaction."""
    whole = int(now)
    for width, age, wider in ROLLUPS:
        before = (whole - age) // wider * wider
        connection.execute(
            "INSERT INTO jobdeck_metrics SELECT ?1, slot / ?1 * ?1, queue, kind, measure, bucket, sum(n)"
            " FROM jobdeck_metrics WHERE width = ?2 AND slot < ?3 GROUP BY 2, 3, 4, 5, 6"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            (wider, width, before),
        )
        connection.execute("DELETE FROM jobdeck_metrics WHERE width = ? AND slot < ?", (width, before))
    connection.execute("DELETE FROM jobdeck_metrics WHERE width = ? AND slot < ?", (ROLLUPS[-1][2], whole - METRICS_KEPT))
