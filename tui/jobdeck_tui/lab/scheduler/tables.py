"""The databases of the lanes: a plain table of jobs, and a queue of jobdeck. Each worker has a connection of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import apsw

import jobdeck
from jobdeck import Job, Queue, Registry, Settings, State, StoreBusy, job, record

from ..inside import Section, record_operation
from ..plans import sqlite_plan
from .programs import LaneStep, Program, StepKind

_JOB = "lab.job"


@record
class Performed:
    """The record of a step."""

    statements: tuple[str, ...]
    """The SQL that ran."""
    note: str
    """Its result: `job 1`, `0 rows`, …"""
    job: int | None
    """The job that the worker has taken, counted from 1."""
    blocked: bool = False
    """`True` if the database was locked by another worker: nothing has happened, and the step can be tried again."""


@record
class TableRow:
    """A job as all connections see it: committed."""

    job: int
    state: str
    worker: str
    """Empty before a worker has taken it."""
    lease: str = ""


class LaneTable(ABC):
    """The database of one lane."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._open = ExitStack()

    def close(self) -> None:
        """Close every connection."""
        self._open.close()

    @abstractmethod
    def reset(self) -> None:
        """Undo everything: no worker has a transaction, and all jobs are pending."""

    @abstractmethod
    def perform(self, worker: int, step: LaneStep, taken: int | None) -> Performed:
        """Perform a step other than a run.

        Args:
            worker: the number of the worker, from 0.
            step: the step.
            taken: the job that the worker has taken.
        """

    @abstractmethod
    def rows(self) -> Sequence[TableRow]:
        """Return the committed rows."""

    @abstractmethod
    def plan(self, sql: str) -> tuple[str, ...]:
        """Return the lines of the query plan of a step's statement, as the database gives them; none for one without rows."""

    def record(self, operation: str, folder: Path) -> Section:
        """Perform an operation of jobdeck on a scratch queue in a database of this kind, and return its statements.

        Args:
            operation: `claim`, …
            folder: a scratch folder.
        """
        return record_operation(operation, folder)


class PlainTable(LaneTable):
    """A table of jobs in an SQLite file of its own."""

    def __init__(self, file: Path, workers: int, jobs: int) -> None:
        super().__init__(jobs)
        self._own = self._connect(file)
        self._own.pragma("journal_mode", "wal")
        self._own.execute("CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, state TEXT, worker TEXT)")
        self._workers = [self._connect(file) for _ in range(workers)]

    def _connect(self, file: Path) -> apsw.Connection:
        connection = apsw.Connection(str(file))
        self._open.callback(connection.close)
        connection.set_busy_timeout(0)  # a blocked step says so at once
        connection.pragma("synchronous", "off")
        return connection

    def reset(self) -> None:
        for connection in self._workers:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        with self._own:
            self._own.execute("DELETE FROM jobs")
            self._own.executemany("INSERT INTO jobs VALUES (?, 'pending', NULL)", [(n,) for n in range(1, self.jobs + 1)])

    def perform(self, worker: int, step: LaneStep, taken: int | None) -> Performed:
        connection = self._workers[worker]
        named = {"worker": f"worker {worker + 1}", "job": taken}
        try:
            found = connection.execute(step.sql, {key: named[key] for key in named if f":{key}" in step.sql}).fetchall()
        except apsw.BusyError:
            return Performed((step.sql,), "waits: the database is locked", taken, blocked=True)
        if "SELECT id" in step.sql:
            taken = int(str(found[0][0])) if found else None
            return Performed((step.sql,), "no job" if taken is None else f"job {taken}", taken)
        if step.sql.startswith("UPDATE"):
            n = connection.changes() if taken is not None else 0
            return Performed((step.sql,), f"{n} row{'' if n == 1 else 's'}", taken)
        return Performed((step.sql,), "", taken)

    def rows(self) -> Sequence[TableRow]:
        found = self._own.execute("SELECT id, state, coalesce(worker, '') FROM jobs ORDER BY id")
        return [TableRow(*row) for row in found]

    def plan(self, sql: str) -> tuple[str, ...]:
        if not has_plan(sql):
            return ()
        values = {name: None for name in ("worker", "job") if f":{name}" in sql}
        return sqlite_plan(self._own.execute(f"EXPLAIN QUERY PLAN {sql}", values))


def has_plan(sql: str) -> bool:
    """Return whether a statement reads or writes rows."""
    return sql.startswith(("SELECT", "UPDATE"))


def _handler() -> None:
    """Never called: the viewer runs the jobs."""


class EngineQueue(LaneTable):
    """A queue of jobdeck: claims and results are those of the engine.

    A job's id is never used again, so the jobs are new ones after each reset; they are counted from 1 again.
    """

    def __init__(self, file: Path, workers: int, jobs: int) -> None:
        super().__init__(jobs)
        registry = Registry()
        job(name=_JOB, registry=registry)(_handler)
        settings = Settings(database=str(file), synchronous="OFF")
        self._file = file
        self._statements: list[str] = []
        self._queues = [self._open.enter_context(Queue(settings=settings, registry=registry)) for _ in range(workers)]
        for queue in self._queues:
            with queue.transaction() as connection:
                connection.exec_trace = self._record
            self._open.callback(setattr, connection, "exec_trace", None)
        self._workers = [jobdeck.testing.ManualWorker(queue, f"worker {n}") for n, queue in enumerate(self._queues, start=1)]
        self._claimed: list[Job | None] = [None] * workers
        self._ids: Sequence[int] = ()

    def _record(self, _cursor: object, sql: str, _values: object) -> bool:
        self._statements.append(" ".join(sql.split()))
        return True

    def reset(self) -> None:
        for worker, claimed in zip(self._workers, self._claimed, strict=True):
            if claimed is not None:
                worker.complete(claimed)
        self._claimed = [None] * len(self._workers)
        queue = self._queues[0]
        if rest := [each.id for each in queue.get_many(self._ids) if each.state is State.PENDING]:
            queue.cancel_many(rest)
        self._ids = queue.enqueue_bulk(_JOB, [{}] * self.jobs)
        self._statements.clear()

    def perform(self, worker: int, step: LaneStep, taken: int | None) -> Performed:
        self._statements.clear()
        try:
            if step.kind is StepKind.CLAIM:
                claimed = self._claimed[worker] = self._workers[worker].claim()
                taken = None if claimed is None else claimed.id - self._ids[0] + 1
                return Performed(tuple(self._statements), "no job" if taken is None else f"job {taken}", taken)
            held, self._claimed[worker] = self._claimed[worker], None
            if held is not None:
                self._workers[worker].complete(held)
            return Performed(tuple(self._statements), "" if held is None else f"job {taken}", taken)
        except StoreBusy:
            return Performed(tuple(self._statements), "waits: the database is locked", taken, blocked=True)

    def rows(self) -> Sequence[TableRow]:
        return [
            TableRow(n, str(each.state), each.worker or "", "" if each.lease is None else f"{each.lease:x}"[-4:])
            for n, each in enumerate(self._queues[0].get_many(self._ids), start=1)
        ]

    def plan(self, sql: str) -> tuple[str, ...]:
        return ()  # the steps are operations of the engine, whose statements are recorded

    def record(self, operation: str, folder: Path) -> Section:
        return record_operation(operation, folder, self._file)


def open_table(program: Program, folder: Path, workers: int, jobs: int, server: str | None = None) -> LaneTable:
    """Create the database of a lane in a folder, or in a scratch schema of the server for a lane of PostgreSQL.

    Raises:
        OSError: the server cannot be used.
    """
    if program.on_postgres:
        assert server is not None
        table: LaneTable = import_module(f"{__package__}.postgres_table").PostgresTable(server, workers, jobs)
        return table
    kind = EngineQueue if program.is_jobdeck else PlainTable
    return kind(folder / f"{program.name}-{workers}-{jobs}.db", workers, jobs)
