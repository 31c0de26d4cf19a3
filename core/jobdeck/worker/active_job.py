"""Where a worker's threads hand jobs to one another. Nothing here touches the store.

A claimed job's way: the claimer `place`s it, a runner `take`s it and `hand_in`s its ending, the claimer `gather`s
the endings, writes them, and says so with the next `place`. Until then the desk *holds* the job.

While there is work, runners and claimer meet in two deques, whose ends are atomic, and no lock is taken; the lock is for
those who wait, and for all that happens rarely. A runner's word to the claimer is never lost: the runner appends before it
looks whether the claimer sleeps, and the claimer says that it sleeps before it looks what there is.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..execution.context import Context
from ..model.attempt_result import Ending, Release
from ..model.jobs import Job


@dataclass(slots=True, eq=False)
class Run:
    """A claimed job on its way through this process."""

    job: Job
    context: Context
    until: float
    """When the lease ends unless it is renewed, on the monotonic clock. What has not begun by then must not begin."""
    task: bool = False
    """Whether it runs on the event loop, and takes no thread."""
    started_at: float | None = None

    @property
    def lease(self) -> int:
        """The fencing token; a claimed job always has one."""
        assert self.job.lease is not None
        return self.job.lease

    def given_back(self, now: float) -> Release:
        """Its ending if it shall run again as if it had never been claimed."""
        return Release(self.job, self.started_at or now, now)


@dataclass(frozen=True, slots=True)
class Work:
    """What the claimer has to do: write the endings, and claim."""

    endings: list[Ending]
    idle: int
    """Threads that wait for a job."""
    ahead: int
    """Jobs to claim beyond those."""
    suspects: bool
    """Whether a job that a crash has interrupted may be claimed: one is held at a time."""
    tasks: int = 0
    """Jobs of `async` kinds to claim."""

    @property
    def claims(self) -> bool:
        """Whether anything is to be claimed."""
        return self.idle + self.ahead + self.tasks > 0
