"""Flush the buffered logs of attempts to the store."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..execution.log_buffer import LogEntry
from ..model.errors import StoreError
from ..store.base import Store
from .active_job import ActiveJob

MAX_LOG_BYTES = 8 << 20
"""Bytes of log kept per attempt; the oldest lines are dropped."""

LogRows = list[tuple[int, int, float, str, str]]
"""Job id, attempt, time, level and text of each line."""


class LogBatch:
    """The lines that one transaction stores."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._taken: list[tuple[ActiveJob, list[LogEntry]]] = []
        self._locked = False

    def take(self, runs: Iterable[ActiveJob]) -> LogRows:
        """Take the buffered lines; call it once, inside the transaction."""
        self._locked = self._lock.acquire()
        self._taken = [(run, lines) for run in runs if (lines := run.context.drain_log())]
        return [(run.job.id, run.job.attempt, *line) for run, lines in self._taken for line in lines]

    def restore(self) -> None:
        """Put the lines back: they were not stored."""
        for run, lines in self._taken:
            run.context.restore_log(lines)

    def close(self) -> None:
        """Let other threads take lines."""
        if self._locked:
            self._lock.release()


class LogFlusher:
    """Writes the logs of attempts to the store, each line in the order in which it was logged.

    A thread takes lines only once its transaction is open, so that none waits for another one's wait for the database's lock.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()

    @contextmanager
    def batch(self) -> Iterator[LogBatch]:
        """Return a batch for a transaction inside the block; put its lines back if the store fails."""
        batch = LogBatch(self._lock)
        try:
            yield batch
        except StoreError:
            batch.restore()
            raise
        finally:
            batch.close()

    def flush(self, runs: Iterable[ActiveJob]) -> None:
        """Store the buffered lines."""
        logged = [run for run in runs if run.context.has_log]
        if logged:
            with self.batch() as batch, self._store.transaction():
                if rows := batch.take(logged):
                    self._store.logs.append(rows, MAX_LOG_BYTES)
