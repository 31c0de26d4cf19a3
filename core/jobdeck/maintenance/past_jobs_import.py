"""Adds jobs that have ended elsewhere to a queue: of another program's queue, or of a demonstration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random

from ..clock import Clock, SystemClock
from ..model.address import DatabaseAddress
from ..model.past_jobs import PastJob
from ..settings import Settings
from ..store.connect import open_store


def import_past_jobs(
    database: str | Path,
    jobs: Iterable[PastJob],
    *,
    keep: int | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
) -> int:
    """Add jobs that have ended to a queue, with their attempts and all that charts count of them, in one transaction.

    Nothing runs them, and no limit or unique key concerns them. On a server, no other process may enqueue meanwhile: their ids
    are taken from the highest one on.

    Args:
        database: the address of the queue; it is created if it does not exist.
        jobs: the jobs, in the order of their ids.
        keep: the number of jobs of each final state that get rows, the last ones; the others are only counted, as if they
            had been pruned (default: all of them get rows).
        settings: the settings (default: read from the environment and `.env`).
        clock: the clock (default that of this machine or server).

    Returns:
        The number of jobs with rows.

    Raises:
        StoreRefused: the database cannot be used.
    """
    settings = settings or Settings.load()
    store = open_store(
        DatabaseAddress.parse(str(database)), settings, clock or SystemClock(), Random(), adopt=False, create=True
    )
    try:
        return store.past_jobs.add([*jobs], keep)
    finally:
        store.close()
