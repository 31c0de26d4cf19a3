"""Start child processes and report the results of their jobs, for both the pool and isolated jobs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from selectors import BaseSelector

from ..clock import Clock
from ..execution.executor import failure
from ..kinds.registry import Registry
from ..model.attempt_result import Ending, Failure, Release, Stop
from ..model.errors import ChildNotStarted, JobdeckError, TimedOut
from ..model.jobs import Outcome
from .child_process import Charge, ChildProcess


class Nursery:
    """Tracks the running child processes of a worker. Only the supervisor's thread may use it."""

    def __init__(
        self, registry: Registry, *, apps: Sequence[str], threads: int, clock: Clock, random: Random, selector: BaseSelector
    ) -> None:
        self.registry = registry
        self.threads = threads
        """The number of jobs that each process of the pool runs at once."""
        self.all: list[ChildProcess] = []
        self.recalled = False
        """Whether no more jobs are started."""
        self.closing = False
        self._apps = list(apps)
        self._clock = clock
        self._random = random
        self._selector = selector
        self._cwd = str(Path.cwd())

    def each(self, *, isolate: bool) -> Iterator[ChildProcess]:
        """Return the isolated or the pool processes that accept jobs, whether or not they are ready."""
        return (child for child in self.all if child.isolate is isolate and not child.retired)

    def spawn(self, *, isolate: bool) -> ChildProcess:
        """Start a child process.

        Raises:
            ChildNotStarted: the operating system refused.
        """
        hello = {
            "apps": self._apps,
            "modules": self._modules(),
            "path": sys.path,
            "threads": 1 if isolate else self.threads,
            "isolate": isolate,
            "level": logging.getLogger().level,
        }
        try:
            child = ChildProcess(hello, cwd=self._cwd, isolate=isolate)
        except OSError as error:
            raise ChildNotStarted(str(error)) from error
        child.register(self._selector)
        self.all.append(child)
        return child

    def _modules(self) -> list[str]:
        """Return the modules of the handlers, which the apps need not import."""
        found = {self.registry.get(kind).handler.__module__ for kind in self.registry.kinds}
        return sorted(name for name in found if name != "__main__" and name.partition(".")[0] != "jobdeck")

    # -- results ----------------------------------------------------------------------------------

    def accept(self, assigned: Charge) -> bool:
        """Report whether the job may start; release it otherwise."""
        assigned.at = self._clock.now()
        if self.recalled or assigned.context.stopping:
            self.release(assigned)
            return False
        return True

    def done(self, assigned: Charge, ending: Ending) -> None:
        """Report the result of a job."""
        assigned.context.on_stop(None)
        assigned.done(ending)

    def release(self, assigned: Charge) -> None:
        """Release a job that has not started, without using up its attempt."""
        self.done(assigned, Release(assigned.job, assigned.at, self._clock.now()))

    def fail(self, assigned: Charge, error: JobdeckError) -> None:
        """Fail a job that could not be run."""
        self.done(assigned, failure(assigned.job, assigned.at, self._clock, self._random, error))

    def bury(self, child: ChildProcess) -> None:
        """Remove a process whose group has exited, and report the result of every job that it held."""
        self.all.remove(child)
        for assigned in list(child.held.values()):
            ending = self._result_of_crash(child, assigned)
            child.take_back(assigned.slot)
            self.done(assigned, ending)
        child.close()

    def _result_of_crash(self, child: ChildProcess, assigned: Charge) -> Ending:
        job, context, now = assigned.job, assigned.context, self._clock.now()
        if context.cancelled and not context.fenced:
            return Stop(job, assigned.at, now)
        if context.interrupted or context.fenced:
            return Release(job, assigned.at, now)
        if not child.ready:
            return failure(job, assigned.at, self._clock, self._random, ChildNotStarted(child.why_not_ready))
        if not child.has_begun(assigned):
            return Release(job, assigned.at, now)
        if context.timed_out:
            error = TimedOut()
            entry = self.registry.get(job.kind) if job.kind in self.registry else None
            return failure(job, assigned.at, self._clock, self._random, error, entry)
        return Failure(
            job,
            assigned.at,
            now,
            retry_at=now if job.attempt < job.max_attempts else None,
            error_type="Crashed",
            message=f"the child process exited while the job was running ({child.how_ended})",
            traceback=child.tail.strip() or None,
            outcome=Outcome.CRASHED,
        )
