"""One child process as seen by its worker: its assigned jobs, its messages and output, and how to stop it.

Only the supervisor's thread may use it.
"""

from __future__ import annotations

import mmap
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from ..clock import time
from ..execution.context import JobContext
from ..execution.process_group import ProcessGroupGuard, describe_exit, group_alive, others_alive, start_process, stop_group
from ..execution.stack_trace import FINISHED, StackReply, encode_reply
from ..logs import get_logger
from ..model.attempt_result import AttemptResult
from ..model.jobs import Job
from .protocol import SLOTS, LineBuffer, Message, encode_job, pack, split_utf8, unpack

_CHUNK = 1 << 18
_CHUNKS = 8
"""The maximum number of chunks read at once: a process that writes as fast as they are read must not keep its worker."""
_EXIT_GRACE = 1.5
"""Seconds that an idle child process gets to exit by itself."""
_TAIL_CHARACTERS = 4000
"""The number of characters kept from the end of standard error."""

logger = get_logger("jobdeck.child")


@dataclass(slots=True, eq=False)
class AssignedJob:
    """A job that is assigned, or about to be assigned, to a child process."""

    job: Job
    context: JobContext
    done: Callable[[AttemptResult], None]
    """Called with the result on the supervisor's thread; must not block."""
    accepted_at: float = 0.0
    """When the supervisor accepted the job, on the wall clock."""
    ticket: int = -1
    """Stands for the lease in the messages to and from the child process; see `protocol.py`."""
    sent_at: float = 0.0
    """When the job was sent to the child process, on the monotonic clock."""
    deadline: float | None = None
    """When an isolated job times out, on the monotonic clock."""
    child: ChildProcess | None = None
    """The child process that holds the job."""
    stack_requests: tuple[Callable[[str], None], ...] = ()
    """The callbacks of pending stack requests."""

    def reply(self, answer: StackReply) -> None:
        """Reply to all pending stack requests."""
        replies, self.stack_requests = self.stack_requests, ()
        for reply in replies:
            reply(encode_reply(answer))


class ChildProcess:
    """A child process that runs handlers."""

    def __init__(self, hello: dict[str, Any], *, cwd: str | None, isolate: bool) -> None:
        """Start the process.

        Raises:
            OSError: the system is out of processes, memory or file descriptors.
        """
        self.isolate = isolate
        self.ready = False
        self.refused: str | None = None
        self.kinds: frozenset[str] = frozenset()
        self.terminated = False
        """Whether the process gets no more jobs, because it is exiting or has exited."""
        self.is_shut_down = False
        """`True` once the process was asked to exit."""
        self.dead = False
        self.assigned: dict[int, AssignedJob] = {}
        self.may_leave_processes = False
        """Whether processes that its last job started may still run."""
        self.idle_since = time.monotonic()
        self.term_at: float | None = None
        self.kill_at: float | None = None
        self.stuck = 0
        """The number of its threads whose code ignored a stop request; each has a replacement."""
        self.stop_requested = False
        """Whether its isolated job was asked to stop."""
        self.tail = ""
        self.served = False
        """`True` once any of its jobs has started and finished."""
        self._free = list(range(SLOTS - 1, -1, -1))
        self._unsent = bytearray()
        self._lines = LineBuffer()
        self._outputs: dict[int, tuple[str, LineBuffer]] = {}
        self._selector: selectors.BaseSelector | None = None
        self._open: set[int] = set()
        self._paused = False
        self.has_logged = False
        """Whether lines were added to the log of any of its jobs since the last call of `pause_if_full`."""
        self._start(hello, cwd)

    def _start(self, hello: dict[str, Any], cwd: str | None) -> None:
        self._lifeline = ProcessGroupGuard()
        self.line, child_end = socket.socketpair()
        child_end.setblocking(True)  # whatever the default timeout of the program is
        page = _shared_page()
        try:
            self._started = mmap.mmap(page, SLOTS)
            inherited = (child_end.fileno(), page, self._lifeline.fd)
            self.process = start_process(
                # -P: modules in the current directory must not shadow ours.
                [sys.executable, "-P", "-m", "jobdeck.processes.child_main", *map(str, inherited)],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=inherited,
                start_new_session=True,  # only the worker receives the signals of the terminal
            )
        except BaseException:
            self._lifeline.close()
            self.line.close()
            raise
        finally:
            child_end.close()
            os.close(page)
        self.pid = self.process.pid
        self._lifeline.guard(self.pid)
        self.line.setblocking(False)
        for stream, level in ((self.process.stdout, "out"), (self.process.stderr, "err")):
            fd = _fd(stream)
            os.set_blocking(fd, False)
            self._outputs[fd] = (level, LineBuffer())
        self.send(["hello", hello])

    # -- selecting --------------------------------------------------------------------------------

    def register(self, selector: selectors.BaseSelector) -> None:
        """Register the socket and the output pipes with the selector."""
        self._selector = selector
        self._open |= {self.line.fileno(), *self._outputs}
        self._watch_all()

    def pause_if_full(self, wake: Callable[[], None]) -> None:
        """Read from the process only while no log of its jobs is full, so that code that logs more than is stored waits.

        Args:
            wake: called, from any thread, when this must be called again.
        """
        if not (self.has_logged or self._paused):
            return
        self.has_logged = False
        full = [assigned.context for assigned in self.assigned.values() if assigned.context.log_is_full]
        for context in full:
            context.on_log_room(wake)
            context.flush_log()
        paused = any(context.log_is_full for context in full)
        if paused is not self._paused:
            self._paused = paused
            self._watch_all()

    def _watch_all(self) -> None:
        for fd in self._open:
            self._watch(fd)

    def _watch(self, fd: int) -> None:
        """Register the descriptor for what it must be watched for now."""
        if self._selector is None or fd not in self._open:
            return
        wanted = 0 if self._paused else selectors.EVENT_READ
        if self._unsent and fd == self.line.fileno():
            wanted |= selectors.EVENT_WRITE
        known = self._selector.get_map().get(fd)
        if known is None and wanted:
            self._selector.register(fd, wanted, self)
        elif known is not None and not wanted:
            self._selector.unregister(fd)
        elif known is not None and known.events != wanted:
            self._selector.modify(fd, wanted, self)

    def _unregister(self, fd: int) -> None:
        if self._selector is not None and fd in self._open:
            self._open.discard(fd)
            if fd in self._selector.get_map():
                self._selector.unregister(fd)

    # -- messages to the child --------------------------------------------------------------------

    def assign(self, jobs: Sequence[AssignedJob]) -> None:
        """Assign jobs to the process and send them."""
        now = time.monotonic()
        rows = []
        for assigned in jobs:
            assigned.ticket, assigned.sent_at, assigned.child = self._free.pop(), now, self
            self._started[assigned.ticket % SLOTS] = 0
            self.assigned[assigned.ticket] = assigned
            rows.append(encode_job(assigned.ticket, assigned.job))
        self.send(["run", rows])

    def unassign(self, ticket: int) -> AssignedJob:
        """Remove and return the finished job with this ticket.

        Raises:
            KeyError: the process holds no such job.
        """
        assigned = self.assigned.pop(ticket)
        assigned.child = None
        if assigned.stack_requests:
            assigned.reply({"reason": FINISHED})
        self._free.append(ticket + SLOTS)  # never issued again, so a late message about this job finds none
        self.served = self.served or self._started[ticket % SLOTS] != 0
        if not self.assigned:
            self.idle_since = time.monotonic()
        return assigned

    def has_started(self, assigned: AssignedJob) -> bool:
        """Report whether the child has started the job. It notes this in shared memory, which outlives a crash of the child."""
        return self._started[assigned.ticket % SLOTS] != 0

    def has_run_a_job(self) -> bool:
        """Report whether the process has started any job."""
        return self.served or any(map(self.has_started, self.assigned.values()))

    def stop(self, assigned: AssignedJob) -> None:
        """Forward the stop request of the job to the process."""
        context = assigned.context
        cancelled = context.cancelled and not context.fenced
        self.send(["stop", assigned.ticket, cancelled, context.interrupted, context.fenced, context.grace])

    def send(self, message: Message) -> None:
        """Send a message now, or as soon as the process reads. Never blocks."""
        if not self.dead:
            self._unsent += pack(message)
            self.flush()

    def flush(self) -> None:
        """Send as much of the queued messages as possible now."""
        had_unsent = bool(self._unsent)
        try:
            while self._unsent:
                del self._unsent[: self.line.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:  # it has exited, which is detected elsewhere
            self._unsent.clear()
        if had_unsent:
            self._watch(self.line.fileno())

    # -- messages from the child ------------------------------------------------------------------

    def read(self, fd: int) -> list[Message]:
        """Read from a file descriptor and return the messages; standard output and error go to the log.

        Raises:
            ValueError: the data is not a valid message.
        """
        if fd != self.line.fileno():
            self._read_output(fd)
            return []
        messages: list[Message] = []
        try:
            for _ in range(_CHUNKS):
                if not (data := self.line.recv(_CHUNK)):
                    break
                messages += unpack(self._lines.feed(data))
                if len(data) < _CHUNK:
                    return messages
            else:
                return messages
        except BlockingIOError:
            return messages
        except OSError:
            pass
        self._unregister(fd)
        return messages

    def read_outputs(self) -> None:
        """Read all that was written to standard output and error so far, and end their last lines."""
        for fd, (level, lines) in list(self._outputs.items()):
            self._read_output(fd)
            self._log_output(level, lines.rest(), unfinished=True)

    def _read_output(self, fd: int) -> None:
        level, lines = self._outputs[fd]
        with suppress(BlockingIOError):
            for _ in range(_CHUNKS):
                data = os.read(fd, _CHUNK)
                if complete := lines.feed(data):
                    self._log_output(level, b"\n".join(complete))
                if lines.rest_is_long():
                    piece, rest = split_utf8(lines.rest())
                    lines.feed(rest)
                    self._log_output(level, piece, unfinished=True)
                if not data:
                    self._log_output(level, lines.rest(), unfinished=True)
                if not data:
                    self._unregister(fd)
                    return

    def _log_output(self, level: str, data: bytes, *, unfinished: bool = False) -> None:
        if unfinished and not data:
            return
        text = data.decode("utf-8", "backslashreplace")
        if level == "err":
            self.tail = (self.tail + text + "\n")[-_TAIL_CHARACTERS:]
        if self.isolate and self.assigned:
            for assigned in self.assigned.values():  # an isolated process holds one job
                assigned.context.write_output(level, text, unfinished=unfinished)
            self.has_logged = True
        else:
            logger.info("Child process %d: %s", self.pid, text)

    # -- termination ------------------------------------------------------------------------------

    def terminate(self, grace: float) -> None:
        """Terminate the process group: SIGTERM now, SIGKILL after `grace` seconds."""
        self.terminated = True
        now = time.monotonic()
        self.term_at = now if self.term_at is None and self.kill_at is None else self.term_at
        self.kill_at = now + grace if self.kill_at is None else min(self.kill_at, now + grace)

    def shut_down(self) -> None:
        """Ask the idle process to exit, and kill it if it does not."""
        if self.ready and not self.terminated:
            self.send(["finish"])
            self.is_shut_down = True
            self.terminated, self.kill_at = True, time.monotonic() + _EXIT_GRACE
        else:
            self.terminate(0)

    def send_due_signals(self, now: float) -> None:
        """Send the signals that are due."""
        if self.kill_at is not None and now >= self.kill_at:
            self.terminated = True
            self.term_at, self.kill_at = None, now + 0.1  # repeat, for processes that it may have started meanwhile
            stop_group(self.pid, signal.SIGKILL)
        elif self.term_at is not None and now >= self.term_at:
            self.terminated = True
            self.term_at = None
            stop_group(self.pid, signal.SIGTERM)

    @property
    def has_closed(self) -> bool:
        """Report whether the process has closed its socket: it is exiting or has exited."""
        return self.line.fileno() not in self._open

    @property
    def is_ending(self) -> bool:
        """Report whether signals are due or the process is exiting."""
        return self.kill_at is not None or self.term_at is not None or self.has_closed

    def has_ended(self) -> bool:
        """Report whether the process itself has exited. Its group may still run."""
        return self.process.poll() is not None

    def has_group_exited(self) -> bool:
        """Report whether every process of its group has exited."""
        return self.has_ended() and not group_alive(self.pid)

    def has_other_processes(self) -> bool:
        """Report whether other processes of its group run, or may run."""
        return others_alive(self.pid)

    @property
    def start_error(self) -> str:
        """Return why the process exited before it ran a job: its own message, or its last line on standard error."""
        if self.refused:
            return self.refused
        *_, last = ["", *self.tail.strip().splitlines()]
        return f"it exited before it {'started a job' if self.ready else 'was ready'} ({self.how_ended})" + (
            f": {last}" if last else ""
        )

    @property
    def how_ended(self) -> str:
        """Return how the process exited, for use inside a sentence."""
        return describe_exit(self.process.poll() or 0)

    def close(self) -> None:
        """Release its file descriptors and shared memory."""
        self.dead = True
        for fd in list(self._open):
            self._unregister(fd)
        self.line.close()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self._lifeline.close()
        self._started.close()


def _fd(stream: IO[bytes] | None) -> int:
    assert stream is not None
    return stream.fileno()


def _shared_page() -> int:
    """Create memory that can be shared with a child process, and return its file descriptor."""
    if sys.platform == "linux":
        fd = os.memfd_create("jobdeck-started", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, SLOTS)
    return fd
