"""The worker: claims jobs, runs them in threads, renews their leases, and stops without leaving any behind.

Three kinds of thread meet at the desk (see `desk.py`):

- the *claimer* is the only one that claims and that writes endings. One transaction writes what finished
  since the last one and claims for every idle thread;
- *runners* take a claimed job, run its handler, hand in its ending;
- the *keeper* renews leases, writes logs and progress, and does the upkeep of the queue.
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

_WRITING = 0.5
"""Seconds of a shutdown's grace, at most, that are kept for releasing what did not finish."""
_LAST_MOMENT = 0.5
"""Seconds that even a shutdown without grace waits for commands to be killed."""
_FAREWELL = 5.0
"""Seconds that the claimer gets to write the last endings."""


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
        """Prepare a worker; `start` begins.

        Args:
            queue: where the jobs come from. Its registry says which kinds are served.
            threads: how many jobs run at once, in each process; JOBDECK_THREADS when `None`.
            queues: the queues served; JOBDECK_QUEUES, or all, when `None`.
            processes: child processes that run the handlers; JOBDECK_PROCESSES when `None`. With 0 this process
                runs them itself, except for those of isolated kinds.
        """
        self._queue = queue
        self._store = queue.store
        self._settings = queue.settings
        self._clock = queue.clock
        self._registry = queue.registry
        if SHELL not in self._registry:
            add_shell(self._registry)
        self._queues = tuple(self._settings.queues if queues is None else queues)
        self._first_size = self._settings.threads if threads is None else threads
        self._children = Children(
            self._registry,
            processes=self._settings.processes if processes is None else processes,
            threads=self._first_size,
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
        self._keeper = Keeper(self._desk, self._store, self._settings, self._clock, self._logs, self._info, self._replace)
        self._patience = Patience(self._desk.stopped)
        self._threads: list[threading.Thread] = []
        self._stuck: set[int] = set()
        self._tasks: AbstractSet[str] = frozenset()

    # -- the outside ------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def threads(self) -> int:
        """How many jobs may run at once, in all processes."""
        return self._desk.threads if self._threads else self._first_size * max(1, self.processes)

    @property
    def processes(self) -> int:
        """How many child processes run the handlers; 0 if this process does."""
        return self._children.processes

    @property
    def running(self) -> int:
        """How many jobs are held now; those of a database that has gone since, and whose code still runs, too."""
        return len(self._desk.held()) + len(self._desk.orphans())

    @property
    def trouble(self) -> str | None:
        """Why nothing can be claimed or finished now, in one sentence: what the database answers. `None` if it works."""
        return self._patience.trouble or self._keeper.patience.trouble

    def start(self) -> None:
        """Begin to claim and run. Returns at once.

        Raises:
            StoreError: the worker could not report itself.
            ChildNotStarted: a child process could not begin: most often an app that cannot be imported.
            KindNotInChild: the child processes do not know a kind that this one does.
        """
        capture_logs()
        self._children.start()
        try:
            self._store.workers.report(self._info())
        except BaseException:
            self._children.close()
            raise
        for name, loop in (("claimer", self._claim_loop), ("keeper", self._keeper.loop)):
            self._threads.append(threading.Thread(target=loop, name=f"jobdeck-{name}", daemon=True))
        if self.processes:
            self._pump.start()
        self.resize(self._first_size)  # before the keeper reports how many there are
        for thread in self._threads:
            thread.start()

    def resize(self, threads: int) -> None:
        """Run up to `threads` jobs at once, in each process, from now on. Running jobs are not disturbed."""
        self._children.resize(threads, self._resized)
        # With processes an `async` job takes one of the threads of a child.
        self._desk.allow_tasks(0 if self.processes or not threads else self._settings.coroutines)
        self._open(self._desk.resize(threads * max(1, self.processes)))
        self._keeper.wake()

    def _resized(self) -> None:
        self._pump.wake()
        self._desk.recount()

    def _replace(self, stuck: list[Run]) -> None:
        """Code that does not stop keeps its thread; another one takes its place, so that the rest goes on."""
        held = {run.job.id for run in stuck if not (run.task or self._is_isolated(run))}
        for job_id in held - self._stuck:
            logger.warning("Job %d was asked to stop and its code goes on; another thread takes its place", job_id)
        if held != self._stuck:
            self._stuck = held
            self._open(self._desk.replace_stuck(len(held)))
            if self.processes:
                self._children.replace_stuck(held, self._resized)

    def _open(self, missing: int) -> None:
        for _ in range(0 if self.processes else missing):  # with processes the threads are the children's
            # Daemons: a handler that never returns must not keep the process from ending.
            threading.Thread(target=self._run_loop, name="jobdeck-runner", daemon=True).start()

    def wake(self) -> None:
        """Look for work now."""
        self._desk.wake()

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until nothing runs and the newest look found nothing; `False` if that took too long.

        Jobs that are due later do not count.
        """
        return self._desk.wait_idle(timeout)

    def drain(self) -> None:
        """Claim nothing more from now on. Returns at once; running jobs go on."""
        self._desk.drain()
        self._children.recall()
        self._keeper.wake()

    def stop(self, grace: float | None = None) -> bool:
        """Claim nothing more, let running jobs finish, release what does not, and end.

        Args:
            grace: seconds running jobs get; JOBDECK_SHUTDOWN_GRACE when `None`.

        Returns:
            Whether every job finished or stopped by itself. If not, its code still runs on a thread of this
            process, its job is back in the queue, and the process should exit now.
        """
        grace = self._settings.shutdown_grace if grace is None else grace
        self.drain()
        # The last part of the grace is for stopping: commands get a signal, handlers see `context().stopping`.
        asking = min(STOP_GRACE, grace / 2)
        # And the very last for writing it all down: the process shall be gone when the grace is over.
        writing = min(_WRITING, grace / 10)
        if not self._desk.wait_empty(grace - asking - writing):
            for run in (*self._desk.held(), *self._desk.orphans()):
                run.context.ask_to_stop(interrupted=True, grace=asking * 0.8)
            if not self._desk.wait_empty(max(asking, _LAST_MOMENT)) and self._children.kill(_LAST_MOMENT):
                self._desk.wait_empty(_LAST_MOMENT if any(map(self._in_child, self._desk.held())) else 0)
        return self._finish()

    def _answer(self, question: str, reply: Callable[[str], None]) -> bool:
        """Tell where the code of a job is, if that is asked of this worker. Called on the store's thread."""
        about = asked(question)
        if about is None or about[0] != self.id:
            return False
        run = self._desk.find(about[1])
        if run is None:
            reply(packed({"told": ENDED}))
        elif self._in_child(run):
            self._children.locate(run.job.id, reply)
        else:
            reply(packed(read_calls(run.context)))
        return True

    def _is_isolated(self, run: Run) -> bool:
        return run.job.kind in self._registry and self._registry.get(run.job.kind).isolate

    def _in_child(self, run: Run) -> bool:
        return self._children.takes(run.job.kind)

    def _finish(self) -> bool:
        self._desk.stop()
        self._keeper.wake()
        for thread in self._threads:
            thread.join(timeout=_FAREWELL)
        self._children.close()
        endings, left = self._desk.clear()
        now = self._clock.now()
        try:
            if self._store.generation == self._desk.file:  # otherwise none of these exists in the database that is there now
                self._settle(endings)
                self._logs.write(left)
                if left:
                    self._store.completer.release([run.given_back(now) for run in left])
            self._store.workers.deregister(self.id)
        except StoreError as error:
            logger.error("%d jobs could not be released and run again when their lease ends: %s", len(left), error)
        return not left and not self._desk.orphans()

    # -- the claimer ------------------------------------------------------------------------------

    def _claim_loop(self) -> None:
        pause = POLL
        self._desk.file = self._store.generation
        with self._store.notifier.serve(self._answer), self._store.notifier.listen(self.wake):
            while (work := self._desk.gather(pause)) is not None:
                endings = work.endings
                until = self._clock.monotonic() + self._settings.lease
                try:
                    claimed, pause = self._turn(work)
                    self._patience.reset()
                except StoreReplaced as error:
                    self._begin_anew(error)
                    continue
                except Exception as error:  # a bug must not silently end the claims of a healthy-looking process
                    known = isinstance(error, StoreError) and not isinstance(error, RowRefused)
                    self._desk.put_back(endings if known else self._settle_each(endings))
                    if isinstance(error, StoreLost) and self._desk.stopped.is_set():
                        return  # it will not be back in time
                    self._patience.wait(error)
                    continue
                runs = [Run(job, Context(job, self._clock), until, job.kind in self._tasks) for job in claimed]
                tasks = [run for run in runs if run.task]
                for run in self._desk.place([run for run in runs if not run.task] if tasks else runs, tasks):
                    self._begin(run)

    def _begin_anew(self, error: StoreReplaced) -> None:
        """Another database is there now: what runs is none of its jobs. Threads that are free begin with its own at once.

        What still runs is let run to its end, for as long as its lease would have held; then it is told to stop, because
        whoever has the old database may run the job again. Nobody waits for what it returns.
        """
        left = self._desk.abandon(self._store.generation)
        logger.warning("%s Jobs of the old one that still run, and whose results go nowhere: %d", error, len(left))

    def _turn(self, work: Work) -> tuple[list[Job], float]:
        """Write what has ended and claim what there is, in one transaction.

        Returns:
            The claimed jobs, and how many seconds may pass until the next look.
        """
        store = self._store
        claimed: list[Job] = []
        pause = POLL
        ended = [run for ending in work.endings if (run := self._desk.find(ending.job.id))]
        asked = time.monotonic()
        with self._logs.taken(ended) as logs, store.transaction():
            self._desk.waited(time.monotonic() - asked)
            if logs:
                store.logs.append(logs, LOG_KEPT)
            self._settle(work.endings)
            due = store.queries.next_due_at()
            if work.claims:
                if due is not None and due <= self._clock.now():
                    store.transitions.stage()
                    store.transitions.expire()
                    due = store.queries.next_due_at()
                self._tasks = self._registry.tasks if self._desk.tasks else frozenset[str]()
                for kinds, threads, ahead in (
                    ([kind for kind in self._registry.kinds if kind not in self._tasks], work.idle, work.ahead),
                    (sorted(self._tasks), work.tasks, 0),
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
        """Write the endings one by one after the store refused them together; returns those to be tried again.

        What it refuses for good must stop no other job: its lease ends, and the rescue takes it from there.
        """
        again: list[Ending] = []
        for ending in endings:
            try:
                self._settle([ending])
            except RowRefused as error:
                logger.error("The ending of job %d was not stored: %s", ending.job.id, error)
            except StoreError:
                again.append(ending)
            except Exception:
                logger.exception("The ending of job %d was not stored", ending.job.id)
        return again

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

    def _begin(self, run: Run) -> None:
        """Let the event loop have it."""
        if (late := self._too_late(run)) is not None:
            self._desk.hand_in_one(run, late)
            return

        def ended(ending: Ending) -> None:
            self._desk.hand_in_one(run, ending)

        try:
            begin_attempt(run.job, run.context, self._registry, self._clock, self._queue.random, ended)
        except BaseException as error:
            ended(self._broken(run, error))

    def _too_late(self, run: Run) -> Ending | None:
        """Its ending where the process was held up, and the job may be another's by now; notes that it starts otherwise."""
        if self._clock.monotonic() >= run.until:
            return run.given_back(self._clock.now())
        run.started_at = self._clock.now()
        return None

    def _broken(self, run: Run, error: BaseException) -> Ending:
        logger.exception("Running job %d failed inside jobdeck", run.job.id)
        return failure(run.job, run.started_at or self._clock.now(), self._clock, self._queue.random, error)

    def _info(self) -> WorkerInfo:
        return WorkerInfo(
            id=self.id,
            host=self._host,
            pid=os.getpid(),
            threads=self.threads,
            queues=self._queues,
            started_at=self._started_at,
            heartbeat_at=0.0,  # the store's clock tells
            draining=self._desk.draining,
            running=0,  # the store counts
            alive=True,
            kinds=tuple(self._registry.kinds),
            stuck=self._desk.stuck,
            stopping=self._keeper.stopping,
            processes=self._children.processes,
        )
