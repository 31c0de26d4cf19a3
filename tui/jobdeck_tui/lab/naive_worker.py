"""A worker as it is often written, to fail beside jobdeck's. Run as a process: `… naive_worker --db FILE --ledger FILE …`.

It polls, marks a job as running, runs it, and writes the result. What it lacks is chosen by its options: an atomic claim, a
lease that ends, a limit of attempts, fencing. Its jobs are rows of a plain table (see `create_table`).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import apsw

from . import pace
from .ledger import append

TABLE = """
CREATE TABLE jobs (id INTEGER PRIMARY KEY, state TEXT NOT NULL DEFAULT 'pending', attempt INTEGER NOT NULL DEFAULT 0,
                   worker INTEGER, lease_until REAL, result TEXT, seconds REAL NOT NULL DEFAULT 0, until TEXT,
                   poison INTEGER NOT NULL DEFAULT 0)
"""
_READY = "state = 'pending' OR (state = 'running' AND lease_until < :now)"
SELECT = f"SELECT id FROM jobs WHERE {_READY} ORDER BY id LIMIT 1"
UPDATE = "UPDATE jobs SET state = 'running', attempt = attempt + 1, worker = :pid, lease_until = :until WHERE id = :job"
ATOMIC = UPDATE.replace("id = :job", f"id = ({SELECT}) RETURNING id")
COMPLETE = "UPDATE jobs SET state = 'completed', result = :result WHERE id = :job"
"""Not fenced: the last write wins."""
POLL = 0.005
"""Seconds between two polls of an idle worker."""


def connect(file: str | Path) -> apsw.Connection:
    """Open the table's file, as careful programs do: with the log, and with a busy timeout."""
    connection = apsw.Connection(str(file))
    connection.set_busy_timeout(10_000)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "normal")
    return connection


def create_table(file: str | Path) -> None:
    """Create the table of jobs."""
    connection = connect(file)
    connection.execute(TABLE)
    connection.close()


def add_jobs(file: str | Path, jobs: list[dict[str, Any]]) -> None:
    """Add jobs in one transaction; each has the columns `seconds`, `until` or `poison`, or none of them."""
    connection = connect(file)
    with connection:
        for each in jobs:
            values = {"seconds": 0.0, "until": None, "poison": 0, **each}
            connection.execute("INSERT INTO jobs (seconds, until, poison) VALUES (:seconds, :until, :poison)", values)
    connection.close()


def _claim(connection: apsw.Connection, lease: float, *, atomic: bool) -> int | None:
    now = time.monotonic()
    bound = {"now": now, "pid": os.getpid(), "until": now + lease if lease else None}
    if atomic:
        taken: int | None = connection.execute(ATOMIC, bound).get
        return taken
    job: int | None = connection.execute(SELECT, {"now": now}).get
    if job is None:
        return None
    connection.execute(UPDATE, {"pid": bound["pid"], "until": bound["until"], "job": job})
    return job


def _run(connection: apsw.Connection, ledger: str, job: int) -> None:
    row: Any = connection.execute("SELECT attempt, seconds, until, poison FROM jobs WHERE id = ?", (job,)).get
    attempt, seconds, until, poison = row
    pace.take_turn()
    append(ledger, "start", job, attempt)
    if poison:
        os.kill(os.getpid(), signal.SIGKILL)
    pace.sleep(seconds)
    while until and attempt == 1 and not Path(until).exists():
        time.sleep(POLL)
    append(ledger, "end", job, attempt)
    connection.execute(COMPLETE, {"job": job, "result": json.dumps({"attempt": attempt, "pid": os.getpid()})})


def main() -> None:
    """Work until the process is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--db", required=True)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--atomic", action="store_true", help="claim with one statement")
    parser.add_argument("--lease", type=float, default=0.0, help="seconds until a running job is taken over; 0: never")
    parser.add_argument("--poll", type=float, default=POLL, help="seconds between two polls of an idle worker")
    options = parser.parse_args()
    connection = connect(options.db)
    append(options.ledger, "ready")
    while True:
        job = _claim(connection, options.lease, atomic=options.atomic)
        if job is None:
            time.sleep(options.poll)
        else:
            _run(connection, options.ledger, job)


if __name__ == "__main__":
    main()
