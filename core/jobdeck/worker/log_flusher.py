"""Flush the buffered logs of attempts to the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from ..execution.log_buffer import MAX_LOG_BYTES, LogEntry
from ..model.errors import StoreError
from ..store.base import Store
from .active_job import ActiveJob

_PATIENCE = 2.0
"""Seconds that a thread waits for another one that stores lines; one that hangs must not stop the others."""

LogRows = list[tuple[int, int, float, str, str]]
"""Job id, attempt, time, level and text of each line."""


class LogBatch:
    """The lines that one transaction stores."""

    def __init__(self, acquire: Callable[[], threading.Lock]) -> None:
        self._acquire = acquire
        self._taken: list[tuple[ActiveJob, list[LogEntry]]] = []
        self._lock: threading.Lock | None = None

    def take(self, runs: Iterable[ActiveJob]) -> LogRows:
        """Take the buffered lines; call it once, inside the transaction."""
        self._lock = self._acquire()
        self._taken = [
            (run, lines) for run in runs if run.context.log_buffer is not None and (lines := run.context.drain_log())
        ]
        return [(run.job.id, run.job.attempt, *line) for run, lines in self._taken for line in lines]

    def restore(self) -> None:
        """Put the lines back: they were not stored."""
        for run, lines in self._taken:
            run.context.restore_log(lines)

    def confirm(self) -> None:
        """Let code that waits for a full log continue: the lines were stored."""
        for run, _ in self._taken:
            run.context.confirm_log()

    def close(self) -> None:
        """Let other threads take lines."""
        if self._lock is not None:
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
        batch = LogBatch(self._acquire)
        try:
            yield batch
        except StoreError:
            batch.restore()
            raise
        except BaseException:
            batch.confirm()  # lines that raise anything else would raise it again
            raise
        else:
            batch.confirm()
        finally:
            batch.close()

    def flush(self, runs: Iterable[ActiveJob]) -> None:
        """Store the buffered lines."""
        logged = [run for run in runs if run.context.has_log]
        if logged:
            with self.batch() as batch, self._store.transaction():
                if rows := batch.take(logged):
                    self._store.logs.append(rows, MAX_LOG_BYTES)

    def flush_if_free(self, runs: Iterable[ActiveJob]) -> None:
        """Store the buffered lines, unless another thread is storing some: it may hang."""
        if not self._lock.locked():
            self.flush(runs)

    def _acquire(self) -> threading.Lock:
        lock = self._lock
        if not lock.acquire(timeout=_PATIENCE):
            lock = self._lock = threading.Lock()  # the other thread hangs
            lock.acquire()
        return lock
