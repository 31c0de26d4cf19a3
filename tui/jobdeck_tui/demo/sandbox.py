"""The temporary queue of `jobdeck demo`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from jobdeck import Queue, Settings

from ..scratch_folder import scratch_folder
from .kinds import demo_registry

PREFIX = "jobdeck-demo-"
"""The start of the folder's name."""
KEPT = 1800.0
"""Retention of finished jobs in seconds: a demo that runs all day must not fill the disk."""
COROUTINES = 4
"""The number of coroutines of a process at once: each has a lane on the timeline."""
LEASE, HEARTBEAT = 8.0, 2.0
"""Seconds: shorter than by default, so that the audience sees how a job survives its worker."""


@contextmanager
def demo_queue(settings: Settings | None = None) -> Iterator[Queue]:
    """Open a queue with the demo's kinds in a temporary folder, and remove the folder at the end.

    Stop the workers of the queue before the context exits.
    """
    settings = settings or Settings.load()
    with scratch_folder(PREFIX, "The demo") as folder:
        database = str(folder / "demo.db")
        retention = min(settings.retention or KEPT, KEPT)
        # No child processes: they could not import kinds that belong to no app.
        settings = replace(
            settings,
            database=database,
            retention=retention,
            queues=(),
            processes=0,
            coroutines=COROUTINES,
            lease=LEASE,
            heartbeat=HEARTBEAT,
        )
        with Queue(database, settings=settings, registry=demo_registry()) as queue:
            yield queue
