"""Huey on SQLite, at the same durability: the fastest that a Python user would pick instead without a server.

An optional install: `pip install -e '.[bench]'`. Where it is missing, the table says so.
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
    """As installed; `None` if it is not."""
    try:
        return importlib.metadata.version("huey")
    except importlib.metadata.PackageNotFoundError:
        return None


def describe() -> str:
    """For the header."""
    version = huey_version()
    return f"huey {version} (SQLite {sqlite3.sqlite_version}, Python's)" if version else MISSING


def _huey(database: Path, *, fsync: bool = True) -> tuple[Any, Any]:
    """Huey, and its no-op task. `fsync=True` is synchronous=FULL."""
    from huey import SqliteHuey  # type: ignore[import-untyped]

    logging.getLogger("huey").setLevel(logging.WARNING)
    huey = SqliteHuey(filename=str(database), fsync=fsync)

    @huey.task()  # type: ignore[untyped-decorator]
    def noop(n: int) -> None:
        pass

    return huey, noop


def fill(start: Start, database: Path, jobs: int) -> None:
    """A database with that many tasks, written as `noop(1)` writes one, but all in one transaction."""
    huey, noop = _huey(database, fsync=False)
    start()
    storage = huey.storage
    with storage.db(commit=True) as cursor:
        rows = ((storage.name, huey.serialize_task(noop.s(1)), 0) for _ in range(jobs))
        cursor.executemany("insert into task (queue, data, priority) values (?, ?, ?)", rows)
    assert huey.pending_count() == jobs
    storage.close()


def drain(start: Start, database: Path, threads: int, seconds: float) -> float:
    """Huey's own consumer with that many worker threads, at FULL. Tasks a second."""
    huey, _ = _huey(database)
    (found,) = huey.storage.sql("pragma synchronous", results=True)
    assert found == (2,), "not FULL"
    consumer = huey.create_consumer(workers=threads, periodic=False)
    jobs: int = huey.pending_count()
    start()
    began = time.monotonic()
    consumer.start()
    while time.monotonic() - began < seconds and huey.storage.sql("select 1 from task limit 1", results=True):
        time.sleep(_POLL)
    left: int = huey.pending_count()
    took = time.monotonic() - began
    consumer.stop()
    return (jobs - left) / took


def enqueue(start: Start, database: Path, seconds: float) -> float:
    """One thread calls the task, over and over, at FULL. Tasks a second."""
    huey, noop = _huey(database)
    noop(0)
    start()
    began = time.monotonic()
    end = began + seconds
    done = 0
    while (now := time.monotonic()) < end:
        noop(done)
        done += 1
    assert huey.pending_count() == done + 1
    return done / (now - began)
