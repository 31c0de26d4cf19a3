"""The recent runs of one kind, and how one run compares with them."""

from __future__ import annotations

from jobdeck import Attempt, Job, Latency, Metrics, Outcome, Queue, TimeSlice, record

from .format import duration, number

RANGES = (3600.0, 86400.0, 7 * 86400.0)
"""The time ranges in seconds; the shortest one with enough runs is used."""
RANGE_NAMES = {3600.0: "last hour", 86400.0: "last 24 hours", 7 * 86400.0: "last 7 days"}
ENOUGH = 8
"""The minimum number of runs in a range; with fewer, the next longer range is used."""
_COMPARED = 5
"""The minimum number of runs to compare one run with."""
_MARGIN = 1.1
"""A run must exceed a percentile by this factor, because percentiles are off by up to 9 %."""


@record
class KindHistory:
    """The runs of one kind over a time range, in slices."""

    kind: str
    seconds: float
    """The length of the range."""
    metrics: Metrics

    @property
    def total(self) -> TimeSlice:
        """The whole range."""
        return self.metrics.total


@record
class OwnRun:
    """A run of the job itself."""

    at: float
    """The end of the run; now, while it runs."""
    took: float
    """Seconds, so far."""
    outcome: Outcome | None
    """`None` while it runs."""


def read_history(queue: Queue, job: Job, slices: int) -> KindHistory:
    """Read the shortest range with the newest run of the job and enough others, in about `slices` slices."""
    now = queue.clock.now()
    moment = job.finished_at or job.started_at
    candidates = [seconds for seconds in RANGES if moment is None or now - moment < seconds * 0.98] or [*RANGES]
    *shorter, longest = candidates
    for seconds in shorter:
        found = KindHistory(job.kind, seconds, queue.history.metrics(seconds=seconds, slices=slices, kind=job.kind))
        if count_finished(found.total) >= ENOUGH:
            return found
    return KindHistory(job.kind, longest, queue.history.metrics(seconds=longest, slices=slices, kind=job.kind))


def count_finished(slot: TimeSlice) -> int:
    """Return the number of attempts that completed or failed."""
    return slot.completed + slot.failed


def own_run(attempt: Attempt, now: float) -> OwnRun:
    """Return an attempt of the job as a run that can be compared."""
    end = now if attempt.finished_at is None else attempt.finished_at
    return OwnRun(end, max(0.0, end - attempt.started_at), attempt.outcome)


def compare(run: OwnRun, others: Latency) -> str:
    """Compare the duration with other runs: `longer than 95 of 100`; empty if there are too few."""
    if others.count < _COMPARED or others.p50 is None:
        return ""
    for value, words in ((others.p99, "longer than 99 of 100"), (others.p95, "longer than 95 of 100")):
        if value is not None and run.took > value * _MARGIN:
            return words
    if run.took > others.p50 * _MARGIN:
        return "longer than most"
    return "like most" if run.outcome is not None else ""


def describe_run(run: OwnRun, others: Latency) -> tuple[str, str]:
    """Describe a run of the job and how it compares: `runs for 9.0s`, `longer than 95 of 100`."""
    prefix = "runs for" if run.outcome is None else f"{run.outcome} after"
    return f"{prefix} {duration(run.took)}", compare(run, others)


def describe_total(slot: TimeSlice) -> list[str]:
    """Describe all runs, one part each: their number, the share of failures, their durations."""
    count = count_finished(slot)
    if not count:
        return ["no runs"]
    parts = [f"{number(count)} run{'s' * (count != 1)}"]
    parts += [f"{slot.failed / count:.1%} failed"] if slot.failed else []
    for name, value in (("p50", slot.run.p50), ("p95", slot.run.p95)):
        parts += [f"{name} {duration(value)}"] if value is not None else []
    return parts
