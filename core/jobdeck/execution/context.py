"""Run one claimed job and say how it ended. Knows handlers, contexts and logs; knows no SQL."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TypeVar

from ..clock import Clock
from ..model.errors import (
    Interrupted,
    Stopped,
    TimedOut,
)
from ..model.jobs import Job
from .log_buffer import Log, LogEntry

STOP_GRACE = 5.0
"""Seconds between asking a command to end (SIGTERM) and ending it (SIGKILL)."""


_JOB_LOGGER = logging.getLogger("jobdeck.job")


T = TypeVar("T")


class Context:
    """What a handler can know of, and say to, the job it runs. Ask for it with `context()`."""

    # Most jobs never wait, log or stop: what that takes is made when it is first needed.
    _deadline: float | None = None
    _cancelled = _interrupted = _lost = _asked = False
    _grace: float | None = None
    _progress: float | None = None
    _log: Log | None = None
    _stop: threading.Event | None = None
    _on_stop: Callable[[], None] | None = None

    log: logging.LoggerAdapter[logging.Logger] = logging.LoggerAdapter(_JOB_LOGGER, {})
    """A logger whose records, of any level, go to the attempt's log."""

    def __init__(self, job: Job, clock: Clock) -> None:
        self._job = job
        self._clock = clock

    @property
    def job_id(self) -> int:
        """The job's id: with `attempt`, an idempotency key for side effects."""
        return self._job.id

    @property
    def kind(self) -> str:
        """The job's kind."""
        return self._job.kind

    @property
    def attempt(self) -> int:
        """1 for the first."""
        return self._job.attempt

    @property
    def max_attempts(self) -> int:
        """How often the job may start."""
        return self._job.max_attempts

    @property
    def cancelled(self) -> bool:
        """Whether the job shall stop: cancelled by a person, or its lease was lost."""
        return self._cancelled or self._lost

    @property
    def fenced(self) -> bool:
        """Whether the job shall stop for the sole reason that its lease ended or was lost; nobody cancelled it."""
        return self._lost and not self._cancelled

    @property
    def stopping(self) -> bool:
        """Whether the code should come to an end, for whatever reason."""
        return self._asked or self.timed_out

    @property
    def timed_out(self) -> bool:
        """Whether the attempt has used up its time."""
        return self._deadline is not None and self._clock.monotonic() >= self._deadline

    @property
    def interrupted(self) -> bool:
        """Whether the worker's time to shut down is over."""
        return self._interrupted

    @property
    def grace(self) -> float:
        """Seconds the code gets to stop by itself once it is asked to."""
        return STOP_GRACE if self._grace is None else self._grace

    def check(self) -> None:
        """Return at once if all is well; otherwise raise what ends the attempt. Call it now and then.

        Raises:
            Stopped: the job was asked to stop.
            TimedOut: the attempt has used up its time.
            Interrupted: the worker shuts down.
        """
        if self.cancelled:
            raise Stopped
        if self._interrupted:
            raise Interrupted
        if self.timed_out:
            raise TimedOut

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until the job shall stop; then raise as `check` does.

        Raises:
            RuntimeError: called in an `async def` handler, where it would hold up all the others.
        """
        if self._on_stop is not None and _on_the_loop():
            raise RuntimeError("context().sleep() would hold up every async handler; use `await asyncio.sleep(…)`.")
        left = self.left()
        # The event first, the flag after it: `ask_to_stop` goes the other way round, so one of us sees the other.
        stop = self._stop or self._made("_stop", threading.Event)
        if not self._asked:
            stop.wait(seconds if left is None else min(seconds, left))
        self.check()

    def progress(self, fraction: float) -> None:
        """Tell how far the job is, from 0 to 1. Written to the store about twice a second."""
        self._progress = min(1.0, max(0.0, float(fraction)))

    # -- the worker's side ------------------------------------------------------------------------

    def begin(self) -> None:
        """The code starts now, and so does its time."""
        if self._job.timeout:
            self._deadline = self._clock.monotonic() + self._job.timeout

    def left(self) -> float | None:
        """Seconds until the attempt has used up its time; `None` without a timeout."""
        return None if self._deadline is None else max(0.0, self._deadline - self._clock.monotonic())

    def ask_to_stop(
        self, *, cancelled: bool = False, interrupted: bool = False, lost: bool = False, grace: float = STOP_GRACE
    ) -> None:
        """Raise the flags that the handler sees; `grace` is how long it gets, in seconds."""
        self._grace = min(self.grace, grace)
        self._cancelled |= cancelled
        self._interrupted |= interrupted
        self._lost |= lost
        self._asked = True
        if self._stop is not None:
            self._stop.set()
        self._call_stop()

    def on_stop(self, call: Callable[[], None] | None) -> None:
        """Call this, from any thread, when the code shall stop; at once, and perhaps twice, if it shall already."""
        self._on_stop = call
        if self._asked:
            self._call_stop()

    def _call_stop(self) -> None:
        call = self._on_stop
        if call is not None:
            call()

    def take_progress(self) -> float | None:
        """The newest progress that was told since the last call."""
        told, self._progress = self._progress, None
        return told

    def take_log(self) -> list[LogEntry]:
        """What was logged since the last call."""
        return [] if self._log is None else self._log.take()

    def put_back_log(self, lines: Sequence[LogEntry]) -> None:
        """Keep these until the next call."""
        self._lines.put_back(lines)

    def add_log(self, lines: Sequence[LogEntry]) -> None:
        """Add what the attempt logged in another process."""
        self._lines.extend(lines)

    def write(self, level: str, text: str) -> None:
        """Add to the attempt's log, past `logging`: a command's output."""
        self._lines.add(level, text)

    @property
    def _lines(self) -> Log:
        return self._log or self._made("_log", lambda: Log(self._clock))

    def _made(self, name: str, make: Callable[[], T]) -> T:
        # `setdefault` is one step: a handler's own threads may come here at the same time.
        made: T = self.__dict__.setdefault(name, make())
        return made


_current: ContextVar[Context | None] = ContextVar("jobdeck_context", default=None)


def context() -> Context:
    """The context of the job that runs on this thread, or in this task.

    Raises:
        RuntimeError: no job runs here.
    """
    found = _current.get()
    if found is None:
        raise RuntimeError("context() was called outside a job.")
    return found


class AttemptLogHandler(logging.Handler):
    """Sends what a handler logs, with any logger, to the log of its attempt."""

    def emit(self, record: logging.LogRecord) -> None:
        found = _current.get()
        if found is None:
            return
        try:
            text = record.getMessage()
            if record.exc_info and record.exc_info[0] is not None:
                text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
            found.write(record.levelname.lower(), text)
        except Exception:  # a record that cannot be formatted; logging's own way to say so
            self.handleError(record)


def capture_logs() -> None:
    """Install the log capture for this process, once."""
    root = logging.getLogger()
    if not any(isinstance(handler, AttemptLogHandler) for handler in root.handlers):
        root.addHandler(AttemptLogHandler())
    # The job's own logger passes everything; the levels of other loggers are the program's business.
    _JOB_LOGGER.setLevel(logging.DEBUG)


def _on_the_loop() -> bool:
    from .async_runner import LOOP

    return LOOP.is_here
