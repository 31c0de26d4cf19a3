"""What the pool and the isolated jobs have in common: how a child process is begun, and what is said of its jobs in the end."""

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
    """The living child processes of a worker. Belongs to the thread of `Children`."""

    def __init__(
        self, registry: Registry, *, apps: Sequence[str], threads: int, clock: Clock, random: Random, selector: BaseSelector
    ) -> None:
        self.registry = registry
        self.threads = threads
        """How many jobs each process of the pool runs at once."""
        self.all: list[ChildProcess] = []
        self.recalled = False
        """Whether nothing more is begun."""
        self.closing = False
        self._apps = list(apps)
        self._clock = clock
        self._random = random
        self._selector = selector
        self._cwd = str(Path.cwd())

    def each(self, *, isolate: bool) -> Iterator[ChildProcess]:
        """The children of a sort that take jobs, ready or not yet."""
        return (child for child in self.all if child.isolate is isolate and not child.retired)

    def spawn(self, *, isolate: bool) -> ChildProcess:
        """Begin a child process.

        Raises:
            ChildNotStarted: the system refused.
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
        """Where the handlers are, beyond what the apps bring."""
        found = {self.registry.get(kind).handler.__module__ for kind in self.registry.kinds}
        return sorted(name for name in found if name != "__main__" and name.partition(".")[0] != "jobdeck")

    # -- what becomes of a job --------------------------------------------------------------------

    def accept(self, charge: Charge) -> bool:
        """Whether the job may begin. If not, it has been given back."""
        charge.at = self._clock.now()
        if self.recalled or charge.context.stopping:
            self.release(charge)
            return False
        return True

    def done(self, charge: Charge, ending: Ending) -> None:
        """The job has ended."""
        charge.context.on_stop(None)
        charge.done(ending)

    def release(self, charge: Charge) -> None:
        """Give back what has not begun: with its attempt."""
        self.done(charge, Release(charge.job, charge.at, self._clock.now()))

    def fail(self, charge: Charge, error: JobdeckError) -> None:
        """The job could not be run."""
        self.done(charge, failure(charge.job, charge.at, self._clock, self._random, error))

    def bury(self, child: ChildProcess) -> None:
        """The child and all of its group are gone: say of every job that it held how it ended."""
        self.all.remove(child)
        for charge in list(child.held.values()):
            ending = self._ending_by_death(child, charge)
            child.take_back(charge.slot)
            self.done(charge, ending)
        child.close()

    def _ending_by_death(self, child: ChildProcess, charge: Charge) -> Ending:
        job, context, now = charge.job, charge.context, self._clock.now()
        if context.cancelled and not context.fenced:
            return Stop(job, charge.at, now)
        if context.interrupted or context.fenced:
            return Release(job, charge.at, now)
        if not child.ready:
            return failure(job, charge.at, self._clock, self._random, ChildNotStarted(child.why_not_ready))
        if not child.has_begun(charge):
            return Release(job, charge.at, now)
        if context.timed_out:
            error = TimedOut()
            entry = self.registry.get(job.kind) if job.kind in self.registry else None
            return failure(job, charge.at, self._clock, self._random, error, entry)
        return Failure(
            job,
            charge.at,
            now,
            retry_at=now if job.attempt < job.max_attempts else None,
            error_type="Crashed",
            message=f"the process that ran it ended in mid-job ({child.how_ended})",
            traceback=child.tail.strip() or None,
            outcome=Outcome.CRASHED,
        )
