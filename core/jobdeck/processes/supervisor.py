"""Supervise the child processes that run handlers for a worker. They are spawned, never forked, and open no database.

A child process belongs either to the *pool* (see `pool.py`) or to an isolated job (see `isolation.py`). One thread
manages all of them and never blocks on any. Other threads send it calls through a queue.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from random import Random

from ..clock import Clock, time
from ..execution.context import JobContext
from ..execution.stack_trace import FINISHED, NOT_STARTED, encode_reply
from ..kinds.registry import Registry
from ..logs import FieldsMessage, get_logger
from ..model.attempt_result import AttemptResult
from ..model.errors import ChildNotStarted
from ..model.jobs import Job
from ..model.known_problems import known_problem
from .child_process import AssignedJob, ChildProcess
from .isolation import IsolatedProcesses
from .pool import ProcessPool
from .protocol import Message
from .spawner import ProcessSpawner

START = 120.0
"""Seconds that child processes get to import their apps."""
_CHECK_INTERVAL = 0.5
"""Seconds between two checks for exited processes. A closed socket is not a reliable sign: a process
that a child has forked may hold it open."""
_EXIT_POLL = 0.01
_CLOSE_TIMEOUT = 3.0

logger = get_logger("jobdeck.child")


class ProcessSupervisor:
    """Supervises the child processes of a worker."""

    def __init__(
        self,
        registry: Registry,
        *,
        processes: int = 0,
        threads: int = 1,
        apps: Sequence[str] = (),
        clock: Clock,
        random: Random,
    ) -> None:
        """Create the supervisor; `start` starts the pool.

        Args:
            registry: the kinds of the worker; the child processes must register the same.
            processes: the size of the pool. Processes for isolated jobs are started in addition, as needed.
            threads: the number of jobs that each process of the pool runs at once.
            apps: the modules that child processes import first, as for `load_apps`.
            clock: the clock for the times of results.
            random: the source of the jitter of retries.
        """
        self.processes = processes
        self.on_results: Callable[[], None] = lambda: None
        """Called on the supervisor's thread after each batch of results."""
        self._registry = registry
        self._selector = selectors.DefaultSelector()
        self._spawner = ProcessSpawner(
            registry, apps=apps, threads=max(1, threads), clock=clock, random=random, selector=self._selector
        )
        self._pool = ProcessPool(self._spawner, processes)
        # Without a pool, a runner thread waits for each isolated job, so the number of runners is the limit.
        self._isolation = IsolatedProcesses(self._spawner, processes * max(1, threads) or 1000)
        self._thread = threading.Thread(target=self._loop, name="jobdeck-supervisor", daemon=True)
        self._starting = threading.Lock()
        self._calls: deque[Callable[[], None]] = deque()
        self._wake_send, self._wake_recv = socket.socketpair()
        self._waiters: list[tuple[Callable[[], bool], threading.Event]] = []
        self._check_at = 0.0

    # -- any thread -------------------------------------------------------------------------------

    @property
    def threads(self) -> int:
        """Return the number of jobs that the pool runs at once, plus the threads whose code ignored a stop request."""
        return self.processes * self._spawner.threads + self._pool.stuck

    @property
    def pids(self) -> list[int]:
        """Return the process ids of the running child processes."""
        return [child.pid for child in self._spawner.processes]

    def start(self) -> None:
        """Start the pool and wait until every process is ready. Processes for isolated jobs start when needed.

        Raises:
            ChildNotStarted: a process could not start, usually because an app cannot be imported.
            KindNotInChild: a kind of the registry is not registered in the child processes.
        """
        if not self.processes:
            return
        self._ensure_thread()
        try:
            error = self._pool.opened.get(timeout=START)
        except Empty:
            error = ChildNotStarted(f"it was not ready after {START:g} s")
        if error is not None:
            self.close()
            raise error

    def handles(self, kind: str) -> bool:
        """Report whether jobs of this kind run in child processes."""
        return self.processes > 0 or self._registry.isolates(kind)

    def run(self, job: Job, context: JobContext) -> AttemptResult:
        """Run a claimed job in a child process and wait for its result. Never raises for errors of the handler."""
        box: SimpleQueue[AttemptResult] = SimpleQueue()
        self.submit([AssignedJob(job, context, box.put)])
        return box.get()

    def submit(self, jobs: Iterable[AssignedJob]) -> None:
        """Run claimed jobs in child processes; the `done` callback of each receives its result."""
        self._ensure_thread()
        if self._spawner.closing:
            for assigned in jobs:
                self._spawner.release(assigned)
        else:
            self._call(partial(self._submit, jobs))

    def resize(self, threads: int, done: Callable[[], None]) -> None:
        """Set the number of jobs that each process of the pool runs at once, then call `done`."""

        def resize() -> None:
            self._pool.resize(max(1, threads))
            done()

        if self.processes:
            self._call(resize)

    def replace_stuck(self, jobs: Collection[int], done: Callable[[], None]) -> None:
        """Start a replacement thread for each of these jobs, whose code ignored a stop request, then call `done`."""

        def replace() -> None:
            self._pool.replace_stuck(jobs)
            done()

        self._call(replace)

    def recall_unstarted(self) -> None:
        """Release every job that has not started, and start no more jobs."""

        def recall() -> None:
            self._spawner.recalled = True
            self._pool.recall()
            self._isolation.recall()

        self._call(recall)

    def request_stack(self, job_id: int, reply: Callable[[str], None]) -> None:
        """Request the stack of a job from its child process, and return immediately; `reply` receives it."""

        def locate() -> None:
            held = (
                assigned
                for child in self._spawner.processes
                for assigned in child.assigned.values()
                if assigned.job.id == job_id
            )
            assigned = next(held, None)
            if assigned is None or assigned.child is None:
                reply(encode_reply({"reason": NOT_STARTED}))
            else:
                assigned.stack_requests += (reply,)
                assigned.child.send(["stack", assigned.ticket])

        if self._thread.is_alive():
            self._call(locate)
        else:
            reply(encode_reply({"reason": FINISHED}))

    def kill(self, timeout: float) -> bool:
        """Kill every process that still runs a job; return whether all of them exited within `timeout` seconds."""
        if not self._thread.is_alive():
            return True

        def kill() -> None:
            for child in self._spawner.processes:
                if self._isolation.is_busy(child):
                    child.terminate(0)

        self.recall_unstarted()
        self._call(kill)
        return self._wait(lambda: not any(map(self._isolation.is_busy, self._spawner.processes)), timeout)

    def close(self) -> None:
        """Shut down all child processes, and kill those that run a job."""
        with self._starting:
            self._spawner.closing = True
        if not self._thread.is_alive():
            self._release_files()
            return

        def end() -> None:
            for child in self._spawner.processes:
                if self._isolation.is_busy(child):
                    child.terminate(0)
                else:
                    child.shut_down()

        self.recall_unstarted()
        self._call(end)
        self._thread.join(timeout=_CLOSE_TIMEOUT)

    def _ensure_thread(self) -> None:
        with self._starting:
            if self._spawner.closing or self._thread.is_alive():
                return
            self._wake_send.setblocking(False)
            self._wake_recv.setblocking(False)
            self._selector.register(self._wake_recv, selectors.EVENT_READ, None)
            self._thread.start()

    def _call(self, call: Callable[[], None]) -> None:
        self._calls.append(call)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # a wake-up is pending already, or the thread has exited
            self._wake_send.send(b"!")

    def _wait(self, predicate: Callable[[], bool], timeout: float) -> bool:
        event = threading.Event()
        self._call(lambda: self._waiters.append((predicate, event)))
        return event.wait(timeout)

    # -- the supervisor's thread ------------------------------------------------------------------

    def _loop(self) -> None:
        while not (self._spawner.closing and not self._spawner.processes and not self._calls):
            try:
                self._run_once()
            except Exception as error:  # a bug must not leave jobs without a result
                if (problem := known_problem(error)) is not None:
                    logger.error("The supervisor of child processes continues after a problem: %s", problem)
                else:
                    logger.exception("A bug in the supervisor of child processes")
                time.sleep(0.1)
        self._release_files()

    def _release_files(self) -> None:
        self._selector.close()
        self._wake_send.close()
        self._wake_recv.close()

    def _run_once(self) -> None:
        for key, mask in self._selector.select(self._timeout()):
            if key.data is None:
                with suppress(BlockingIOError):
                    self._wake_recv.recv(4096)
                continue
            if mask & selectors.EVENT_WRITE:
                key.data.flush()
            if mask & selectors.EVENT_READ:
                self._read(key.data, key.fd)
        while self._calls:
            self._calls.popleft()()
        now = time.monotonic()
        check = now >= self._check_at
        if check:
            self._check_at = now + _CHECK_INTERVAL
        for child in list(self._spawner.processes):
            if check or child.is_ending:
                self._check_child(child, now)
            child.pause_if_full(self._wake)
        self._isolation.maintain(now)
        self._pool.maintain(now)
        self._pool.distribute()
        self._isolation.start_waiting()
        self.on_results()
        if self._waiters:
            self._waiters = [each for each in self._waiters if not self._notify_waiter(*each)]

    def _notify_waiter(self, predicate: Callable[[], bool], event: threading.Event) -> bool:
        if predicate():
            event.set()
        return event.is_set()

    def _timeout(self) -> float | None:
        """Return the seconds until the next timed work; `None` to wait for events only."""
        if self._calls:
            return 0.0
        now = time.monotonic()
        due = [at for at in (self._pool.due(), self._isolation.due()) if at is not None]
        for child in self._spawner.processes:
            if child.has_closed:
                due.append(now + _EXIT_POLL)  # until its whole group has exited
            elif child.assigned or child.is_ending:
                due.append(self._check_at)
            due += [at for at in (child.term_at, child.kill_at) if at is not None]
        return max(0.0, min(due) - now) if due else None

    def _submit(self, jobs: Iterable[AssignedJob]) -> None:
        for assigned in jobs:
            if self._spawner.accept(assigned):
                assigned.context.on_stop(partial(self._request_stop, assigned))
                self._group_of_job(assigned.job).submit(assigned)

    def _request_stop(self, assigned: AssignedJob) -> None:
        """Stop a job. Called on any thread."""
        self._call(partial(self._group_of_job(assigned.job).stop, assigned))

    def _group_of_job(self, job: Job) -> ProcessPool | IsolatedProcesses:
        return self._pool if self.processes and not self._registry.isolates(job.kind) else self._isolation

    def _group(self, child: ChildProcess) -> ProcessPool | IsolatedProcesses:
        return self._isolation if child.isolate else self._pool

    def _read(self, child: ChildProcess, fd: int) -> None:
        try:
            for message in child.read(fd):
                self._handle(child, message)
        except (ValueError, LookupError, TypeError) as error:
            logger.error("Child process %d sent an invalid message and is terminated: %s", child.pid, error)
            child.terminate(0)

    def _handle(self, child: ChildProcess, message: Message) -> None:
        match message:
            case ["results", notes, endings, left]:
                for ticket, progress, lines in notes:
                    if (assigned := child.assigned.get(ticket)) is not None:
                        if lines:
                            assigned.context.add_log([(at, level, text) for at, level, text in lines])
                            child.has_logged = True
                        if progress is not None:
                            assigned.context.progress(*progress)
                child.may_leave_processes = left
                group = self._group(child)
                for row in endings:
                    if row[0] in child.assigned:
                        group.on_result(child, row)
                    else:
                        logger.warning("Child process %d sent a result for a job that it does not hold; ignored", child.pid)
            case ["stack", ticket, answer]:
                if (assigned := child.assigned.get(ticket)) is not None:
                    assigned.reply(answer)
            case ["record", level, name, text, fields]:
                logging.getLogger(name).log(level, FieldsMessage(text, fields))
            case ["ready", kinds]:
                child.ready, child.kinds = True, frozenset(kinds)
                self._group(child).on_ready(child)
            case ["refused", sentence]:
                child.refused = sentence
            case _:
                raise ValueError(f"{message!r:.80}")

    def _check_child(self, child: ChildProcess, now: float) -> None:
        """Send the signals that are due; kill the group of a process that has exited."""
        if child.has_ended():
            child.terminate(0)
        child.send_due_signals(now)
        if not child.has_ended() or not child.has_group_exited():
            return
        self._read(child, child.line.fileno())
        child.read_outputs()
        if child.ready and child.assigned:
            logger.warning("Child process %d exited (%s) with %d jobs", child.pid, child.how_ended, len(child.assigned))
        pause = self._spawner.reap(child)
        self._group(child).on_exit(child, pause)
