"""Isolated jobs: each has a process to itself while it runs, which can be killed with all that it started.

A job that shall stop is first asked (its context says so), then sent SIGTERM, which raises what `check` would raise
in the middle of its code, and then SIGKILL. The signals go to its process group, and the job has ended only
when no process of that lives. One that ended well leaves its process to the next.
"""

from __future__ import annotations

import time
from collections import deque

from ..model.attempt_result import Ending
from ..model.errors import ChildNotStarted
from .child_process import Charge, ChildProcess
from .protocol import Row, ending_of
from .spawner import Nursery

IDLE = 60.0
"""Seconds without work after which a process is let go."""


class Isolation:
    """The processes of isolated jobs. Belongs to the thread of `Children`."""

    def __init__(self, nursery: Nursery, most: int) -> None:
        self._nursery = nursery
        self._most = most
        self._waiting: deque[Charge] = deque()
        self.leaving: dict[ChildProcess, tuple[Charge, Ending]] = {}
        """Jobs whose code has ended, and not yet all that it left behind."""

    def begin(self, charge: Charge) -> None:
        """Take a job; `give_out` has it run."""
        self._waiting.append(charge)

    def give_out(self) -> None:
        """Run what waits, as far as there may be more processes."""
        while self._waiting and sum(child.isolate and self.is_busy(child) for child in self._nursery.all) < self._most:
            self._run(self._waiting.popleft())

    def is_busy(self, child: ChildProcess) -> bool:
        """Whether a job of the child has not come to its end."""
        return bool(child.held) or child in self.leaving

    def recall(self) -> None:
        """Everything that has not begun comes back."""
        while self._waiting:
            self._nursery.release(self._waiting.popleft())

    def _run(self, charge: Charge) -> None:
        """In a process that is idle, or in a new one."""
        child = next((each for each in self._nursery.each(isolate=True) if not each.held), None)
        try:
            child = child or self._nursery.spawn(isolate=True)
        except ChildNotStarted as problem:
            self._nursery.fail(charge, problem)
            return
        child.give([charge])
        if child.ready:
            self._start_time(charge)

    def ready(self, child: ChildProcess) -> None:
        """A child has loaded its apps: the time of its job begins."""
        for charge in child.held.values():
            self._start_time(charge)

    def _start_time(self, charge: Charge) -> None:
        charge.context.begin()
        if charge.job.timeout:
            charge.deadline = time.monotonic() + charge.job.timeout

    def ask(self, charge: Charge) -> None:
        """The job shall stop: by itself, or else by signals, and be gone when its grace is over."""
        child = charge.child
        if child is None:
            if charge in self._waiting:
                self._waiting.remove(charge)
                self._nursery.release(charge)
            return
        child.stop(charge)
        now, grace = time.monotonic(), charge.context.grace
        first, child.asked = not child.asked, True
        child.kill_at = min(child.kill_at or now + grace, now + grace)
        if first or child.term_at is not None:
            child.term_at = min(child.term_at or now + grace / 2, now + grace / 2)

    def ended(self, child: ChildProcess, row: Row) -> None:
        """A child tells the end of its job."""
        child.read_outputs()  # what was printed before the end belongs to the job
        charge = child.take_back(row[0])
        ending = ending_of(row, charge.job)
        if (child.left or child.asked) and child.has_left_others():
            # Nobody could wait for what the job began, or stop it, once the job has ended.
            child.retire(charge.context.grace)
            self.leaving[child] = charge, ending
            return
        if not child.retired:
            child.term_at = child.kill_at = None
            child.asked = False
        self._nursery.done(charge, ending)

    def buried(self, child: ChildProcess) -> None:
        """A child and all of its group are gone."""
        if child in self.leaving:
            self._nursery.done(*self.leaving.pop(child))

    def tend(self, now: float) -> None:
        """Do what is due: ask those whose time is over, let go of those that have had nothing to do."""
        for child in self._nursery.each(isolate=True):
            for charge in list(child.held.values()):
                if charge.deadline is not None and now >= charge.deadline:
                    charge.deadline = None
                    self.ask(charge)
            if child.ready and not child.held and now - child.idle_since > IDLE:
                child.dismiss()

    def due(self) -> float | None:
        """When `tend` is to be called again, on the monotonic clock."""
        due = [child.idle_since + IDLE for child in self._nursery.each(isolate=True) if not child.held]
        for child in self._nursery.each(isolate=True):
            due += [charge.deadline for charge in child.held.values() if charge.deadline is not None]
        return min(due, default=None)
