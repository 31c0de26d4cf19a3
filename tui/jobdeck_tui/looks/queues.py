"""Every queue with what happened in it of late."""

from __future__ import annotations

from dataclasses import dataclass

from jobdeck import Metrics, Queue, QueueInfo

MOST = 60
"""Queues whose history is read; the others show their depth only."""


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """A queue, and its last minutes where they were read."""

    info: QueueInfo
    metrics: Metrics | None


@dataclass(frozen=True, slots=True)
class QueuesLook:
    """Every queue, the deepest first, over the last `seconds`."""

    seconds: float = 300.0
    slots: int = 30
    every: float = 1.0

    def read(self, queue: Queue) -> tuple[QueueSeen, ...]:
        """Read them."""
        found = sorted(queue.queues(), key=lambda each: (-each.pending, -sum(each.counts.values()), each.name))
        return tuple(
            QueueSeen(each, queue.metrics(seconds=self.seconds, slots=self.slots, queue=each.name) if at < MOST else None)
            for at, each in enumerate(found)
        )
