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
        with self._lock:
            taken = [(run, lines) for run in runs if (lines := run.context.drain_log())]
            try:
                yield [(run.job.id, run.job.attempt, *line) for run, lines in taken for line in lines]
            except StoreError:
                for run, lines in taken:
                    run.context.restore_log(lines)
                raise

    def flush(self, runs: Iterable[ActiveJob]) -> None:
        """Store the buffered lines."""
        with self.collect(runs) as rows:
            if rows:
                self._store.logs.append(rows, MAX_LOG_BYTES)
