"""The records that the worker's threads exchange: a claimed job in progress, and the claimer's next batch of work."""

from __future__ import annotations

from dataclasses import dataclass

from ..execution.context import JobContext
from ..model.attempt_result import AttemptResult, Released
from ..model.jobs import Job
from ..model.record_class import record


@dataclass(slots=True, eq=False)
class ActiveJob:
    """A claimed job, from its claim until its result is recorded."""

    job: Job
    context: JobContext
    lease_deadline: float
    """The time on the monotonic clock at which the lease expires unless it is renewed."""
    is_async: bool = False
    """`True` if the job runs on the event loop and needs no thread."""
    margin: float = 0.0
    """Seconds of the lease that must remain when the code starts: with less, renewals are late, and the lease may expire while
    the code runs."""
    started_at: float | None = None

    def may_start(self, now: float) -> bool:
        """Return whether enough of the lease remains at `now`, on the monotonic clock, to start the code."""
        return now < self.lease_deadline - self.margin

    @property
    def lease(self) -> int:
        """Return the fencing token; a claimed job always has one."""
        assert self.job.lease is not None
        return self.job.lease

    def as_release(self, now: float) -> Released:
        """Return the result that releases the job, as if it had never been claimed."""
        return Released(self.job, self.started_at or now, now)


@record
class ClaimTurn:
    """The claimer's next batch of work: the results to record, and the number of jobs to claim."""

    results: list[AttemptResult]
    idle: int
    """The number of idle threads."""
    prefetch: int
    """The number of jobs to prefetch beyond those."""
    allow_crashed: bool
    """`True` if a job with earlier crashes may be claimed; at most one is in flight at a time."""
    async_jobs: int = 0
    """The number of jobs of async kinds to claim."""

    @property
    def claims(self) -> bool:
        """Report whether any job should be claimed."""
        return self.idle + self.prefetch + self.async_jobs > 0
