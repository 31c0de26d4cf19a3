"""Depth counters and metrics, gathered while a transaction works and written once before it commits."""

from __future__ import annotations

from collections import Counter

import apsw

from ...jobs import Ending, Job
from ...states import State
from ..histogram import bucket

FINE = 5
"""Seconds: the width of the slots that are written; pruning folds old ones into wider ones."""
COARSER = ((FINE, 3600, 60), (60, 6 * 3600, 600), (600, 2 * 86400, 3600), (3600, 10 * 86400, 86400))
"""Metrics: slots of `width` older than `age` are folded into slots of `wider` (all in seconds)."""
METRICS_KEPT = 90 * 86400
"""Seconds: metrics older than this are dropped."""

_FAILURES = ("failed", "crashed")
_AGAIN = (State.RETRYING, State.PENDING)


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

    def measure(self, job: Job, ending: Ending, outcome: str, state: State | str | None = None) -> None:
        """An attempt ended and left the job in `state`: count the outcome, and how long it waited and ran.

        The wait is counted in the slot in which the attempt started: the waits of a slot are its starts.
        """
        finished, started = ending.finished_at, ending.started_at
        slot = int(finished) // FINE * FINE
        queue, kind = job.queue, job.kind
        metrics = self._metrics
        metrics[slot, queue, kind, outcome, 0] += 1
        if outcome != "released":  # what was broken off says nothing of how long it takes
            metrics[slot, queue, kind, "run", bucket(finished - started)] += 1
        metrics[int(started) // FINE * FINE, queue, kind, "wait", bucket(started - job.scheduled_at)] += 1
        if outcome in _FAILURES and state in _AGAIN:
            metrics[slot, queue, kind, "retried", 0] += 1

    def write(self, connection: apsw.Connection) -> None:
        """Add it all to the tables."""
        changed = [(*key, n) for key, n in self._counts.items() if n]
        if changed:
            connection.executemany(
                "INSERT INTO jobdeck_counts (queue, kind, state, n) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET n = n + excluded.n",
                changed,
            )
        if self._metrics:
            connection.executemany(
                "INSERT INTO jobdeck_metrics (width, slot, queue, kind, measure, bucket, n)"
                f" VALUES ({FINE}, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                [(*key, n) for key, n in self._metrics.items()],
            )
