"""The context of a running job, and the capture of what its handler logs."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TypeVar

from ..clock import Clock
from ..engine_logger import EngineLogger, create_logger
from ..model.errors import Interrupted, Stopped, TimedOut
from ..model.foreign_errors import text_of, type_name
from ..model.jobs import Job
from .log_buffer import LogBuffer, LogEntry
from .serialization import format_traceback, replace_surrogates

STOP_GRACE = 5.0
"""Seconds between asking a command to stop (SIGTERM) and killing it (SIGKILL)."""


_MESSAGE_CHARACTERS = 200

Progress = tuple[float, str | None]
"""A fraction from 0 to 1, and a message."""

T = TypeVar("T")


class JobLogger(EngineLogger):
    """The logger of `JobContext.log`: its records reach the log of the attempt whatever `logging` is configured to do."""

    NAME = "jobdeck.job"

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        """Return `True`: the log of an attempt takes every level."""
        return True

    def handle(self, record: logging.LogRecord) -> None:
        """Write the record to the log of the attempt, then pass it to the handlers of the program."""
        write_record(record)
        if self.manager.disable < record.levelno:
            super().handle(record)


def write_record(record: logging.LogRecord) -> None:
    """Write the record to the log of the attempt that runs here, if any. Never raises for what the record holds."""
    found = current_context.get()
    if found is None:
        return
    level, text = "info", ""
    try:
        level = record.levelname.lower()
        text = str.__str__(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + format_traceback(record.exc_info[1], whole=True).rstrip()
    except Exception as error:
        text = text or f"(a log record that cannot be formatted: {type_name(error)}: {text_of(error)})"
    found.write(level, text)


class JobContext:
    """Gives a handler access to the job it runs: id, attempt, stop requests, progress and log. Get it with `context()`."""

    # Most jobs never wait, log or stop, so the objects for that are created on first use.
    _deadline: float | None = None
    _cancelled = _interrupted = _lost = _stop_requested = False
    _grace: float | None = None
    _stop: threading.Event | None = None
    _on_stop: Callable[[], None] | None = None
    unstored_progress: Progress | None = None
    """The latest progress that is not stored yet; see `take_progress`."""
    log_buffer: LogBuffer | None = None
    """The lines that are not stored yet; `None` if the code has logged nothing."""
    forked = False
    """`True` in the copy of the context that a process forked by the handler has."""

    log: logging.LoggerAdapter[logging.Logger] = logging.LoggerAdapter(create_logger("jobdeck.job", JobLogger), {})
    """A logger whose records, of any level, go to the attempt's log."""

    def __init__(self, job: Job, clock: Clock, flush_log: Callable[[], None] | None = None) -> None:
        """Create the context of one attempt.

        Args:
            job: the job as claimed.
            clock: the clock of its times.
            flush_log: requests that the log is stored. Without it, nothing stores the log while the code runs, and code that
                logs much never waits.
        """
        self._job = job
        self._clock = clock
        self._flush_log = flush_log

    @property
    def job_id(self) -> int:
        """Return the job's id; with `attempt`, an idempotency key for side effects."""
        return self._job.id

    @property
    def kind(self) -> str:
        """Return the job's kind."""
        return self._job.kind

    @property
    def attempt(self) -> int:
        """Return the number of this attempt, starting at 1."""
        return self._job.attempt

    @property
    def max_attempts(self) -> int:
        """Return the maximum number of attempts."""
        return self._job.max_attempts

    @property
    def cancelled(self) -> bool:
        """Report whether the job was cancelled or has lost its lease, and must stop."""
        return self._cancelled or self._lost

    @property
    def fenced(self) -> bool:
        """Report whether the job must stop only because its lease expired or was lost, without having been cancelled."""
        return self._lost and not self._cancelled

    @property
    def stopping(self) -> bool:
        """Report whether the code must stop, for any reason."""
        return self._stop_requested or self.timed_out

    @property
    def timed_out(self) -> bool:
        """Report whether the attempt has timed out."""
        return self._deadline is not None and self._clock.monotonic() >= self._deadline

    @property
    def interrupted(self) -> bool:
        """Report whether the worker is shutting down and no longer waits for the job to finish."""
        return self._interrupted

    @property
    def grace(self) -> float:
        """Return the seconds that the code gets to stop by itself after a stop request."""
        return STOP_GRACE if self._grace is None else self._grace

    def check(self) -> None:
        """Raise the signal that ends the attempt, if it must stop. Call it regularly in long-running code.

        Raises:
            Stopped: the job was cancelled or has lost its lease.
            TimedOut: the attempt has timed out.
            Interrupted: the worker is shutting down.
        """
        if self.cancelled:
            raise Stopped
        if self._interrupted:
            raise Interrupted
        if self.timed_out:
            raise TimedOut

    def sleep(self, seconds: float) -> None:
        """Sleep, but wake up early and raise like `check` if the job must stop.

        Raises:
            RuntimeError: called in an async handler, where it would block all others.
        """
        if self._on_stop is not None and _is_on_event_loop():
            raise RuntimeError("context().sleep() would block every async handler; use `await asyncio.sleep(…)`.")
        time_left = self.time_left()
        # Create the event, then read the flag: `request_stop` does the reverse, so a stop request is never missed.
        stop = self._stop or self._lazy("_stop", threading.Event)
        if not self._stop_requested:
            stop.wait(seconds if time_left is None else min(seconds, time_left))
        self.check()

    def progress(self, fraction: float, message: str | None = None) -> None:
        """Report the progress of the job. Stored about twice a second, and when the attempt ends.

        Args:
            fraction: from 0 to 1; the screens estimate the time left from it.
            message: what it is doing, such as `frame 3 of 8`; shortened to one line of 200 characters. Without one, that of
                the last report is removed.
        """
        self.unstored_progress = min(1.0, max(0.0, float(fraction))), None if message is None else _one_line(message) or None

    # -- for the worker ---------------------------------------------------------------------------

    @property
    def job(self) -> Job:
        """Return the job as it was claimed."""
        return self._job

    def start_timeout(self) -> None:
        """Start the timeout: the code starts now."""
        if self._job.timeout:
            self._deadline = self._clock.monotonic() + self._job.timeout

    def time_left(self) -> float | None:
        """Return the seconds until the attempt times out; `None` without a timeout."""
        return None if self._deadline is None else max(0.0, self._deadline - self._clock.monotonic())

    def request_stop(
        self, *, cancelled: bool = False, interrupted: bool = False, lost: bool = False, grace: float = STOP_GRACE
    ) -> None:
        """Request the code to stop, for the given reasons and within `grace` seconds."""
        self._grace = min(self.grace, grace)
        self._cancelled |= cancelled
        self._interrupted |= interrupted
        self._lost |= lost
        self._stop_requested = True
        if self._stop is not None:
            self._stop.set()
        self._notify_stop()

    def on_stop(self, call: Callable[[], None] | None) -> None:
        """Set the function to call, from any thread, if the code must stop; call it now if a stop is already requested.

        It may be called twice.
        """
        self._on_stop = call
        if self._stop_requested:
            self._notify_stop()

    def _notify_stop(self) -> None:
        call = self._on_stop
        if call is not None:
            call()

    def take_progress(self) -> Progress | None:
        """Remove and return the latest progress reported since the last call: the fraction, and the message if there is one."""
        progress, self.unstored_progress = self.unstored_progress, None
        return progress

    @property
    def has_log(self) -> bool:
        """Return whether the attempt has logged anything that is not stored yet."""
        return self.log_buffer is not None and not self.log_buffer.is_empty

    @property
    def log_is_full(self) -> bool:
        """Return whether output must wait until the log is stored. Output of code that must stop never waits."""
        return self.log_buffer is not None and self.log_buffer.is_full and self._flush_log is not None and not self.stopping

    def drain_log(self) -> list[LogEntry]:
        """Remove and return the lines logged since the last call; follow with `confirm_log` or `restore_log`."""
        return [] if self.log_buffer is None else self.log_buffer.drain()

    def confirm_log(self) -> None:
        """Forget the drained lines: they were stored."""
        self._lines.confirm()

    def restore_log(self, lines: Sequence[LogEntry]) -> None:
        """Restore lines that could not be stored."""
        self._lines.restore(lines)

    def discard_log(self) -> None:
        """Drop all lines, now and from now on: the job is not in the database any more."""
        self._lines.discard()

    def add_log(self, lines: Sequence[LogEntry]) -> None:
        """Add lines that the attempt logged in another process. Never waits."""
        self._lines.extend(lines)

    def on_log_room(self, call: Callable[[], None]) -> None:
        """Set the function to call, from any thread, when lines were stored."""
        self._lines.on_room = call

    def write(self, level: str, text: str, *, unfinished: bool = False) -> None:
        """Add text to the attempt's log without `logging`, such as the output of a command; wait while the log is full.

        Args:
            level: the level of a record, or `out` or `err`.
            text: one or more lines, without the newline of the last.
            unfinished: whether the last line continues in the next text of this level.
        """
        if self.forked:  # nothing reads the buffer of a forked child, and another thread may have held its lock
            return
        lines = self._lines
        lines.add(level, text, unfinished=unfinished)
        if lines.is_full and (flush := self._flush_log) is not None:
            if self._on_stop is not None and _is_on_event_loop():
                flush()  # waiting would block every async handler
            else:
                lines.wait_for_room(lambda: self.stopping, flush)

    def write_output(self, level: str, text: str, *, unfinished: bool = False) -> None:
        """Add text as `write` does, but never wait: for a caller that reads a pipe only while `log_is_full` is false."""
        self._lines.add(level, text, unfinished=unfinished)

    def flush_log(self) -> None:
        """Request that the log is stored now."""
        if self._flush_log is not None:
            self._flush_log()

    def wait_for_log(self, seconds: float) -> None:
        """Wait while the log is full, at most this time or until the code must stop."""
        if self.log_buffer is not None and self._flush_log is not None:
            self.log_buffer.wait_for_room(lambda: self.stopping, self._flush_log, seconds)

    @property
    def _lines(self) -> LogBuffer:
        return self.log_buffer or self._lazy("log_buffer", lambda: LogBuffer(self._clock))

    def _lazy(self, name: str, make: Callable[[], T]) -> T:
        # `setdefault` is atomic: several threads of a handler may call this at the same time.
        made: T = self.__dict__.setdefault(name, make())
        return made


current_context: ContextVar[JobContext | None] = ContextVar("jobdeck_context", default=None)


def _mark_forked() -> None:
    found = current_context.get()
    if found is not None:
        found.forked = True


os.register_at_fork(after_in_child=_mark_forked)


def context() -> JobContext:
    """Return the context of the job that runs on this thread or in this task.

    Raises:
        RuntimeError: no job runs here.
    """
    found = current_context.get()
    if found is None:
        raise RuntimeError("context() was called outside a job.")
    return found


class AttemptLogHandler(logging.Handler):
    """Sends the records that a handler logs, with any logger, to the log of its attempt."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Emit the record without the lock of the handler: a full log waits for threads of the worker, which log too."""
        if self.filter(record):
            self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != JobLogger.NAME:
            write_record(record)


_CAPTURE = AttemptLogHandler()


def capture_logs() -> None:
    """Install the log capture in this process, unless it is installed. A program may remove it with its own configuration."""
    root = logging.root
    if _CAPTURE not in root.handlers:
        root.addHandler(_CAPTURE)


def _one_line(message: str) -> str:
    text = " ".join(replace_surrogates(str(message)[: 4 * _MESSAGE_CHARACTERS]).replace("\0", "\ufffd").split())
    return text if len(text) <= _MESSAGE_CHARACTERS else text[: _MESSAGE_CHARACTERS - 1] + "…"


def _is_on_event_loop() -> bool:
    from .async_runner import RUNNER

    return RUNNER.is_here
