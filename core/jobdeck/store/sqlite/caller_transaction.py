"""Uses the caller's own connection, for an enqueue inside the caller's own transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, cast

import apsw

from ...model.errors import InvalidOption
from .connection import Connections


class _Sqlite3Adapter:
    """Adapts a connection of Python's `sqlite3` to the few methods of apsw's that an enqueue uses."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, bound: Any = ()) -> _Rows:
        cursor = self._connection.cursor()
        cursor.row_factory = None  # the caller's row factory may return anything
        return _Rows(cursor.execute(statement, bound))

    def executemany(self, statement: str, rows: Any) -> None:
        self._connection.executemany(statement, rows)

    def last_insert_rowid(self) -> int:
        return int(self.execute("SELECT last_insert_rowid()").get)

    def changes(self) -> int:
        return int(self.execute("SELECT changes()").get)


class _Rows:
    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def __iter__(self) -> Any:
        return iter(self._cursor)

    def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    @property
    def get(self) -> Any:
        row = self._cursor.fetchone()
        return row if row is None or len(row) > 1 else row[0]


def caller_connection(connection: object, home: Connections) -> apsw.Connection:
    """Return the caller's connection in the form that the store uses.

    Raises:
        InvalidOption: it is not an SQLite connection, is to another database file, or has no open transaction.
    """
    if isinstance(connection, apsw.Connection):
        ready = connection
    elif isinstance(connection, sqlite3.Connection):
        ready = cast("apsw.Connection", _Sqlite3Adapter(connection))
    else:
        raise InvalidOption("connection", "must be an sqlite3.Connection or apsw.Connection, with its transaction open")
    listed = ready.execute("PRAGMA database_list").fetchall()
    if not any(name == "main" and file and home.is_file(Path(str(file))) for _, name, file in listed):
        raise InvalidOption("connection", f"must be open on {home.where}, the database of this queue")
    if not connection.in_transaction:
        raise InvalidOption("connection", "has no transaction open; begin one, so that the job comes with your rows")
    return ready
