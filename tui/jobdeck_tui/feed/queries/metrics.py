"""Metrics over a time range: in total, in slices, and by queue or kind."""

from __future__ import annotations

from collections.abc import Mapping

from jobdeck import Metrics, Queue, TimeSlice, record

RANGES = (600.0, 3600.0, 86400.0, 7 * 86400.0)
"""The time ranges of the charts, in seconds."""
_EVERY = {600.0: 1.0, 3600.0: 2.0, 86400.0: 5.0}
GROUPINGS = ("none", "queue", "kind")


@record
class MetricsData:
    """The data of the charts and of the table of groups."""

    charts: Metrics
    groups: Mapping[str, TimeSlice]
    completed: Mapping[str, tuple[int, ...]]
    """The jobs each group completed, by slice."""


@record
class MetricsQuery:
    """Reads the metrics of the last `seconds`, of all jobs or of one queue, one kind, or both."""

    seconds: float = 600.0
    slices: int = 60
    by: str = "kind"
    queue: str | None = None
    kind: str | None = None

    @property
    def interval(self) -> float:
        """Seconds between two reads: longer ranges change more slowly."""
        return _EVERY.get(self.seconds, 10.0)

    def read(self, queue: Queue) -> MetricsData:
        """Read the metrics. The table includes the groups other than the one that the charts are narrowed to."""
        by = None if self.by == "none" else self.by
        own = (self.queue if by == "queue" else self.kind) is not None
        charts = queue.history.metrics(
            seconds=self.seconds, slices=self.slices, queue=self.queue, kind=self.kind, by=None if own else by
        )
        if by is None or not own:
            return MetricsData(charts, charts.groups, charts.completed)
        others = queue.history.metrics(
            seconds=self.seconds,
            slices=self.slices,
            queue=None if by == "queue" else self.queue,
            kind=None if by == "kind" else self.kind,
            by=by,
        )
        return MetricsData(charts, others.groups, others.completed)
