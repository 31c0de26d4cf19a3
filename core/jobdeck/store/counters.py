"""Depth counters and metrics, gathered while a transaction works; each store writes them once before it commits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..model.attempt_result import Ending
from ..model.jobs import Job
from ..model.states import State
from .metrics.histogram import bucket

FINE = 5
"""Seconds: the width of the slots that are written; pruning folds old ones into wider ones."""


_FAILURES = ("failed", "crashed")
_AGAIN = (State.RETRYING, State.PENDING)


def _slot(at: float) -> int:
    return int(at // FINE) * FINE


class Tally(ABC):
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
        """An attempt ended and left the job in `state`: count the outcome, and how long it waited and ran."""
        self.measure_all([ending], outcome)
        if outcome in _FAILURES and state in _AGAIN:
            self._metrics[_slot(ending.finished_at), job.queue, job.kind, "retried", 0] += 1

    def measure_all(self, endings: Sequence[Ending], outcome: str) -> None:
        """Attempts ended in the same way.

        A wait is counted in the slot in which the attempt started: the waits of a slot are its starts.
        """
        runs: Counter[tuple[str, str, float, int]] = Counter()
        waits: Counter[tuple[str, str, float, int]] = Counter()
        for ending in endings:
            job, started, finished = ending.job, ending.started_at, ending.finished_at
            runs[job.queue, job.kind, finished // FINE, bucket(finished - started)] += 1
            waits[job.queue, job.kind, started // FINE, bucket(started - job.scheduled_at)] += 1
        metrics = self._metrics
        for (queue, kind, slot, index), n in runs.items():
            metrics[int(slot) * FINE, queue, kind, outcome, 0] += n
            if outcome != "released":  # what was broken off says nothing of how long it takes
                metrics[int(slot) * FINE, queue, kind, "run", index] += n
        for (queue, kind, slot, index), n in waits.items():
            metrics[int(slot) * FINE, queue, kind, "wait", index] += n

    def counted(self) -> list[tuple[str, str, str, int]]:
        """What changed in the depths: queue, kind, state, how many more."""
        return [(*key, n) for key, n in self._counts.items() if n]

    def measured(self) -> list[tuple[int, str, str, str, int, int]]:
        """What is to be added to the metrics: slot, queue, kind, measure, bucket, how many."""
        return [(*key, n) for key, n in self._metrics.items()]

    @abstractmethod
    def write(self, connection: Any) -> None:
        """Add it all to the tables."""
