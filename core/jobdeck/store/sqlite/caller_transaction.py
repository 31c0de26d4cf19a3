"""Uses the caller's own connection, for an enqueue inside the caller's own transaction."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from ...model.errors import InvalidOption
from .connection import Connections


@contextmanager
def caller_connection(connection: object, home: Connections) -> Iterator[apsw.Connection]:
    """Check the caller's connection, and suspend its tracers, which may change rows into anything.

    Python's `sqlite3` is another library than ours, and the locks of two libraries do not hold against each other inside one
    process: while its transaction is open, other threads of the process would write at the same time, and one of the two
    changes would be lost.

    Raises:
        InvalidOption: it is not one of our SQLite library, is to another database file, or has no open transaction.
    """
    if not isinstance(connection, apsw.Connection):
        if "sqlite3" in sys.modules and isinstance(connection, sys.modules["sqlite3"].Connection):
            raise InvalidOption(
                "connection",
                "is one of sqlite3, whose locks do not hold against this queue in the same process; run your statements in"
                " Queue.transaction(), which gives a connection, or open an apsw.Connection",
            )
        raise InvalidOption("connection", "must be an apsw.Connection, with its transaction open")
    home.check()
    row_trace, exec_trace = connection.row_trace, connection.exec_trace
    connection.row_trace = connection.exec_trace = None
    try:
        listed = connection.execute("PRAGMA database_list").fetchall()
        if not any(name == "main" and file and home.is_file(Path(str(file))) for _, name, file in listed):
            raise InvalidOption("connection", f"must be open on {home.where}, the database of this queue")
        if not connection.in_transaction:
            raise InvalidOption("connection", "has no transaction open; begin one, so that the job comes with your rows")
        yield connection
    finally:
        connection.row_trace, connection.exec_trace = row_trace, exec_trace
