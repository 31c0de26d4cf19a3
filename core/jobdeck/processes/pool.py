"""The pool: a fixed number of child processes with several threads each, for more than one core."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Collection
from queue import SimpleQueue

from ..model.attempt_result import Release
from ..model.errors import ChildNotStarted, JobdeckError, KindNotInChild
from .child_process import SLOTS, Charge, ChildProcess
from .protocol import Row, ending_of
from .spawner import Nursery

STUCK = 0.1
"""Seconds after which a job that waits in one child is moved to another that has a thread free."""
KEPT_WAITING = 1.0
"""Seconds after which such a job is given back, for another worker to take, where no child has."""
_LONGEST_PAUSE = 60.0

logger = logging.getLogger("jobdeck.child")


class Pool:
    """The processes of the pool. Belongs to the thread of `Children`."""

    def __init__(self, nursery: Nursery, size: int) -> None:
        self._nursery = nursery
        self.size = size
        self.stuck = 0
        """Threads, of all children, that are lost to code that does not stop."""
        self.opened: SimpleQueue[JobdeckError | None] = SimpleQueue()
        """Receives one word: `None` when every process is ready for the first time, or why one is not."""
        self._opening = size > 0
        self._refused = False
        self._waiting: deque[Charge] = deque()
        self._start_at = 0.0
        self._failures = 0
        self._look_at = 0.0

    def begin(self, charge: Charge) -> None:
        """Take a job; `give_out` sends it on. Its time begins: nearly, for it may wait a moment for a thread."""
        charge.context.begin()
        self._waiting.append(charge)

    def give_out(self) -> None:
        """Send what waits to the children, to those first that hold least."""
        if not self._waiting:
            return
        ready = [child for child in self._nursery.each(isolate=False) if child.ready]
        given: dict[ChildProcess, list[Charge]] = {child: [] for child in ready}
        loads = {child: len(child.held) - child.stuck for child in ready}
        while self._waiting and ready:
            child = min(loads, key=loads.__getitem__)
            if loads[child] + child.stuck >= SLOTS:
                break
            loads[child] += 1
            given[child].append(self._waiting.popleft())
        for child, charges in given.items():
            if charges:
                child.give(charges)

    def ask(self, charge: Charge) -> None:
        """The job shall stop."""
        if charge in self._waiting:
            self._waiting.remove(charge)
            self._nursery.release(charge)
        elif charge.child is not None:
            charge.child.stop(charge)

    def recall(self) -> None:
        """Everything that has not begun comes back."""
        while self._waiting:
            self._nursery.release(self._waiting.popleft())
        for child in self._nursery.each(isolate=False):
            child.send(["recall", [slot for slot, charge in child.held.items() if not child.has_begun(charge)]])

    def resize(self, threads: int) -> None:
        """Let each process run up to `threads` jobs at once."""
        self._nursery.threads = threads
        for child in self._nursery.each(isolate=False):
            child.send(["threads", self._threads(child)])

    def replace_stuck(self, jobs: Collection[int]) -> None:
        """The code of these jobs does not stop: another thread takes the place of each."""
        self.stuck = 0
        for child in self._nursery.each(isolate=False):
            stuck = sum(charge.job.id in jobs and child.has_begun(charge) for charge in child.held.values())
            if stuck != child.stuck:
                child.stuck = stuck
                child.send(["threads", self._threads(child)])
            self.stuck += stuck

    def _threads(self, child: ChildProcess) -> int:
        return self._nursery.threads + child.stuck

    # -- what comes back --------------------------------------------------------------------------

    def ready(self, child: ChildProcess) -> None:
        """A child has loaded its apps."""
        self._failures = 0
        missing = sorted(set(self._nursery.registry.kinds) - child.kinds)
        if missing:
            self._tell(KindNotInChild(*missing))
        if self._opening and sum(each.ready for each in self._nursery.each(isolate=False)) == self.size:
            self._opening = False
            self.opened.put(None)

    def ended(self, child: ChildProcess, row: Row) -> None:
        """A child tells the end of a job."""
        begun = child.has_begun(child.held[row[0]])
        charge = child.take_back(row[0])
        ending = ending_of(row, charge.job)
        if begun or not isinstance(ending, Release):
            self._nursery.done(charge, ending)
        elif self._free() and not self._nursery.recalled and not charge.context.stopping:
            self._waiting.appendleft(charge)
        else:
            self._nursery.release(charge)

    def buried(self, child: ChildProcess) -> None:
        """A child is gone."""
        if not (child.ready or self._nursery.recalled):  # otherwise it was ended on purpose
            self._not_started(ChildNotStarted(child.why_not_ready))

    # -- keeping it whole -------------------------------------------------------------------------

    def tend(self, now: float) -> None:
        """Do what is due: replace the dead, move what is stuck."""
        if self._replaces and now >= self._start_at:
            try:
                for _ in range(self.size - len(list(self._nursery.each(isolate=False)))):
                    self._nursery.spawn(isolate=False)
            except ChildNotStarted as problem:
                self._not_started(problem)
        if now >= self._look_at:
            self._look_at = now + STUCK
            self._balance(now)

    @property
    def _replaces(self) -> bool:
        """Whether the dead are replaced: there is still something to be begun."""
        return not (self._nursery.closing or self._nursery.recalled or self._refused)

    def due(self) -> float | None:
        """When `tend` is to be called again, on the monotonic clock."""
        children = list(self._nursery.each(isolate=False))
        if len(children) < self.size and self._replaces:
            return self._start_at
        return self._look_at if any(len(child.held) > self._threads(child) for child in children) else None

    def _free(self) -> int:
        """Threads that have nothing to do."""
        ready = (each for each in self._nursery.each(isolate=False) if each.ready)
        return sum(max(0, self._threads(each) - len(each.held)) for each in ready)

    def _balance(self, now: float) -> None:
        free = self._free()
        for child in self._nursery.each(isolate=False):
            if len(child.held) > self._threads(child):
                late = [each for each in child.held.values() if now - each.sent_at > STUCK and not child.has_begun(each)]
                slots = [each.slot for each in late[:free]]
                slots += [each.slot for each in late[free:] if now - each.sent_at > KEPT_WAITING]
                free -= min(free, len(late))
                if slots:
                    child.send(["recall", slots])

    def _not_started(self, problem: JobdeckError) -> None:
        """The next one later: what kept one from beginning keeps the next from it too."""
        self._failures += 1
        pause = min(_LONGEST_PAUSE, 0.25 * 2.0 ** min(self._failures, 10))
        self._start_at = time.monotonic() + pause
        self._tell(problem, f" Trying again in {pause:.1f} s.")

    def _tell(self, problem: JobdeckError, more: str = "") -> None:
        if self._opening:
            self._opening, self._refused = False, True
            self.opened.put(problem)
        elif not self._refused:
            logger.error("%s%s", problem, more)
