"""What happened over a while: whole, in slices, and by queue or kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobdeck import Metrics, Queue, Slot

RANGES = (600.0, 3600.0, 86400.0, 7 * 86400.0)
"""Seconds: how far the charts can look back."""
_EVERY = {600.0: 1.0, 3600.0: 2.0, 86400.0: 5.0}
GROUPINGS = ("none", "queue", "kind")


@dataclass(frozen=True, slots=True)
class MetricsSeen:
    """The charts, and the groups of the table."""

    charts: Metrics
    groups: Mapping[str, Slot]
    completed: Mapping[str, tuple[int, ...]]
    """Of each group, what it completed in each slice."""


@dataclass(frozen=True, slots=True)
class MetricsLook:
    """The last `seconds`, of all jobs or of one queue, one kind, or both."""

    seconds: float = 600.0
    slots: int = 60
    by: str = "kind"
    queue: str | None = None
    kind: str | None = None

    @property
    def every(self) -> float:
        """Seconds between two readings: the further it looks back, the slower it changes."""
        return _EVERY.get(self.seconds, 10.0)

    def read(self, queue: Queue) -> MetricsSeen:
        """Read them. The table shows the groups beside the one to which the charts are narrowed, too."""
        by = None if self.by == "none" else self.by
        own = (self.queue if by == "queue" else self.kind) is not None
        charts = queue.history.metrics(
            seconds=self.seconds, slots=self.slots, queue=self.queue, kind=self.kind, by=None if own else by
        )
        if by is None or not own:
            return MetricsSeen(charts, charts.groups, charts.completed)
        others = queue.history.metrics(
            seconds=self.seconds,
            slots=self.slots,
            queue=None if by == "queue" else self.queue,
            kind=None if by == "kind" else self.kind,
            by=by,
        )
        return MetricsSeen(charts, others.groups, others.completed)
