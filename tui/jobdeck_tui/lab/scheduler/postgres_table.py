"""Lanes on a PostgreSQL server: a scratch schema of their own, which is dropped afterwards; nothing else is touched.

A step that would wait for another worker's lock gives up after some milliseconds, and is undone to where it was: it is shown
as waiting, and can be tried again.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..inside import Section
from ..plans import postgres_plan
from .postgres_inside import load_driver, record_on_server
from .programs import LaneStep
from .tables import LaneTable, Performed, TableRow, has_plan

if TYPE_CHECKING:
    import psycopg

PREFIX = "jobdeck_lab_"
"""The beginning of the names of all scratch schemas."""
_CONNECT = 5
"""Seconds that the server has to answer."""
_LOCK_TIMEOUT = 8
"""Milliseconds after which a step counts as waiting: without a lock in its way, none waits at all."""
_LEFT_BEHIND = """
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'jobdeck\\_lab\\_%'
   AND pg_try_advisory_lock(hashtextextended(nspname, 0))"""


class PostgresTable(LaneTable):
    """A table of jobs in a schema of its own. Transactions are READ COMMITTED."""

    def __init__(self, url: str, workers: int, jobs: int) -> None:
        """Create the schema; drop those that a lab which was killed has left behind.

        Args:
            url: the address of the database.
            workers: the number of workers, each with a connection of its own.
            jobs: the number of pending jobs.

        Raises:
            OSError: the server cannot be used.
        """
        super().__init__(jobs)
        self._url = url
        self._schema = f"{PREFIX}{secrets.token_hex(4)}"
        try:
            self._own = self._connect(url)
            self._create()
            self._workers = [self._connect(url) for _ in range(workers)]
            for connection in self._workers:
                self._run(connection, f"SET lock_timeout = {_LOCK_TIMEOUT}")
        except load_driver().Error as error:
            self.close()
            raise ConnectionError(f"The lab cannot use the PostgreSQL server: {str(error).splitlines()[0]}") from None

    def _connect(self, url: str) -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] = load_driver().connect(
            url, autocommit=True, connect_timeout=_CONNECT, application_name="jobdeck-lab"
        )
        self._open.callback(connection.close)
        return connection

    def _create(self) -> None:
        for (left,) in self._run(self._own, _LEFT_BEHIND).fetchall():
            self._drop(left)
        # The lock says that this lab is alive; it ends with the connection.
        self._run(self._own, "SELECT pg_advisory_lock(hashtextextended(%s, 0))", (self._schema,))
        self._run(self._own, f'CREATE SCHEMA "{self._schema}"')
        self._open.callback(self._drop, self._schema)
        self._run(self._own, "CREATE TABLE jobs (id integer PRIMARY KEY, state text, worker text)")

    def _drop(self, schema: str) -> None:
        with contextlib.suppress(load_driver().Error):  # the server may be away; another lab drops it later
            for connection in getattr(self, "_workers", ()):
                connection.close()
            self._own.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())

    def _run(self, connection: psycopg.Connection[Any], sql: str, values: Any = None) -> psycopg.Cursor[Any]:
        """Run a statement of a program, on the table of this lab's schema."""
        return connection.execute(re.sub(r"\bjobs\b", f'"{self._schema}".jobs', sql).encode(), values)

    def reset(self) -> None:
        for connection in self._workers:
            if _is_in_transaction(connection):
                connection.rollback()
        with self._own.transaction():
            self._run(self._own, "DELETE FROM jobs")
            rows = [f"({n}, 'pending', NULL)" for n in range(1, self.jobs + 1)]
            self._run(self._own, f"INSERT INTO jobs VALUES {', '.join(rows)}")

    def perform(self, worker: int, step: LaneStep, taken: int | None) -> Performed:
        connection = self._workers[worker]
        begin, _, sql = step.sql.rpartition("; ")
        values = {"worker": f"worker {worker + 1}", "job": taken}
        if begin:
            connection.execute("BEGIN")
        elif sql != "COMMIT":
            connection.execute("SAVEPOINT step")
        try:
            done = self._run(connection, _with_names(sql), values)
        except load_driver().errors.LockNotAvailable:
            connection.execute("ROLLBACK" if begin else "ROLLBACK TO SAVEPOINT step")
            return Performed((step.sql,), "waits: the row is locked", taken, blocked=True)
        if "SELECT id" in step.sql:
            found = done.fetchone()
            taken = None if found is None else int(found[0])
            return Performed((step.sql,), "no job" if taken is None else f"job {taken}", taken)
        if sql.startswith("UPDATE"):
            return Performed((step.sql,), f"{done.rowcount} row{'' if done.rowcount == 1 else 's'}", taken)
        return Performed((step.sql,), "", taken)

    def rows(self) -> Sequence[TableRow]:
        found = self._run(self._own, "SELECT id, state, coalesce(worker, '') FROM jobs ORDER BY id")
        return [TableRow(*row) for row in found]

    def plan(self, sql: str) -> tuple[str, ...]:
        statement = sql.rpartition("; ")[2]
        if not has_plan(statement):
            return ()
        values = {"worker": "worker 1", "job": 1}
        found = self._run(self._own, f"EXPLAIN (COSTS OFF) {_with_names(statement)}", values)
        return postgres_plan(line for (line,) in found)

    def record(self, operation: str, folder: Path) -> Section:
        return record_on_server(operation, self._url, self._schema)


def _with_names(sql: str) -> str:
    """Return a statement with its values named as the driver wants them."""
    return re.sub(r":(\w+)", r"%(\1)s", sql)


def _is_in_transaction(connection: psycopg.Connection[Any]) -> bool:
    return bool(connection.info.transaction_status != load_driver().pq.TransactionStatus.IDLE)
