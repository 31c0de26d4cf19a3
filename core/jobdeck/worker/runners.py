"""The threads that run handlers. One that dies is replaced, and the job that it ran ends as crashed.

Any code may raise an exception in another thread (`PyThreadState_SetAsyncExc`, as libraries for time limits do), or install a
trace function that ends every new thread. Neither may leave a job that runs for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from ..execution.serialization import format_traceback
from ..logs import get_logger
from ..model.attempt_result import AttemptResult
from .active_job import ActiveJob

logger = get_logger("jobdeck.worker")


class RunnerSource(Protocol):
    """A source of claimed jobs that accepts their results."""

    def get(self, most: int = 1) -> Sequence[ActiveJob] | None:
        """Wait for jobs to run; return `None` if the thread must exit."""
        ...

    def submit_result(self, run: ActiveJob, result: AttemptResult) -> None:
        """Submit the result of a finished job."""
        ...

    def has_result(self, run: ActiveJob) -> bool:
        """Report whether the job has a result, or needs none any more."""
        ...

    def unaccounted(self, held: set[ActiveJob]) -> set[ActiveJob]:
        """Return the jobs that a thread took and lost; `held` are those that threads run."""
        ...

    def on_runner_died(self) -> int:
        """Note the death of a runner; return the number of runners to start."""
        ...


class _Runner:
    """One thread, and the job that it runs."""

    __slots__ = ("finished", "run", "thread")

    def __init__(self) -> None:
        self.run: ActiveJob | None = None
        self.finished = False
        self.thread: threading.Thread | None = None

    def is_alive(self) -> bool:
        return self.thread is None or self.thread.is_alive()


class RunnerThreads:
    """The runners of a worker."""

    def __init__(
        self,
        source: RunnerSource,
        execute: Callable[[ActiveJob], AttemptResult],
        crashed: Callable[[ActiveJob, str], AttemptResult],
    ) -> None:
        """Create the pool without threads.

        Args:
            source: gives the jobs and takes the results.
            execute: runs a job and returns its result.
            crashed: returns the result of a job whose thread died, for the reason given.
        """
        self._source = source
        self._execute = execute
        self._crashed = crashed
        self._lock = threading.Lock()
        self._runners: list[_Runner] = []
        self._lost: set[ActiveJob] = set()

    def start(self, number: int) -> None:
        """Start this number of threads."""
        for _ in range(number):
            runner = _Runner()
            # Daemon threads: a handler that never returns must not keep the process from exiting.
            thread = threading.Thread(target=self._loop, args=(runner,), name="jobdeck-runner", daemon=True)
            thread.start()
            runner.thread = thread
            with self._lock:
                self._runners.append(runner)

    def replace_dead(self) -> None:
        """End the jobs that died with their thread or were lost by it, and replace those threads. Called regularly."""
        with self._lock:
            dead = [each for each in self._runners if not each.is_alive()]
            self._runners = [each for each in self._runners if each not in dead] if dead else self._runners
            held = {each.run for each in self._runners if each.run is not None}
        for runner in dead:
            if not runner.finished:
                logger.error("A thread that runs jobs has ended unexpectedly; another one takes its place")
                self._end_job(runner, "the thread that ran it ended")
                self.start(self._source.on_runner_died())

        # A job is in nobody's hands for a moment when a thread takes it, but not twice in a row.
        lost = self._source.unaccounted(held)
        for run in lost & self._lost:
            self._source.submit_result(run, self._crashed(run, "the thread that took it was interrupted"))
        self._lost = lost

    def _loop(self, runner: _Runner) -> None:
        while not runner.finished:
            try:
                while (runs := self._source.get()) is not None:
                    for run in runs:
                        runner.run = run
                        self._source.submit_result(run, self._execute(run))
                        runner.run = None
                runner.finished = True
            except BaseException as error:  # raised from outside between two steps; all that can raise by itself is caught
                logger.error("A thread that runs jobs was interrupted; it continues\n%s", format_traceback(error))
                self._end_job(runner, "the thread that ran it was interrupted")

    def _end_job(self, runner: _Runner, problem: str) -> None:
        run, runner.run = runner.run, None
        if run is not None and not self._source.has_result(run):
            run.context.request_stop(lost=True)  # in a child process its code may still run
            self._source.submit_result(run, self._crashed(run, problem))
