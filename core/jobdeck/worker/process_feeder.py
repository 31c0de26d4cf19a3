"""Feed claimed jobs to the process pool in batches, and return their results in batches.

Batching makes millisecond jobs cheap: they are sent to the child processes before a thread is free, up to about `AHEAD`
seconds of work, so that one message, one lock and one wake-up serve many jobs. Jobs that were sent but not started can
be returned without using up an attempt; see `ProcessSupervisor`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ..clock import Clock
from ..model.attempt_result import AttemptResult, Released
from ..model.jobs import Job
from ..processes.child_process import AssignedJob
from ..processes.supervisor import ProcessSupervisor
from .active_job import ActiveJob

AHEAD = 0.05
"""Seconds of work queued for each thread of a child process."""
MOST_AHEAD = 64
"""The maximum number of jobs queued for each thread."""
_INITIAL_RUN_TIME = 1.0
"""The assumed run time of a job, in seconds, before any result is known."""
_SMOOTHING = 0.1


class JobSource(Protocol):
    """A source of claimed jobs that accepts their results."""

    def get(self, most: int) -> Sequence[ActiveJob] | None:
        """Wait for claimed jobs and return up to `most` of them, or `None` if no more will come."""
        ...

    def submit_results(self, ended: Sequence[tuple[ActiveJob, AttemptResult]]) -> None:
        """Submit the results of finished jobs. Never blocks."""
        ...


class ProcessFeeder:
    """Moves jobs from a source to the child processes on its own thread; results return on the supervisor's thread."""

    def __init__(
        self, source: JobSource, children: ProcessSupervisor, clock: Clock, on_start: Callable[[Job], None] = lambda job: None
    ) -> None:
        """Create the feeder; `start` starts it.

        Args:
            source: gives the jobs and takes the results.
            children: runs the jobs.
            clock: the clock of their times.
            on_start: called with each job that is sent to a child process.
        """
        self._on_start = on_start
        self._clock = clock
        self._source = source
        self._supervisor = children
        self._capacity_changed = threading.Condition()
        self._outstanding = 0
        self._mean_run = _INITIAL_RUN_TIME
        self._finished: list[tuple[ActiveJob, AttemptResult]] = []
        self._thread = threading.Thread(target=self._loop, name="jobdeck-feeder", daemon=True)

    @property
    def capacity(self) -> int:
        """Return the current capacity: one job for each thread of the pool, and more if jobs are short."""
        threads = self._supervisor.threads
        return threads + int(threads * min(MOST_AHEAD, AHEAD / max(self._mean_run, 1e-6)))

    def start(self) -> None:
        """Start feeding. The thread exits once the source has no more jobs."""
        self._supervisor.on_results = self._submit
        self._thread.start()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the source has no more jobs; return `False` on timeout."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def wake(self) -> None:
        """Recompute the capacity: the pool was resized."""
        with self._capacity_changed:
            self._capacity_changed.notify()

    def _loop(self) -> None:
        while (taken := self._source.get(self._wait_for_capacity())) is not None:
            now = self._clock.monotonic()
            runs = [run for run in taken if run.may_start(now)]
            if len(runs) < len(taken):  # the process stalled; other workers may already run the rest
                late = [run for run in taken if not run.may_start(now)]
                self._source.submit_results([(run, run.as_release(self._clock.now())) for run in late])
            for run in runs:
                run.started_at = self._clock.now()  # approximate; the result has the exact time
                self._on_start(run.job)
            with self._capacity_changed:
                self._outstanding += len(runs)
            self._supervisor.submit([AssignedJob(run.job, run.context, partial(self._collect, run)) for run in runs])

    def _wait_for_capacity(self) -> int:
        with self._capacity_changed:
            while (capacity := self._free_capacity()) <= 0:
                self._capacity_changed.wait()
            return capacity

    def _free_capacity(self) -> int:
        """Return the free capacity. If every thread is busy, return 0 until enough is free to be worth a message."""
        slots, out = self.capacity, self._outstanding
        return slots - out if out < self._supervisor.threads or (slots - out) * 4 >= slots else 0

    # -- the supervisor's thread ------------------------------------------------------------------

    def _collect(self, run: ActiveJob, result: AttemptResult) -> None:
        run.started_at = result.started_at
        self._finished.append((run, result))

    def _submit(self) -> None:
        if not self._finished:
            return
        finished, self._finished = self._finished, []
        took = sum(ending.finished_at - ending.started_at for _, ending in finished) / len(finished)
        if any(isinstance(result, Released) for _, result in finished):
            took = _INITIAL_RUN_TIME  # queued unnecessarily: jobs take longer than before
        # Decrease slowly, increase immediately: a job that waits behind a long one costs more than an extra message.
        weight = min(1.0, _SMOOTHING * len(finished))
        self._mean_run = max(took, self._mean_run + weight * (took - self._mean_run))
        self._source.submit_results(finished)
        with self._capacity_changed:
            self._outstanding -= len(finished)
            if self._free_capacity():
                self._capacity_changed.notify()
