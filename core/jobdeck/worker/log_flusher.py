"""The keeper of a worker: renews leases, writes logs and progress, reports that the worker lives, does the upkeep."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..model.errors import StoreError
from ..store.base import Store
from .active_job import Run

LOG_KEPT = 8 << 20
"""Bytes of log kept of each attempt: the newest."""


LogRows = list[tuple[int, int, float, str, str]]


class Logs:
    """Takes the logs of attempts to the store. Lines reach it in the order in which they were written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, runs: Iterable[Run]) -> Iterator[LogRows]:
        """What was logged and not stored yet. It stays so if the store fails inside."""
        with self._lock:
            taken = [(run, lines) for run in runs if (lines := run.context.take_log())]
            try:
                yield [(run.job.id, run.job.attempt, *line) for run, lines in taken for line in lines]
            except StoreError:
                for run, lines in taken:
                    run.context.put_back_log(lines)
                raise

    def write(self, runs: Iterable[Run]) -> None:
        """Store what was logged."""
        with self.taken(runs) as rows:
            if rows:
                self._store.logs.append(rows, LOG_KEPT)
