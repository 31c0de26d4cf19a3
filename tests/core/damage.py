"""Damage single values of a queue as a flipped bit or another program would, past what the schema refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import apsw
from tests.core.helpers import wait_until

from jobdeck import (
    BatchNotFound,
    InvalidJournalEntry,
    JobNotFound,
    NothingToUndo,
    Queue,
    Registry,
    Settings,
    UndoConflict,
    UndoDataDamaged,
    Worker,
    WorkerInfo,
    context,
    job,
)

KIND = "demo.work"

#: What a value becomes → the SQL for it.
DAMAGES = {
    "not UTF-8": "CAST(X'6d61ff6c' AS TEXT)",
    "a cut character": "CAST(X'6d61e282' AS TEXT)",
    "a surrogate": "CAST(X'6deda080' AS TEXT)",
    "a blob": "X'00ff80'",
    "NULL": "NULL",
    "an unknown word": "'pendinf'",
    "no JSON": """'{"a": [1,'""",
    "deep JSON": f"'{'[' * 100_000}'",
    "long JSON number": f"""'{{"a": {"9" * 5000}}}'""",
    "other JSON": "'[7, null, {}, [[]]]'",
    "infinity": "9e999",
    "negative infinity": "-9e999",
    "1e300": "1e300",
    "a negative time": "-5.5",
    "a huge number": "9223372036854775807",
    "the lowest number": "-9223372036854775808",
    "a number": "42",
    "a fraction": "0.5",
}


def registry() -> Registry:
    """Return the kinds of the queue."""
    kinds = Registry()

    def work(fail: bool = False) -> str:
        context().log.info("working")
        if fail:
            raise ValueError("no")
        return "done"

    job(name=KIND, max_attempts=2, registry=kinds)(work)
    return kinds


def fill(path: Path | str) -> None:
    """Create a queue with rows in every table."""
    kinds = registry()
    with Queue(path, registry=kinds, settings=Settings(synchronous="OFF"), actor="ann") as queue:
        for n in range(3):
            queue.enqueue(KIND, {"fail": n == 0}, tags=["old"], max_attempts=1)
        with Worker(queue, threads=1):
            wait_until(lambda: queue.count("state:pending,running,retrying") == 0)
        first = queue.enqueue(KIND, {"fail": False}, queue="mail", tags=["a", "b"], unique="k")
        queue.enqueue(KIND, {}, after=[first.id])
        queue.enqueue(KIND, {}, delay=3600, expires=7200, backoff=(1, 5))
        queue.enqueue(KIND, {}, queue="paused")
        queue.batches.enqueue([queue.new_job(KIND, {}) for _ in range(2)], name="many")
        queue.pause("paused")
        queue.limits.set("mail", running=5, rate=100, period=60)
        queue.schedules.add("nightly", "0 4 * * *", KIND, {})
        gone = queue.enqueue(KIND, {}, delay=50)
        queue.delete(gone.id)
        other = queue.enqueue(KIND, {}, delay=50)
        queue.cancel(other.id)
        queue.store.metrics.sample_depths()
        now = queue.clock.now()
        queue.store.workers.report(
            WorkerInfo(
                id="w9", host="h", pid=1, threads=4, queues=("mail",), started_at=now, heartbeat_at=0.0, draining=False,
                running=0, alive=True, kinds=(KIND,),
            )
        )  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """One value of one row, and what it becomes."""

    table: str
    column: str
    name: str
    row: int
    """The row's place in the table, counted from 0."""

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of row {self.row} is {self.name}"


def columns(path: Path) -> dict[str, list[str]]:
    """Return the stored columns of each table."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    try:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'jobdeck%'")
        ]
        return {table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] for table in tables}
    finally:
        connection.close()


def damages(path: Path, seed: int, rows: int = 1) -> Iterator[Damage]:
    """Return damages of every column of every table, in `rows` random rows each."""
    random = Random(seed)
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    counts = {table: connection.execute(f"SELECT count(*) FROM {table}").get for table in columns(path)}
    connection.close()
    for table, names in columns(path).items():
        if table == "jobdeck_meta":  # without its schema version, a file is refused
            continue
        for column in names:
            for name in DAMAGES:
                for row in random.sample(range(counts[table]), min(rows, counts[table])):
                    yield Damage(table, column, name, row)


def apply(path: Path, damage: Damage) -> bool:
    """Damage the value; return `False` if the file cannot hold it."""
    with relaxed(path, damage.table) as connection:
        info = [*connection.execute(f"PRAGMA table_info({damage.table})")]
        without_rowid = connection.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (damage.table,)).get
        keys = ", ".join(row[1] for row in info if row[5]) if without_rowid else "rowid"
        where = f"({keys}) = (SELECT {keys} FROM {damage.table} LIMIT 1 OFFSET {damage.row})"
        try:
            connection.execute(f"UPDATE {damage.table} SET {damage.column} = {DAMAGES[damage.name]} WHERE {where}")
        except (apsw.ConstraintError, apsw.MismatchError):
            return False
        return connection.changes() == 1


@contextmanager
def relaxed(path: Path, table: str) -> Iterator[apsw.Connection]:
    """Return a connection on which the table's columns take any value."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    sql = str(connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).get)
    loose = re.sub(r"--.*", "", sql)
    loose = re.sub(r"\bSTRICT(, )?", "", loose).replace(", WITHOUT ROWID", " WITHOUT ROWID")
    loose = re.sub(r"\bNOT NULL\b(?! AND|\s+ELSE|\)| THEN|\s+WHEN|\s*END)", "", loose)
    loose = re.sub(r"\b(TEXT|REAL|INTEGER(?! PRIMARY KEY))\b", "BLOB", loose)
    _write_schema(connection, table, loose)
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    try:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection
    finally:
        _write_schema(connection, table, sql)


def _write_schema(connection: apsw.Connection, table: str, sql: str) -> None:
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, table))
    connection.close()


READS: dict[str, Callable[[Queue, int], object]] = {
    "list": lambda queue, _: queue.list(limit=100),
    "filter": lambda queue, _: queue.list("age>0s tag:a args.fail:false"),
    "get": lambda queue, job_id: queue.get(job_id),
    "count": lambda queue, _: (queue.count("state:pending"), queue.count_states(), queue.ids(sort="age")),
    "attempts": lambda queue, job_id: queue.attempts(job_id),
    "logs": lambda queue, job_id: queue.logs(job_id),
    "dependencies": lambda queue, job_id: queue.dependencies(job_id),
    "batch": lambda queue, _: queue.batches.get(1),
    "queues": lambda queue, _: (queue.queues(), queue.queue_stats()),
    "workers": lambda queue, _: queue.workers.list(),
    "overview": lambda queue, _: queue.overview(),
    "explain": lambda queue, job_id: queue.explain(job_id),
    "journal": lambda queue, job_id: (queue.journal.entries(), queue.journal.of_job(job_id)),
    "history": lambda queue, _: (queue.history.events(), queue.history.runs(0.0), queue.history.metrics()),
    "errors": lambda queue, _: queue.history.errors(),
    "schedules": lambda queue, _: queue.schedules.list(),
    "prune": lambda queue, _: queue.maintenance.prune(older_than=1e6),
    "doctor": lambda queue, _: queue.maintenance.doctor(),
}
"""The queries of people and programs, each for one job."""


def survives(path: Path | str, job_id: int = 4) -> list[str]:
    """Read everything, run a worker, delete a job and undo that; return what failed."""
    failed = []

    def attempt(name: str, act: Callable[[], object]) -> None:
        try:
            act()
        except (JobNotFound, NothingToUndo, InvalidJournalEntry, BatchNotFound, UndoConflict, UndoDataDamaged):
            pass  # the row has been deleted
        except Exception as error:
            failed.append(f"{name}: {error!r}")

    with Queue(path, registry=registry(), settings=Settings(synchronous="OFF")) as queue:
        for name, read in READS.items():
            attempt(name, partial(read, queue, job_id))
        with Worker(queue, threads=1):
            attempt("run", lambda: queue.wait(queue.enqueue(KIND, {}).id, timeout=10))
        attempt("delete", lambda: queue.delete(job_id))
        attempt("undo", queue.journal.undo)
        attempt("list again", queue.list)
    return failed
