"""The state of every queue, its depth over the last minutes, and changes to its limits."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from jobdeck import Limits, Overview, Queue, QueueStats, record

from ...text.format import limits_text
from ...text.sanitize import safe

Point = tuple[float, int]

SECONDS = 300.0
"""Five minutes."""


@record
class QueuesQuery:
    """Reads every queue over the last five minutes."""

    interval: float = 1.0

    def read(self, queue: Queue) -> Sequence[QueueStats]:
        """Read the statistics."""
        return queue.queue_stats(seconds=SECONDS, slices=60)


class DepthHistory:
    """The number of ready jobs of each queue at each poll: finer than the samples that workers take each minute."""

    def __init__(self) -> None:
        self._of: dict[str, deque[Point]] = {}

    def add(self, overview: Overview) -> None:
        """Record the depths of one overview."""
        for queue in overview.queues:
            points = self._of.setdefault(queue.name, deque())
            if not points or points[-1][0] < overview.at:
                points.append((overview.at, queue.pending))
            while points[0][0] < overview.at - SECONDS:
                points.popleft()
        for name in self._of.keys() - {queue.name for queue in overview.queues}:
            del self._of[name]  # it has neither jobs nor limits now

    def of(self, stats: QueueStats) -> list[Point]:
        """Return the depth over time: the stored samples, then the polled depths, then the current one."""
        *samples, now = stats.depth_history
        polled = [point for point in self._of.get(stats.info.name, ()) if point[0] < now[0]]
        start = polled[0][0] if polled else now[0]
        return [*(point for point in samples if point[0] < start), *polled, now]


def change_limits(queue: Queue, name: str, limits: Limits, before: Limits) -> str:
    """Set the limits; return a message that includes the old ones, since limits have no undo."""
    queue.limits.set(name, running=limits.running, rate=limits.rate, period=limits.period)
    now = f"limited to {text}" if (text := limits_text(limits)) else "has no limits now"
    return f"Queue {safe(name)} {now} · before: {limits_text(before) or 'no limits'}"
