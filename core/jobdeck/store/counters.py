"""Changes to the depth counters and metrics, collected during a transaction and written once before it commits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..model.jobs import Job
from ..model.states import State
from .metrics.histogram import bucket

if TYPE_CHECKING:
    from ..model.attempt_result import AttemptResult

SLOT_WIDTH = 5
"""Seconds: the width of the slots that are written; pruning merges old slots into wider ones."""


_FAILURES = ("failed", "crashed")
_RETRIED = (State.RETRYING, State.PENDING)


def _slot(at: float) -> int:
    return int(at // SLOT_WIDTH) * SLOT_WIDTH


class CounterDeltas(ABC):
    """The changes of one transaction. Call `write` once, inside the transaction."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._metrics: Counter[tuple[int, str, str, str, int]] = Counter()

    def count_transition(
        self, queue: str, kind: str, before: State | str | None, after: State | str | None, n: int = 1
    ) -> None:
        """Count `n` jobs as moved from one state to another; `None` means not in the store."""
        if before is not None:
            self._counts[queue, kind, before] -= n
        if after is not None:
            self._counts[queue, kind, after] += n

    def record_result(self, job: Job, result: AttemptResult, outcome: str, state: State | str | None = None) -> None:
        """Record that an attempt ended and left the job in `state`: its outcome, its wait and its run time."""
        self.record_results([result], outcome)
        if outcome in _FAILURES and state in _RETRIED:
            self._metrics[_slot(result.finished_at), job.queue, job.kind, "retried", 0] += 1

    def record_results(self, results: Sequence[AttemptResult], outcome: str) -> None:
        """Record attempts that ended with the same outcome.

        A wait is counted in the slot in which the attempt started: the waits of a slot are its starts.
        """
        runs: Counter[tuple[str, str, float, int]] = Counter()
        waits: Counter[tuple[str, str, float, int]] = Counter()
        for result in results:
            job, started, finished = result.job, result.started_at, result.finished_at
            runs[job.queue, job.kind, finished // SLOT_WIDTH, bucket(finished - started)] += 1
            waits[job.queue, job.kind, started // SLOT_WIDTH, bucket(started - job.scheduled_at)] += 1
        metrics = self._metrics
        for (queue, kind, slot, index), n in runs.items():
            metrics[int(slot) * SLOT_WIDTH, queue, kind, outcome, 0] += n
            if outcome != "released":  # an interrupted run does not show how long the job takes
                metrics[int(slot) * SLOT_WIDTH, queue, kind, "run", index] += n
        for (queue, kind, slot, index), n in waits.items():
            metrics[int(slot) * SLOT_WIDTH, queue, kind, "wait", index] += n

    def count_rows(self) -> list[tuple[str, str, str, int]]:
        """Return the changes of the depths: queue, kind, state, difference."""
        return [(*key, n) for key, n in self._counts.items() if n]

    def metric_rows(self) -> list[tuple[int, str, str, str, int, int]]:
        """Return the additions to the metrics: slot, queue, kind, measure, bucket, number."""
        return [(*key, n) for key, n in self._metrics.items()]

    @abstractmethod
    def write(self, connection: Any) -> None:
        """Write all changes to the tables."""
