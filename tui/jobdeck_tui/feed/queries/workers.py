"""The data that the workers screen needs in addition to the overview that every screen gets."""

from __future__ import annotations

from jobdeck import Queue, record


@record
class WorkersQuery:
    """Reads the length of a lease in seconds: how long a claim lasts without a heartbeat."""

    interval: float = 30.0

    def read(self, queue: Queue) -> float:
        """Return the setting without reading the database; the workers and their jobs are in every overview."""
        return queue.settings.lease
