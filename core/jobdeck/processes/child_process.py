"""One child process as its worker sees it: what it was given, what it says, and how it is stopped.

All of it belongs to one thread, the one of `Children`.
"""

from __future__ import annotations

import logging
import mmap
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from ..execution.context import Context
from ..execution.process_group import Lifeline, group_alive, how_ended, others_alive, stop_group
from ..execution.stack_trace import ENDED, Answer, packed
from ..model.attempt_result import Ending
from ..model.jobs import Job
from .protocol import Lines, Message, job_row, pack, unpack

SLOTS = 1024
"""Jobs that one child can hold."""
_CHUNK = 1 << 18
_FAREWELL = 1.5
"""Seconds that a child without work gets to come to an end by itself."""
_TAIL = 4000
"""Characters kept of what a child said last on standard error."""

logger = logging.getLogger("jobdeck.child")


@dataclass(slots=True, eq=False)
class Charge:
    """A job on its way to a child and back."""

    job: Job
    context: Context
    done: Callable[[Ending], None]
    """Called on the thread of `Children`; must not block."""
    at: float = 0.0
    """When it was handed over, on the wall clock."""
    slot: int = -1
    sent_at: float = 0.0
    """On the monotonic clock."""
    deadline: float | None = None
    """When an isolated job has used up its time, on the monotonic clock."""
    child: ChildProcess | None = None
    """Who has it."""
    askers: tuple[Callable[[str], None], ...] = ()
    """Ways to answer those who have asked where its code is."""

    def answer(self, answer: Answer) -> None:
        """Tell all who have asked."""
        askers, self.askers = self.askers, ()
        for reply in askers:
            reply(packed(answer))


class ChildProcess:
    """A child process."""

    def __init__(self, hello: dict[str, Any], *, cwd: str, isolate: bool) -> None:
        """Start one.

        Raises:
            OSError: the system has no more processes, memory or descriptors to give.
        """
        self.isolate = isolate
        self.ready = False
        self.refused: str | None = None
        self.kinds: frozenset[str] = frozenset()
        self.retired = False
        """Gets no more jobs: it shall end, or has ended."""
        self.dead = False
        self.held: dict[int, Charge] = {}
        self.left = False
        """Whether processes may be left that its last job began."""
        self.idle_since = time.monotonic()
        self.term_at: float | None = None
        self.kill_at: float | None = None
        self.stuck = 0
        """Threads of it whose code was asked to stop and does not; each has a substitute."""
        self.asked = False
        """Whether its isolated job was asked to stop."""
        self.tail = ""
        self._free = list(range(SLOTS - 1, -1, -1))
        self._unsent = bytearray()
        self._lines = Lines()
        self._outputs: dict[int, tuple[str, Lines]] = {}
        self._selector: selectors.BaseSelector | None = None
        self._registered: set[int] = set()
        self._start(hello, cwd)

    def _start(self, hello: dict[str, Any], cwd: str) -> None:
        self._lifeline = Lifeline()
        self.line, theirs = socket.socketpair()
        page = _page()
        try:
            self._begun = mmap.mmap(page, SLOTS)
            inherited = (theirs.fileno(), page, self._lifeline.fd)
            self.process = subprocess.Popen(
                # -P: no module of the current folder takes the place of one of ours.
                [sys.executable, "-P", "-m", "jobdeck.processes.child_main", *map(str, inherited)],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=inherited,
                start_new_session=True,  # what a terminal sends to its foreground group is for the worker alone
            )
        except BaseException:
            self._lifeline.close()
            self.line.close()
            raise
        finally:
            theirs.close()
            os.close(page)
        self.pid = self.process.pid
        self._lifeline.tie(self.pid)
        self.line.setblocking(False)
        for stream, level in ((self.process.stdout, "out"), (self.process.stderr, "err")):
            fd = _fd(stream)
            os.set_blocking(fd, False)
            self._outputs[fd] = (level, Lines())
        self.send(["hello", hello])

    # -- selecting --------------------------------------------------------------------------------

    def register(self, selector: selectors.BaseSelector) -> None:
        """Let the selector watch what it says."""
        self._selector = selector
        for fd in (self.line.fileno(), *self._outputs):
            selector.register(fd, selectors.EVENT_READ, self)
            self._registered.add(fd)
        self._watch_line()

    def _watch_line(self) -> None:
        fd = self.line.fileno()
        if self._selector is not None and fd in self._registered:
            self._selector.modify(fd, selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0), self)

    def _unregister(self, fd: int) -> None:
        if self._selector is not None and fd in self._registered:
            self._selector.unregister(fd)
            self._registered.discard(fd)

    # -- to the child -----------------------------------------------------------------------------

    def give(self, charges: Sequence[Charge]) -> None:
        """Hand jobs over."""
        now = time.monotonic()
        rows = []
        for charge in charges:
            charge.slot, charge.sent_at, charge.child = self._free.pop(), now, self
            self._begun[charge.slot] = 0
            self.held[charge.slot] = charge
            rows.append(job_row(charge.slot, charge.job))
        self.send(["run", rows])

    def take_back(self, slot: int) -> Charge:
        """The job in the slot, which has come to an end.

        Raises:
            KeyError: there is none.
        """
        charge = self.held.pop(slot)
        charge.child = None
        if charge.askers:
            charge.answer({"told": ENDED})
        self._free.append(slot)
        if not self.held:
            self.idle_since = time.monotonic()
        return charge

    def has_begun(self, charge: Charge) -> bool:
        """Whether the child has begun the job. The child says so in shared memory, which it cannot take along."""
        return self._begun[charge.slot] != 0

    def stop(self, charge: Charge) -> None:
        """Have the job see that it shall stop."""
        context = charge.context
        cancelled = context.cancelled and not context.fenced
        self.send(["stop", charge.slot, cancelled, context.interrupted, context.fenced, context.grace])

    def send(self, message: Message) -> None:
        """Send a message, now or as soon as the child reads. Never waits."""
        if not self.dead:
            self._unsent += pack(message)
            self.flush()

    def flush(self) -> None:
        """Send what can be sent now."""
        had = bool(self._unsent)
        try:
            while self._unsent:
                del self._unsent[: self.line.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:  # it is gone; its end is noticed elsewhere
            self._unsent.clear()
        if had:
            self._watch_line()

    # -- from the child ---------------------------------------------------------------------------

    def read(self, fd: int) -> list[Message]:
        """What it says on this descriptor; what is said on the two outputs goes to the log.

        Raises:
            ValueError: it does not speak the language.
        """
        if fd != self.line.fileno():
            self._read_output(fd)
            return []
        messages: list[Message] = []
        try:
            while data := self.line.recv(_CHUNK):
                messages += unpack(self._lines.feed(data))
                if len(data) < _CHUNK:
                    return messages
        except BlockingIOError:
            return messages
        except OSError:
            pass
        self._unregister(fd)
        return messages

    def read_outputs(self) -> None:
        """Read what is there of the two outputs: all that was written before now."""
        for fd in list(self._outputs):
            self._read_output(fd)

    def _read_output(self, fd: int) -> None:
        level, lines = self._outputs[fd]
        with suppress(BlockingIOError):
            while data := os.read(fd, _CHUNK):
                self._output(level, lines.feed(data))
                if lines.rest_is_long():
                    self._output(level, [lines.rest()])
            self._output(level, [rest] if (rest := lines.rest()) else [])
            self._unregister(fd)

    def _output(self, level: str, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        text = b"\n".join(lines).decode("utf-8", "backslashreplace")
        if level == "err":
            self.tail = (self.tail + text + "\n")[-_TAIL:]
        if self.isolate and self.held:
            for charge in self.held.values():  # there is only one
                charge.context.write(level, text)
        else:
            logger.info("Child process %d: %s", self.pid, text)

    # -- the end ----------------------------------------------------------------------------------

    def retire(self, grace: float) -> None:
        """End it with all that it started: SIGTERM now, SIGKILL after the grace, in seconds."""
        self.retired = True
        now = time.monotonic()
        self.term_at = now if self.term_at is None and self.kill_at is None else self.term_at
        self.kill_at = now + grace if self.kill_at is None else min(self.kill_at, now + grace)

    def dismiss(self) -> None:
        """It has nothing to do: have it come to an end by itself, and kill it if it does not."""
        if self.ready and not self.retired:
            self.send(["end"])
            self.retired, self.kill_at = True, time.monotonic() + _FAREWELL
        else:
            self.retire(0)

    def press(self, now: float) -> None:
        """Send the signals that are due."""
        if self.kill_at is not None and now >= self.kill_at:
            self.retired = True
            self.term_at, self.kill_at = None, now + 0.1  # again, for what it may have started meanwhile
            stop_group(self.pid, signal.SIGKILL)
        elif self.term_at is not None and now >= self.term_at:
            self.retired = True
            self.term_at = None
            stop_group(self.pid, signal.SIGTERM)

    @property
    def is_silent(self) -> bool:
        """Whether it has closed its line: it is about to end, or has."""
        return self.line.fileno() not in self._registered

    @property
    def is_ending(self) -> bool:
        """Whether signals are due, or the end of it is."""
        return self.kill_at is not None or self.term_at is not None or self.is_silent

    def has_ended(self) -> bool:
        """Whether the process itself has ended. Its group may live on."""
        return self.process.poll() is not None

    def is_gone(self) -> bool:
        """Whether no process of its group lives."""
        return self.has_ended() and not group_alive(self.pid)

    def has_left_others(self) -> bool:
        """Whether processes of its group live beside it, or may."""
        return others_alive(self.pid)

    @property
    def why_not_ready(self) -> str:
        """Why it came to its end before it was ready: the last line that it left, or better."""
        if self.refused:
            return self.refused
        *_, last = ["", *self.tail.strip().splitlines()]
        return f"it ended before it was ready ({self.how_ended})" + (f": {last}" if last else "")

    @property
    def how_ended(self) -> str:
        """For use inside a sentence."""
        return how_ended(self.process.poll() or 0)

    def close(self) -> None:
        """Let go of what is left of it."""
        self.dead = True
        for fd in list(self._registered):
            self._unregister(fd)
        self.line.close()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self._lifeline.close()
        self._begun.close()


def _fd(stream: IO[bytes] | None) -> int:
    assert stream is not None
    return stream.fileno()


def _page() -> int:
    """A piece of memory that can be shared with a child, as a file descriptor."""
    if sys.platform == "linux":
        fd = os.memfd_create("jobdeck-begun", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, SLOTS)
    return fd
