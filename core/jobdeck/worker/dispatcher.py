"""Where a worker's threads hand jobs to one another. Nothing here touches the store.

A claimed job's way: the claimer `place`s it, a runner `take`s it and `hand_in`s its ending, the claimer `gather`s
the endings, writes them, and says so with the next `place`. Until then the desk *holds* the job.

While there is work, runners and claimer meet in two deques, whose ends are atomic, and no lock is taken; the lock is for
those who wait, and for all that happens rarely. A runner's word to the claimer is never lost: the runner appends before it
looks whether the claimer sleeps, and the claimer says that it sleeps before it looks what there is.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ..model.attempt_result import Ending
from .active_job import Run, Work
from .async_capacity import Slots
from .prefetch import Pace

LINGER = 0.005
"""Seconds that an ending waits for others to share a commit with, while there is more to run."""
STALE = 0.25
"""Seconds after which jobs that were claimed ahead and not begun are given back, for others to run."""


class Desk:
    """The jobs that one worker holds, and its threads."""

    def __init__(self, now: Callable[[], float], *, pumped: bool = False) -> None:
        """Furnish it.

        Args:
            now: the wall clock.
            pumped: its jobs are taken by one thread that passes them on, instead of by a runner for each.
        """
        self._now = now
        self._pumped = pumped
        self._lock = threading.Lock()
        self._claimer = threading.Condition(self._lock)
        self._runner = threading.Condition(self._lock)
        self._changed = threading.Condition(self._lock)
        self._inbox: deque[Run] = deque()
        self._outbox: deque[Ending] = deque()
        # Read without the lock by runners; changed with it.
        self._sleeping = False  # the claimer waits
        self._leaving = False  # a runner must ask the lock before it takes more
        self._recount = False  # who takes many shall say anew how many
        # All of the following belongs to the lock.
        self._held: dict[int, Run] = {}
        self._orphans: set[Run] = set()
        self._writing: list[Ending] = []
        self._coming = 0  # asked of the store, and not here yet
        self._ahead = 0  # of those, beyond the idle threads
        self._wanted = 0
        self._stuck = 0
        self._runners = 0
        self._idle = 0
        self._suspects = 0
        self._slots = Slots()
        self._pace = Pace()
        self._placed_at = 0.0
        self._look = True  # there may be jobs to claim
        self._heard = False  # something rang: a job may have been asked to stop
        self._draining = False
        self.stopped = threading.Event()
        self.file = 0
        """Which of the databases that have been at the store's place what is held belongs to; see `Store.file`."""

    # -- for anyone -------------------------------------------------------------------------------

    @property
    def threads(self) -> int:
        """How many jobs may run at once."""
        return self._wanted

    @property
    def stuck(self) -> int:
        """Threads whose code was asked to stop and does not; each has a substitute."""
        return self._stuck

    @property
    def tasks(self) -> int:
        """How many jobs of `async` kinds may run at once, beside the threads."""
        return self._slots.most

    @property
    def draining(self) -> bool:
        """Whether nothing more is claimed."""
        return self._draining

    def held(self) -> list[Run]:
        """The jobs held now."""
        with self._lock:
            return list(self._held.values())

    def orphans(self) -> list[Run]:
        """Code that still runs for jobs of a database that is not there any more."""
        with self._lock:
            return list(self._orphans)

    def holds(self, run: Run) -> bool:
        """Whether the run has not been written or given up yet."""
        return self._held.get(run.job.id) is run

    def find(self, job_id: int) -> Run | None:
        """The run of this job, if it is held."""
        return self._held.get(job_id)

    def wake(self) -> None:
        """There may be jobs to claim, or word that a job shall stop."""
        with self._lock:
            self._look = self._heard = self._slots.look = True
            self._wake_claimer()

    def heard(self) -> bool:
        """Whether anything rang since the last call."""
        with self._lock:
            heard, self._heard = self._heard, False
            return heard

    def wait_idle(self, timeout: float | None) -> bool:
        """Wait until nothing is held and the newest look found nothing."""
        return self._wait(lambda: not (self._held or self._coming or self._look or self._outbox or self._slots.busy), timeout)

    def wait_empty(self, timeout: float) -> bool:
        """Wait until nothing is held, nor on its way here, and no code runs."""
        return self._wait(lambda: not (self._held or self._coming or self._slots.asked or self._orphans), timeout)

    def _wait(self, predicate: Callable[[], bool], timeout: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(predicate, timeout)

    def resize(self, threads: int) -> int:
        """Let up to `threads` jobs run at once; returns how many runners the caller has to start."""
        with self._lock:
            self._wanted = max(0, threads)
            return self._missing()

    def allow_tasks(self, most: int) -> None:
        """Let up to `most` jobs of `async` kinds run at once, beside the threads."""
        with self._lock:
            self._slots.most, self._slots.look = most, True
            self._wake_claimer()

    def replace_stuck(self, stuck: int) -> int:
        """So many threads are lost to code that does not stop; returns how many runners the caller has to start."""
        with self._lock:
            self._stuck = stuck
            return self._missing()

    def recount(self) -> None:
        """Let the one who takes many at a time return, with nothing, to say how many they may be now."""
        with self._lock:
            self._recount = True
            self._runner.notify_all()

    def _missing(self) -> int:
        if self._pumped:  # the threads are elsewhere
            self._runners = self._wanted + self._stuck
            return 0
        missing = 0 if self.stopped.is_set() else max(0, self._wanted + self._stuck - self._runners)
        self._runners += missing
        self._leaving = self._runners > self._wanted + self._stuck
        self._runner.notify_all()
        return missing

    def drain(self) -> None:
        """Ask the store for nothing more, and give back what no runner has begun."""
        with self._lock:
            self._draining = True
            self._give_back_inbox()
            self._wake_claimer()

    def stop(self) -> None:
        """Let every thread come to its end."""
        with self._lock:
            self._leaving = True
            self.stopped.set()
            self._wake_claimer()
            self._runner.notify_all()

    def clear(self) -> tuple[list[Ending], list[Run]]:
        """Give up all that is held: endings not yet written, and runs whose code has not come back.

        What the claimer is writing at this moment stays its own.
        """
        with self._lock:
            endings = _emptied(self._outbox)
            for ending in (*endings, *self._writing):
                self._held.pop(ending.job.id, None)
            left = list(self._held.values())
            self._held.clear()  # from here on a runner that comes back keeps its ending to itself
            self._inbox.clear()
            return endings, left

    # -- for those who run --------------------------------------------------------------------------

    def hand_in(self, ended: Sequence[tuple[Run, Ending]]) -> None:
        """These runs have ended."""
        for run, ending in ended:
            self.hand_in_one(run, ending)

    def hand_in_one(self, run: Run, ending: Ending) -> None:
        """The run has ended."""
        if self.holds(run):  # otherwise it was given up in a shutdown
            self._outbox.append(ending)
            if self._sleeping and len(self._inbox) <= self._pace.low:
                with self._lock:
                    self._wake_claimer()
        elif run in self._orphans:
            with self._lock:
                self._orphans.discard(run)
                self._changed.notify_all()

    def take(self, most: int = 1) -> list[Run] | None:
        """Wait for something to run; returns up to `most` runs, none after a `recount`, or `None`: come to an end."""
        runs = [] if self._leaving else self._taken(most)
        return runs or self._wait_for_run(most)

    def _taken(self, most: int) -> list[Run]:
        if most == 1:
            try:
                return [self._inbox.popleft()]
            except IndexError:
                return []
        return _emptied(self._inbox, most)

    def _wait_for_run(self, most: int) -> list[Run] | None:
        with self._lock:
            self._idle += most
            self._wake_claimer()
            try:
                while True:
                    # A runner for whom a job is on its way must not leave.
                    surplus = self._runners > self._wanted + self._stuck and self._idle > self._coming - self._ahead
                    if self.stopped.is_set() or (surplus and not self._inbox):
                        self._runners -= 1
                        self._leaving = self.stopped.is_set() or self._runners > self._wanted + self._stuck
                        return None
                    if runs := self._taken(most):
                        return runs
                    if self._recount:
                        self._recount = False
                        return []
                    self._runner.wait()
            finally:
                self._idle -= most

    # -- for the claimer --------------------------------------------------------------------------

    def gather(self, patience: float) -> Work | None:
        """Wait for something to do, and return it; `None`: come to an end.

        After `patience` seconds without a call, it is time to look by oneself.
        """
        with self._lock:
            until = time.monotonic() + patience
            while not self._ready():
                self._sleeping = True
                # What a runner did a moment ago, not seeing that we sleep.
                if self._ready():
                    break
                now = time.monotonic()
                if self._inbox or self._outbox:
                    self._claimer.wait(LINGER)
                    if self._inbox and time.monotonic() > self._placed_at + STALE:
                        self._give_back_inbox(keep=self._idle)
                        self._pace.slow()
                    elif self._outbox:
                        break
                elif now >= until or not self._claimer.wait(until - now):
                    self._look = self._slots.look = True
                    until = time.monotonic() + patience
            self._sleeping = False
            self._writing = _emptied(self._outbox)
            if self._orphans:
                self._writing = self._without_orphans(self._writing)
            if self.stopped.is_set() and not self._writing:
                return None
            self._pace.learn(self._writing)
            idle = self._room()
            # Whatever has ended may have left room under a limit, so it is worth a look too.
            look = self._look or (bool(self._writing) and idle > 0)
            ahead = self._room_ahead(idle) if look and len(self._inbox) <= self._pace.low else 0
            self._coming, self._ahead = (idle + ahead, ahead) if look else (0, 0)
            if self._coming:
                self._look = False  # what rings from now on is news
            tasks = self._slots.ask() if self._open else 0
            return Work(self._writing, self._coming - self._ahead, self._ahead, not self._suspects, tasks)

    def _ready(self) -> bool:
        if self.stopped.is_set():
            return True
        # Endings are written together, unless somebody waits for what comes after.
        if self._outbox and (not self._inbox or len(self._outbox) >= self._pace.enough):
            return True
        if self._open and self._slots.wanted:
            return True
        return self._look and (self._room() > 0 or (len(self._inbox) <= self._pace.low and self._room_ahead(0) > 0))

    @property
    def _open(self) -> bool:
        return not (self._draining or self.stopped.is_set())

    def _room(self) -> int:
        if not (self._open and self._wanted):
            return 0
        surplus = max(0, self._runners - self._wanted - self._stuck)
        return max(0, self._idle - surplus - len(self._inbox))

    def _room_ahead(self, idle: int) -> int:
        if not (self._open and self._wanted):
            return 0
        return max(0, self._pace.ahead - max(0, len(self._inbox) + idle - self._idle))

    def waited(self, seconds: float) -> None:
        """So long the claimer had to wait for its transaction, since others had theirs."""
        with self._lock:
            self._pace.waited(seconds)

    def place(self, runs: Sequence[Run], tasks: Sequence[Run] = ()) -> Sequence[Run]:
        """What was gathered is written, and these were claimed; returns those of the tasks that the caller has to begin."""
        with self._lock:
            self._let_go(self._writing)
            self._writing = []
            for run in (*runs, *tasks):
                self._held[run.job.id] = run
                self._suspects += run.job.crashes > 0
            self._slots.answer(len(tasks))
            if self._draining:
                self._give_back((*runs, *tasks))
                tasks = ()
            elif runs:
                self._inbox.extend(runs)
                self._runner.notify(len(runs))
            if self._coming:
                # There may be more. Of those ahead perhaps none was allowed, so those who idle look for themselves.
                full = len(runs) >= self._coming
                self._look = self._look or full or self._ahead > 0
                self._pace.claimed(full=full, threads=self._wanted)
            if runs:
                self._placed_at = time.monotonic()
            self._settled()
            return tasks

    def put_back(self, endings: Sequence[Ending]) -> None:
        """These of what was gathered could not be written yet. The others are done with."""
        with self._lock:
            kept = {ending.job.id for ending in endings}
            self._let_go([ending for ending in self._writing if ending.job.id not in kept])
            self._outbox.extendleft(reversed(endings))
            self._writing = []
            self._look = True
            self._slots.give_up()
            self._settled()

    def abandon(self, file: int) -> list[Run]:
        """The store has another database now: nothing that is held exists there. Code that runs is let run to its end.

        Args:
            file: the database to which all that is placed from now on belongs.

        Returns:
            The runs whose code still runs; what they hand in is dropped.
        """
        with self._lock:
            over = {ending.job.id for ending in (*_emptied(self._outbox), *self._writing)}
            over |= {run.job.id for run in _emptied(self._inbox)}
            running = [run for run in self._held.values() if run.job.id not in over]
            self._orphans.update(running)
            for run in self._held.values():
                if run.task:
                    self._slots.leave()
            self._slots.give_up()
            self._held.clear()
            self._writing = []
            self._suspects = 0
            self._look = True
            self.file = file
            self._settled()
            return running

    def _without_orphans(self, endings: list[Ending]) -> list[Ending]:
        """Of some a runner had seen that it is held, and handed in its ending a moment after it was abandoned."""
        orphans = {id(run.job): run for run in self._orphans}
        late = {id(ending.job) for ending in endings} & orphans.keys()
        self._orphans.difference_update(orphans[each] for each in late)
        return [ending for ending in endings if id(ending.job) not in late]

    def _let_go(self, endings: Iterable[Ending]) -> None:
        for ending in endings:
            run = self._held.pop(ending.job.id, None)
            if run is not None and run.task:
                self._slots.leave()
            if ending.job.crashes:
                self._suspects -= 1
                self._look = True  # the next suspect may come

    def _settled(self) -> None:
        self._coming = self._ahead = 0
        if self._runners > self._wanted + self._stuck:
            self._runner.notify_all()  # those who stayed for what was coming
        self._changed.notify_all()

    def _wake_claimer(self) -> None:
        self._sleeping = False
        self._claimer.notify()

    def _give_back_inbox(self, keep: int = 0) -> None:
        waiting = _emptied(self._inbox)
        self._inbox.extend(waiting[:keep])
        self._give_back(waiting[keep:])

    def _give_back(self, runs: Iterable[Run]) -> None:
        now = self._now()
        self._outbox.extend(run.given_back(now) for run in runs)


T = TypeVar("T")


def _emptied(box: deque[T], most: int = 1 << 30) -> list[T]:
    """All that the deque held, or the first of it; others may be at its ends meanwhile."""
    taken: list[T] = []
    try:
        while len(taken) < most:
            taken.append(box.popleft())
    except IndexError:
        pass  # that was all
    return taken
