"""Run isolated jobs, each in a process of its own that can be killed together with everything it started.

To stop a job, first set the stop flag of its context, then send SIGTERM, which raises in its code the error that `check`
would raise, and finally SIGKILL. The signals go to the process group, and the job has finished only when no process of
the group runs. After a job that finished normally, the process is reused for the next one.
"""

from __future__ import annotations

from collections import deque

from ..clock import time
from ..logs import get_logger
from ..model.attempt_result import AttemptResult
from ..model.errors import ChildNotStarted
from .child_process import AssignedJob, ChildProcess
from .protocol import Row, decode_result
from .spawner import ProcessSpawner

logger = get_logger("jobdeck.child")

IDLE = 60.0
"""Seconds after which an idle process is shut down."""


class IsolatedProcesses:
    """The processes of isolated jobs. Only the supervisor's thread may use it."""

    def __init__(self, spawner: ProcessSpawner, most: int) -> None:
        self._spawner = spawner
        self._most = most
        self._waiting: deque[AssignedJob] = deque()
        self.exiting: dict[ChildProcess, tuple[AssignedJob, AttemptResult]] = {}
        """Finished jobs with their results, by the process whose group has not fully exited yet."""

    def submit(self, assigned: AssignedJob) -> None:
        """Queue a job; `start_waiting` starts it."""
        self._waiting.append(assigned)

    def start_waiting(self) -> None:
        """Start waiting jobs, up to the maximum number of processes."""
        while (
            self._waiting
            and self._may_run()
            and sum(child.isolate and self.is_busy(child) for child in self._spawner.processes) < self._most
        ):
            self._run(self._waiting.popleft())

    def _may_run(self) -> bool:
        """Report whether an idle process exists, or another one may start."""
        return time.monotonic() >= self._spawner.isolated_starts.start_at or self._idle_child() is not None

    def _idle_child(self) -> ChildProcess | None:
        return next((each for each in self._spawner.available(isolate=True) if not each.assigned), None)

    def is_busy(self, child: ChildProcess) -> bool:
        """Report whether a job of the process has not finished yet."""
        return bool(child.assigned) or child in self.exiting

    def recall(self) -> None:
        """Release every job that has not started."""
        while self._waiting:
            self._spawner.release(self._waiting.popleft())

    def _run(self, assigned: AssignedJob) -> None:
        """Run the job in an idle process, or in a new one."""
        child = self._idle_child()
        try:
            child = child or self._spawner.spawn(isolate=True)
        except ChildNotStarted as error:
            self._spawner.isolated_starts.on_early_death()
            self._spawner.fail(assigned, error)
            return
        child.assign([assigned])
        if child.ready:
            self._start_timeout(assigned)

    def on_ready(self, child: ChildProcess) -> None:
        """Start the timeout of the assigned job, now that the process has loaded its apps."""
        for assigned in child.assigned.values():
            self._start_timeout(assigned)

    def _start_timeout(self, assigned: AssignedJob) -> None:
        assigned.context.start_timeout()
        if assigned.job.timeout:
            assigned.deadline = time.monotonic() + assigned.job.timeout

    def stop(self, assigned: AssignedJob) -> None:
        """Stop the job: request it first, then send signals, so that its processes have exited when the grace is over."""
        child = assigned.child
        if child is None:
            if assigned in self._waiting:
                self._waiting.remove(assigned)
                self._spawner.release(assigned)
            return
        child.stop(assigned)
        now, grace = time.monotonic(), assigned.context.grace
        first, child.stop_requested = not child.stop_requested, True
        child.kill_at = min(child.kill_at or now + grace, now + grace)
        if first or child.term_at is not None:
            child.term_at = min(child.term_at or now + grace / 2, now + grace / 2)

    def on_result(self, child: ChildProcess, row: Row) -> None:
        """Handle the result of a job."""
        if child.has_started(child.assigned[row[0]]):
            self._spawner.isolated_starts.on_started_job()
        child.read_outputs()  # output written before the result belongs to the job
        assigned = child.unassign(row[0])
        result = decode_result(row, assigned.job)
        if (child.may_leave_processes or child.stop_requested) and child.has_other_processes():
            # Stop the processes that the job started: once the job has finished, nothing could wait for them or stop them.
            child.terminate(assigned.context.grace)
            self.exiting[child] = assigned, result
            return
        if not child.terminated:
            child.term_at = child.kill_at = None
            child.stop_requested = False
        self._spawner.done(assigned, result)

    def on_exit(self, child: ChildProcess, pause: float | None) -> None:
        """Handle the exit of a process and its whole group; `pause` delays the next start if it died before it ran a job."""
        if pause is not None:
            logger.error("%s Starting another one in %.1f s.", ChildNotStarted(child.start_error), pause)
        if child in self.exiting:
            self._spawner.done(*self.exiting.pop(child))

    def maintain(self, now: float) -> None:
        """Do periodic work: stop jobs that have timed out, and shut down processes that have been idle."""
        for child in self._spawner.available(isolate=True):
            for assigned in list(child.assigned.values()):
                if assigned.deadline is not None and now >= assigned.deadline:
                    assigned.deadline = None
                    self.stop(assigned)
            if child.ready and not child.assigned and now - child.idle_since > IDLE:
                child.shut_down()

    def due(self) -> float | None:
        """Return when `maintain` is due next, on the monotonic clock."""
        due = [child.idle_since + IDLE for child in self._spawner.available(isolate=True) if not child.assigned]
        for child in self._spawner.available(isolate=True):
            due += [assigned.deadline for assigned in child.assigned.values() if assigned.deadline is not None]
        if self._waiting and not self._may_run():
            due.append(self._spawner.isolated_starts.start_at)
        return min(due, default=None)
