"""The log of a worker or a server on its standard error: as text or JSON, and without ever stopping them."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import select
import sys
import time

from jobdeck import PatientHandler

from ..text.sanitize import safe, safe_json
from .json_documents import iso

_PATIENCE = 1.0
"""Seconds that a line waits for a reader that stands still; the lines after it are lost until the reader goes on."""
_PIECE = select.PIPE_BUF
"""Bytes that a pipe takes at once without a wait, if it takes any."""


def log_to_stderr(level: str, how: str) -> None:
    """Log to standard error, as text or as one JSON document per line."""
    handler = _own_handler()
    handler.setLevel(level)
    handler.setFormatter(JsonFormatter() if how == "json" else TextFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("jobdeck").setLevel(level)  # an app that configures the root logger leaves the worker's own level


def _own_handler() -> logging.Handler:
    try:
        # A high number, which handlers that close all descriptors up to a number seldom reach.
        return DescriptorHandler(fcntl.fcntl(sys.stderr, fcntl.F_DUPFD_CLOEXEC, 500))
    except (OSError, ValueError, AttributeError):  # it has no descriptor
        return logging.StreamHandler()


class DescriptorHandler(PatientHandler):
    """Writes records to a descriptor of its own, which a job's code cannot close by mistake.

    The threads that claim and run jobs log, too. If nobody reads a pipe any more, lines are lost, and no thread waits for ever;
    once it is read again, a line says how many. Nothing is buffered: a buffer has a lock, which another thread may hold while a
    handler forks, and the child would wait for it for ever.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        try:
            if self._lost and self._is_ready():
                lost, self._lost = self._lost, 0
                text = "%d lines of this log are lost: nobody read it"
                self._write(logging.LogRecord(record.name, logging.WARNING, __file__, 0, text, (lost,), None))
            self._write(record)
        except Exception:
            self.handleError(record)

    def _write(self, record: logging.LogRecord) -> None:
        data = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        while data:
            if not self._is_ready():
                self._lost += 1
                return
            try:
                data = data[os.write(self._fd, data[:_PIECE]) :]
            except BlockingIOError:  # another program has made the pipe non-blocking
                self._lost += 1
                return

    def _is_ready(self) -> bool:
        poll = select.poll()  # a forked child could not use one that another thread was using
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(0 if self._lost else 1000 * _PATIENCE))


class TextFormatter(logging.Formatter):
    """Format a record as `2026-01-31 12:03:04 INFO jobdeck.worker: … job=7 …`, escaped: handlers may log any text."""

    def __init__(self) -> None:
        from jobdeck import format_fields, record_fields

        super().__init__()
        self._split, self._format_fields = record_fields, format_fields
        self._latest = (0, "")  # a second, and its text: most lines have that of the line before

    def format(self, record: logging.LogRecord) -> str:
        second, at = self._latest
        if second != int(record.created):
            second = int(record.created)
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._latest = second, at
        message, fields = self._split(record)
        text = f"{at} {record.levelname:<7} {record.name}: {message}"
        if fields:
            text += f" {self._format_fields(fields)}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return safe(text, multiline=True)


class JsonFormatter(logging.Formatter):
    """Format a record as one JSON document; the fields of the job that it is about are keys of their own."""

    def __init__(self) -> None:
        from jobdeck import record_fields

        super().__init__()
        self._split = record_fields

    def format(self, record: logging.LogRecord) -> str:
        message, fields = self._split(record)
        document = {
            "at": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **fields,
        }
        if record.exc_info:
            document["error"] = self.formatException(record.exc_info)
        return safe_json(json.dumps(document))  # ASCII: a log goes wherever it is sent, in any locale
