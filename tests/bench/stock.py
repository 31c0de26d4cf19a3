"""Fill databases with jobs quickly: the engine creates one job, and SQLite copies its row.

Copies all columns of the table by name, so that new columns need no change here. Each run of a drain gets a copy of a
file that was filled once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw
from processes import open_queue

from jobdeck import Queue
from jobdeck.model.attempt_result import Completed
from jobdeck.store.claim_capacity import ClaimRequest

QUEUES = ("default", "img", "mail", "report", "webhook")
_NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
#: Copies differ in these columns, like jobs that were due and finished at different times.
_VARIED = {"scheduled_at": "CASE state WHEN 'scheduled' THEN scheduled_at + n * 0.01 ELSE scheduled_at END"}
_VARIED |= {"finished_at": "finished_at + n * 0.0001"}


def stock(
    database: Path,
    jobs: int,
    *,
    state: str = "pending",
    kind: str = "bench.noop",
    args: Mapping[str, Any] | None = None,
    queues: Sequence[str] = ("default",),
) -> Path:
    """Add `jobs` jobs in this state, spread over the queues; return the database."""
    with open_queue(database, "OFF") as queue:
        first = [_create(queue, state, kind, args or {"n": 1}, name) for name in queues]
    each = jobs // len(queues) - 1
    if each > 0:
        _copy(database, first, each)
    with open_queue(database, "OFF") as queue:
        found, counted = len(queue.ids(f"state:{state}")), queue.count(f"state:{state}")
        assert found == counted, f"counters say {counted:,} jobs, the table has {found:,}"
    sync_to_disk(database)
    return database


def sync_to_disk(database: Path) -> None:
    """Write the file to disk, so that the next measurement does not pay for it at its first sync."""
    handle = os.open(database, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _create(queue: Queue, state: str, kind: str, args: Mapping[str, Any], name: str) -> int:
    job = queue.enqueue(kind, args, queue=name, delay=3_600.0 if state == "scheduled" else None)
    if state == "completed":
        with queue.transaction():
            (claimed,) = queue.store.claimer.claim(ClaimRequest("bench:0:stock", 1, kinds=[kind], queues=[name], lease=60.0))
            assert claimed.id == job.id, "only an empty queue can be filled with finished jobs"
            assert claimed.started_at is not None
            queue.store.completer.complete([Completed(claimed, claimed.started_at, claimed.started_at + 0.01)])
    assert queue.get(job.id).state == state
    return job.id


def _copy(database: Path, ids: Sequence[int], each: int) -> None:
    chosen = f"({', '.join(map(str, ids))})"
    connection = apsw.Connection(str(database))
    try:
        # No other process uses the file, and it may be lost: a journal would double the work.
        connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; BEGIN").fetchall()
        last = connection.execute("SELECT max(id) FROM jobdeck_jobs").get
        columns = [name for name in _columns(connection, "jobdeck_jobs") if name != "id"]
        connection.execute(
            f"{_NUMBERS} INSERT INTO jobdeck_jobs ({', '.join(columns)})"
            f" SELECT {', '.join(_VARIED.get(name, name) for name in columns)}"
            f" FROM numbers CROSS JOIN jobdeck_jobs AS job WHERE job.id IN {chosen}",
            (each,),
        )
        columns = [name for name in _columns(connection, "jobdeck_attempts") if name != "job_id"]
        connection.execute(
            f"INSERT INTO jobdeck_attempts (job_id, {', '.join(columns)})"
            f" SELECT copy.id, {', '.join(f'attempt.{name}' for name in columns)} FROM jobdeck_attempts AS attempt"
            " JOIN jobdeck_jobs AS job ON job.id = attempt.job_id JOIN jobdeck_jobs AS copy ON copy.queue = job.queue"
            f" WHERE attempt.job_id IN {chosen} AND copy.id > ? ORDER BY copy.id",
            (last,),
        )
        connection.execute(
            "UPDATE jobdeck_counts SET n = n + ? FROM jobdeck_jobs AS job"
            f" WHERE job.id IN {chosen} AND job.queue = jobdeck_counts.queue AND job.kind = jobdeck_counts.kind"
            " AND job.state = jobdeck_counts.state",
            (each,),
        )
        connection.execute("COMMIT; PRAGMA journal_mode = WAL").fetchall()
    finally:
        connection.close()


def _columns(connection: apsw.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def copy_database(template: Path, name: str) -> Path:
    """Copy the template and sync the copy to disk, so that the measurement does not pay for it."""
    copy = template.with_name(f"{name}.db")
    delete_database(copy)
    shutil.copyfile(template, copy)
    sync_to_disk(copy)
    return copy


def delete_database(database: Path) -> None:
    """Delete the database with its -wal and -shm files."""
    for ending in ("", "-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
