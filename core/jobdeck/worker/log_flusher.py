"""Flush the buffered logs of attempts to the store."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..model.errors import StoreError
from ..store.base import Store
from .active_job import ActiveJob

MAX_LOG_BYTES = 8 << 20
"""Bytes of log kept per attempt; the oldest lines are dropped."""

_PATIENCE = 2.0
"""Seconds that a thread waits for another one that stores lines; one that hangs must not stop the others."""

LogRows = list[tuple[int, int, float, str, str]]
"""Job id, attempt, time, level and text of each line."""


class LogFlusher:
    """Writes the logs of attempts to the store, each line in the order in which it was logged."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()

    @contextmanager
    def collect(self, runs: Iterable[ActiveJob]) -> Iterator[LogRows]:
        """Collect the buffered lines for the caller to store; put them back if the store fails inside the block."""
        lock = self._lock
        if not lock.acquire(timeout=_PATIENCE):
            lock = self._lock = threading.Lock()  # the other thread hangs
            lock.acquire()
        try:
            taken = [(run, lines) for run in runs if (lines := run.context.drain_log())]
            try:
                yield [(run.job.id, run.job.attempt, *line) for run, lines in taken for line in lines]
            except StoreError:
                for run, lines in taken:
                    run.context.restore_log(lines)
                raise
        finally:
            lock.release()

    def flush(self, runs: Iterable[ActiveJob]) -> None:
        """Store the buffered lines."""
        with self.collect(runs) as rows:
            if rows:
                self._store.logs.append(rows, MAX_LOG_BYTES)

    def flush_if_free(self, runs: Iterable[ActiveJob]) -> None:
        """Store the buffered lines, unless another thread is storing some: it may hang."""
        if not self._lock.locked():
            self.flush(runs)
