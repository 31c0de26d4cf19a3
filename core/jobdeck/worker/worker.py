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

from .. import fork
from ..execution.context import STOP_GRACE, JobContext, capture_logs
from ..execution.executor import execute, failed_result, start_async
from ..execution.shell import add_shell
from ..execution.stack_capture import capture_stack
from ..execution.stack_trace import FINISHED, decode_request, encode_reply
from ..kinds.registry import SHELL
from ..model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Released, Snoozed
from ..model.errors import LeaseLost, RowRefused, StoreError, StoreMissing, StoreReplaced
from ..model.jobs import Job
from ..model.overview import WorkerInfo
from ..processes.supervisor import ProcessSupervisor
from ..queue import Queue
from ..store.claim_capacity import ClaimRequest
from .active_job import ActiveJob, ClaimTurn
from .dispatcher import Dispatcher
from .heartbeat import POLL, Heartbeat
from .log_flusher import MAX_LOG_BYTES, LogFlusher
from .outage_backoff import OutageBackoff
from .process_feeder import ProcessFeeder

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

        In a forked process a running worker is one that was not started: the jobs are the parent's.

        Args:
            queue: the queue to process. Its registry defines the kinds that the worker runs.
            threads: the number of jobs to run at once in each process (default JOBDECK_THREADS).
            queues: the names of the queues to process (default JOBDECK_QUEUES, or all queues).
            processes: the number of child processes that run the handlers (default JOBDECK_PROCESSES). With 0 this
                process runs them itself, except for isolated kinds.
        """
        self._arguments = (threads, queues, processes)
        self._queue = queue
        self._store = queue.store
        self._settings = queue.settings
        self._clock = queue.clock
        self._registry = queue.registry
        if SHELL not in self._registry:
            add_shell(self._registry)
        self._queues = tuple(self._settings.queues if queues is None else queues)
        self._initial_threads = self._settings.threads if threads is None else threads
        self._supervisor = ProcessSupervisor(
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
        self._dispatcher = Dispatcher(self._clock.now, pumped=self.processes > 0)
        self._process_feeder = ProcessFeeder(self._dispatcher, self._supervisor, self._clock)
        self._log_flusher = LogFlusher(self._store)
        self._heartbeat = Heartbeat(
            self._dispatcher, self._store, self._settings, self._clock, self._log_flusher, self._info, self._replace_stuck
        )
        self._outage_backoff = OutageBackoff(self._dispatcher.stopped)
        self._threads: list[threading.Thread] = []
        self._stuck: set[int] = set()
        self._async_kinds: AbstractSet[str] = frozenset()
        fork.register(self)

    def after_fork(self) -> None:
        """Become a worker that was not started, in a forked process: the parent's threads and jobs are not here."""
        threads, queues, processes = self._arguments
        fork.keep(dict(vars(self)))
        Worker.__init__(self, self._queue, threads=threads, queues=queues, processes=processes)

    # -- the public interface ---------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def threads(self) -> int:
        """Return the maximum number of jobs that run at once, in all processes."""
        return self._dispatcher.threads if self._threads else self._initial_threads * max(1, self.processes)

    @property
    def processes(self) -> int:
        """Return the number of child processes that run the handlers; 0 if this process runs them."""
        return self._supervisor.processes

    @property
    def running(self) -> int:
        """Return the number of jobs in flight, including those of a replaced database whose code still runs."""
        return len(self._dispatcher.in_flight()) + len(self._dispatcher.orphaned())

    @property
    def last_error(self) -> str | None:
        """Return the database error that prevents claiming or recording now, in one sentence; `None` if the database works."""
        return self._outage_backoff.last_error or self._heartbeat.outage_backoff.last_error

    def start(self) -> None:
        """Start claiming and running jobs, and return immediately.

        Raises:
            StoreError: the worker could not register itself.
            ChildNotStarted: a child process could not start, usually because an app cannot be imported.
            KindNotInChild: a kind of this process is not registered in the child processes.
        """
        capture_logs()
        self._supervisor.start()
        try:
            self._store.workers.report(self._info())
        except BaseException:
            self._supervisor.close()
            raise
        for name, loop in (("claimer", self._claim_loop), ("heartbeat", self._heartbeat.loop)):
            self._threads.append(threading.Thread(target=loop, name=f"jobdeck-{name}", daemon=True))
        if self.processes:
            self._process_feeder.start()
        self.resize(self._initial_threads)  # before the heartbeat reports the number of threads
        for thread in self._threads:
            thread.start()

    def resize(self, threads: int) -> None:
        """Set the number of jobs to run at once in each process. Running jobs continue."""
        self._supervisor.resize(threads, self._on_resized)
        # With child processes, an async job occupies one of their threads.
        self._dispatcher.set_async_limit(0 if self.processes or not threads else self._settings.coroutines)
        self._start_runners(self._dispatcher.resize(threads * max(1, self.processes)))
        self._heartbeat.wake()

    def _on_resized(self) -> None:
        self._process_feeder.wake()
        self._dispatcher.interrupt_get()

    def _replace_stuck(self, stuck: list[ActiveJob]) -> None:
        """Start a replacement for each thread whose code ignores the stop request, so that other jobs continue to run."""
        job_ids = {run.job.id for run in stuck if not (run.is_async or self._is_isolated(run))}
        for job_id in job_ids - self._stuck:
            logger.warning("Job %d ignored the stop request; starting a replacement thread", job_id)
        if job_ids != self._stuck:
            self._stuck = job_ids
            self._start_runners(self._dispatcher.replace_stuck(len(job_ids)))
            if self.processes:
                self._supervisor.replace_stuck(job_ids, self._on_resized)

    def _start_runners(self, missing: int) -> None:
        for _ in range(0 if self.processes else missing):  # with child processes, the threads belong to them
            # Daemon threads: a handler that never returns must not keep the process from exiting.
            threading.Thread(target=self._run_loop, name="jobdeck-runner", daemon=True).start()

    def wake(self) -> None:
        """Check for jobs to claim now."""
        self._dispatcher.wake()

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until no job runs and the latest claim found none; return `False` on timeout.

        Jobs scheduled for later do not count.
        """
        return self._dispatcher.wait_idle(timeout)

    def drain(self) -> None:
        """Stop claiming, and return immediately; running jobs continue."""
        self._dispatcher.drain()
        self._supervisor.recall_unstarted()
        self._heartbeat.wake()

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
        if not self._dispatcher.wait_empty(grace - stopping - recording):
            for run in (*self._dispatcher.in_flight(), *self._dispatcher.orphaned()):
                run.context.request_stop(interrupted=True, grace=stopping * 0.8)
            if not self._dispatcher.wait_empty(max(stopping, _KILL_WAIT)) and self._supervisor.kill(_KILL_WAIT):
                self._dispatcher.wait_empty(_KILL_WAIT if any(map(self._in_child, self._dispatcher.in_flight())) else 0)
        return self._shut_down()

    def _serve_request(self, question: str, reply: Callable[[str], None]) -> bool:
        """Reply to a stack request if it is addressed to this worker. Called on the store's thread."""
        request = decode_request(question)
        if request is None or request[0] != self.id:
            return False
        run = self._dispatcher.find(request[1])
        if run is None:
            reply(encode_reply({"reason": FINISHED}))
        elif self._in_child(run):
            self._supervisor.request_stack(run.job.id, reply)
        else:
            reply(encode_reply(capture_stack(run.context)))
        return True

    def _is_isolated(self, run: ActiveJob) -> bool:
        return run.job.kind in self._registry and self._registry.get(run.job.kind).isolate

    def _in_child(self, run: ActiveJob) -> bool:
        return self._supervisor.handles(run.job.kind)

    def _shut_down(self) -> bool:
        self._dispatcher.stop()
        self._heartbeat.wake()
        for thread in self._threads:
            thread.join(timeout=_CLAIMER_GRACE)
        self._supervisor.close()
        results, unfinished = self._dispatcher.clear()
        now = self._clock.now()
        try:
            if (
                self._store.generation == self._dispatcher.generation
            ):  # otherwise the current database contains none of these jobs
                self._record_results(results)
                self._log_flusher.flush(unfinished)
                if unfinished:
                    self._store.completer.release([run.as_release(now) for run in unfinished])
            self._store.workers.deregister(self.id)
        except StoreError as error:
            logger.error("%d jobs could not be released; they are rescued when their lease expires: %s", len(unfinished), error)
        return not unfinished and not self._dispatcher.orphaned()

    # -- the claimer ------------------------------------------------------------------------------

    def _claim_loop(self) -> None:
        pause = POLL
        self._dispatcher.generation = self._store.generation
        with self._store.notifier.serve(self._serve_request), self._store.notifier.listen(self.wake):
            while (work := self._dispatcher.next_batch(pause)) is not None:
                results = work.results
                until = self._clock.monotonic() + self._settings.lease
                try:
                    claimed, pause = self._record_and_claim(work)
                    self._outage_backoff.reset()
                except StoreReplaced as error:
                    self._on_store_replaced(error)
                    continue
                except Exception as error:  # a bug must not silently stop the claims of a process that looks healthy
                    known = isinstance(error, StoreError) and not isinstance(error, RowRefused)
                    self._dispatcher.requeue_results(results if known else self._record_one_by_one(results))
                    if isinstance(error, StoreMissing) and self._dispatcher.stopped.is_set():
                        return  # the database will not be back in time
                    self._outage_backoff.wait(error)
                    continue
                runs = [ActiveJob(job, JobContext(job, self._clock), until, job.kind in self._async_kinds) for job in claimed]
                tasks = [run for run in runs if run.is_async]
                for run in self._dispatcher.dispatch([run for run in runs if not run.is_async] if tasks else runs, tasks):
                    self._start_async(run)

    def _on_store_replaced(self, error: StoreReplaced) -> None:
        """Orphan the running jobs of the old database; idle threads claim jobs of the new one immediately.

        Orphaned code may run until its lease expires and is then asked to stop, because a worker on the old database
        may rescue the job. Its result is dropped.
        """
        orphaned = self._dispatcher.orphan_all(self._store.generation)
        logger.warning("%s Jobs of the old database that still run and whose results are dropped: %d", error, len(orphaned))

    def _record_and_claim(self, work: ClaimTurn) -> tuple[list[Job], float]:
        """Record the results and claim jobs, in one transaction.

        Returns:
            The claimed jobs, and the seconds until the next poll.
        """
        store = self._store
        claimed: list[Job] = []
        pause = POLL
        finished = [run for result in work.results if (run := self._dispatcher.find(result.job.id))]
        requested_at = time.monotonic()
        with self._log_flusher.collect(finished) as logs, store.transaction():
            self._dispatcher.record_lock_wait(time.monotonic() - requested_at)
            if logs:
                store.logs.append(logs, MAX_LOG_BYTES)
            self._record_results(work.results)
            due = store.queries.next_due_at()
            if work.claims:
                if due is not None and due <= self._clock.now():
                    store.transitions.stage()
                    store.transitions.expire()
                    due = store.queries.next_due_at()
                self._async_kinds = self._registry.async_kinds if self._dispatcher.async_limit else frozenset[str]()
                for kinds, threads, ahead in (
                    ([kind for kind in self._registry.kinds if kind not in self._async_kinds], work.idle, work.prefetch),
                    (sorted(self._async_kinds), work.async_jobs, 0),
                ):
                    if not kinds or not threads + ahead:
                        continue
                    claim = store.claimer.claim(
                        ClaimRequest(
                            self.id,
                            threads,
                            ahead=ahead,
                            suspects=work.allow_crashed and not any(job.crashes for job in claimed),
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

    def _record_results(self, results: Sequence[AttemptResult]) -> None:
        store = self._store
        lost = [
            *store.completer.complete([result for result in results if isinstance(result, Completed)]),
            *store.completer.fail([ending for ending in results if isinstance(ending, Failed)]),
            *store.completer.snooze([ending for ending in results if isinstance(ending, Snoozed)]),
            *store.completer.release([ending for ending in results if isinstance(ending, Released)]),
            *store.completer.cancel_running([ending for ending in results if isinstance(ending, Cancelled)]),
        ]
        for job_id in lost:
            logger.warning("%s", LeaseLost(job_id))

    def _record_one_by_one(self, results: Sequence[AttemptResult]) -> list[AttemptResult]:
        """Record the results one by one after the store refused them together; return those to retry.

        A permanently refused result must not block other jobs: its lease expires, and its job is rescued.
        """
        retryable: list[AttemptResult] = []
        for result in results:
            try:
                self._record_results([result])
            except RowRefused as error:
                logger.error("The result of job %d was not recorded: %s", result.job.id, error)
            except StoreError:
                retryable.append(result)
            except Exception:
                logger.exception("The result of job %d was not recorded", result.job.id)
        return retryable

    # -- the runners ------------------------------------------------------------------------------

    def _run_loop(self) -> None:
        while (runs := self._dispatcher.get()) is not None:
            for run in runs:
                self._dispatcher.submit_result(run, self._run(run))

    def _run(self, run: ActiveJob) -> AttemptResult:
        job = run.job
        if (late := self._lease_expired(run)) is not None:
            return late
        try:
            if self._in_child(run):
                return self._supervisor.run(job, run.context)
            result = execute(job, run.context, self._registry, self._clock, self._queue.random)
        except BaseException as error:
            result = self._internal_error(run, error)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("Job %d %s: %s", job.id, job.kind, type(result).__name__.lower())
        return result

    def _start_async(self, run: ActiveJob) -> None:
        """Start an async job on the event loop."""
        if (late := self._lease_expired(run)) is not None:
            self._dispatcher.submit_result(run, late)
            return

        def submit(result: AttemptResult) -> None:
            self._dispatcher.submit_result(run, result)

        try:
            start_async(run.job, run.context, self._registry, self._clock, self._queue.random, submit)
        except BaseException as error:
            submit(self._internal_error(run, error))

    def _lease_expired(self, run: ActiveJob) -> AttemptResult | None:
        """Return the result that releases the job if its lease has expired; otherwise set its start time and return `None`."""
        if self._clock.monotonic() >= run.lease_deadline:
            return run.as_release(self._clock.now())
        run.started_at = self._clock.now()
        return None

    def _internal_error(self, run: ActiveJob, error: BaseException) -> AttemptResult:
        logger.exception("Running job %d failed because of a bug in jobdeck", run.job.id)
        return failed_result(run.job, run.started_at or self._clock.now(), self._clock, self._queue.random, error)

    def _info(self) -> WorkerInfo:
        return WorkerInfo(
            id=self.id,
            host=self._host,
            pid=os.getpid(),
            threads=self.threads,
            queues=self._queues,
            started_at=self._started_at,
            heartbeat_at=0.0,  # set by the store, from its own clock
            draining=self._dispatcher.draining,
            running=0,  # counted by the store
            alive=True,
            kinds=tuple(self._registry.kinds),
            stuck=self._dispatcher.stuck,
            stopping=self._heartbeat.stopping,
            processes=self._supervisor.processes,
        )
