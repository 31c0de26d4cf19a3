"""The threads of each worker process as slots: a running job stays in its slot until it ends, so that no row jumps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from jobdeck import Job, Overview, WorkerInfo

MOST_IDLE = 64
"""Slots that are kept while they are idle; a slot that was used stays, so that the rows below do not jump."""


@dataclass(frozen=True, slots=True)
class Process:
    """A worker process and its slots."""

    id: str
    info: WorkerInfo | None
    """`None`: it is gone, and what it ran is not back yet."""
    slots: tuple[Job | None, ...]
    """What each slot runs."""
    more_idle: int = 0
    """Idle threads that have no slot of their own, since they were never seen busy."""

    @property
    def jobs(self) -> list[Job]:
        """What it runs."""
        return [job for job in self.slots if job is not None]

    @property
    def alive(self) -> bool:
        """Whether it has been heard of within the lease."""
        return self.info is not None and self.info.alive


class Slots:
    """Remembers who sits where."""

    def __init__(self) -> None:
        self._seats: dict[str, list[tuple[int, int | None] | None]] = {}

    def seat(self, overview: Overview, own: str | None = None) -> list[Process]:
        """Every process with its slots: the own one first, then the living, the silent, and those that are gone."""
        running: defaultdict[str, list[Job]] = defaultdict(list)
        for job in overview.running:
            running[job.worker or ""].append(job)
        processes = [
            self._seated(worker.id, worker, running.pop(worker.id, []), worker.threads if worker.alive else 0)
            for worker in sorted(overview.workers, key=lambda each: (each.id != own, not each.alive, each.started_at, each.id))
        ]
        processes += [self._seated(name, None, running[name], 0) for name in sorted(running)]
        known = {process.id for process in processes}
        self._seats = {name: seats for name, seats in self._seats.items() if name in known}
        return processes

    def _seated(self, name: str, info: WorkerInfo | None, jobs: Sequence[Job], threads: int) -> Process:
        now = {(job.id, job.lease): job for job in jobs}
        seats = [seat if seat in now else None for seat in self._seats.get(name, [])]
        standing = [key for key in now if key not in seats]
        for at, seat in enumerate(seats):
            if seat is None and standing:
                seats[at] = standing.pop(0)
        seats += standing
        while seats and seats[-1] is None and len(seats) > min(threads, MOST_IDLE):
            seats.pop()
        self._seats[name] = seats
        slots = tuple(None if seat is None else now[seat] for seat in seats)
        idle = sum(slot is None for slot in slots)
        return Process(name, info, slots, max(0, threads - len(jobs) - idle))
