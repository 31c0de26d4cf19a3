"""What a store measures, beside the queue itself."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..model.metrics import ErrorGroup, Grouping, Metrics

FAILURES_READ = 10_000
"""Failed attempts that are read to group them: the newest."""


class Measures(ABC):
    """Counts, latencies, depths and failures over time. `Store.measures` has one."""

    @abstractmethod
    def sample_depths(self) -> bool:
        """Record how deep the queues are, once a minute whoever asks; `False` if this minute has its sample."""

    @abstractmethod
    def prune_depths(self) -> None:
        """Keep of old samples the peak of each hour, and drop the oldest, so that they stay small."""

    @abstractmethod
    def metrics(
        self, *, seconds: float, slots: int, queue: str | None = None, kind: str | None = None, by: Grouping | None = None
    ) -> Metrics:
        """What happened over the last `seconds`, cut into about `slots`, of one queue or kind or of all."""

    @abstractmethod
    def errors(self, newest: int = FAILURES_READ) -> list[ErrorGroup]:
        """The newest failed attempts, grouped by kind, error and place; the largest group first."""
