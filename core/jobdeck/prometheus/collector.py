"""Collects the metrics of a queue, for a program's registry or as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..queue import Queue

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of `QueueCollector.text`."""
MAX_QUEUES = 1000
"""The number of queues with samples of their own."""
MAX_KINDS = 200
"""The number of pairs of a queue and a kind with totals: each has more than fifty samples."""


class QueueCollector:
    """The metrics of a queue, for a registry of prometheus_client, or as text.

    Example:
        >>> from prometheus_client import REGISTRY
        >>> REGISTRY.register(QueueCollector(queue))
    """

    def __init__(self, queue: Queue, *, max_queues: int = MAX_QUEUES, max_kinds: int = MAX_KINDS) -> None:
        """Keep what to collect.

        Args:
            queue: the open queue.
            max_queues: the number of queues that have samples, those with the most unfinished jobs. The jobs of the others
                are added up under an empty name.
            max_kinds: the number of pairs of a queue and a kind that have totals, those with the most finished jobs.

        Raises:
            ImportError: the extra `metrics` is not installed.
        """
        from . import scrape  # imported late: the library is an extra

        self._queue = queue
        self._max_queues = max_queues
        self._max_kinds = max_kinds
        self._scrape = scrape

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format, version 0.0.4. Raises `StoreError`."""
        from .families import write_text

        return write_text(self._scrape.read_families(self._queue, self._max_queues, self._max_kinds))

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as prometheus_client has them. Raises `StoreError`."""
        found = self._scrape.read_families(self._queue, self._max_queues, self._max_kinds)
        return [family.metric() for family in found]

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without reading the database, for the registry."""
        return [family.metric() for family in self._scrape.describe_families(self._queue)]
