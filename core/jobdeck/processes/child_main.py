"""What runs in a child process: `python -m jobdeck.child`, begun by `child_process.py`. Never opens the database.

It speaks the language of `wire.py` over one socket. When that ends, the worker is gone, and so is this process and
all that it started.
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
import time
from collections import deque
from collections.abc import Iterable
from random import Random
from typing import Any, NoReturn

from ..execution.context import capture_logs
from ..execution.executor import failure, run_attempt
from ..execution.process_group import end_tied
from ..execution.shell import add_shell
from ..execution.stack_capture import read_calls
from ..execution.stack_trace import ENDED
from ..kinds.registry import REGISTRY, load_apps
from ..model.attempt_result import Ending, Release, Stop
from ..model.errors import AppNotLoaded, Interrupted, KindNotInChild, Stopped
from .child_output import CLOCK, ChildContext, Forward, capture_prints
from .protocol import Lines, Message, Row, ending_row, job_of, pack, unpack

NOTES = 0.25
"""Seconds between two deliveries of logs and progress."""
BATCH = 0.02
"""Seconds of work, at most, whose endings wait for those of the next jobs."""
_LAG = 0.03
"""Seconds after which they are sent even so."""
_CHUNK = 1 << 18

logger = logging.getLogger("jobdeck.child")


class Runner:
    """The jobs of this child and the threads that run them."""

    def __init__(self, line: socket.socket, begun: mmap.mmap, threads: int, *, isolate: bool) -> None:
        self._line = line
        self._begun = begun
        self._isolate = isolate
        self._random = Random()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        # Of the lock:
        self._waiting: deque[ChildContext] = deque()
        self._held: dict[int, ChildContext] = {}
        self._wanted = threads
        self._threads = 1  # the main thread
        self._idle = 0
        self._ending = False
        # Of the line:
        self._sending = threading.Lock()
        self._ended: list[Row] = []
        self._notes: list[Row] = []
        self._left = False
        self._sent_at = 0.0
        self._unsent = threading.Event()
        self._running: ChildContext | None = None  # the job of the main thread, which a signal can reach

    # -- from the worker --------------------------------------------------------------------------

    def listen(self, lines: Lines, first: Iterable[Message]) -> NoReturn:
        """Do what the worker says until it is gone."""
        try:
            for message in first:
                self._heed(message)
            while data := self._line.recv(_CHUNK):
                for message in unpack(lines.feed(data)):
                    self._heed(message)
        finally:
            leave()

    def _heed(self, message: Message) -> None:
        match message:
            case ["run", rows]:
                charges = [ChildContext(job, slot) for slot, job in map(job_of, rows)]
                with self._lock:
                    for charge in charges:
                        self._held[charge.slot] = charge
                    self._waiting.extend(charges)
                    self._work.notify(len(charges))
                    self._hire()
            case ["stop", slot, cancelled, interrupted, lost, grace]:
                self._give_back([slot])
                if (asked := self._held.get(slot)) is not None:
                    asked.ask_to_stop(cancelled=cancelled, interrupted=interrupted, lost=lost, grace=grace)
            case ["recall", slots]:
                self._give_back(slots)
            case ["where", slot]:
                held = self._held.get(slot)
                self.send(["where", slot, {"told": ENDED} if held is None else read_calls(held)])
            case ["threads", number]:
                with self._lock:
                    self._wanted = number
                    self._work.notify_all()
                    self._hire()
            case ["end"]:
                with self._lock:
                    self._ending = True
                    self._work.notify_all()

    def _hire(self) -> None:
        # As many threads as there is work for: each costs memory.
        for _ in range(min(self._wanted - self._threads, len(self._waiting) - self._idle)):
            self._threads += 1
            threading.Thread(target=self.run, name="jobdeck-runner", daemon=True).start()

    def _give_back(self, slots: Iterable[int]) -> None:
        """Return those of the jobs that have not begun."""
        with self._lock:
            kept: deque[ChildContext] = deque()
            back: list[ChildContext] = []
            asked = set(slots)
            for charge in self._waiting:
                (back if charge.slot in asked else kept).append(charge)
            self._waiting = kept
        now = CLOCK.now()
        for charge in back:
            self._hand_in(charge, Release(charge.job, now, now))
        if back:
            self.flush()

    # -- the threads that run jobs ----------------------------------------------------------------

    def run(self) -> None:
        """Run one job after the other until there will be no more."""
        main = self._isolate and threading.current_thread() is threading.main_thread()
        while (charge := self._next()) is not None:
            if main:
                self._running = charge
            started_at = CLOCK.now()
            try:
                if charge.kind not in REGISTRY:
                    raise KindNotInChild(charge.kind)  # noqa: TRY301
                ending = run_attempt(charge.job, charge, REGISTRY, CLOCK, self._random)
                self._running = None
            except BaseException as error:
                # A kind that is not here, a bug, or the signal that ends an isolated job, come at the last moment.
                self._running = None
                ending = self._ended_by(error, charge, started_at)
            charge.finish_lines()
            self._hand_in(charge, ending)

    def _next(self) -> ChildContext | None:
        if self._ended:
            self._send_if_due()
        with self._lock:
            self._idle += 1
            # Threads that there are too many of since fewer were wanted stay idle: whoever has ended a job takes the next.
            while not self._waiting or self._threads - self._idle >= self._wanted:
                if self._ending and not self._waiting:
                    return None
                self._work.wait()
            self._idle -= 1
            charge = self._waiting.popleft()
            # From here on the job counts as begun: if this process dies, its attempt does.
            self._begun[charge.slot] = 1
        if charge.job.crashes and self._ended:
            self.flush()  # it may end this process again, and what others have done shall not be lost with it
        return charge

    def _ended_by(self, error: BaseException, charge: ChildContext, started_at: float) -> Ending:
        job = charge.job
        if isinstance(error, Stopped) and not charge.fenced:
            return Stop(job, started_at, CLOCK.now())
        if isinstance(error, (Interrupted, Stopped)):
            return Release(job, started_at, CLOCK.now())
        return failure(job, started_at, CLOCK, self._random, error)

    def interrupt(self) -> None:
        """The worker's signal: the isolated job was asked to stop and did not. Raises in the middle of its code."""
        if self._running is not None:
            self._running.check()

    # -- to the worker ----------------------------------------------------------------------------

    def _hand_in(self, charge: ChildContext, ending: Ending) -> None:
        with self._sending:
            del self._held[charge.slot]
            self._note(charge)
            self._ended.append(ending_row(charge.slot, ending))
            self._left = self._isolate and not _childless()
            # An ending that is lost in a crash costs its job an attempt. If it has no other, that must not be.
            last = charge.attempt >= charge.max_attempts
        if last:
            self.flush()

    def _send_if_due(self) -> None:
        # With nothing more to do, or after a job that took its time, at once: the message costs little beside it.
        if not self._waiting or time.monotonic() - self._sent_at > BATCH:
            self.flush()
        elif not self._unsent.is_set():
            self._unsent.set()

    def _note(self, charge: ChildContext) -> None:
        progress, lines = charge.take_progress(), charge.take_log()
        if lines or progress is not None:
            self._notes.append([charge.slot, progress, lines])

    def flush(self) -> None:
        """Send what has ended and what was told."""
        with self._sending:
            self._sent_at = time.monotonic()
            if self._ended or self._notes:
                message = pack(["told", self._notes, self._ended, self._left])
                self._notes, self._ended = [], []
                with contextlib.suppress(OSError):  # the worker is gone: the listener sees to that
                    self._line.sendall(message)

    def send(self, message: Message) -> None:
        """Send anything else."""
        with self._sending, contextlib.suppress(OSError):
            self._line.sendall(pack(message))

    def deliver(self) -> NoReturn:
        """Send now and then what no ending takes along, and endings that wait behind a long job."""
        while True:
            if self._unsent.wait(NOTES if self._held else 1.0):
                self._unsent.clear()
                time.sleep(_LAG)
            with self._sending:
                for charge in list(self._held.values()):
                    self._note(charge)
            self.flush()


def _childless() -> bool:
    """Whether this process surely has no child processes, dead or alive."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    except (AttributeError, OSError):  # not everywhere
        pass
    return False


def leave() -> NoReturn:
    """End this process, its group, and the commands that it runs, at once."""
    end_tied()
    os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def load(hello: dict[str, Any]) -> None:
    """Import what defines the kinds.

    Raises:
        AppNotLoaded: one of the apps cannot be imported.
    """
    sys.path[:] = hello["path"]
    add_shell(REGISTRY)
    load_apps(hello["apps"])
    for module in hello["modules"]:
        # Where the worker's handlers happen to be. What cannot be imported here is missed as a kind, if it is needed.
        with contextlib.suppress(Exception):
            importlib.import_module(module)


def main() -> None:
    """Be a child: `python -m jobdeck.child LINE BEGUN LIFELINE`, three file descriptors."""
    inherited = [int(fd) for fd in sys.argv[1:4]]
    for fd in inherited:
        os.set_inheritable(fd, False)  # not by what handlers start
    line, begun = socket.socket(fileno=inherited[0]), mmap.mmap(inherited[1], 0)
    # Ctrl-C and a service manager's signals are for the worker to decide on. Handlers that do nothing, not SIG_IGN:
    # that would be inherited by the commands that handlers start.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    faulthandler.enable()
    lines = Lines()
    received: list[bytes] = []
    while not received:
        data = line.recv(_CHUNK)
        if not data:
            leave()
        received = lines.feed(data)
    (_, hello), *first = unpack(received)
    try:
        load(hello)
    except AppNotLoaded as error:
        line.sendall(pack(["refused", str(error)]))
        sys.exit(1)
    runner = Runner(line, begun, hello["threads"], isolate=hello["isolate"])
    if hello["isolate"]:
        signal.signal(signal.SIGTERM, lambda *_: runner.interrupt())
    root = logging.getLogger()
    if not root.handlers:
        root.setLevel(hello["level"])
        root.addHandler(Forward(runner.send, hello["level"]))
    capture_logs()
    capture_prints(apart=not hello["isolate"])
    runner.send(["ready", REGISTRY.kinds])
    threading.Thread(target=runner.listen, args=(lines, first), name="jobdeck-listener", daemon=True).start()
    threading.Thread(target=runner.deliver, name="jobdeck-deliverer", daemon=True).start()
    runner.run()
    runner.flush()


if __name__ == "__main__":
    main()
