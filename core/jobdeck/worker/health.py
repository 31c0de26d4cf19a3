"""Checks the health of one worker, for probes of service managers and containers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..model.errors import JobdeckError
from ..model.health import health_document
from ..queue import Queue
from .liveness import REPLACE_AFTER
from .worker import Worker

T = TypeVar("T")

_ANSWERS_WITHIN = 5.0
"""Seconds within which the database must answer."""
_HUNG_AFTER = 2 * REPLACE_AFTER
"""Seconds without progress after which only a restart helps: the worker has tried to replace the thread by itself."""


class WorkerHealth:
    """Answers whether a worker is alive and ready, and how healthy its queue is. Its methods may be called from any thread.

    It reads the database on a thread of its own, so that a caller waits a limited time, and one connection is enough.
    """

    def __init__(self, queue: Queue, worker: Worker) -> None:
        """Keep what to check; `close` ends the thread."""
        self._queue = queue
        self._worker = worker
        self._calls: deque[_Call[Any]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def hang(self) -> str | None:
        """Return the sentence that says what hangs so that only a restart helps; `None` if nothing does."""
        now = self._queue.clock.now()
        for each in self._worker.stalled:
            if each.error is None and now - each.since > _HUNG_AFTER:
                return f"The {each.thread} has made no progress for {now - each.since:.0f} s."
        return None

    def unready(self) -> str | None:
        """Return the reason why it cannot run jobs now, in one sentence; `None` if it can."""
        if self._worker.draining:
            return "The worker shuts down."
        for each in self._worker.stalled:
            return f"The {each.thread} makes no progress{f': {each.error}' if each.error else '.'}"
        try:
            self._read(lambda: self._queue.list(limit=1))
        except TimeoutError:
            return "The database does not answer."
        except JobdeckError:
            return "The database cannot be used."
        return None

    def document(self) -> dict[str, object]:
        """Return the health of the whole queue, as `jobdeck health --json` prints it.

        Raises:
            TimeoutError: the database does not answer.
            StoreError: it cannot be used.
        """
        return self._read(lambda: health_document(self._queue.overview(seconds=60, slices=6)))

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _read(self, read: Callable[[], T]) -> T:
        call = _Call(read)
        with self._changed:
            if self._closed:
                raise TimeoutError
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="jobdeck-health", daemon=True)
                self._thread.start()
            self._calls.append(call)
            self._changed.notify_all()
        return call.result()

    def _loop(self) -> None:
        while True:
            with self._changed:
                while not self._calls and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                call = self._calls.popleft()
            call.run()


class _Call(Generic[T]):
    """A read of the database whose caller waits."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._done = threading.Event()
        self._found: list[T] = []
        self._error: BaseException | None = None
        self._abandoned = False

    def run(self) -> None:
        """Read, unless the caller has given up."""
        if self._abandoned:
            return
        try:
            self._found.append(self._read())
        except BaseException as error:
            self._error = error
        self._done.set()

    def result(self) -> T:
        """Wait, and return what was read. Raises `TimeoutError`, or what the read raised."""
        if not self._done.wait(_ANSWERS_WITHIN):
            self._abandoned = True
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._found[0]
