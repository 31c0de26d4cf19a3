"""The records that the worker's threads exchange: a claimed job in progress, and the claimer's next batch of work."""

from __future__ import annotations

from dataclasses import dataclass

from ..execution.context import Context
from ..model.attempt_result import Ending, Release
from ..model.jobs import Job


@dataclass(slots=True, eq=False)
class Run:
    """A claimed job, from its claim until its result is recorded."""

    job: Job
    context: Context
    until: float
    """When the lease expires unless renewed, on the monotonic clock. A job that has not started by then must not start."""
    task: bool = False
    """Whether the job runs on the event loop and needs no thread."""
    started_at: float | None = None

    @property
    def lease(self) -> int:
        """Return the fencing token; a claimed job always has one."""
        assert self.job.lease is not None
        return self.job.lease

    def given_back(self, now: float) -> Release:
        """Return the result that releases the job, as if it had never been claimed."""
        return Release(self.job, self.started_at or now, now)


@dataclass(frozen=True, slots=True)
class Work:
    """The claimer's next batch of work: the results to record, and how many jobs to claim."""

    endings: list[Ending]
    idle: int
    """The number of idle threads."""
    ahead: int
    """The number of jobs to prefetch beyond those."""
    suspects: bool
    """Whether a job with earlier crashes may be claimed; at most one is in flight at a time."""
    tasks: int = 0
    """The number of jobs of async kinds to claim."""

    @property
    def claims(self) -> bool:
        """Report whether any job is to be claimed."""
        return self.idle + self.ahead + self.tasks > 0
