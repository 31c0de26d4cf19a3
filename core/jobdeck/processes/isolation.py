"""Run isolated jobs, each in a process of its own that can be killed together with everything it started.

To stop a job, first set the stop flag of its context, then send SIGTERM, which raises in its code the error that `check`
would raise, and finally SIGKILL. The signals go to the process group, and the job has finished only when no process of
the group runs. After a job that finished normally, the process is reused for the next one.
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
"""Seconds after which an idle process is shut down."""


class Isolation:
    """The processes of isolated jobs. Only the supervisor's thread may use it."""

    def __init__(self, nursery: Nursery, most: int) -> None:
        self._nursery = nursery
        self._most = most
        self._waiting: deque[Charge] = deque()
        self.leaving: dict[ChildProcess, tuple[Charge, Ending]] = {}
        """Finished jobs with their results, by the process whose group has not fully exited yet."""

    def begin(self, assigned: Charge) -> None:
        """Queue a job; `give_out` starts it."""
        self._waiting.append(assigned)

    def give_out(self) -> None:
        """Start waiting jobs, up to the maximum number of processes."""
        while self._waiting and sum(child.isolate and self.is_busy(child) for child in self._nursery.all) < self._most:
            self._run(self._waiting.popleft())

    def is_busy(self, child: ChildProcess) -> bool:
        """Report whether a job of the process has not finished yet."""
        return bool(child.held) or child in self.leaving

    def recall(self) -> None:
        """Release every job that has not started."""
        while self._waiting:
            self._nursery.release(self._waiting.popleft())

    def _run(self, assigned: Charge) -> None:
        """Run the job in an idle process, or in a new one."""
        child = next((each for each in self._nursery.each(isolate=True) if not each.held), None)
        try:
            child = child or self._nursery.spawn(isolate=True)
        except ChildNotStarted as error:
            self._nursery.fail(assigned, error)
            return
        child.give([assigned])
        if child.ready:
            self._start_timeout(assigned)

    def ready(self, child: ChildProcess) -> None:
        """Start the timeout of the assigned job, now that the process has loaded its apps."""
        for assigned in child.held.values():
            self._start_timeout(assigned)

    def _start_timeout(self, assigned: Charge) -> None:
        assigned.context.begin()
        if assigned.job.timeout:
            assigned.deadline = time.monotonic() + assigned.job.timeout

    def ask(self, assigned: Charge) -> None:
        """Stop the job: request it first, then send signals, so that its processes have exited when the grace is over."""
        child = assigned.child
        if child is None:
            if assigned in self._waiting:
                self._waiting.remove(assigned)
                self._nursery.release(assigned)
            return
        child.stop(assigned)
        now, grace = time.monotonic(), assigned.context.grace
        first, child.asked = not child.asked, True
        child.kill_at = min(child.kill_at or now + grace, now + grace)
        if first or child.term_at is not None:
            child.term_at = min(child.term_at or now + grace / 2, now + grace / 2)

    def ended(self, child: ChildProcess, row: Row) -> None:
        """Handle the result of a job."""
        child.read_outputs()  # output written before the result belongs to the job
        assigned = child.take_back(row[0])
        ending = ending_of(row, assigned.job)
        if (child.left or child.asked) and child.has_left_others():
            # Stop the processes that the job started: once the job has finished, nothing could wait for them or stop them.
            child.retire(assigned.context.grace)
            self.leaving[child] = assigned, ending
            return
        if not child.retired:
            child.term_at = child.kill_at = None
            child.asked = False
        self._nursery.done(assigned, ending)

    def buried(self, child: ChildProcess) -> None:
        """Handle the exit of a process and its whole group."""
        if child in self.leaving:
            self._nursery.done(*self.leaving.pop(child))

    def tend(self, now: float) -> None:
        """Do periodic work: stop jobs that have timed out, and shut down processes that have been idle."""
        for child in self._nursery.each(isolate=True):
            for assigned in list(child.held.values()):
                if assigned.deadline is not None and now >= assigned.deadline:
                    assigned.deadline = None
                    self.ask(assigned)
            if child.ready and not child.held and now - child.idle_since > IDLE:
                child.dismiss()

    def due(self) -> float | None:
        """Return when `tend` is due next, on the monotonic clock."""
        due = [child.idle_since + IDLE for child in self._nursery.each(isolate=True) if not child.held]
        for child in self._nursery.each(isolate=True):
            due += [assigned.deadline for assigned in child.held.values() if assigned.deadline is not None]
        return min(due, default=None)
