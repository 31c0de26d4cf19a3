"""The program's own log while the cockpit owns the screen: warnings, log records and everything that is printed.

The log is kept here and shown by the log screen; nothing prints over the cockpit. Handlers of jobs run in threads of this
process, so their output, warnings and log records arrive here too. Everything here is thread-safe.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from types import TracebackType
from typing import Any, Self

from jobdeck import PatientHandler, record

_MOST = 2000
"""The newest entries kept: this many warnings, and this many others, which cannot displace the warnings."""
_LONGEST = 2000
"""The maximum number of characters kept of one line."""

logger = logging.getLogger("jobdeck.thread")


@record
class LogEntry:
    """One line of the log."""

    number: int
    """Counts from 1; never reused."""
    at: float
    level: str
    """`debug` to `critical`; `out` and `err` for printed lines."""
    source: str
    """The logger's name, or the thread that printed."""
    text: str
    staged: bool = False
    """`True` for a warning that a demonstration causes on purpose."""

    @property
    def is_warning(self) -> bool:
        """Return whether the line is a warning or worse."""
        return self.level in ("warning", "error", "critical")


class ProgramLog(PatientHandler):
    """Keeps the newest entries, and counts the unseen warnings."""

    def __init__(self, *, staged: Sequence[str] = ()) -> None:
        """Create an empty log.

        Args:
            staged: the loggers, with those below them, whose warnings are caused on purpose: they are named as such, and
                do not count as unseen.
        """
        super().__init__()
        self._staged = staged
        self._warnings: deque[LogEntry] = deque(maxlen=_MOST)
        self._others: deque[LogEntry] = deque(maxlen=_MOST)
        self._guard = threading.Lock()
        self._number = 0
        self._partial_lines: dict[tuple[int, str], str] = {}
        self.unseen = 0
        """The number of warnings since the log was opened."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception as error_in_args:
            text = f"{record.msg} ({type(error_in_args).__name__} while its arguments were formatted)"
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text += f" ({type(error).__name__}: {error})" if str(error) not in text else f" ({type(error).__name__})"
        if record.name == "py.warnings":
            text = text.partition("\n")[0]
        self.add(record.levelname.lower(), record.name, text)

    def add_printed(self, text: str, stream: str = "out") -> None:
        """Add printed text; a line is added when it is complete."""
        thread = threading.current_thread()
        key = (thread.ident or 0, stream)
        with self._guard:
            *lines, rest = (self._partial_lines.pop(key, "") + text).split("\n")
            if len(rest) > _LONGEST:
                lines, rest = [*lines, rest], ""
            if rest:
                self._partial_lines[key] = rest
                if len(self._partial_lines) > 500:  # from threads that have ended
                    self._partial_lines.pop(next(iter(self._partial_lines)))
        for line in lines[-_MOST:]:
            if line.strip():
                self.add(stream, f"printed by {thread.name}", line)

    def add(self, level: str, source: str, text: str, at: float | None = None) -> None:
        """Add one line, with the current time unless `at` is given."""
        with self._guard:
            self._number += 1
            staged = any(source == name or source.startswith(f"{name}.") for name in self._staged)
            entry = LogEntry(self._number, time.time() if at is None else at, level, source, text[:_LONGEST].rstrip(), staged)
            (self._warnings if entry.is_warning else self._others).append(entry)
            self.unseen += entry.is_warning and not staged

    def entries(self, after: int = 0) -> list[LogEntry]:
        """Return the entries with a number above `after`, oldest first."""
        with self._guard:
            found = [entry for entry in (*self._warnings, *self._others) if entry.number > after]
        return sorted(found, key=lambda entry: entry.number)

    def mark_seen(self) -> None:
        """Mark every warning as seen."""
        self.unseen = 0


@contextmanager
def logging_to(log: ProgramLog, level: str) -> Iterator[None]:
    """Redirect log records, warnings and uncaught errors of threads to `log`; restore everything afterwards."""
    root = logging.getLogger()
    before, hook = root.level, threading.excepthook
    root.setLevel(level)
    root.addHandler(log)
    jobs = logging.getLogger("jobdeck.worker.jobs")  # the screens show the starts and ends of jobs
    jobs_before = jobs.level
    jobs.setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_error
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.captureWarnings(False)
        root.removeHandler(log)
        jobs.setLevel(jobs_before)
        root.setLevel(before)


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        name = args.thread.name if args.thread is not None else "a thread"
        logger.error("thread %s ended with an error", name, exc_info=args.exc_value)


class RedirectedStreams:
    """Redirects the standard streams while the screen is open: only the screen uses the terminal, all else goes to the log.

    Not only Python prints: a C library, or a program that a handler starts, writes to the descriptors 1 and 2. While this
    context is active they lead to a pipe, and the screen is drawn through copies of them.
    """

    def __init__(self, log: ProgramLog) -> None:
        self._log = log
        self._copies: list[TextIOWrapper] = []
        self._before: tuple[Any, Any] = (sys.__stdout__, sys.__stderr__)

    def __enter__(self) -> Self:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._before = (sys.__stdout__, sys.__stderr__)
        read, write = os.pipe()
        for number, stream in ((1, sys.__stdout__), (2, sys.__stderr__)):
            encoding = getattr(stream, "encoding", None) or "utf-8"
            self._copies.append(open(os.dup(number), "w", encoding=encoding, errors="backslashreplace"))  # noqa: PTH123
        setattr(sys, "__stdout__", self._copies[0])  # noqa: B010  (a driver of Textual draws on one of these)
        setattr(sys, "__stderr__", self._copies[1])  # noqa: B010
        for number in (1, 2):
            os.dup2(write, number)
        os.close(write)
        threading.Thread(target=self._read, args=(read,), name="jobdeck-streams", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, copy in zip((1, 2), self._copies, strict=True):
            copy.flush()
            os.dup2(copy.fileno(), number)
        setattr(sys, "__stdout__", self._before[0])  # noqa: B010
        setattr(sys, "__stderr__", self._before[1])  # noqa: B010

    def _read(self, read: int) -> None:
        while chunk := os.read(read, 65536):
            self._log.add_printed(chunk.decode("utf-8", "backslashreplace"))
        os.close(read)
