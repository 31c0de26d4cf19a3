"""Depth counters and metrics, gathered while a transaction works and written once before it commits."""

from __future__ import annotations

import json
from collections import Counter

import apsw

from ...jobs import Ending, Job
from ...states import State
from ..histogram import bucket

FINE = 5
"""Seconds: the width of the slots that are written; pruning folds old ones into wider ones."""


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


class Tally:
    """What one transaction changes in the counters. Call `write` once, inside the transaction."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._metrics: Counter[tuple[int, str, str, str, int]] = Counter()

    def move(self, queue: str, kind: str, before: State | str | None, after: State | str | None, n: int = 1) -> None:
        """`n` jobs went from one state to another; `None` stands for not in the store."""
        if before is not None:
            self._counts[queue, kind, before] -= n
        if after is not None:
            self._counts[queue, kind, after] += n

    def measure(self, job: Job, ending: Ending, outcome: str) -> None:
        """An attempt ended: count the outcome, and how long it waited and ran."""
        slot = int(ending.finished_at) // FINE * FINE
        queue, kind = job.queue, job.kind
        self._metrics[slot, queue, kind, outcome, 0] += 1
        self._metrics[slot, queue, kind, "run", bucket(ending.finished_at - ending.started_at)] += 1
        self._metrics[slot, queue, kind, "wait", bucket(ending.started_at - job.scheduled_at)] += 1

    def write(self, connection: apsw.Connection) -> None:
        """Add it all to the tables: one statement each, however many rows.

        Each step of a statement gives up the interpreter's lock, and beside a busy thread it takes a while to come back.
        """
        changed = [(*key, n) for key, n in self._counts.items() if n]
        if changed:
            connection.execute(_COUNT, (json.dumps(changed),))
        if self._metrics:
            connection.execute(_MEASURE, (json.dumps([(*key, n) for key, n in self._metrics.items()]),))
