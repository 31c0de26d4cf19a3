"""The worker: claims jobs, runs them in threads, renews their leases, and stops without leaving any behind.

Three kinds of thread share one lock:

- the *claimer* is the only one that claims and that writes endings. One transaction writes what finished
  since the last one and claims for every idle thread;
- *runners* take a claimed job, run its handler, hand back its ending;
- the *keeper* renews leases, writes logs and progress, and does the upkeep of the queue.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import uuid4

from .attempt import STOP_GRACE, Context, capture_logs, failure, run_attempt
from .errors import LeaseLost, StoreError
from .jobs import Completion, Ending, Failure, Job, Nap, Release, Stop, WorkerInfo
from .queue import Queue
from .shell import KIND as SHELL
from .shell import add_shell
from .upkeep import Upkeep

logger = logging.getLogger("jobdeck.worker")

POLL = 1.0
"""Seconds between two looks at the store when nothing rings: the backstop where a signal was lost."""
KEEP = 0.25
"""Seconds between two rounds of the keeper while jobs run."""
REPORT = 5.0
"""Seconds between two reports that the worker lives."""
_LAST_MOMENT = 0.5
"""Seconds that even a shutdown without grace waits for commands to be killed."""
LOG_KEPT = 8 << 20
"""Bytes of log kept of each attempt: the newest."""


@dataclass(slots=True)
class _Run:
    """A claimed job on its way through this process."""

    job: Job
    context: Context
    started_at: float | None = None

    @property
    def lease(self) -> int:
        """The fencing token; a claimed job always has one."""
        assert self.job.lease is not None
        return self.job.lease


class Worker:
    """Runs the jobs of a queue in this process.

    Example:
        >>> with Worker(Queue("jobs.db"), threads=4) as worker:
        ...     worker.wait_idle(timeout=10)
        True
    """

    def __init__(self, queue: Queue, *, threads: int | None = None, queues: Sequence[str] | None = None) -> None:
        """Prepare a worker; `start` begins.

        Args:
            queue: where the jobs come from. Its registry says which kinds are served.
            threads: how many jobs run at once; JOBDECK_THREADS when `None`.
            queues: the queues served; JOBDECK_QUEUES, or all, when `None`.
        """
        self._queue = queue
        self._store = queue.store
        self._settings = queue.settings
        self._clock = queue.clock
        self._registry = queue.registry
        if SHELL not in self._registry:
            add_shell(self._registry)
        self._queues = tuple(self._settings.queues if queues is None else queues)
        self._wanted = self._settings.threads if threads is None else threads
        host = socket.gethostname()
        self.id = f"{host}:{os.getpid()}:{uuid4().hex[:6]}"
        self._host = host
        self._upkeep = Upkeep(self._store, self._settings, self._clock)

        self._lock = threading.Lock()
        self._claimer_wake = threading.Condition(self._lock)
        self._runner_wake = threading.Condition(self._lock)
        self._changed = threading.Condition(self._lock)
        # All of the following belongs to the lock.
        self._held: dict[int, _Run] = {}
        self._inbox: deque[_Run] = deque()
        self._outbox: list[Ending] = []
        self._runners: set[threading.Thread] = set()
        self._idle = 0
        self._look = True  # there may be jobs to claim
        self._heard = False  # something rang: a job may have been asked to stop
        self._draining = False
        self._stopped = False

        self._threads: list[threading.Thread] = []
        self._keeper_wake = threading.Event()
        self._started_at = self._clock.now()

    # -- the outside ------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def threads(self) -> int:
        """How many jobs may run at once."""
        return self._wanted

    @property
    def running(self) -> int:
        """How many jobs are held now."""
        with self._lock:
            return len(self._held)

    def start(self) -> None:
        """Begin to claim and run. Returns at once.

        Raises:
            StoreError: the worker could not report itself.
        """
        capture_logs()
        self._store.report_worker(self._info())
        for name, loop in (("claimer", self._claim_loop), ("keeper", self._keep_loop)):
            self._threads.append(threading.Thread(target=loop, name=f"jobdeck-{name}", daemon=True))
        for thread in self._threads:
            thread.start()
        self.resize(self._wanted)

    def resize(self, threads: int) -> None:
        """Run up to `threads` jobs at once from now on. Running jobs are not disturbed."""
        with self._lock:
            self._wanted = max(0, threads)
            for _ in range(self._wanted - len(self._runners)):
                # Daemons: a handler that never returns must not keep the process from ending.
                runner = threading.Thread(target=self._run_loop, name="jobdeck-runner", daemon=True)
                self._runners.add(runner)
                runner.start()
            self._runner_wake.notify_all()
        self._keeper_wake.set()

    def wake(self) -> None:
        """Look for work now."""
        with self._lock:
            self._look = self._heard = True
            self._claimer_wake.notify()

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until nothing runs and the newest look found nothing; `False` if that took too long.

        Jobs that are due later do not count.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._held and not self._look and not self._outbox, timeout)

    def drain(self) -> None:
        """Claim nothing more from now on. Returns at once; running jobs go on."""
        with self._lock:
            self._draining = True
            self._claimer_wake.notify()
        self._keeper_wake.set()

    def stop(self, grace: float | None = None) -> bool:
        """Claim nothing more, let running jobs finish, release what does not, and end.

        Args:
            grace: seconds running jobs get; JOBDECK_SHUTDOWN_GRACE when `None`.

        Returns:
            Whether every job finished or stopped by itself. If not, its code still runs on a thread of this
            process, its job is back in the queue, and the process should exit now.
        """
        grace = self._settings.shutdown_grace if grace is None else grace
        until = self._clock.monotonic() + grace
        self.drain()
        # The last part of the grace is for stopping: commands get a signal, handlers see `context().stopping`.
        asking = min(STOP_GRACE, grace / 2)
        if not self._wait_empty(until - asking):
            with self._lock:
                for run in self._held.values():
                    run.context.ask_to_stop(interrupted=True, grace=asking * 0.8)
            self._wait_empty(max(until, self._clock.monotonic() + _LAST_MOMENT))
        return self._finish()

    def _wait_empty(self, until: float) -> bool:
        with self._changed:
            left = max(0.0, until - self._clock.monotonic())
            return self._changed.wait_for(lambda: not self._held, timeout=left)

    def _finish(self) -> bool:
        with self._lock:
            self._stopped = True
            self._claimer_wake.notify_all()
            self._runner_wake.notify_all()
        self._keeper_wake.set()
        for thread in self._threads:
            thread.join(timeout=5.0)
        with self._lock:
            endings, self._outbox = self._outbox, []
            for ending in endings:
                self._held.pop(ending.job.id, None)
            left = list(self._held.values())
            self._held.clear()  # from here on a runner that comes back keeps its ending to itself
            self._inbox.clear()
        now = self._clock.now()
        try:
            self._settle(endings)
            self._write_logs(left)
            if left:
                self._store.release_jobs([Release(run.job, run.started_at or now, now) for run in left])
            self._store.forget_worker(self.id)
        except StoreError as error:
            logger.error("%d jobs could not be released and run again when their lease ends: %s", len(left), error)
        return not left

    # -- the claimer ------------------------------------------------------------------------------

    def _claim_loop(self) -> None:
        pause = POLL
        patience = _Patience()
        with self._store.listen(self.wake):
            while True:
                with self._lock:
                    while not (self._outbox or self._stopped or (self._look and self._room() > 0)):
                        if not self._claimer_wake.wait(pause):
                            self._look = True
                    if self._stopped and not self._outbox:
                        return
                    endings, self._outbox = self._outbox, []
                    wanted = self._room() if self._look else 0
                    if wanted:
                        self._look = False  # what rings from now on is news
                try:
                    claimed = self._turn(endings, wanted)
                    if wanted:
                        pause = self._until_next_due()
                    patience.reset()
                except Exception as error:  # a bug must not silently end the claims of a healthy-looking process
                    with self._lock:
                        self._outbox = endings + self._outbox
                        self._look = True
                    patience.wait(error)
                    continue
                with self._lock:
                    for ending in endings:
                        self._held.pop(ending.job.id, None)
                    for job in claimed:
                        run = self._held[job.id] = _Run(job, Context(job, self._clock))
                        self._inbox.append(run)
                    if wanted and len(claimed) == wanted:
                        self._look = True  # there may be more
                    self._runner_wake.notify(len(claimed))
                    self._changed.notify_all()

    def _room(self) -> int:
        """How many jobs to claim now. Call with the lock."""
        return 0 if self._draining or self._stopped else max(0, self._idle - len(self._inbox))

    def _turn(self, endings: list[Ending], wanted: int) -> list[Job]:
        """Write what has ended and claim what there is, in one transaction."""
        logs = self._logs_of([run for ending in endings if (run := self._held.get(ending.job.id))])
        with self._store.transaction():
            if logs:
                self._store.append_logs(logs, LOG_KEPT)
            self._settle(endings)
            if not wanted:
                return []
            due = self._store.next_due_at()
            if due is not None and due <= self._clock.now():
                self._store.stage_jobs()
            return self._store.claim_jobs(
                self.id, wanted, kinds=self._registry.kinds, queues=self._queues, lease=self._settings.lease
            )

    def _settle(self, endings: Sequence[Ending]) -> None:
        store = self._store
        lost = [
            *store.complete_jobs([ending for ending in endings if isinstance(ending, Completion)]),
            *store.fail_jobs([ending for ending in endings if isinstance(ending, Failure)]),
            *store.snooze_jobs([ending for ending in endings if isinstance(ending, Nap)]),
            *store.release_jobs([ending for ending in endings if isinstance(ending, Release)]),
            *store.stop_jobs([ending for ending in endings if isinstance(ending, Stop)]),
        ]
        for job_id in lost:
            logger.warning("%s", LeaseLost(job_id))

    def _until_next_due(self) -> float:
        due = self._store.next_due_at()
        return POLL if due is None else min(POLL, max(0.001, due - self._clock.now()))

    # -- the runners ------------------------------------------------------------------------------

    def _run_loop(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
                self._claimer_wake.notify()
                while not self._inbox and not self._stopped and len(self._runners) <= self._wanted:
                    self._runner_wake.wait()
                self._idle -= 1
                if self._stopped or not self._inbox:
                    self._runners.discard(threading.current_thread())
                    return
                run = self._inbox.popleft()
            run.started_at = self._clock.now()
            job = run.job
            try:
                ending = run_attempt(job, run.context, self._registry, self._clock, self._queue.random)
            except BaseException as error:
                logger.exception("Running job %d failed inside jobdeck", job.id)
                ending = failure(job, run.started_at, self._clock, self._queue.random, error)
            logger.debug("Job %d %s: %s", job.id, job.kind, type(ending).__name__.lower())
            with self._lock:
                if self._held.get(job.id) is run:  # otherwise a shutdown has given it back already
                    self._outbox.append(ending)
                    self._claimer_wake.notify()

    # -- the keeper -------------------------------------------------------------------------------

    def _keep_loop(self) -> None:
        beat_at = report_at = 0.0
        reported: WorkerInfo | None = None
        patience = _Patience()
        while not self._stopped:
            self._keeper_wake.clear()
            with self._lock:
                held = list(self._held.values())
                heard, self._heard = self._heard, False
            try:
                self._write_logs(held)
                for run in held:
                    told = run.context.take_progress()
                    if told is not None:
                        self._store.report_progress(run.job.id, run.lease, told)
                now = self._clock.monotonic()
                # What rang may have been the word that a job shall stop; a heartbeat brings it.
                if held and (heard or now >= beat_at):
                    beat_at = now + self._settings.heartbeat_every
                    self._heartbeat(held)
                info = self._info()
                if now >= report_at or reported != info:
                    report_at, reported = now + min(REPORT, self._settings.heartbeat_every), info
                    self._store.report_worker(info)
                if self._upkeep.tick():
                    self.wake()
                patience.reset()
            except Exception as error:  # as in the claimer
                patience.wait(error)
            self._keeper_wake.wait(KEEP if held else min(POLL, self._upkeep.rescue_every))

    def _heartbeat(self, held: list[_Run]) -> None:
        renewal = self._store.heartbeat_jobs([(run.job.id, run.lease) for run in held], self._settings.lease)
        with self._lock:
            for run in held:
                # A job that ended meanwhile is not lost: its lease is gone because it was written.
                if run.job.id in renewal.lost and self._held.get(run.job.id) is run:
                    run.context.ask_to_stop(lost=True)
                elif run.job.id in renewal.cancelling:
                    run.context.ask_to_stop(cancelled=True)

    def _logs_of(self, runs: list[_Run]) -> list[tuple[int, int, float, str, str]]:
        return [(run.job.id, run.job.attempt, *line) for run in runs for line in run.context.take_log()]

    def _write_logs(self, runs: list[_Run]) -> None:
        logs = self._logs_of(runs)
        if logs:
            self._store.append_logs(logs, LOG_KEPT)

    def _info(self) -> WorkerInfo:
        return WorkerInfo(
            id=self.id,
            host=self._host,
            pid=os.getpid(),
            threads=self._wanted,
            queues=self._queues,
            started_at=self._started_at,
            heartbeat_at=0.0,  # the store's clock tells
            draining=self._draining,
            running=0,  # the store counts
            alive=True,
        )


class _Patience:
    """Longer and longer pauses while the store fails, with one line in the log each time."""

    def __init__(self) -> None:
        self._failures = 0

    def reset(self) -> None:
        if self._failures:
            logger.info("The database works again")
        self._failures = 0

    def wait(self, error: Exception) -> None:
        self._failures += 1
        pause = min(2.0, 0.05 * 2**self._failures)
        if isinstance(error, StoreError):
            logger.warning("%s Trying again in %.1f s.", error, pause)
        else:
            logger.error("A bug in jobdeck, trying again in %.1f s", pause, exc_info=error)
        time.sleep(pause)
