"""Buffer the log of one attempt until the worker writes it to the store; code that logs faster than that waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from ..clock import Clock, time
from ..model.jobs import UNFINISHED
from .serialization import replace_surrogates

LOG_BUFFER_BYTES = 1 << 20
"""Bytes above which the buffer is full: code that logs waits until the worker has stored it."""
MAX_LOG_BYTES = 8 << 20
"""Bytes of log kept per attempt, in the buffer and in the store; the oldest lines beyond it are dropped."""
PATIENCE = 3.0
"""Seconds that the code of a handler waits for a full buffer. It may hold the very lock that the store needs."""

_PIECE = 1 << 18
"""The maximum length of an entry in characters; the store drops whole entries."""
_POLL = 0.1
"""Seconds between two checks whether the code must stop."""

LogEntry = tuple[float, str, str]
"""The time, level and text of an entry."""


class LogBuffer:
    """A bounded, thread-safe log buffer: filled by the code of an attempt, drained by the worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: deque[LogEntry] = deque()
        self._bytes = 0
        self._storing = 0
        self._full_since: float | None = None
        self._discards = False
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self.on_room: Callable[[], None] | None = None
        """Called, from any thread, when entries were stored."""

    def add(self, level: str, text: str, *, unfinished: bool = False) -> None:
        """Add a log record or lines of output; `unfinished` if the last line continues in the next call with this level."""
        kept = replace_surrogates(text)
        if len(kept) <= _PIECE:
            self.extend([(self._clock.now(), level + UNFINISHED if unfinished else level, kept)])
            return
        now = self._clock.now()
        pieces = _split(_newest(kept, MAX_LOG_BYTES), unfinished=unfinished)
        self.extend([(now, level if ends else level + UNFINISHED, piece) for piece, ends in pieces])

    def _drop(self) -> None:
        while self._bytes > MAX_LOG_BYTES and len(self._lines) > 1:
            self._bytes -= _size(self._lines.popleft())

    @property
    def is_empty(self) -> bool:
        """Return whether no entry was added since the last call of `drain`."""
        return not self._lines

    @property
    def is_full(self) -> bool:
        """Return whether code that logs must wait."""
        return self._bytes + self._storing >= LOG_BUFFER_BYTES

    def wait_for_room(self, stopping: Callable[[], bool], flush: Callable[[], None], seconds: float | None = None) -> None:
        """Wait while the buffer is full.

        Args:
            stopping: returns whether the code must stop; then it does not wait.
            flush: requests that the entries are stored.
            seconds: the maximum time; `None` to wait until the buffer has been full for `PATIENCE` seconds.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while not stopping():
            with self._lock:
                if self._full_since is None:
                    return
                wait = (self._full_since + PATIENCE if until is None else until) - time.monotonic()
            if wait <= 0:
                return
            flush()
            with self._lock:
                if self._full_since is not None:
                    self._room.wait(min(wait, _POLL))

    def drain(self) -> list[LogEntry]:
        """Remove and return the entries added since the last call; follow with `confirm` or `restore`."""
        with self._lock:
            lines = list(self._lines)
            self._lines.clear()
            self._storing += self._bytes
            self._bytes = 0
            return lines

    def confirm(self) -> None:
        """Forget the drained entries: they were stored."""
        with self._lock:
            self._storing = 0
            self._note_size()
        if self.on_room is not None:
            self.on_room()

    def extend(self, lines: Sequence[LogEntry]) -> None:
        """Add entries, such as those taken from another buffer."""
        with self._lock:
            if self._discards:
                return
            self._lines.extend(lines)
            self._bytes += sum(map(_size, lines))
            self._drop()
            self._note_size()

    def restore(self, lines: Sequence[LogEntry]) -> None:
        """Restore entries that were drained but could not be stored."""
        with self._lock:
            self._storing = 0
            if self._discards:
                return
            self._lines.extendleft(reversed(lines))
            self._bytes += sum(map(_size, lines))
            self._drop()
            self._note_size()

    def discard(self) -> None:
        """Drop all entries, now and from now on: they can no longer be stored."""
        with self._lock:
            self._discards = True
            self._lines.clear()
            self._bytes = self._storing = 0
            self._note_size()
        if self.on_room is not None:
            self.on_room()

    def _note_size(self) -> None:
        if not self.is_full:
            self._full_since = None
            self._room.notify_all()
        elif self._full_since is None:
            self._full_since = time.monotonic()


def join_pieces(lines: Sequence[LogEntry]) -> list[tuple[str, str]]:
    """Return the level and text of each entry as it was logged, whatever its length."""
    joined: list[tuple[str, str]] = []
    open_at: dict[str, int] = {}
    for _, stored, text in lines:
        level = stored.removesuffix(UNFINISHED)
        if level in open_at:
            joined[open_at[level]] = (level, joined[open_at[level]][1] + text)
        else:
            open_at[level] = len(joined)
            joined.append((level, text))
        if level == stored:
            del open_at[level]
    return joined


def _size(line: LogEntry) -> int:
    text = line[2]
    return max(1, len(text) if text.isascii() else len(text.encode()))


def _newest(text: str, most: int) -> str:
    """Return the end of a text, at most so many bytes."""
    if len(text) <= most and (text.isascii() or len(text.encode()) <= most):
        return text
    return text.encode()[-most:].decode(errors="ignore")


def _split(text: str, *, unfinished: bool) -> Iterator[tuple[str, bool]]:
    """Split a text, at the ends of lines if possible; yield each piece, and whether it ends a line."""
    start = 0
    while len(text) - start > _PIECE:
        end = text.rfind("\n", start, start + _PIECE)
        if end < start:
            yield text[start : start + _PIECE], False
            start += _PIECE
        else:
            yield text[start:end], True
            start = end + 1
    yield text[start:], not unfinished
