"""Measure Huey on SQLite at the same durability: the fastest alternative for Python that needs no server.

Huey is optional: `pip install -e '.[bench]'`. If it is missing, the table says so.
"""

from __future__ import annotations

import importlib.metadata
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

from processes import Start

MISSING = "huey is not installed: pip install -e '.[bench]'"
_POLL = 0.01


def huey_version() -> str | None:
    """Return the installed version; `None` if Huey is not installed."""
    try:
        return importlib.metadata.version("huey")
    except importlib.metadata.PackageNotFoundError:
        return None


def describe() -> str:
    """Return a line for the header."""
    version = huey_version()
    return f"huey {version} (SQLite {sqlite3.sqlite_version}, Python's)" if version else MISSING


def _huey(database: Path, *, fsync: bool = True) -> tuple[Any, Any]:
    """Create Huey and its no-op task. `fsync=True` means synchronous=FULL."""
    from huey import SqliteHuey  # type: ignore[import-untyped]

    logging.getLogger("huey").setLevel(logging.WARNING)
    huey = SqliteHuey(filename=str(database), fsync=fsync)

    @huey.task()  # type: ignore[untyped-decorator]
    def noop(n: int) -> None:
        pass

    return huey, noop


def fill(start: Start, database: Path, jobs: int) -> None:
    """Fill a database with tasks, written as `noop(1)` writes one, but all in one transaction."""
    huey, noop = _huey(database, fsync=False)
    start()
    storage = huey.storage
    with storage.db(commit=True) as cursor:
        rows = ((storage.name, huey.serialize_task(noop.s(1)), 0) for _ in range(jobs))
        cursor.executemany("insert into task (queue, data, priority) values (?, ?, ?)", rows)
    assert huey.pending_count() == jobs
    storage.close()


def drain(start: Start, database: Path, threads: int, seconds: float) -> float:
    """Run Huey's consumer with worker threads, at FULL; return tasks per second."""
    huey, _ = _huey(database)
    (found,) = huey.storage.sql("pragma synchronous", results=True)
    assert found == (2,), "not FULL"
    consumer = huey.create_consumer(workers=threads, periodic=False)
    jobs: int = huey.pending_count()
    start()
    started = time.monotonic()
    consumer.start()
    while time.monotonic() - started < seconds and huey.storage.sql("select 1 from task limit 1", results=True):
        time.sleep(_POLL)
    remaining: int = huey.pending_count()
    took = time.monotonic() - started
    consumer.stop()
    return (jobs - remaining) / took


def enqueue(start: Start, database: Path, seconds: float) -> float:
    """Call the task repeatedly from one thread, at FULL; return tasks per second."""
    huey, noop = _huey(database)
    noop(0)
    start()
    started = time.monotonic()
    end = started + seconds
    done = 0
    while (now := time.monotonic()) < end:
        noop(done)
        done += 1
    assert huey.pending_count() == done + 1
    return done / (now - started)
