"""What the program itself has to say while the screen belongs to the cockpit: warnings, and whatever anything prints.

It is kept here, and shown by the log panel; nothing prints over the screen. Handlers of jobs run in threads of this
process, so that what they print, warn of and log arrives here too. Every part may be called from any thread.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from types import TracebackType
from typing import Any, Self

_MOST = 2000
"""Entries kept, the newest: so many warnings, and so many others, which cannot crowd the warnings out."""
_LONGEST = 2000
"""Characters kept of one line."""

logger = logging.getLogger("jobdeck.thread")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    number: int
    """Counts from 1; never used again."""
    at: float
    level: str
    """`debug` to `critical`; `out` and `err` for what was printed."""
    source: str
    """The logger's name, or the thread that printed."""
    text: str

    @property
    def warns(self) -> bool:
        """Whether a person should see it."""
        return self.level in ("warning", "error", "critical")


class ProgramLog(logging.Handler):
    """The newest entries, and how many warnings among them nobody has seen."""

    def __init__(self) -> None:
        super().__init__()
        self._warnings: deque[Entry] = deque(maxlen=_MOST)
        self._others: deque[Entry] = deque(maxlen=_MOST)
        self._guard = threading.Lock()
        self._number = 0
        self._begun: dict[tuple[int, str], str] = {}
        self.unseen = 0
        """Warnings since the log was looked at."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception as misfit:
            text = f"{record.msg} ({type(misfit).__name__} while its arguments were put in)"
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text += f" ({type(error).__name__}: {error})" if str(error) not in text else f" ({type(error).__name__})"
        if record.name == "py.warnings":
            text = text.partition("\n")[0]
        self.add(record.levelname.lower(), record.name, text)

    def printed(self, text: str, stream: str = "out") -> None:
        """Take what was printed; a line counts when it is whole."""
        thread = threading.current_thread()
        key = (thread.ident or 0, stream)
        with self._guard:
            *lines, rest = (self._begun.pop(key, "") + text).split("\n")
            if len(rest) > _LONGEST:
                lines, rest = [*lines, rest], ""
            if rest:
                self._begun[key] = rest
                if len(self._begun) > 500:  # of threads that have ended
                    self._begun.pop(next(iter(self._begun)))
        for line in lines[-_MOST:]:
            if line.strip():
                self.add(stream, f"printed by {thread.name}", line)

    def add(self, level: str, source: str, text: str, at: float | None = None) -> None:
        """Take one line, of now if nothing else is said."""
        with self._guard:
            self._number += 1
            entry = Entry(self._number, time.time() if at is None else at, level, source, text[:_LONGEST].rstrip())
            (self._warnings if entry.warns else self._others).append(entry)
            self.unseen += entry.warns

    def entries(self, after: int = 0) -> list[Entry]:
        """Those with a greater number, the oldest first."""
        with self._guard:
            found = [entry for entry in (*self._warnings, *self._others) if entry.number > after]
        return sorted(found, key=lambda entry: entry.number)

    def see(self) -> None:
        """Every warning has been looked at."""
        self.unseen = 0


@contextmanager
def logging_to(log: ProgramLog, level: str) -> Iterator[None]:
    """Have everything that is logged and warned of come here, and the end of threads by an error; then as before."""
    root = logging.getLogger()
    before, hook = root.level, threading.excepthook
    root.setLevel(level)
    root.addHandler(log)
    logging.captureWarnings(True)
    threading.excepthook = _thread_ended
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.captureWarnings(False)
        root.removeHandler(log)
        root.setLevel(before)


def _thread_ended(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        name = args.thread.name if args.thread is not None else "a thread"
        logger.error("thread %s has ended by an error", name, exc_info=args.exc_value)


class Streams:
    """The standard streams while the screen is open: the terminal is the screen's alone, the rest goes to the log.

    Not only Python prints: a library in C, or a program that a handler starts, writes to the descriptors 1 and 2. They lead
    to a pipe as long as this is entered, and the screen is drawn through copies of them.
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
            self._log.printed(chunk.decode("utf-8", "backslashreplace"))
        os.close(read)
