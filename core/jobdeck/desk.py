"""Where a worker's threads hand jobs to one another. One lock guards it all; nothing here touches the store.

A claimed job's way: the claimer `place`s it, a runner `take`s it and hands in its ending, the claimer `gather`s
the endings, writes them, and says so with the next `place`. Until then the desk *holds* the job.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .attempt import Context
from .jobs import Ending, Job, Release


@dataclass(slots=True, eq=False)
class Run:
    """A claimed job on its way through this process."""

    job: Job
    context: Context
    started_at: float | None = None

    @property
    def lease(self) -> int:
        """The fencing token; a claimed job always has one."""
        assert self.job.lease is not None
        return self.job.lease

    def given_back(self, now: float) -> Release:
        """Its ending if it shall run again as if it had never been claimed."""
        return Release(self.job, self.started_at or now, now)


class Desk:
    """The jobs that one worker holds, and its threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._claimer = threading.Condition(self._lock)
        self._runner = threading.Condition(self._lock)
        self._changed = threading.Condition(self._lock)
        # All of the following belongs to the lock.
        self._held: dict[int, Run] = {}
        self._inbox: deque[Run] = deque()
        self._outbox: list[Ending] = []
        self._writing: list[Ending] = []
        self._coming = 0  # asked of the store, and not here yet
        self._wanted = 0
        self._runners = 0
        self._idle = 0
        self._look = True  # there may be jobs to claim
        self._heard = False  # something rang: a job may have been asked to stop
        self._draining = False
        self.stopped = threading.Event()

    # -- for anyone -------------------------------------------------------------------------------

    @property
    def threads(self) -> int:
        """How many jobs may run at once."""
        return self._wanted

    @property
    def draining(self) -> bool:
        """Whether nothing more is claimed."""
        return self._draining

    def held(self) -> list[Run]:
        """The jobs held now."""
        with self._lock:
            return list(self._held.values())

    def holds(self, run: Run) -> bool:
        """Whether the run has not been written or given up yet."""
        return self._held.get(run.job.id) is run

    def find(self, job_id: int) -> Run | None:
        """The run of this job, if it is held."""
        return self._held.get(job_id)

    def wake(self) -> None:
        """There may be jobs to claim, or word that a job shall stop."""
        with self._lock:
            self._look = self._heard = True
            self._claimer.notify()

    def heard(self) -> bool:
        """Whether anything rang since the last call."""
        with self._lock:
            heard, self._heard = self._heard, False
            return heard

    def wait_idle(self, timeout: float | None) -> bool:
        """Wait until nothing is held and the newest look found nothing."""
        return self._wait(lambda: not (self._held or self._coming or self._look or self._outbox), timeout)

    def wait_empty(self, timeout: float) -> bool:
        """Wait until nothing is held, nor on its way here."""
        return self._wait(lambda: not (self._held or self._coming), timeout)

    def _wait(self, predicate: Callable[[], bool], timeout: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(predicate, timeout)

    def resize(self, threads: int) -> int:
        """Let up to `threads` jobs run at once; returns how many runners the caller has to start."""
        with self._lock:
            self._wanted = max(0, threads)
            missing = 0 if self.stopped.is_set() else max(0, self._wanted - self._runners)
            self._runners += missing
            self._runner.notify_all()
            return missing

    def drain(self) -> None:
        """Ask the store for nothing more, and give back what no runner has begun."""
        with self._lock:
            self._draining = True
            self._give_back(self._inbox)
            self._inbox.clear()
            self._claimer.notify()

    def stop(self) -> None:
        """Let every thread come to its end."""
        with self._lock:
            self.stopped.set()
            self._claimer.notify_all()
            self._runner.notify_all()

    def clear(self) -> tuple[list[Ending], list[Run]]:
        """Give up all that is held: endings not yet written, and runs whose code has not come back.

        What the claimer is writing at this moment stays its own.
        """
        with self._lock:
            endings, self._outbox = self._outbox, []
            for ending in (*endings, *self._writing):
                self._held.pop(ending.job.id, None)
            left = list(self._held.values())
            self._held.clear()  # from here on a runner that comes back keeps its ending to itself
            self._inbox.clear()
            return endings, left

    # -- for runners ------------------------------------------------------------------------------

    def take(self, done: Ending | None = None, run: Run | None = None) -> Run | None:
        """Hand in the ending of the run before, and wait for the next; `None` tells the runner to end."""
        with self._lock:
            if done is not None and run is not None and self.holds(run):  # otherwise it was given up in a shutdown
                self._outbox.append(done)
            self._idle += 1
            self._claimer.notify()
            while not self._inbox or self.stopped.is_set():
                # A runner for whom a job is on its way must not leave.
                if self.stopped.is_set() or (self._runners > self._wanted and self._idle > self._coming):
                    self._idle -= 1
                    self._runners -= 1
                    return None
                self._runner.wait()
            self._idle -= 1
            return self._inbox.popleft()

    # -- for the claimer --------------------------------------------------------------------------

    def gather(self, patience: float) -> tuple[list[Ending], int] | None:
        """Wait for something to do; returns endings to write and how many jobs to claim. `None`: come to an end.

        After `patience` seconds without a call, it is time to look by oneself.
        """
        with self._lock:
            while not (self._outbox or self.stopped.is_set() or (self._look and self._room() > 0)):
                if not self._claimer.wait(patience):
                    self._look = True
            if self.stopped.is_set() and not self._outbox:
                return None
            self._writing, self._outbox = self._outbox, []
            self._coming = self._room() if self._look else 0
            if self._coming:
                self._look = False  # what rings from now on is news
            return self._writing, self._coming

    def _room(self) -> int:
        if self._draining or self.stopped.is_set():
            return 0
        return max(0, min(self._idle, self._idle - self._runners + self._wanted) - len(self._inbox))

    def place(self, runs: Sequence[Run]) -> None:
        """What was gathered is written, and these were claimed."""
        with self._lock:
            for ending in self._writing:
                self._held.pop(ending.job.id, None)
            self._writing = []
            for run in runs:
                self._held[run.job.id] = run
            if self._draining:
                self._give_back(runs)
            else:
                self._inbox.extend(runs)
                self._runner.notify(len(runs))
            if runs and len(runs) == self._coming:
                self._look = True  # there may be more
            self._settled()

    def put_back(self, endings: Sequence[Ending]) -> None:
        """These of what was gathered could not be written yet. The others are done with."""
        with self._lock:
            kept = {ending.job.id for ending in endings}
            for ending in self._writing:
                if ending.job.id not in kept:
                    self._held.pop(ending.job.id, None)
            self._outbox[:0] = endings
            self._writing = []
            self._look = True
            self._settled()

    def _settled(self) -> None:
        self._coming = 0
        if self._runners > self._wanted:
            self._runner.notify_all()  # those who stayed for what was coming
        self._changed.notify_all()

    def _give_back(self, runs: Sequence[Run] | deque[Run]) -> None:
        now = self._now()
        self._outbox += [run.given_back(now) for run in runs]
