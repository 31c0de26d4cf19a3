"""Every queue as it stands, how deep each was while somebody watched, and the change of its limits."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from jobdeck import Backlog, Limits, Overview, Queue

from ...text.format import limits_text
from ...text.sanitize import safe

Point = tuple[float, int]

SECONDS = 300.0
"""The last five minutes."""


@dataclass(frozen=True, slots=True)
class QueuesLook:
    """Every queue over the last five minutes."""

    every: float = 1.0

    def read(self, queue: Queue) -> Sequence[Backlog]:
        """Read them."""
        return queue.queue_stats(seconds=SECONDS, slots=60)


class Trails:
    """How many jobs of each queue were ready, from look to look: finer than the samples that workers take each minute."""

    def __init__(self) -> None:
        self._of: dict[str, deque[Point]] = {}

    def add(self, overview: Overview) -> None:
        """Remember this moment."""
        for queue in overview.queues:
            points = self._of.setdefault(queue.name, deque())
            if not points or points[-1][0] < overview.at:
                points.append((overview.at, queue.pending))
            while points[0][0] < overview.at - SECONDS:
                points.popleft()
        for name in self._of.keys() - {queue.name for queue in overview.queues}:
            del self._of[name]  # it has neither jobs nor limits any more

    def of(self, backlog: Backlog) -> list[Point]:
        """What is known of a queue: the samples, from then on what was watched, and now."""
        *samples, now = backlog.trail
        watched = [point for point in self._of.get(backlog.info.name, ()) if point[0] < now[0]]
        begun = watched[0][0] if watched else now[0]
        return [*(point for point in samples if point[0] < begun), *watched, now]


def change_limits(queue: Queue, name: str, limits: Limits, before: Limits) -> str:
    """Let these limits hold; returns what to tell, with what held before: there is no undo for limits."""
    queue.limit(name, running=limits.running, rate=limits.rate, period=limits.period)
    now = limits_text(limits)
    return (
        f"Queue {safe(name)} {f'runs {now}' if now else 'has no limit any more'} · before: {limits_text(before) or 'no limit'}"
    )
