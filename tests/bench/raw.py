"""Measure bare SQLite: a table, a partial index, claim and complete, without history, counters or fencing.

This is the upper limit for an engine, not an engine: it does not recover jobs after a crash.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import apsw
from processes import DURABILITY, Start

THREADS = 4
BATCH = 64
_MAKE = """
CREATE TABLE jobs (id INTEGER PRIMARY KEY, state TEXT NOT NULL, priority INTEGER NOT NULL, args TEXT NOT NULL);
CREATE INDEX ready ON jobs (priority DESC, id) WHERE state = 'pending';
"""
_FILL = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
INSERT INTO jobs (state, priority, args) SELECT 'pending', 0, '{"n":1}' FROM numbers
"""
_CLAIM = """
UPDATE jobs SET state = 'running'
 WHERE id IN (SELECT id FROM jobs WHERE state = 'pending' ORDER BY priority DESC, id LIMIT ?) RETURNING id, args
"""
_COMPLETE = "UPDATE jobs SET state = 'completed' WHERE id = ?"

Job = tuple[int, str]


def fill(database: Path, jobs: int) -> Path:
    """Fill a database with pending jobs."""
    connection = _connect(database, "OFF")
    connection.execute(_MAKE)
    connection.execute(_FILL, (jobs,))
    connection.close()
    return database


def _connect(database: Path, synchronous: str) -> apsw.Connection:
    connection = apsw.Connection(str(database), statementcachesize=256)
    connection.execute(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}").fetchall()
    return connection


def drain_singly(start: Start, database: Path, seconds: float) -> float:
    """Run one thread whose commits complete one job and claim the next; return jobs per second."""
    connection = _connect(database, DURABILITY)
    start()
    started = time.monotonic()
    end = started + seconds
    done = 0
    jobs: list[Job] = []
    while time.monotonic() < end:
        jobs = _complete_and_claim(connection, jobs, 1)
        if not jobs:
            break
        done += 1
    return done / (time.monotonic() - started)


def drain_in_batches(start: Start, database: Path, seconds: float) -> float:
    """Run one claimer and four no-op threads; each commit completes the finished jobs and claims 64. Return jobs per second."""
    connection = _connect(database, DURABILITY)
    inbox: SimpleQueue[list[Job] | None] = SimpleQueue()
    outbox: SimpleQueue[list[Job]] = SimpleQueue()

    def work() -> None:
        while (jobs := inbox.get()) is not None:
            for job in jobs:
                _no_op(job)
            outbox.put(jobs)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    start()
    started = time.monotonic()
    end = started + seconds
    done = underway = 0
    finished: list[Job] = []
    while True:
        claimed = _complete_and_claim(connection, finished, BATCH if time.monotonic() < end else 0)
        done += len(finished)
        for first in range(0, len(claimed), BATCH // THREADS):
            inbox.put(claimed[first : first + BATCH // THREADS])
        underway += len(claimed)
        if not underway:
            break
        finished = []
        # One batch runs while the next is claimed.
        while underway > (BATCH if claimed else 0) or not outbox.empty():
            jobs = outbox.get()
            finished += jobs
            underway -= len(jobs)
    took = time.monotonic() - started
    for _ in threads:
        inbox.put(None)
    return done / took


def _no_op(job: Job) -> None:
    pass


def _complete_and_claim(connection: apsw.Connection, finished: list[Job], wanted: int) -> list[Job]:
    """Complete the finished jobs and claim more, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(_COMPLETE, [job[:1] for job in finished])
    claimed: list[Any] = connection.execute(_CLAIM, (wanted,)).fetchall() if wanted else []
    connection.execute("COMMIT")
    return claimed
