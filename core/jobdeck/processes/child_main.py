"""The entry point of a child process: `python -m jobdeck.processes.child_main`, started by `child_process.py`.

A child never opens the database. It exchanges the messages of `protocol.py` over one socket. When the socket closes, the
worker has exited, and the child kills itself and every process that it started.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import mmap
import os
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterable
from random import Random
from typing import Any, NoReturn

from ..clock import time
from ..execution import green_threads
from ..execution.attempt_contexts import AttemptContexts
from ..execution.context import capture_logs
from ..execution.executor import execute, failed_result
from ..execution.forked_child import exit_if_forked, process_identity
from ..execution.process_group import kill_guarded
from ..execution.shell import add_shell
from ..execution.signal_handlers import STOP_SIGNALS, handle_signal
from ..execution.stack_capture import capture_stack
from ..execution.stack_trace import FINISHED
from ..kinds.registry import REGISTRY, load_apps
from ..logs import get_logger
from ..model.attempt_result import AttemptResult, Cancelled, Released
from ..model.errors import AppImportError, Interrupted, KindNotInChild, Stopped, ThreadsReplaced
from ..model.foreign_errors import is_error
from .child_output import CLOCK, ChildContext, ForwardingHandler, capture_prints
from .protocol import SLOTS, LineBuffer, Message, Row, decode_job, encode_result, pack, unpack

NOTES = 0.25
"""Seconds between two messages with logs and progress."""
BATCH = 0.02
"""The maximum time, in seconds, for which results wait for those of the next jobs."""
_MAX_DELAY = 0.03
"""Seconds after which results are sent even if the next job is still running."""
_CHUNK = 1 << 18

logger = get_logger("jobdeck.child")


class ChildRunner:
    """Runs the jobs of this child process on its threads."""

    def __init__(self, line: socket.socket, started: mmap.mmap, threads: int, *, isolate: bool) -> None:
        self._line = line
        self._process = os.getpid()
        self._started = started
        self._isolate = isolate
        self._random = Random()
        self.contexts = AttemptContexts()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        # Guarded by the lock:
        self._waiting: deque[ChildContext] = deque()
        self._held: dict[int, ChildContext] = {}
        self._limit = threads
        self._threads = 1  # the main thread
        self._idle = 0
        self._finishing = False
        # Guarded by the send lock:
        self._send_lock = threading.Lock()
        self._results: list[Row] = []
        self._notes: list[Row] = []
        self._may_leave_processes = False
        self._sent_at = 0.0
        self._unsent = threading.Event()
        self._running: ChildContext | None = None  # the job of the main thread, which a signal can interrupt

    # -- messages from the worker -----------------------------------------------------------------

    def listen(self, lines: LineBuffer, first: Iterable[Message]) -> NoReturn:
        """Handle messages until the worker exits."""
        try:
            for message in first:
                self._handle(message)
            while data := self._line.recv(_CHUNK):
                for message in unpack(lines.feed(data)):
                    self._handle(message)
        finally:
            exit_with_group()

    def _handle(self, message: Message) -> None:
        match message:
            case ["run", rows]:
                flush_log = self._unsent.set
                contexts = [ChildContext(job, ticket, flush_log) for ticket, job in map(decode_job, rows)]
                with self._lock:
                    for context in contexts:
                        self._held[context.ticket] = context
                    self._waiting.extend(contexts)
                    self._work.notify(len(contexts))
                    self._spawn_threads()
            case ["stop", ticket, cancelled, interrupted, lost, grace]:
                self._release_unstarted([ticket])
                if (held := self._held.get(ticket)) is not None:
                    held.request_stop(cancelled=cancelled, interrupted=interrupted, lost=lost, grace=grace)
            case ["recall", tickets]:
                self._release_unstarted(tickets)
            case ["stack", ticket]:
                held = self._held.get(ticket)
                self.send(["stack", ticket, {"reason": FINISHED} if held is None else capture_stack(held)])
            case ["threads", number]:
                with self._lock:
                    self._limit = number
                    self._work.notify_all()
                    self._spawn_threads()
            case ["finish"]:
                with self._lock:
                    self._finishing = True
                    self._work.notify_all()

    def _spawn_threads(self) -> None:
        # Start only as many threads as there are jobs: each costs memory.
        for _ in range(min(self._limit - self._threads, len(self._waiting) - self._idle)):
            self._threads += 1
            threading.Thread(target=self.run, name="jobdeck-runner", daemon=True).start()

    def _release_unstarted(self, tickets: Iterable[int]) -> None:
        """Release those of the jobs that have not started."""
        with self._lock:
            kept: deque[ChildContext] = deque()
            released: list[ChildContext] = []
            requested = set(tickets)
            for context in self._waiting:
                (released if context.ticket in requested else kept).append(context)
            self._waiting = kept
        now = CLOCK.now()
        for context in released:
            self._submit(context, Released(context.job, now, now))
        if released:
            self.flush()

    # -- runner threads ---------------------------------------------------------------------------

    def run(self) -> None:
        """Run jobs until the worker shuts this process down."""
        main = self._isolate and threading.current_thread() is threading.main_thread()
        while (context := self._next()) is not None:
            if main:
                self._running = context
            started_at = CLOCK.now()
            try:
                if context.kind not in REGISTRY:
                    raise KindNotInChild(context.kind)  # noqa: TRY301
                result = self.contexts.run(execute, context.job, context, REGISTRY, CLOCK, self._random)
                self._running = None
            except BaseException as error:
                # An unknown kind, a bug, or the signal that stops an isolated job arriving at the last moment.
                self._running = None
                result = self._result_of_error(error, context, started_at)
            context.finish_lines()
            if self._isolate:
                _flush_prints()
            self._submit(context, result)

    def _next(self) -> ChildContext | None:
        if self._results:
            self._send_if_due()
        with self._lock:
            self._idle += 1
            # Surplus threads of a shrunk pool stay idle: a thread that has finished a job takes the next one.
            while not self._waiting or self._threads - self._idle >= self._limit:
                if self._finishing and not self._waiting:
                    return None
                self._work.wait()
            self._idle -= 1
            context = self._waiting.popleft()
            # From here on the job counts as started: if this process dies, the attempt is used up.
            self._started[context.ticket % SLOTS] = 1
        if context.job.crashes and self._results:
            self.flush()  # the job may crash this process again, which must not lose the results of other jobs
        return context

    def _result_of_error(self, error: BaseException, context: ChildContext, started_at: float) -> AttemptResult:
        job = context.job
        if is_error(error, Stopped) and not context.fenced:
            return Cancelled(job, started_at, CLOCK.now())
        if is_error(error, Interrupted, Stopped):
            return Released(job, started_at, CLOCK.now())
        entry = REGISTRY.get(job.kind) if job.kind in REGISTRY else None
        return failed_result(job, started_at, CLOCK, self._random, error, entry)

    def interrupt(self) -> None:
        """Raise in the code of the isolated job, which ignored the stop request. Called by the handler of SIGTERM."""
        if self._running is not None:
            self._running.check()

    # -- messages to the worker -------------------------------------------------------------------

    def _submit(self, context: ChildContext, result: AttemptResult) -> None:
        with self._send_lock:
            del self._held[context.ticket]
            self._collect_notes(context)
            self._results.append(encode_result(context.ticket, result))
            self._may_leave_processes = self._isolate and not _has_no_children()
            # A result lost in a crash costs its job an attempt, which the last attempt cannot afford.
            last = context.attempt >= context.max_attempts
        if last:
            self.flush()

    def _send_if_due(self) -> None:
        # If idle, or after a long job, send immediately: the message costs little compared with the job.
        if not self._waiting or time.monotonic() - self._sent_at > BATCH:
            self.flush()
        elif not self._unsent.is_set():
            self._unsent.set()

    def _collect_notes(self, context: ChildContext) -> None:
        progress, lines = context.take_progress(), context.drain_log()
        if lines:
            context.confirm_log()
        if lines or progress is not None:
            self._notes.append([context.ticket, progress, lines])

    def flush(self) -> None:
        """Send the finished results, logs and progress."""
        with self._send_lock:
            self._sent_at = time.monotonic()
            if self._results or self._notes:
                message = pack(["results", self._notes, self._results, self._may_leave_processes])
                self._notes, self._results = [], []
                self._send(message)

    def send(self, message: Message) -> bool:
        """Send any other message; return `False` from a process that a handler has forked, which is disconnected."""
        with self._send_lock:
            return self._send(pack(message))

    def _send(self, message: bytes) -> bool:
        try:
            self._line.sendall(message)
        except OSError:  # the worker has exited, or a handler has closed the socket: nothing more can be reported
            if os.getpid() == self._process:
                exit_with_group()
            return False
        return True

    def after_fork(self) -> None:
        """Disconnect a process that a handler has forked: only this process may speak to the worker."""
        self._line.close()
        self._send_lock = threading.Lock()  # another thread may have held it

    def flush_loop(self) -> NoReturn:
        """Send at intervals the logs and progress of running jobs, and results that wait behind a long job."""
        while True:
            if self._unsent.wait(NOTES if self._held else 1.0):
                self._unsent.clear()
                time.sleep(_MAX_DELAY)
            with self._send_lock:
                for context in list(self._held.values()):
                    self._collect_notes(context)
            self.flush()


def _flush_prints() -> None:
    """Write what a job has printed without a newline, so that it belongs to this job and not to the next."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a handler may have closed or replaced it
            stream.flush()


def _has_no_children() -> bool:
    """Report whether this process certainly has no child processes, running or zombie."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    except (AttributeError, OSError):  # not available on every platform
        pass
    return False


def exit_with_group() -> NoReturn:
    """Kill this process, its group, and the commands that it runs, immediately."""
    kill_guarded()
    os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def load(hello: dict[str, Any]) -> None:
    """Import the modules that register the kinds.

    Raises:
        AppImportError: one of the apps cannot be imported.
    """
    sys.path[:] = hello["path"]
    add_shell(REGISTRY)
    load_apps(hello["apps"])
    for module in hello["modules"]:
        # The modules of the worker's handlers. A failed import shows up later as a missing kind, if the kind is needed.
        with contextlib.suppress(Exception):
            importlib.import_module(module)


def main() -> None:
    """Run the child process. The three arguments are file descriptors: socket, shared page and process group guard."""
    inherited = [int(fd) for fd in sys.argv[1:4]]
    for fd in inherited:
        os.set_inheritable(fd, False)  # processes that handlers start must not inherit them
    line, started = socket.socket(fileno=inherited[0]), mmap.mmap(inherited[1], 0)
    line.setblocking(True)  # not the default timeout of the program: it is meant for the program's own connections
    process = process_identity()
    # The worker decides how to react to Ctrl-C and to a service manager's signals. Use handlers that do nothing instead of
    # SIG_IGN, which the commands that handlers start would inherit.
    for number in STOP_SIGNALS:
        handle_signal(number, lambda *_: None)
    faulthandler.enable()
    lines = LineBuffer()
    received: list[bytes] = []
    while not received:
        data = line.recv(_CHUNK)
        if not data:
            exit_with_group()
        received = lines.feed(data)
    (_, hello), *first = unpack(received)
    try:
        load(hello)
        exit_if_forked(process)
        if (library := green_threads.replaced_by()) is not None:
            raise ThreadsReplaced(library)  # noqa: TRY301
    except (AppImportError, ThreadsReplaced) as error:
        exit_if_forked(process, error)
        line.sendall(pack(["refused", str(error)]))
        sys.exit(1)
    runner = ChildRunner(line, started, hello["threads"], isolate=hello["isolate"])
    os.register_at_fork(after_in_child=runner.after_fork)
    if hello["isolate"]:
        handle_signal(signal.SIGTERM, lambda *_: runner.interrupt())
    root = logging.getLogger()
    if not root.handlers:
        root.setLevel(hello["level"])
        root.addHandler(ForwardingHandler(runner.send, hello["level"]))
    capture_logs()
    capture_prints(apart=not hello["isolate"])
    runner.contexts = AttemptContexts(own_process=True)  # now that everything is set up
    runner.send(["ready", REGISTRY.kinds])
    threading.Thread(target=runner.listen, args=(lines, first), name="jobdeck-listener", daemon=True).start()
    threading.Thread(target=runner.flush_loop, name="jobdeck-flusher", daemon=True).start()
    runner.run()
    runner.flush()


if __name__ == "__main__":
    main()
