"""Changes to the depth counters and metrics, collected during a transaction and written once before it commits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from ..model.jobs import Job, Outcome
from ..model.states import FINAL, State
from .metrics.histogram import OCTAVE, bucket

if TYPE_CHECKING:
    from ..model.attempt_result import AttemptResult, Completed

SLOT_WIDTH = 5
"""Seconds: the width of the slots that are written; pruning merges old slots into wider ones."""
RUN_SUM, WAIT_SUM = "run sum", "wait sum"
"""Measures of the totals: the sum of the run and wait times, in microseconds."""


_PER_SECOND = 1e6
_BUCKET_BITS = 10
_BUCKETS = (1 << _BUCKET_BITS) - 1
Times = tuple[float, float, float]
"""When an attempt was due, started and finished."""
_FAILURES = ("failed", "crashed")
_RETRIED = (State.RETRYING, State.PENDING)


def _slot(at: float) -> int:
    return int(at // SLOT_WIDTH) * SLOT_WIDTH


def _times_by_kind(results: Iterable[AttemptResult]) -> dict[tuple[str, str], list[Times]]:
    """Return the times of the results of each queue and kind."""
    found: dict[tuple[str, str], list[Times]] = {}
    for result in results:
        job = result.job
        times = (job.scheduled_at, result.started_at, result.finished_at)
        try:
            found[job.queue, job.kind].append(times)
        except KeyError:
            found[job.queue, job.kind] = [times]
    return found


class _KindResults:
    """The times of results of one kind, by slot and bucket. Adding one costs as little as the worker's fastest jobs need."""

    __slots__ = ("run_sum", "runs", "wait_sum", "waits")

    def __init__(self) -> None:
        self.runs: dict[int, int] = {}
        """The slot's number with the bucket of the run time below it → the number of results."""
        self.waits: dict[int, int] = {}
        self.run_sum = self.wait_sum = 0.0

    def add(self, times: Iterable[Times]) -> None:
        """Add results by their times."""
        runs, waits = self.runs, self.waits
        run_sum = wait_sum = 0.0
        run_slot, runs_until, wait_slot, waits_until = 0, -inf, 0, -inf  # of the last one; most others are of the same slots
        for due, started, finished in times:
            took = finished - started
            waited = started - due
            run_sum += took
            wait_sum += waited
            if not runs_until - SLOT_WIDTH <= finished < runs_until:
                run_slot = int(finished // SLOT_WIDTH) << _BUCKET_BITS
                runs_until = (finished // SLOT_WIDTH + 1) * SLOT_WIDTH
            key = run_slot | bucket(took)
            try:
                runs[key] += 1
            except KeyError:
                runs[key] = 1
            if not waits_until - SLOT_WIDTH <= started < waits_until:
                wait_slot = int(started // SLOT_WIDTH) << _BUCKET_BITS
                waits_until = (started // SLOT_WIDTH + 1) * SLOT_WIDTH
            key = wait_slot | bucket(waited)
            try:
                waits[key] += 1
            except KeyError:
                waits[key] = 1
        self.run_sum += run_sum
        self.wait_sum += wait_sum


class CounterDeltas(ABC):
    """The changes of one transaction. Call `write` once, inside the transaction."""

    def __init__(self) -> None:
        # A `Counter` takes three times as long to make, and there are three of them in each enqueue.
        self._counts: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._metrics: defaultdict[tuple[int, str, str, str, int], int] = defaultdict(int)
        self._totals: defaultdict[tuple[str, str, str, int], int] = defaultdict(int)

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
            self.record_retry(job.queue, job.kind, result.finished_at)
        if outcome == "crashed" or getattr(result, "outcome", None) is Outcome.CRASHED:
            self._totals[job.queue, job.kind, "crashed", 0] += 1

    def record_late_result(self, job: Job) -> None:
        """Record that a result came after the lease of its attempt was lost."""
        self._totals[job.queue, job.kind, "late", 0] += 1

    def record_times(self, queue: str, kind: str, outcome: str, times: Iterable[Times]) -> None:
        """Record attempts of one kind by their times."""
        of_kind = _KindResults()
        of_kind.add(times)
        self._record_kind(queue, kind, of_kind, outcome)

    def record_retry(self, queue: str, kind: str, failed_at: float) -> None:
        """Record that a job is to be retried after an attempt that failed then."""
        self._metrics[_slot(failed_at), queue, kind, "retried", 0] += 1
        self._totals[queue, kind, "retried", 0] += 1

    def record_final(self, queue: str, kind: str, state: State, n: int = 1) -> None:
        """Record in the totals that `n` jobs became final, whether or not the queue keeps their rows."""
        self._totals[queue, kind, state, 0] += n

    def record_results(self, results: Sequence[AttemptResult], outcome: str) -> None:
        """Record attempts that ended with the same outcome.

        A wait is counted in the slot in which the attempt started: the waits of a slot are its starts.
        """
        for (queue, kind), times in _times_by_kind(results).items():
            self.record_times(queue, kind, outcome, times)

    def record_completions(self, results: Sequence[Completed]) -> None:
        """Record running jobs that completed: their attempts, and their state."""
        for (queue, kind), times in _times_by_kind(results).items():
            self.count_transition(queue, kind, State.RUNNING, State.COMPLETED, len(times))
            self.record_times(queue, kind, "completed", times)

    def _record_kind(self, queue: str, kind: str, results: _KindResults, outcome: str) -> None:
        metrics, totals = self._metrics, self._totals
        timed = outcome != "released"  # an interrupted run does not show how long the job takes
        for key, n in results.runs.items():
            slot, index = key >> _BUCKET_BITS, key & _BUCKETS
            metrics[slot * SLOT_WIDTH, queue, kind, outcome, 0] += n
            if timed:
                metrics[slot * SLOT_WIDTH, queue, kind, "run", index] += n
                totals[queue, kind, "run", index // OCTAVE] += n
        for key, n in results.waits.items():
            index = key & _BUCKETS
            metrics[(key >> _BUCKET_BITS) * SLOT_WIDTH, queue, kind, "wait", index] += n
            totals[queue, kind, "wait", index // OCTAVE] += n
        if timed:
            totals[queue, kind, RUN_SUM, 0] += max(0, round(results.run_sum * _PER_SECOND))
        totals[queue, kind, WAIT_SUM, 0] += max(0, round(results.wait_sum * _PER_SECOND))

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
