"""What has become of the jobs of one kind lately, and how one run compares with them."""

from __future__ import annotations

from dataclasses import dataclass

from jobdeck import Attempt, Job, Latency, Metrics, Outcome, Queue, Slot

from .format import duration, number

RANGES = (3600.0, 86400.0, 7 * 86400.0)
"""Seconds: how far it looks back, as far as it has to."""
RANGE_NAMES = {3600.0: "last hour", 86400.0: "last 24 hours", 7 * 86400.0: "last 7 days"}
ENOUGH = 8
"""Runs that tell something; with fewer it looks back further."""
_COMPARED = 5
"""Runs with which one run is compared at least."""
_SURELY = 1.1
"""Percentiles are off by up to 9 %."""


@dataclass(frozen=True, slots=True)
class KindHistory:
    """The runs of one kind over a while, in slices."""

    kind: str
    seconds: float
    """How far it looks back."""
    metrics: Metrics

    @property
    def total(self) -> Slot:
        """All of it."""
        return self.metrics.total


@dataclass(frozen=True, slots=True)
class OwnRun:
    """A run of the job itself."""

    at: float
    """When it ended; now, while it runs."""
    took: float
    """Seconds, so far."""
    outcome: Outcome | None
    """`None` while it runs."""


def read_history(queue: Queue, job: Job, slots: int) -> KindHistory:
    """The shortest range that holds the newest run of the job and enough others, in about so many slices."""
    now = queue.clock.now()
    moment = job.finished_at or job.started_at
    reaching = [seconds for seconds in RANGES if moment is None or now - moment < seconds * 0.98] or [*RANGES]
    *nearer, furthest = reaching
    for seconds in nearer:
        found = KindHistory(job.kind, seconds, queue.history.metrics(seconds=seconds, slots=slots, kind=job.kind))
        if ended(found.total) >= ENOUGH:
            return found
    return KindHistory(job.kind, furthest, queue.history.metrics(seconds=furthest, slots=slots, kind=job.kind))


def ended(slot: Slot) -> int:
    """The attempts that came to an end of their own."""
    return slot.completed + slot.failed


def own_run(attempt: Attempt, now: float) -> OwnRun:
    """An attempt of the job as a run that can be compared."""
    end = now if attempt.finished_at is None else attempt.finished_at
    return OwnRun(end, max(0.0, end - attempt.started_at), attempt.outcome)


def compared(run: OwnRun, others: Latency) -> str:
    """How long it took among the others: `longer than 95 of 100`; empty where there is nothing to be said yet."""
    if others.count < _COMPARED or others.p50 is None:
        return ""
    for value, words in ((others.p99, "longer than 99 of 100"), (others.p95, "longer than 95 of 100")):
        if value is not None and run.took > value * _SURELY:
            return words
    if run.took > others.p50 * _SURELY:
        return "longer than most"
    return "like most" if run.outcome is not None else ""


def told_own(run: OwnRun, others: Latency) -> tuple[str, str]:
    """A run of the job in words, and how it compares: `runs for 9.0s`, `longer than 95 of 100`."""
    told = "runs for" if run.outcome is None else f"{run.outcome} after"
    return f"{told} {duration(run.took)}", compared(run, others)


def told_total(slot: Slot) -> list[str]:
    """All runs in words, a part each: how many, how many failed, how long."""
    count = ended(slot)
    if not count:
        return ["no runs"]
    parts = [f"{number(count)} run{'s' * (count != 1)}"]
    parts += [f"{slot.failed / count:.1%} failed"] if slot.failed else []
    for name, value in (("p50", slot.run.p50), ("p95", slot.run.p95)):
        parts += [f"{name} {duration(value)}"] if value is not None else []
    return parts
