"""Changes to the depth counters and metrics, collected during a transaction and written once before it commits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..model.jobs import Job, Outcome
from ..model.states import FINAL, State
from .metrics.histogram import OCTAVE, bucket

if TYPE_CHECKING:
    from ..model.attempt_result import AttemptResult

SLOT_WIDTH = 5
"""Seconds: the width of the slots that are written; pruning merges old slots into wider ones."""
RUN_SUM, WAIT_SUM = "run sum", "wait sum"
"""Measures of the totals: the sum of the run and wait times, in microseconds."""


_PER_SECOND = 1e6
_FAILURES = ("failed", "crashed")
_RETRIED = (State.RETRYING, State.PENDING)


def _slot(at: float) -> int:
    return int(at // SLOT_WIDTH) * SLOT_WIDTH


class CounterDeltas(ABC):
    """The changes of one transaction. Call `write` once, inside the transaction."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._metrics: Counter[tuple[int, str, str, str, int]] = Counter()
        self._totals: Counter[tuple[str, str, str, int]] = Counter()

    def count_transition(
        self, queue: str, kind: str, before: State | str | None, after: State | str | None, n: int = 1
    ) -> None:
        """Count `n` jobs as moved from one state to another; `None` means not in the store."""
        if before is not None:
            self._counts[queue, kind, before] -= n
        if after is not None:
            self._counts[queue, kind, after] += n
            if after in FINAL and before is not None and before not in FINAL:
                self._totals[queue, kind, after, 0] += n

    def record_result(self, job: Job, result: AttemptResult, outcome: str, state: State | str | None = None) -> None:
        """Record that an attempt ended and left the job in `state`: its outcome, its wait and its run time."""
        self.record_results([result], outcome)
        if outcome in _FAILURES and state in _RETRIED:
            self._metrics[_slot(result.finished_at), job.queue, job.kind, "retried", 0] += 1
            self._totals[job.queue, job.kind, "retried", 0] += 1
        if outcome == "crashed" or getattr(result, "outcome", None) is Outcome.CRASHED:
            self._totals[job.queue, job.kind, "crashed", 0] += 1

    def record_late_result(self, job: Job) -> None:
        """Record that a result came after the lease of its attempt was lost."""
        self._totals[job.queue, job.kind, "late", 0] += 1

    def record_results(self, results: Sequence[AttemptResult], outcome: str) -> None:
        """Record attempts that ended with the same outcome.

        A wait is counted in the slot in which the attempt started: the waits of a slot are its starts.
        """
        runs: Counter[tuple[str, str, float, int]] = Counter()
        waits: Counter[tuple[str, str, float, int]] = Counter()
        sums: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for result in results:
            job, started, finished = result.job, result.started_at, result.finished_at
            took, waited = finished - started, started - job.scheduled_at
            runs[job.queue, job.kind, finished // SLOT_WIDTH, bucket(took)] += 1
            waits[job.queue, job.kind, started // SLOT_WIDTH, bucket(waited)] += 1
            sum_of = sums[job.queue, job.kind]
            sum_of[0] += took
            sum_of[1] += waited
        metrics, totals = self._metrics, self._totals
        timed = outcome != "released"  # an interrupted run does not show how long the job takes
        for (queue, kind, slot, index), n in runs.items():
            metrics[int(slot) * SLOT_WIDTH, queue, kind, outcome, 0] += n
            if timed:
                metrics[int(slot) * SLOT_WIDTH, queue, kind, "run", index] += n
                totals[queue, kind, "run", index // OCTAVE] += n
        for (queue, kind, slot, index), n in waits.items():
            metrics[int(slot) * SLOT_WIDTH, queue, kind, "wait", index] += n
            totals[queue, kind, "wait", index // OCTAVE] += n
        for (queue, kind), (run, wait) in sums.items():
            if timed:
                totals[queue, kind, RUN_SUM, 0] += max(0, round(run * _PER_SECOND))
            totals[queue, kind, WAIT_SUM, 0] += max(0, round(wait * _PER_SECOND))

    def count_rows(self) -> list[tuple[str, str, str, int]]:
        """Return the changes of the depths: queue, kind, state, difference."""
        return [(*key, n) for key, n in self._counts.items() if n]

    def metric_rows(self) -> list[tuple[int, str, str, str, int, int]]:
        """Return the additions to the metrics: slot, queue, kind, measure, bucket, number."""
        return [(*key, n) for key, n in self._metrics.items()]

    def total_rows(self) -> list[tuple[str, str, str, int, int]]:
        """Return the additions to the totals: queue, kind, measure, bucket, number."""
        return [(*key, n) for key, n in self._totals.items() if n]

    @abstractmethod
    def write(self, connection: Any) -> None:
        """Write all changes to the tables."""
