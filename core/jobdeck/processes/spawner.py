"""Start child processes and report the results of their jobs, for both the pool and isolated jobs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from selectors import BaseSelector

from ..clock import Clock
from ..execution.executor import crashed_result, failed_result
from ..kinds.registry import Registry
from ..model.attempt_result import AttemptResult, Cancelled, Released
from ..model.errors import ChildNotStarted, JobdeckError, TimedOut
from ..tracing.tracer import record_lost_attempt
from .child_process import AssignedJob, ChildProcess
from .start_backoff import StartBackoff


class ProcessSpawner:
    """Tracks the running child processes of a worker. Only the supervisor's thread may use it."""

    def __init__(
        self, registry: Registry, *, apps: Sequence[str], threads: int, clock: Clock, random: Random, selector: BaseSelector
    ) -> None:
        self.registry = registry
        self.threads = threads
        """The number of jobs that each process of the pool runs at once."""
        self.processes: list[ChildProcess] = []
        self.recalled = False
        """`True` if no more jobs are started."""
        self.closing = False
        self.pool_starts = StartBackoff()
        self.isolated_starts = StartBackoff()
        self._apps = list(apps)
        self._clock = clock
        self._random = random
        self._selector = selector
        try:
            self._cwd: str | None = str(Path.cwd())
        except OSError:  # it was deleted, or cannot be reached: children inherit it as it is
            self._cwd = None

    def available(self, *, isolate: bool) -> Iterator[ChildProcess]:
        """Return the isolated or the pool processes that accept jobs, whether or not they are ready."""
        return (child for child in self.processes if child.isolate is isolate and not child.terminated)

    def spawn(self, *, isolate: bool) -> ChildProcess:
        """Start a child process.

        Raises:
            ChildNotStarted: the operating system refused.
        """
        hello = {
            "apps": self._apps,
            "modules": self._modules(),
            # Without a script, Python searches the current folder first; a child searches it last.
            "path": [*filter(None, sys.path), *[""] * ("" in sys.path)],
            "threads": 1 if isolate else self.threads,
            "isolate": isolate,
            "level": logging.getLogger().level,
        }
        try:
            cwd = self._cwd if self._cwd is not None and os.access(self._cwd, os.X_OK) else None
            child = ChildProcess(hello, cwd=cwd, isolate=isolate)
        except OSError as error:
            raise ChildNotStarted(str(error)) from error
        child.register(self._selector)
        self.processes.append(child)
        return child

    def _modules(self) -> list[str]:
        """Return the modules of the handlers, which the apps need not import."""
        found = {self.registry.get(kind).handler.__module__ for kind in self.registry.kinds}
        return sorted(name for name in found if name != "__main__" and name.partition(".")[0] != "jobdeck")

    # -- results ----------------------------------------------------------------------------------

    def accept(self, assigned: AssignedJob) -> bool:
        """Report whether the job may start; release it otherwise."""
        assigned.accepted_at = self._clock.now()
        if self.recalled or assigned.context.stopping:
            self.release(assigned)
            return False
        return True

    def done(self, assigned: AssignedJob, result: AttemptResult) -> None:
        """Report the result of a job."""
        assigned.context.on_stop(None)
        assigned.done(result)

    def release(self, assigned: AssignedJob) -> None:
        """Release a job that has not started, without using up its attempt."""
        self.done(assigned, Released(assigned.job, assigned.accepted_at, self._clock.now()))

    def fail(self, assigned: AssignedJob, error: JobdeckError) -> None:
        """Fail a job that could not be run."""
        self.done(assigned, failed_result(assigned.job, assigned.accepted_at, self._clock, self._random, error))

    def starts(self, child: ChildProcess) -> StartBackoff:
        """Return the delay of processes of this sort."""
        return self.isolated_starts if child.isolate else self.pool_starts

    def reap(self, child: ChildProcess) -> float | None:
        """Remove a process whose group has exited, and report the result of every job that it held.

        Returns:
            The seconds until the next process may start, if this one died before it ran a job.
        """
        self.processes.remove(child)
        pause = None
        if child.has_run_a_job():
            self.starts(child).on_started_job()
        elif not (self.recalled or child.stop_requested or child.is_shut_down):
            pause = self.starts(child).on_early_death()
        for assigned in list(child.assigned.values()):
            result = self._result_of_crash(child, assigned)
            if child.has_started(assigned):
                record_lost_attempt(result)
            child.unassign(assigned.ticket)
            self.done(assigned, result)
        child.close()
        return pause

    def _result_of_crash(self, child: ChildProcess, assigned: AssignedJob) -> AttemptResult:
        job, context, now = assigned.job, assigned.context, self._clock.now()
        if context.cancelled and not context.fenced:
            return Cancelled(job, assigned.accepted_at, now)
        if context.interrupted or context.fenced:
            return Released(job, assigned.accepted_at, now)
        if not child.ready:
            return failed_result(job, assigned.accepted_at, self._clock, self._random, ChildNotStarted(child.start_error))
        if not child.has_started(assigned):
            if not child.has_run_a_job() and self.starts(child).is_hopeless:
                return failed_result(job, assigned.accepted_at, self._clock, self._random, ChildNotStarted(child.start_error))
            return Released(job, assigned.accepted_at, now)
        if context.timed_out:
            error = TimedOut()
            entry = self.registry.get(job.kind) if job.kind in self.registry else None
            return failed_result(job, assigned.accepted_at, self._clock, self._random, error, entry)
        problem = f"the child process exited while the job was running ({child.how_ended})"
        return crashed_result(job, assigned.accepted_at, now, problem, child.tail.strip() or None)
