"""The threads of each worker process as slots: a running job keeps its slot until it ends, so that no row jumps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from jobdeck import Job, Overview, WorkerInfo, record

MOST_IDLE = 64
"""The maximum number of idle slots kept; a used slot stays, so that the rows below do not jump."""


CLAIMED_AHEAD = 1.0
"""Seconds within which a worker starts a job that it has claimed ahead of its threads, or has recorded its release."""


def split_claimed(jobs: Sequence[Job], threads: int, at: float) -> tuple[list[Job], list[Job]]:
    """Divide the running jobs of a live worker into those whose code runs, and those that it has only claimed ahead.

    The queue records a claim, not the start of the code. Threads take the jobs in the order of the claims, so of more jobs than
    threads the newest wait, for moments. A job that was claimed longer ago than `CLAIMED_AHEAD` runs without a thread: it is
    async.

    Args:
        jobs: the jobs, in the order of their claims.
        threads: the threads of the worker.
        at: the time of the reading.
    """
    running: list[Job] = []
    claimed: list[Job] = []
    for order, job in enumerate(jobs):
        old = at - (at if job.started_at is None else job.started_at) > CLAIMED_AHEAD
        (running if order < threads or old else claimed).append(job)
    return running, claimed


def busy_jobs(worker: WorkerInfo, overview: Overview) -> int:
    """Return the number of jobs whose code a worker runs."""
    if not worker.alive:
        return worker.running
    _, claimed = split_claimed([job for job in overview.running if job.worker == worker.id], worker.threads, overview.at)
    return worker.running - len(claimed)


@record
class Process:
    """A worker process and its slots."""

    id: str
    info: WorkerInfo | None
    """`None` if the worker is gone and its jobs are not rescued yet."""
    slots: tuple[Job | None, ...]
    """The job of each slot."""
    more_idle: int = 0
    """The number of idle threads without a slot, because they were never busy."""
    claimed: tuple[Job, ...] = ()
    """The jobs that it has claimed ahead of its threads."""

    @property
    def jobs(self) -> list[Job]:
        """Its running jobs."""
        return [job for job in self.slots if job is not None]

    @property
    def alive(self) -> bool:
        """Return whether its last heartbeat is within the lease."""
        return self.info is not None and self.info.alive


class WorkerSlots:
    """Remembers the slot of each running job."""

    def __init__(self) -> None:
        self._slots: dict[str, list[tuple[int, int | None] | None]] = {}

    def assign(self, overview: Overview, own: str | None = None) -> list[Process]:
        """Return every process with its slots: the own one first, then live, silent and gone ones."""
        running: defaultdict[str, list[Job]] = defaultdict(list)
        for job in overview.running:
            running[job.worker or ""].append(job)
        processes = [
            self._assign_slots(worker.id, worker, running.pop(worker.id, []), overview.at)
            for worker in sorted(overview.workers, key=lambda each: (each.id != own, not each.alive, each.started_at, each.id))
        ]
        processes += [self._assign_slots(name, None, running[name], overview.at) for name in sorted(running)]
        known = {process.id for process in processes}
        self._slots = {name: assigned for name, assigned in self._slots.items() if name in known}
        return processes

    def _assign_slots(self, name: str, info: WorkerInfo | None, held: Sequence[Job], at: float) -> Process:
        threads = info.threads if info is not None and info.alive else 0
        jobs, claimed = split_claimed(held, threads, at) if threads else (held, [])
        now = {(job.id, job.lease): job for job in jobs}
        assigned = [key if key in now else None for key in self._slots.get(name, [])]
        unassigned = [key for key in now if key not in assigned]
        for at, key in enumerate(assigned):
            if key is None and unassigned:
                assigned[at] = unassigned.pop(0)
        assigned += unassigned
        while assigned and assigned[-1] is None and len(assigned) > min(threads, MOST_IDLE):
            assigned.pop()
        self._slots[name] = assigned
        slots = tuple(None if key is None else now[key] for key in assigned)
        idle = sum(slot is None for slot in slots)
        return Process(name, info, slots, max(0, threads - len(jobs) - idle), tuple(claimed))
