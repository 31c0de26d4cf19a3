"""Writes the counter deltas of one transaction to the SQLite tables."""

from __future__ import annotations

import apsw

from ...json_functions import json
from ..counters import SLOT_WIDTH, CounterDeltas

_COUNT_ONE = (
    "INSERT INTO jobdeck_counts (queue, kind, state, n) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
)
_COUNT = """
INSERT INTO jobdeck_counts (queue, kind, state, n)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET n = n + excluded.n
"""
_ADD_METRICS = f"""
INSERT INTO jobdeck_metrics (width, slot, queue, kind, measure, bucket, n)
SELECT {SLOT_WIDTH}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET n = n + excluded.n
"""
_ADD_TOTALS = """
INSERT INTO jobdeck_totals (queue, kind, measure, bucket, n)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET n = n + excluded.n
"""


class SqliteCounterDeltas(CounterDeltas):
    """The changes of one transaction. Call `write` once, inside the transaction."""

    def write(self, connection: apsw.Connection) -> None:
        """Write all changes to the tables: one statement each, regardless of the number of rows.

        Each step of a statement releases the interpreter's lock, and takes a while to get it back while another thread is busy.
        """
        counts = self.count_rows()
        if len(counts) == 1:  # the usual enqueue
            connection.execute(_COUNT_ONE, counts[0])
        elif counts:
            connection.execute(_COUNT, (json.dumps(counts),))
        metrics = self.metric_rows()
        if metrics:
            connection.execute(_ADD_METRICS, (json.dumps(metrics),))
        totals = self.total_rows()
        if totals:
            connection.execute(_ADD_TOTALS, (json.dumps(totals),))
