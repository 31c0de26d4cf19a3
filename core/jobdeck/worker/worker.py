"""The worker: claims jobs, runs them on threads, renews their leases, and shuts down without leaving a job running.

Three kinds of threads work together through the dispatcher (see `dispatcher.py`):

- the *claimer* is the only thread that claims jobs and records results. One transaction records the results
  since the last one and claims jobs for every idle thread;
- *runners* get a claimed job, run its handler and submit its result;
- the *heartbeat* renews leases, writes logs and progress, and runs the maintenance of the queue.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from types import TracebackType
from typing import Self
from uuid import uuid4

from .. import fork
from ..clock import time
from ..execution import green_threads
from ..execution.attempt_contexts import AttemptContexts
from ..execution.context import STOP_GRACE, JobContext, capture_logs
from ..execution.drain_request import DRAINING, asks_to_drain
from ..execution.executor import crashed_result, execute, failed_result, start_async
from ..execution.job_log import JobLog
from ..execution.log_buffer import MAX_LOG_BYTES
from ..execution.serialization import format_traceback
from ..execution.shell import add_shell
from ..execution.stack_capture import capture_stack
from ..execution.stack_trace import FINISHED, decode_request, encode_reply
from ..logs import get_logger
from ..model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Released, Snoozed
from ..model.errors import RowRefused, StoreError, StoreMissing, StoreReplaced, ThreadsReplaced
from ..model.kind_names import SHELL
from ..model.known_problems import known_problem
from ..model.overview import StalledThread, WorkerInfo
from ..processes.supervisor import ProcessSupervisor
from ..queue import Queue
from ..store.base import Claimed
from ..store.claim_capacity import ClaimRequest
from .active_job import ActiveJob, ClaimTurn
from .dispatcher import Dispatcher
from .heartbeat import POLL, Heartbeat
from .liveness import Liveness, WatchedThread
from .log_flusher import LogFlusher
from .outage_backoff import OutageBackoff
from .process_feeder import ProcessFeeder
from .runners import RunnerThreads

logger = get_logger("jobdeck.worker")

_RECORDING_GRACE = 1.0
"""The maximum part of the shutdown grace, in seconds, that is reserved for releasing unfinished jobs."""
_KILL_WAIT = 0.5
"""Seconds that even a shutdown without grace waits for killed commands to exit."""
_LAST_WRITES = 0.7
"""Seconds that even a shutdown without grace waits for the last results and releases to be written."""
_HANGS_AFTER = 1.0
"""Seconds after which a shutdown without grace considers the database unresponsive, and waits for it no longer."""
_LEASE_MARGIN = 1 / 3
"""The part of a lease that must remain when the code starts; renewals keep twice as much."""
_LONG_WAIT = 0.005
"""Seconds of waiting for the database's lock after which jobs have probably finished meanwhile."""


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
        own_process: bool = False,
    ) -> None:
        """Create a worker; `start` runs it.

        In a forked process a running worker is one that was not started: the jobs are the parent's.

        Args:
            queue: the queue to process. Its registry defines the kinds that the worker runs.
            threads: the number of jobs to run at once in each process (default JOBDECK_THREADS).
            queues: the names of the queues to process (default JOBDECK_QUEUES, or all queues).
            processes: the number of child processes that run the handlers (default JOBDECK_PROCESSES). With 0 this
                process runs them itself, except for isolated kinds.
            own_process: whether this process runs nothing but jobs, as `jobdeck worker` does. What handlers change for the
                whole process (current folder, umask, signal handlers, limits, hooks …) is then restored.
        """
        self._arguments = (threads, queues, processes, own_process)
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
        self._job_log = JobLog()
        self._process_feeder = ProcessFeeder(self._dispatcher, self._supervisor, self._clock, self._job_log.log_start)
        self._log_flusher = LogFlusher(self._store)
        self._heartbeat = Heartbeat(
            self._dispatcher, self._store, self._settings, self._clock, self._log_flusher, self._info, self._replace_stuck
        )
        self._outage_backoff = OutageBackoff(self._dispatcher.stopped)
        self._liveness = Liveness(self._clock, self._dispatcher.stopped, self._store.interrupt)
        self._started = False
        self._own_process = own_process
        self._contexts = AttemptContexts()
        self._runners = RunnerThreads(self._dispatcher, self._run, self._crashed)
        self._stuck: set[int] = set()
        self._threads_replaced = False
        self._async_kinds: AbstractSet[str] = frozenset()
        fork.register(self)

    def after_fork(self) -> None:
        """Become a worker that was not started, in a forked process: the parent's threads and jobs are not here."""
        threads, queues, processes, own_process = self._arguments
        fork.keep(dict(vars(self)))
        Worker.__init__(self, self._queue, threads=threads, queues=queues, processes=processes, own_process=own_process)

    # -- the public interface ---------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def threads(self) -> int:
        """Return the maximum number of jobs that run at once, in all processes."""
        return self._dispatcher.threads if self._started else self._initial_threads * max(1, self.processes)

    @property
    def processes(self) -> int:
        """Return the number of child processes that run the handlers; 0 if this process runs them."""
        return self._supervisor.processes

    @property
    def running(self) -> int:
        """Return the number of jobs in flight, including those of a replaced database whose code still runs."""
        return len(self._dispatcher.in_flight()) + len(self._dispatcher.orphaned())

    @property
    def draining(self) -> bool:
        """Return whether it claims no more jobs, because it is shutting down."""
        return self._dispatcher.draining

    @property
    def stalled(self) -> tuple[StalledThread, ...]:
        """Return its own threads that make no progress."""
        return self._liveness.stalled

    @property
    def last_error(self) -> str | None:
        """Return the database error that prevents claiming or recording now, in one sentence; `None` if the database works."""
        return self._outage_backoff.last_error or self._heartbeat.outage_backoff.last_error

    def start(self) -> None:
        """Start claiming and running jobs, and return immediately.

        Raises:
            ThreadsReplaced: a library has replaced threads in this process.
            StoreError: the worker could not register itself.
            ChildNotStarted: a child process could not start, usually because an app cannot be imported.
            KindNotInChild: a kind of this process is not registered in the child processes.
        """
        if (library := green_threads.replaced_by()) is not None:
            raise ThreadsReplaced(library)
        capture_logs()
        self._contexts = AttemptContexts(own_process=self._own_process)
        self._supervisor.start()
        try:
            self._store.workers.report(self._info())
        except BaseException:
            self._supervisor.close()
            raise
        self._started = True
        if self.processes:
            self._process_feeder.start()
        self.resize(self._initial_threads)  # before the heartbeat reports the number of threads
        self._liveness.watch(
            WatchedThread(
                "claimer",
                self._dispatcher.claimer_seen,
                self._outage_backoff,
                lambda: self._start_thread("claimer", self._claim_loop, self._dispatcher.replace_claimer()),
                self._start_thread("claimer", self._claim_loop, 0),
            ),
            WatchedThread(
                "heartbeat",
                self._heartbeat.seen,
                self._heartbeat.outage_backoff,
                lambda: self._start_thread("heartbeat", self._heartbeat.loop, self._heartbeat.replace()),
                self._start_thread("heartbeat", self._heartbeat.loop, 0),
            ),
        )

    def _start_thread(self, name: str, loop: Callable[[int], None], number: int) -> threading.Thread:
        thread = threading.Thread(target=loop, args=(number,), name=f"jobdeck-{name}", daemon=True)
        thread.start()
        return thread

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
        """Start a replacement for each thread that died or whose code ignores the stop request; other jobs continue to run."""
        self._contexts.restore_process()
        if not self._threads_replaced and (library := green_threads.replaced_by()) is not None:
            self._threads_replaced = True
            logger.error(
                "A handler let %s replace the threads of this worker, which may stop running jobs: restart it", library
            )
        if not self.processes:
            self._runners.replace_dead()
        job_ids = {run.job.id for run in stuck if not (run.is_async or self._is_isolated(run))}
        for job_id in job_ids - self._stuck:
            logger.warning("Job %d ignored the stop request; starting a replacement thread", job_id)
        if job_ids != self._stuck:
            self._stuck = job_ids
            self._start_runners(self._dispatcher.replace_stuck(len(job_ids)))
            if self.processes:
                self._supervisor.replace_stuck(job_ids, self._on_resized)

    def _start_runners(self, missing: int) -> None:
        self._runners.start(0 if self.processes else missing)  # with child processes, the threads belong to them

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
            this process, their jobs are back in the queue (or are rescued, if the database does not answer), and the
            process should exit now.
        """
        grace = self._settings.shutdown_grace if grace is None else grace
        until = time.monotonic() + grace
        self.drain()
        # The last part of the grace is for stop requests: commands get a signal, handlers see `context().stopping`.
        stopping = min(STOP_GRACE, grace / 2)
        # The very last part is for recording: the process must have exited when the grace is over.
        recording = min(_RECORDING_GRACE, grace / 5)
        if not self._dispatcher.wait_empty(grace - stopping - recording):
            for run in (*self._dispatcher.in_flight(), *self._dispatcher.orphaned()):
                run.context.request_stop(interrupted=True, grace=stopping * 0.8)
            if not self._dispatcher.wait_empty(max(stopping, _KILL_WAIT)) and self._supervisor.kill(_KILL_WAIT):
                self._dispatcher.wait_empty(
                    _KILL_WAIT if any(self._supervisor.handles(run.job.kind) for run in self._dispatcher.in_flight()) else 0
                )
        return self._shut_down(until)

    def _serve_request(self, question: str, reply: Callable[[str], None]) -> bool:
        """Reply to a request for a stack or to drain if it is addressed to this worker. Called on the store's thread."""
        if asks_to_drain(question, self.id):
            logger.info("Worker %s drains, as requested: it claims no more jobs", self.id)
            self.drain()
            reply(DRAINING)
            return True
        request = decode_request(question)
        if request is None or request[0] != self.id:
            return False
        run = self._dispatcher.find(request[1])
        if run is None:
            reply(encode_reply({"reason": FINISHED}))
        elif self._supervisor.handles(run.job.kind):
            self._supervisor.request_stack(run.job.id, reply)
        else:
            reply(encode_reply(capture_stack(run.context)))
        return True

    def _is_isolated(self, run: ActiveJob) -> bool:
        return run.job.kind in self._registry and self._registry.get(run.job.kind).isolate

    def _shut_down(self, until: float) -> bool:
        """Write the last results, release the rest and end the threads; take until `until`, whatever the database does."""
        self._dispatcher.stop()
        self._heartbeat.wake()
        self._supervisor.close()
        if self._dispatcher.claimer_busy_for() < _HANGS_AFTER:
            until = max(until, time.monotonic() + _LAST_WRITES)
        for thread in self._liveness.threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))
        hangs = any(thread.is_alive() for thread in self._liveness.threads)
        results, unfinished = self._dispatcher.clear()
        # On a thread of its own, since a call to a database that does not answer cannot be interrupted.
        writer = threading.Thread(
            target=self._write_last, args=(results, unfinished, hangs), name="jobdeck-last-writes", daemon=True
        )
        writer.start()
        writer.join(timeout=max(0.1, until - time.monotonic()))
        unanswered = hangs or writer.is_alive()
        if unanswered:
            logger.error(
                "The database did not answer in time; jobs that are still running are rescued when their leases expire"
            )
        return not (unfinished or self._dispatcher.orphaned() or unanswered)

    def _write_last(self, results: Sequence[AttemptResult], unfinished: Sequence[ActiveJob], claimer_hangs: bool) -> None:
        now = self._clock.now()
        try:
            self._store.version()  # notices a replaced database
            # Otherwise the current database contains none of these jobs.
            if self._store.generation == self._dispatcher.generation:
                self._job_log.log_ends(results, self._record_results(results))
                self._log_flusher.flush(unfinished)
                if unfinished:
                    releases = [run.as_release(now) for run in unfinished]
                    self._job_log.log_ends(releases, self._store.completer.release(releases))
            if not claimer_hangs:  # otherwise it holds jobs, whose leases end by the clock of a registered worker
                self._store.workers.deregister(self.id)
        except StoreError as error:
            logger.error("%d jobs could not be released; they are rescued when their lease expires: %s", len(unfinished), error)

    # -- the claimer ------------------------------------------------------------------------------

    def _claim_loop(self, number: int) -> None:
        pause = POLL
        flush_log = self._heartbeat.wake
        if not number:
            self._dispatcher.generation = self._store.generation
        elif self._dispatcher.generation != self._store.generation:
            self._on_store_replaced(StoreReplaced(self._queue.where))
        with self._store.notifier.serve(self._serve_request), self._store.notifier.listen(self.wake):
            while (work := self._dispatcher.next_batch(pause, number)) is not None:
                results = work.results
                self._job_log.refresh()
                try:
                    claimed, until, pause = self._record_and_claim(work)
                    self._outage_backoff.reset()
                except StoreReplaced as error:
                    self._on_store_replaced(error)
                    continue
                except Exception as error:  # a bug must not silently stop the claims of a process that looks healthy
                    self._contexts.restore_process()  # a handler may have caused it: a limit, or descriptors that it closed
                    known = isinstance(error, StoreError) and not isinstance(error, RowRefused)
                    self._dispatcher.requeue_results(results if known else self._record_one_by_one(results), number)
                    if isinstance(error, StoreMissing) and self._dispatcher.stopped.is_set():
                        return  # the database will not be back in time
                    self._outage_backoff.wait(error)
                    continue
                clock, async_kinds, margin = self._clock, self._async_kinds, self._settings.lease * _LEASE_MARGIN
                runs = [
                    ActiveJob(job, JobContext(job, clock, flush_log), until, job.kind in async_kinds, margin) for job in claimed
                ]
                tasks = [run for run in runs if run.is_async]
                ready = self._dispatcher.dispatch(
                    [run for run in runs if not run.is_async] if tasks else runs, tasks, number, contended=claimed.contended
                )
                if ready is None:  # another claimer has taken over: this one did not come round in time
                    self._store.completer.release([run.as_release(self._clock.now()) for run in runs])
                    return
                for run in ready:
                    self._start_async(run)

    def _on_store_replaced(self, error: StoreReplaced) -> None:
        """Orphan the running jobs of the old database; idle threads claim jobs of the new one immediately.

        Orphaned code may run until its lease expires and is then asked to stop, because a worker on the old database
        may rescue the job. Its result is dropped.
        """
        orphaned = self._dispatcher.orphan_all(self._store.generation)
        for run in orphaned:
            run.context.discard_log()
        logger.warning("%s Jobs of the old database that still run and whose results are dropped: %d", error, len(orphaned))

    def _record_and_claim(self, work: ClaimTurn) -> tuple[Claimed, float, float]:
        """Record the results and claim jobs, in one transaction.

        Returns:
            The claimed jobs, when their leases expire on the monotonic clock, and the seconds until the next poll.
        """
        store = self._store
        claimed = Claimed()
        pause = POLL
        requested_at = time.monotonic()
        with self._log_flusher.batch() as batch, store.transaction():
            waited = time.monotonic() - requested_at
            self._dispatcher.record_lock_wait(waited)
            if waited > _LONG_WAIT:
                work = self._dispatcher.extend_batch(work)
            # From the transaction on: the wait for it may have taken longer than a short lease.
            until = self._clock.monotonic() + self._settings.lease
            finished = self._dispatcher.find_finished(work.results)
            if logs := batch.take(finished):
                store.logs.append(logs, MAX_LOG_BYTES)
            for run in finished:
                if run.context.unstored_progress is not None and (progress := run.context.take_progress()) is not None:
                    store.transitions.report_progress(run.job.id, run.lease, *progress)
            late = self._record_results(work.results)
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
                    claimed.contended |= claim.contended
                    pause = min(pause, claim.retry_after)
        self._job_log.log_ends(work.results, late)
        return claimed, until, pause if due is None else min(pause, max(0.001, due - self._clock.now()))

    def _record_results(self, results: Sequence[AttemptResult]) -> list[int]:
        """Record the results; return the ids of the jobs whose lease was lost."""
        store = self._store
        completed = [result for result in results if isinstance(result, Completed)]
        if len(completed) == len(results):  # as almost always
            return [*store.completer.complete(completed)]
        return [
            *store.completer.complete(completed),
            *store.completer.fail([ending for ending in results if isinstance(ending, Failed)]),
            *store.completer.snooze([ending for ending in results if isinstance(ending, Snoozed)]),
            *store.completer.release([ending for ending in results if isinstance(ending, Released)]),
            *store.completer.cancel_running([ending for ending in results if isinstance(ending, Cancelled)]),
        ]

    def _record_one_by_one(self, results: Sequence[AttemptResult]) -> list[AttemptResult]:
        """Record the results one by one after the store refused them together; return those to retry.

        A permanently refused result must not block other jobs: its lease expires, and its job is rescued.
        """
        retryable: list[AttemptResult] = []
        for result in results:
            try:
                self._job_log.log_ends([result], self._record_results([result]))
            except RowRefused as error:
                logger.error("The result of job %d was not recorded: %s", result.job.id, error)
            except StoreError:
                retryable.append(result)
            except Exception:
                logger.exception("The result of job %d was not recorded", result.job.id)
        return retryable

    # -- the runners ------------------------------------------------------------------------------

    def _run(self, run: ActiveJob) -> AttemptResult:
        job = run.job
        if (late := self._lease_expired(run)) is not None:
            return late
        try:
            if self._supervisor.handles(job.kind):
                return self._supervisor.run(job, run.context)
            result = self._contexts.run(execute, job, run.context, self._registry, self._clock, self._queue.random)
        except BaseException as error:
            result = self._internal_error(run, error)
        return result

    def _start_async(self, run: ActiveJob) -> None:
        """Start an async job on the event loop."""
        if (late := self._lease_expired(run)) is not None:
            self._dispatcher.submit_result(run, late)
            return

        def submit(result: AttemptResult) -> None:
            self._dispatcher.submit_result(run, result)

        try:
            self._contexts.run(start_async, run.job, run.context, self._registry, self._clock, self._queue.random, submit)
        except BaseException as error:
            submit(self._internal_error(run, error))

    def _lease_expired(self, run: ActiveJob) -> AttemptResult | None:
        """Return the result that releases the job if its lease is about to expire; otherwise set its start time."""
        if not run.may_start(self._clock.monotonic()):
            return run.as_release(self._clock.now())
        run.started_at = self._clock.now()
        if self._job_log.enabled:
            self._job_log.log_start(run.job)
        return None

    def _internal_error(self, run: ActiveJob, error: BaseException) -> AttemptResult:
        """Return the result of a job that failed outside its handler: by an exception raised from outside, or a bug."""
        if (problem := known_problem(error)) is not None:
            logger.error("Job %d could not be run: %s", run.job.id, problem)
        else:
            logger.error("Running job %d failed outside its handler\n%s", run.job.id, format_traceback(error))
        return failed_result(run.job, run.started_at or self._clock.now(), self._clock, self._queue.random, error)

    def _crashed(self, run: ActiveJob, problem: str) -> AttemptResult:
        now = self._clock.now()
        return crashed_result(run.job, run.started_at or now, now, problem)

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
            stalled=self._liveness.stalled,
            processes=self._supervisor.processes,
        )
