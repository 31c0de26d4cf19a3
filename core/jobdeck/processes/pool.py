"""The process pool: a fixed number of child processes with several threads each, to use more than one core."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from queue import SimpleQueue

from ..logs import get_logger
from ..model.attempt_result import Released
from ..model.errors import ChildNotStarted, JobdeckError, KindNotInChild
from .child_process import AssignedJob, ChildProcess
from .protocol import SLOTS, Row, decode_result
from .spawner import ProcessSpawner

MOVE_AFTER = 0.1
"""Seconds after which a job that waits in one process is moved to another with an idle thread."""
RELEASE_AFTER = 1.0
"""Seconds after which a waiting job is released for another worker, if no process has an idle thread."""

logger = get_logger("jobdeck.child")


class ProcessPool:
    """The processes of the pool. Only the supervisor's thread may use it."""

    def __init__(self, spawner: ProcessSpawner, size: int) -> None:
        self._spawner = spawner
        self.size = size
        self.stuck = 0
        """The number of threads, in all processes, whose code ignored a stop request."""
        self.opened: SimpleQueue[JobdeckError | None] = SimpleQueue()
        """Receives one item: `None` once every process is ready for the first time, or the error of a process that is not."""
        self._opening = size > 0
        self._refused = False
        self._waiting: deque[AssignedJob] = deque()
        self._balance_at = 0.0

    def submit(self, assigned: AssignedJob) -> None:
        """Queue a job, to be sent by `start_waiting`. Its timeout starts now, although it may wait briefly for a thread."""
        assigned.context.start_timeout()
        self._waiting.append(assigned)

    def distribute(self) -> None:
        """Distribute waiting jobs to the processes with the fewest jobs."""
        if not self._waiting:
            return
        ready = [child for child in self._spawner.available(isolate=False) if child.ready]
        batches: dict[ChildProcess, list[AssignedJob]] = {child: [] for child in ready}
        loads = {child: len(child.assigned) - child.stuck for child in ready}
        while self._waiting and ready:
            child = min(loads, key=loads.__getitem__)
            if loads[child] + child.stuck >= SLOTS:
                break
            loads[child] += 1
            batches[child].append(self._waiting.popleft())
        for child, jobs in batches.items():
            if jobs:
                child.assign(jobs)

    def stop(self, assigned: AssignedJob) -> None:
        """Stop the job."""
        if assigned in self._waiting:
            self._waiting.remove(assigned)
            self._spawner.release(assigned)
        elif assigned.child is not None:
            assigned.child.stop(assigned)

    def recall(self) -> None:
        """Release every job that has not started."""
        while self._waiting:
            self._spawner.release(self._waiting.popleft())
        for child in self._spawner.available(isolate=False):
            child.send(["recall", [ticket for ticket, assigned in child.assigned.items() if not child.has_started(assigned)]])

    def resize(self, threads: int) -> None:
        """Set the number of jobs that each process runs at once."""
        self._spawner.threads = threads
        for child in self._spawner.available(isolate=False):
            child.send(["threads", self._thread_limit(child)])

    def replace_stuck(self, jobs: Collection[int]) -> None:
        """Start a replacement thread for each of these jobs, whose code ignored a stop request."""
        self.stuck = 0
        for child in self._spawner.available(isolate=False):
            stuck = sum(assigned.job.id in jobs and child.has_started(assigned) for assigned in child.assigned.values())
            if stuck != child.stuck:
                child.stuck = stuck
                child.send(["threads", self._thread_limit(child)])
            self.stuck += stuck

    def _thread_limit(self, child: ChildProcess) -> int:
        return self._spawner.threads + child.stuck

    # -- messages from the processes --------------------------------------------------------------

    def on_ready(self, child: ChildProcess) -> None:
        """Handle a process that has loaded its apps."""
        missing = sorted(set(self._spawner.registry.kinds) - child.kinds)
        if missing:
            self._report(KindNotInChild(*missing))
        if self._opening and sum(each.ready for each in self._spawner.available(isolate=False)) == self.size:
            self._opening = False
            self.opened.put(None)

    def on_result(self, child: ChildProcess, row: Row) -> None:
        """Handle the result of a job."""
        started = child.has_started(child.assigned[row[0]])
        if started:
            self._spawner.pool_starts.on_started_job()
        assigned = child.unassign(row[0])
        result = decode_result(row, assigned.job)
        if started or not isinstance(result, Released):
            self._spawner.done(assigned, result)
        elif self._idle_threads() and not self._spawner.recalled and not assigned.context.stopping:
            self._waiting.appendleft(assigned)
        else:
            self._spawner.release(assigned)

    def on_exit(self, child: ChildProcess, pause: float | None) -> None:
        """Handle the exit of a process; `pause` delays the next start if it died before it ran a job."""
        if pause is not None:
            self._report(ChildNotStarted(child.start_error), f" Retrying in {pause:.1f} s.")

    # -- maintenance ------------------------------------------------------------------------------

    def maintain(self, now: float) -> None:
        """Do periodic work: replace processes that exited, and move jobs that wait too long."""
        if self._may_spawn and now >= self._spawner.pool_starts.start_at:
            try:
                for _ in range(self.size - len(list(self._spawner.available(isolate=False)))):
                    self._spawner.spawn(isolate=False)
            except ChildNotStarted as error:
                self._report(error, f" Retrying in {self._spawner.pool_starts.on_early_death():.1f} s.")
        if now >= self._balance_at:
            self._balance_at = now + MOVE_AFTER
            self._balance(now)

    @property
    def _may_spawn(self) -> bool:
        """Report whether processes that exit are replaced: only while jobs may still start."""
        return not (self._spawner.closing or self._spawner.recalled or self._refused)

    def due(self) -> float | None:
        """Return when `maintain` is due next, on the monotonic clock."""
        children = list(self._spawner.available(isolate=False))
        if len(children) < self.size and self._may_spawn:
            return self._spawner.pool_starts.start_at
        return self._balance_at if any(len(child.assigned) > self._thread_limit(child) for child in children) else None

    def _idle_threads(self) -> int:
        """Return the number of idle threads."""
        ready = (each for each in self._spawner.available(isolate=False) if each.ready)
        return sum(max(0, self._thread_limit(each) - len(each.assigned)) for each in ready)

    def _balance(self, now: float) -> None:
        free = self._idle_threads()
        for child in self._spawner.available(isolate=False):
            if len(child.assigned) > self._thread_limit(child):
                late = [
                    each for each in child.assigned.values() if now - each.sent_at > MOVE_AFTER and not child.has_started(each)
                ]
                tickets = [each.ticket for each in late[:free]]
                tickets += [each.ticket for each in late[free:] if now - each.sent_at > RELEASE_AFTER]
                free -= min(free, len(late))
                if tickets:
                    child.send(["recall", tickets])

    def _report(self, error: JobdeckError, suffix: str = "") -> None:
        if self._opening:
            self._opening, self._refused = False, True
            self.opened.put(error)
        elif not self._refused:
            logger.error("%s%s", error, suffix)
