"""What the screen of workers needs beside the overview that every screen gets."""

from __future__ import annotations

from dataclasses import dataclass

from jobdeck import Queue


@dataclass(frozen=True, slots=True)
class WorkersLook:
    """How long a claim holds without a heartbeat: the length of a lease bar, in seconds."""

    every: float = 30.0

    def read(self, queue: Queue) -> float:
        """Read no database: the workers and what they run are in every overview."""
        return queue.settings.lease
