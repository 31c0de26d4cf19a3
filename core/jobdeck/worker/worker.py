"""The worker: claims jobs, runs them on threads, renews their leases, and shuts down without leaving a job running.

Three kinds of threads work together through the dispatcher (see `dispatcher.py`):

- the *claimer* is the only thread that claims jobs and records results. One transaction records the results
  since the last one and claims jobs for every idle thread;
- *runners* get a claimed job, run its handler and submit its result;
- the *heartbeat* renews leases, writes logs and progress, and runs the maintenance of the queue.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from types import TracebackType
from typing import Self
from uuid import uuid4

from ..execution.context import STOP_GRACE, Context, capture_logs
from ..execution.executor import begin_attempt, failure, run_attempt
from ..execution.shell import add_shell
from ..execution.stack_capture import read_calls
from ..execution.stack_trace import ENDED, asked, packed
from ..kinds.registry import SHELL
from ..model.attempt_result import Completion, Ending, Failure, Nap, Release, Stop
from ..model.errors import LeaseLost, RowRefused, StoreError, StoreLost, StoreReplaced
from ..model.jobs import Job
from ..model.overview import WorkerInfo
from ..processes.supervisor import Children
from ..queue import Queue
from ..store.claim_capacity import ClaimRequest
from .active_job import Run, Work
from .dispatcher import Desk
from .heartbeat import POLL, Keeper
from .log_flusher import LOG_KEPT, Logs
from .outage_backoff import Patience
from .process_feeder import Pump

logger = logging.getLogger("jobdeck.worker")

_RECORDING_GRACE = 0.5
"""The maximum part of the shutdown grace, in seconds, that is reserved for releasing unfinished jobs."""
_KILL_WAIT = 0.5
"""Seconds that even a shutdown without grace waits for killed commands to exit."""
_CLAIMER_GRACE = 5.0
"""Seconds that the claimer gets to record the last results."""


class Worker:
    """Runs the jobs of a queue in this process.

    Example:
        >>> with Worker(Queue("jobs.db"), threads=4) as worker:
        ...     worker.wait_idle(timeout=10)
        True
    """

    def __init__(
        self,
        queue: Queue,
        *,
        threads: int | None = None,
        queues: Sequence[str] | None = None,
        processes: int | None = None,
    ) -> None:
        """Create a worker; `start` runs it.

        Args:
            queue: the queue to process. Its registry defines the kinds that the worker runs.
            threads: the number of jobs to run at once in each process (default JOBDECK_THREADS).
            queues: the names of the queues to process (default JOBDECK_QUEUES, or all queues).
            processes: the number of child processes that run the handlers (default JOBDECK_PROCESSES). With 0 this
                process runs them itself, except for isolated kinds.
        """
        self._queue = queue
        self._store = queue.store
        self._settings = queue.settings
        self._clock = queue.clock
        self._registry = queue.registry
        if SHELL not in self._registry:
            add_shell(self._registry)
        self._queues = tuple(self._settings.queues if queues is None else queues)
        self._initial_threads = self._settings.threads if threads is None else threads
        self._children = Children(
            self._registry,
            processes=self._settings.processes if processes is None else processes,
            threads=self._initial_threads,
            apps=self._settings.app,
            clock=self._clock,
            random=queue.random,
        )
        self._host = socket.gethostname()
        self.id = f"{self._host}:{os.getpid()}:{uuid4().hex[:6]}"
        self._started_at = self._clock.now()
        self._desk = Desk(self._clock.now, pumped=self.processes > 0)
        self._pump = Pump(self._desk, self._children, self._clock)
        self._logs = Logs(self._store)
        self._keeper = Keeper(self._desk, self._store, self._settings, self._clock, self._logs, self._info, self._replace_stuck)
        self._patience = Patience(self._desk.stopped)
        self._threads: list[threading.Thread] = []
        self._stuck: set[int] = set()
        self._async_kinds: AbstractSet[str] = frozenset()

    # -- the public interface ---------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def threads(self) -> int:
        """Return the maximum number of jobs that run at once, in all processes."""
        return self._desk.threads if self._threads else self._initial_threads * max(1, self.processes)

    @property
    def processes(self) -> int:
        """Return the number of child processes that run the handlers; 0 if this process runs them."""
        return self._children.processes

    @property
    def running(self) -> int:
        """Return the number of jobs in flight, including those of a replaced database whose code still runs."""
        return len(self._desk.held()) + len(self._desk.orphans())

    @property
    def trouble(self) -> str | None:
        """Return the database error that prevents claiming or recording now, in one sentence; `None` if the database works."""
        return self._patience.trouble or self._keeper.patience.trouble

    def start(self) -> None:
        """Start claiming and running jobs, and return at once.

        Raises:
            StoreError: the worker could not register itself.
            ChildNotStarted: a child process could not start, usually because an app cannot be imported.
            KindNotInChild: a kind of this process is not registered in the child processes.
        """
        capture_logs()
        self._children.start()
        try:
            self._store.workers.report(self._info())
        except BaseException:
            self._children.close()
            raise
        for name, loop in (("claimer", self._claim_loop), ("heartbeat", self._keeper.loop)):
            self._threads.append(threading.Thread(target=loop, name=f"jobdeck-{name}", daemon=True))
        if self.processes:
            self._pump.start()
        self.resize(self._initial_threads)  # before the heartbeat reports the number of threads
        for thread in self._threads:
            thread.start()

    def resize(self, threads: int) -> None:
        """Set the number of jobs to run at once in each process. Running jobs continue."""
        self._children.resize(threads, self._on_resized)
        # With child processes, an async job occupies one of their threads.
        self._desk.allow_tasks(0 if self.processes or not threads else self._settings.coroutines)
        self._start_runners(self._desk.resize(threads * max(1, self.processes)))
        self._keeper.wake()

    def _on_resized(self) -> None:
        self._pump.wake()
        self._desk.recount()

    def _replace_stuck(self, stuck: list[Run]) -> None:
        """Start a replacement for each thread whose code ignores the stop request, so that other jobs continue to run."""
        job_ids = {run.job.id for run in stuck if not (run.task or self._is_isolated(run))}
        for job_id in job_ids - self._stuck:
            logger.warning("Job %d ignored the stop request; starting a replacement thread", job_id)
        if job_ids != self._stuck:
            self._stuck = job_ids
            self._start_runners(self._desk.replace_stuck(len(job_ids)))
            if self.processes:
                self._children.replace_stuck(job_ids, self._on_resized)

    def _start_runners(self, missing: int) -> None:
        for _ in range(0 if self.processes else missing):  # with child processes, the threads belong to them
            # Daemon threads: a handler that never returns must not keep the process from exiting.
            threading.Thread(target=self._run_loop, name="jobdeck-runner", daemon=True).start()

    def wake(self) -> None:
        """Check for jobs to claim now."""
        self._desk.wake()

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until no job runs and the latest claim found none; return `False` on timeout.

        Jobs scheduled for later do not count.
        """
        return self._desk.wait_idle(timeout)

    def drain(self) -> None:
        """Stop claiming, and return at once; running jobs continue."""
        self._desk.drain()
        self._children.recall()
        self._keeper.wake()

    def stop(self, grace: float | None = None) -> bool:
        """Stop claiming, let running jobs finish, release those that do not, and shut down.

        Args:
            grace: seconds that running jobs get to finish (default JOBDECK_SHUTDOWN_GRACE).

        Returns:
            Whether every job finished or stopped by itself. If not, the code of the others still runs on threads of
            this process, their jobs are back in the queue, and the process should exit now.
        """
        grace = self._settings.shutdown_grace if grace is None else grace
        self.drain()
        # The last part of the grace is for stop requests: commands get a signal, handlers see `context().stopping`.
        stopping = min(STOP_GRACE, grace / 2)
        # The very last part is for recording: the process must have exited when the grace is over.
        recording = min(_RECORDING_GRACE, grace / 10)
        if not self._desk.wait_empty(grace - stopping - recording):
            for run in (*self._desk.held(), *self._desk.orphans()):
                run.context.ask_to_stop(interrupted=True, grace=stopping * 0.8)
            if not self._desk.wait_empty(max(stopping, _KILL_WAIT)) and self._children.kill(_KILL_WAIT):
                self._desk.wait_empty(_KILL_WAIT if any(map(self._in_child, self._desk.held())) else 0)
        return self._shut_down()

    def _serve_request(self, question: str, reply: Callable[[str], None]) -> bool:
        """Reply to a stack request if it is addressed to this worker. Called on the store's thread."""
        request = asked(question)
        if request is None or request[0] != self.id:
            return False
        run = self._desk.find(request[1])
        if run is None:
            reply(packed({"reason": ENDED}))
        elif self._in_child(run):
            self._children.locate(run.job.id, reply)
        else:
            reply(packed(read_calls(run.context)))
        return True

    def _is_isolated(self, run: Run) -> bool:
        return run.job.kind in self._registry and self._registry.get(run.job.kind).isolate

    def _in_child(self, run: Run) -> bool:
        return self._children.takes(run.job.kind)

    def _shut_down(self) -> bool:
        self._desk.stop()
        self._keeper.wake()
        for thread in self._threads:
            thread.join(timeout=_CLAIMER_GRACE)
        self._children.close()
        endings, unfinished = self._desk.clear()
        now = self._clock.now()
        try:
            if self._store.generation == self._desk.file:  # otherwise the current database contains none of these jobs
                self._settle(endings)
                self._logs.write(unfinished)
                if unfinished:
                    self._store.completer.release([run.given_back(now) for run in unfinished])
            self._store.workers.deregister(self.id)
        except StoreError as error:
            logger.error("%d jobs could not be released; they are rescued when their lease expires: %s", len(unfinished), error)
        return not unfinished and not self._desk.orphans()

    # -- the claimer ------------------------------------------------------------------------------

    def _claim_loop(self) -> None:
        pause = POLL
        self._desk.file = self._store.generation
        with self._store.notifier.serve(self._serve_request), self._store.notifier.listen(self.wake):
            while (work := self._desk.gather(pause)) is not None:
                endings = work.endings
                until = self._clock.monotonic() + self._settings.lease
                try:
                    claimed, pause = self._turn(work)
                    self._patience.reset()
                except StoreReplaced as error:
                    self._begin_anew(error)
                    continue
                except Exception as error:  # a bug must not silently stop the claims of a process that looks healthy
                    known = isinstance(error, StoreError) and not isinstance(error, RowRefused)
                    self._desk.put_back(endings if known else self._settle_each(endings))
                    if isinstance(error, StoreLost) and self._desk.stopped.is_set():
                        return  # the database will not be back in time
                    self._patience.wait(error)
                    continue
                runs = [Run(job, Context(job, self._clock), until, job.kind in self._async_kinds) for job in claimed]
                tasks = [run for run in runs if run.task]
                for run in self._desk.place([run for run in runs if not run.task] if tasks else runs, tasks):
                    self._start_async(run)

    def _begin_anew(self, error: StoreReplaced) -> None:
        """Orphan the running jobs of the old database; idle threads claim jobs of the new one at once.

        Orphaned code may run until its lease expires and is then asked to stop, because a worker on the old database
        may rescue the job. Its result is dropped.
        """
        orphaned = self._desk.abandon(self._store.generation)
        logger.warning("%s Jobs of the old database that still run and whose results are dropped: %d", error, len(orphaned))

    def _turn(self, work: Work) -> tuple[list[Job], float]:
        """Record the results and claim jobs, in one transaction.

        Returns:
            The claimed jobs, and the seconds until the next poll.
        """
        store = self._store
        claimed: list[Job] = []
        pause = POLL
        finished = [run for ending in work.endings if (run := self._desk.find(ending.job.id))]
        requested_at = time.monotonic()
        with self._logs.taken(finished) as logs, store.transaction():
            self._desk.waited(time.monotonic() - requested_at)
            if logs:
                store.logs.append(logs, LOG_KEPT)
            self._settle(work.endings)
            due = store.queries.next_due_at()
            if work.claims:
                if due is not None and due <= self._clock.now():
                    store.transitions.stage()
                    store.transitions.expire()
                    due = store.queries.next_due_at()
                self._async_kinds = self._registry.tasks if self._desk.tasks else frozenset[str]()
                for kinds, threads, ahead in (
                    ([kind for kind in self._registry.kinds if kind not in self._async_kinds], work.idle, work.ahead),
                    (sorted(self._async_kinds), work.tasks, 0),
                ):
                    if not kinds or not threads + ahead:
                        continue
                    claim = store.claimer.claim(
                        ClaimRequest(
                            self.id,
                            threads,
                            ahead=ahead,
                            suspects=work.suspects and not any(job.crashes for job in claimed),
                            kinds=kinds,
                            limits=self._registry.limits,
                            queues=self._queues,
                            lease=self._settings.lease,
                            ageing=self._settings.ageing,
                        )
                    )
                    claimed += claim
                    pause = min(pause, claim.retry_after)
        return claimed, pause if due is None else min(pause, max(0.001, due - self._clock.now()))

    def _settle(self, endings: Sequence[Ending]) -> None:
        store = self._store
        lost = [
            *store.completer.complete([ending for ending in endings if isinstance(ending, Completion)]),
            *store.completer.fail([ending for ending in endings if isinstance(ending, Failure)]),
            *store.completer.snooze([ending for ending in endings if isinstance(ending, Nap)]),
            *store.completer.release([ending for ending in endings if isinstance(ending, Release)]),
            *store.completer.cancel_running([ending for ending in endings if isinstance(ending, Stop)]),
        ]
        for job_id in lost:
            logger.warning("%s", LeaseLost(job_id))

    def _settle_each(self, endings: Sequence[Ending]) -> list[Ending]:
        """Record the results one by one after the store refused them together; return those to retry.

        A result that is refused for good must not block other jobs: its lease expires, and its job is rescued.
        """
        retryable: list[Ending] = []
        for ending in endings:
            try:
                self._settle([ending])
            except RowRefused as error:
                logger.error("The result of job %d was not recorded: %s", ending.job.id, error)
            except StoreError:
                retryable.append(ending)
            except Exception:
                logger.exception("The result of job %d was not recorded", ending.job.id)
        return retryable

    # -- the runners ------------------------------------------------------------------------------

    def _run_loop(self) -> None:
        while (runs := self._desk.take()) is not None:
            for run in runs:
                self._desk.hand_in_one(run, self._run(run))

    def _run(self, run: Run) -> Ending:
        job = run.job
        if (late := self._too_late(run)) is not None:
            return late
        try:
            if self._in_child(run):
                return self._children.run(job, run.context)
            ending = run_attempt(job, run.context, self._registry, self._clock, self._queue.random)
        except BaseException as error:
            ending = self._broken(run, error)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("Job %d %s: %s", job.id, job.kind, type(ending).__name__.lower())
        return ending

    def _start_async(self, run: Run) -> None:
        """Start an async job on the event loop."""
        if (late := self._too_late(run)) is not None:
            self._desk.hand_in_one(run, late)
            return

        def submit(ending: Ending) -> None:
            self._desk.hand_in_one(run, ending)

        try:
            begin_attempt(run.job, run.context, self._registry, self._clock, self._queue.random, submit)
        except BaseException as error:
            submit(self._broken(run, error))

    def _too_late(self, run: Run) -> Ending | None:
        """Return the result that releases the job if its lease has expired; otherwise set its start time and return `None`."""
        if self._clock.monotonic() >= run.until:
            return run.given_back(self._clock.now())
        run.started_at = self._clock.now()
        return None

    def _broken(self, run: Run, error: BaseException) -> Ending:
        logger.exception("Running job %d failed because of a bug in jobdeck", run.job.id)
        return failure(run.job, run.started_at or self._clock.now(), self._clock, self._queue.random, error)

    def _info(self) -> WorkerInfo:
        return WorkerInfo(
            id=self.id,
            host=self._host,
            pid=os.getpid(),
            threads=self.threads,
            queues=self._queues,
            started_at=self._started_at,
            heartbeat_at=0.0,  # set by the store, from its own clock
            draining=self._desk.draining,
            running=0,  # counted by the store
            alive=True,
            kinds=tuple(self._registry.kinds),
            stuck=self._desk.stuck,
            stopping=self._keeper.stopping,
            processes=self._children.processes,
        )
