"""Capture the output of jobs in a child process: printed text, log records, and the context that collects them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

from ..clock import SystemClock
from ..engine_logger import PatientHandler
from ..execution.context import JobContext, context
from ..execution.job_log import record_fields
from ..model.jobs import Job
from .protocol import LONG_LINE, Message

CLOCK = SystemClock()


class ChildContext(JobContext):
    """The context of a job assigned to this child process."""

    def __init__(self, job: Job, ticket: int, flush_log: Callable[[], None] | None = None) -> None:
        super().__init__(job, CLOCK, flush_log)
        self.ticket = ticket
        self.partial: dict[str, str] = {}

    def output(self, level: str, text: str) -> None:
        """Add printed text; complete lines go to the log."""
        lines, newline, rest = (self.partial.pop(level, "") + text).rpartition("\n")
        if newline:
            self.write(level, lines)
        if len(rest) > LONG_LINE:
            self.write(level, rest, unfinished=True)
        elif rest:
            self.partial[level] = rest

    def finish_lines(self) -> None:
        """Log the remaining incomplete lines after the code has finished."""
        for level, text in self.partial.items():
            self.write(level, text, unfinished=True)
        self.partial.clear()


def _current() -> ChildContext | None:
    try:
        found = context()
    except RuntimeError:  # printed outside a job
        return None
    return found if isinstance(found, ChildContext) and not found.forked else None


class JobStream:
    """Replaces standard output or error: sends text printed by a job to its log, and all else to the original stream."""

    def __init__(self, level: str, under: Any) -> None:
        self._level = level
        self._under = under

    def write(self, text: str) -> int:
        current = _current()
        if current is None:
            return int(self._under.write(text))
        current.output(self._level, text)
        return len(text)

    def close(self) -> None:
        """Do nothing: the stream belongs to all jobs of this process."""

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._under, name)


def capture_prints(*, apart: bool) -> None:
    """Make standard output and error line-buffered; with `apart`, send the output of each job to its own log.

    A process that runs one job at a time needs no separation: the worker knows which job prints, and the output of the
    commands that it runs stays in order.
    """
    out: Any = sys.stdout
    err: Any = sys.stderr
    for stream in (out, err):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    if apart:
        sys.stdout, sys.stderr = JobStream("out", out), JobStream("err", err)


class ForwardingHandler(PatientHandler):
    """Forwards log records to the worker, which logs them as its own; in a forked child, prints them on standard error."""

    def __init__(self, send: Callable[[Message], bool], level: int) -> None:
        super().__init__(level)
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text, (_, fields) = self.format(record), record_fields(record)
            if not self._send(["record", record.levelno, record.name, text, fields]) and sys.__stderr__ is not None:
                sys.__stderr__.write(f"{record.levelname} {record.name}: {text}\n")
        except Exception:  # a record that cannot be formatted: report it as `logging` does
            self.handleError(record)
