"""The temporary queue of `jobdeck demo`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from jobdeck import Queue, Settings

from ..scratch_folder import scratch_folder
from .kinds import demo_registry

KEPT = 1800.0
"""Retention of finished jobs in seconds: a demo that runs all day must not fill the disk."""


@contextmanager
def demo_queue(settings: Settings | None = None) -> Iterator[Queue]:
    """Open a queue with the demo's kinds in a temporary folder, and remove the folder at the end.

    Stop the workers of the queue before the context exits.
    """
    settings = settings or Settings.load()
    with scratch_folder("jobdeck-demo-", "The demo") as folder:
        database = str(folder / "demo.db")
        retention = min(settings.retention or KEPT, KEPT)
        # No child processes: they could not import kinds that belong to no app.
        settings = replace(settings, database=database, retention=retention, queues=(), processes=0)
        with Queue(database, settings=settings, registry=demo_registry()) as queue:
            yield queue
