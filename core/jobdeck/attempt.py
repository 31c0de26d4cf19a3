"""Run one claimed job and say how it ended. Knows handlers, contexts and logs; knows no SQL."""

from __future__ import annotations

import json
import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from random import Random
from typing import Any

from .backoff import delay
from .clock import Clock
from .errors import GiveUp, InvalidArguments, PayloadUnreadable, Snooze, Stopped, UnknownKind
from .jobs import Completion, Ending, Failure, Job, Nap, Outcome, Release, Stop
from .registry import Registry

LOG_BUFFER_BYTES = 1 << 20
"""What an attempt's log may hold in memory until it is written; beyond it the oldest lines are dropped."""
STOP_GRACE = 5.0
"""Seconds between asking a command to end (SIGTERM) and ending it (SIGKILL)."""
RESULT_CHARACTERS = 1 << 20
"""A result longer than this, as JSON, is not kept: it belongs into a file or table, and its name into the result."""
_MESSAGE_CHARACTERS = 10_000
_TRACEBACK_CHARACTERS = 20_000


LogEntry = tuple[float, str, str]
"""When, level, text."""


class TimedOut(Exception):
    """Raised inside a handler by `context().check()` when the attempt has used up its time."""


class Interrupted(Exception):
    """The worker shut down before the job was done, and the handler stopped for it. Let it pass through."""


class Log:
    """The log of one attempt: filled by its code, emptied by the worker into the store. Bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: deque[LogEntry] = deque()
        self._bytes = 0
        self._dropped = 0
        self._lock = threading.Lock()

    def add(self, level: str, text: str) -> None:
        """Add a record, or some lines of output."""
        # Lone surrogates cannot be stored as UTF-8.
        clean = text.encode("utf-8", "backslashreplace").decode()
        if len(clean) > LOG_BUFFER_BYTES:
            clean = "…" + clean[-LOG_BUFFER_BYTES + 1 :]
        with self._lock:
            self._lines.append((self._clock.now(), level, clean))
            self._bytes += len(clean)
            self._drop()

    def _drop(self) -> None:
        while self._bytes > LOG_BUFFER_BYTES and len(self._lines) > 1:
            self._bytes -= len(self._lines.popleft()[2])
            self._dropped += 1

    def take(self) -> list[LogEntry]:
        """Everything that came since the last call."""
        with self._lock:
            lines = list(self._lines)
            if self._dropped:
                lines.insert(0, (lines[0][0], "warning", f"… {self._dropped:,} earlier entries were dropped"))
            self._lines.clear()
            self._bytes = self._dropped = 0
            return lines

    def extend(self, lines: Sequence[LogEntry]) -> None:
        """Add what another log has taken."""
        with self._lock:
            self._lines.extend(lines)
            self._bytes += sum(len(line[2]) for line in lines)
            self._drop()

    def put_back(self, lines: Sequence[LogEntry]) -> None:
        """These were taken, and could not be stored."""
        with self._lock:
            self._lines.extendleft(reversed(lines))
            self._bytes += sum(len(line[2]) for line in lines)
            self._drop()


class Context:
    """What a handler can know of, and say to, the job it runs. Ask for it with `context()`."""

    def __init__(self, job: Job, clock: Clock, log: Log | None = None) -> None:
        self.job_id = job.id
        """The job's id: with `attempt`, an idempotency key for side effects."""
        self.kind = job.kind
        self.attempt = job.attempt
        """1 for the first."""
        self.max_attempts = job.max_attempts
        self._clock = clock
        self._timeout = job.timeout
        self._deadline: float | None = None
        self._stop = threading.Event()
        self._cancelled = self._interrupted = self._lost = False
        self.grace = STOP_GRACE
        """Seconds the code gets to stop by itself once it is asked to."""
        self._log = log or Log(clock)
        self._progress: float | None = None
        self.on_stop: Callable[[], None] | None = None
        """Called, on any thread, each time the code is asked to stop: for who runs it elsewhere."""
        self.log = logging.LoggerAdapter(_JOB_LOGGER, {})
        """A logger whose records, of any level, go to the attempt's log."""

    @property
    def cancelled(self) -> bool:
        """Whether the job shall stop: cancelled by a person, or its lease was lost."""
        return self._cancelled or self._lost

    @property
    def stopping(self) -> bool:
        """Whether the code should come to an end, for whatever reason."""
        return self._stop.is_set() or self.timed_out

    @property
    def timed_out(self) -> bool:
        """Whether the attempt has used up its time."""
        return self._deadline is not None and self._clock.monotonic() >= self._deadline

    @property
    def interrupted(self) -> bool:
        """Whether the worker's time to shut down is over."""
        return self._interrupted

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
            raise TimedOut("the attempt took longer than its timeout")

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until the job shall stop; then raise as `check` does."""
        if self._deadline is not None:
            seconds = min(seconds, max(0.0, self._deadline - self._clock.monotonic()))
        self._stop.wait(seconds)
        self.check()

    def progress(self, fraction: float) -> None:
        """Tell how far the job is, from 0 to 1. Written to the store about twice a second."""
        self._progress = min(1.0, max(0.0, float(fraction)))

    # -- the worker's side ------------------------------------------------------------------------

    def begin(self) -> None:
        """The code starts now, and so does its time."""
        self._deadline = self._clock.monotonic() + self._timeout if self._timeout else None

    def ask_to_stop(
        self, *, cancelled: bool = False, interrupted: bool = False, lost: bool = False, grace: float = STOP_GRACE
    ) -> None:
        """Raise the flags that the handler sees; `grace` is how long it gets, in seconds."""
        self.grace = min(self.grace, grace)
        self._cancelled |= cancelled
        self._interrupted |= interrupted
        self._lost |= lost
        self._stop.set()
        if self.on_stop is not None:
            self.on_stop()

    def take_progress(self) -> float | None:
        """The newest progress that was told since the last call."""
        told, self._progress = self._progress, None
        return told

    def take_log(self) -> list[LogEntry]:
        """What was logged since the last call."""
        return self._log.take()

    def put_back_log(self, lines: Sequence[LogEntry]) -> None:
        """Keep these until the next call."""
        self._log.put_back(lines)

    def add_log(self, lines: Sequence[LogEntry]) -> None:
        """Add what the attempt logged in another process."""
        self._log.extend(lines)

    def write(self, level: str, text: str) -> None:
        """Add to the attempt's log, past `logging`: a command's output."""
        self._log.add(level, text)


_JOB_LOGGER = logging.getLogger("jobdeck.job")
_current: ContextVar[Context | None] = ContextVar("jobdeck_context", default=None)


def context() -> Context:
    """The context of the job that runs on this thread.

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


def run_attempt(job: Job, given: Context, registry: Registry, clock: Clock, random: Random) -> Ending:
    """Run the handler of a claimed job on this thread.

    Never raises for what the handler does: every way to end is an `Ending`.
    """
    started_at = clock.now()
    given.begin()
    token = _current.set(given)
    try:
        entry = registry.get(job.kind)
        result = entry.handler(**entry.load(job.args_json))
    except Stopped:
        return Stop(job, started_at, clock.now())
    except Interrupted:
        return Release(job, started_at, clock.now())
    except Snooze as nap:
        return Nap(job, started_at, clock.now(), until=clock.now() + nap.seconds)
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a handler end the attempt, not the worker
        return failure(job, started_at, clock, random, error)
    finally:
        _current.reset(token)
    try:
        return Completion(job, started_at, clock.now(), result_json=_as_json(result))
    except Exception as error:  # the result may be anything, and what it does when it is read too
        given.write("warning", f"The result was not kept, it cannot be written as JSON: {_told(error)}")
        return Completion(job, started_at, clock.now())


def failure(job: Job, started_at: float, clock: Clock, random: Random, error: BaseException) -> Failure:
    """The ending of an attempt that raised `error`: retried later, or final."""
    now = clock.now()
    hopeless = isinstance(error, (GiveUp, InvalidArguments, PayloadUnreadable, UnknownKind))
    final = hopeless or job.attempt >= job.max_attempts
    told = "" if isinstance(error, TimedOut) else _traceback(error)
    return Failure(
        job,
        started_at,
        now,
        retry_at=None if final else now + delay(job.attempt, random),
        error_type="TimedOut" if isinstance(error, TimedOut) else type(error).__name__,
        message=_told(error),
        traceback=told or None,
        outcome=Outcome.TIMED_OUT if isinstance(error, TimedOut) else Outcome.FAILED,
    )


def _as_json(result: Any) -> str | None:
    if result is None:
        return None
    text = _clean(json.dumps(result, ensure_ascii=False, allow_nan=False))
    if len(text) > RESULT_CHARACTERS:
        raise ValueError(f"it takes {len(text):,} characters, and the limit is {RESULT_CHARACTERS:,}")
    return text


def _told(error: BaseException) -> str:
    """What the exception says; it may be long, and it may fail in saying it."""
    try:
        text = str(error)
    except BaseException:
        return "(its text cannot be read)"
    return _clean(text if len(text) <= _MESSAGE_CHARACTERS else text[: _MESSAGE_CHARACTERS - 1] + "…")


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _traceback(error: BaseException) -> str:
    """The traceback from the handler down; jobdeck's own frames above it tell nobody anything."""
    if isinstance(error, (GiveUp, InvalidArguments, UnknownKind)) or getattr(error, "plain", False):
        return ""
    trace = error.__traceback__
    trace = trace.tb_next if trace is not None and trace.tb_next is not None else trace
    try:
        text = "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:  # an exception may define what happens when it is looked at
        text = "".join(traceback.format_tb(trace))
    if len(text) > _TRACEBACK_CHARACTERS:
        text = text[: _TRACEBACK_CHARACTERS // 2] + "\n…\n" + text[-_TRACEBACK_CHARACTERS // 2 :]
    return _clean(text)
