"""Writing the depth counters and metrics of one transaction."""

from __future__ import annotations

import json

import apsw

from ..counters import FINE, Tally

_COUNT_ONE = (
    "INSERT INTO jobdeck_counts (queue, kind, state, n) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
)
_COUNT = """
INSERT INTO jobdeck_counts (queue, kind, state, n)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET n = n + excluded.n
"""
_MEASURE = f"""
INSERT INTO jobdeck_metrics (width, slot, queue, kind, measure, bucket, n)
SELECT {FINE}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET n = n + excluded.n
"""


class SqliteTally(Tally):
    """What one transaction changes in the counters. Call `write` once, inside the transaction."""

    def write(self, connection: apsw.Connection) -> None:
        """Add it all to the tables: one statement each, however many rows.

        Each step of a statement gives up the interpreter's lock, and beside a busy thread it takes a while to come back.
        """
        changed = self.counted()
        if len(changed) == 1:  # the usual enqueue
            connection.execute(_COUNT_ONE, changed[0])
        elif changed:
            connection.execute(_COUNT, (json.dumps(changed),))
        measured = self.measured()
        if measured:
            connection.execute(_MEASURE, (json.dumps(measured),))
