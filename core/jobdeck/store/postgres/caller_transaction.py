"""A connection of the caller's own, for an enqueue inside the caller's own transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from ...model.errors import InvalidOption
from . import type_adapters as texts
from .connection import NOW, Connections
from .errors import ErrorTranslator
from .identity import Identity
from .session import Session
from .sharded_counters import shard_for_transaction


class _CallerConnection:
    """The caller's connection, read and written as the store does; what the caller has made of it stays as it is."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def cursor(self) -> psycopg.RawCursor[TupleRow]:
        """A cursor with the store's own placeholders, rows and texts."""
        made = psycopg.RawCursor(self._connection, row_factory=tuple_row)
        texts.adapt(made)
        return made

    def execute(self, statement: Any, bound: Sequence[Any] | None = None, *, prepare: bool | None = None) -> Any:
        """Run a statement."""
        return self.cursor().execute(statement, bound, prepare=prepare)


@contextmanager
def caller_connection(connection: object, home: Connections) -> Iterator[Session]:
    """The caller's connection as the store's code uses it, inside the caller's open transaction.

    What goes wrong inside undoes what was done inside, and no more: the caller's transaction is as it was before.

    Raises:
        InvalidOption: it is no connection of psycopg's, has no transaction open, or is one to another database or schema.
    """
    if not isinstance(connection, psycopg.Connection):
        raise InvalidOption("connection", "must be a psycopg.Connection, with its transaction open")
    if connection.info.encoding != "utf-8":
        raise InvalidOption("connection", f"must speak UTF8 with its server, not {connection.info.encoding}")
    status = connection.info.transaction_status
    if status is TransactionStatus.IDLE and not connection.autocommit:
        # Its first statement begins a transaction, and ours may be the first; then it is open, and the caller's to commit.
        connection.execute("SELECT 1")
    elif status is TransactionStatus.INERROR:
        raise InvalidOption("connection", "has a transaction that failed; roll back before you enqueue")
    elif status is not TransactionStatus.INTRANS:
        raise InvalidOption("connection", "has no transaction open; begin one, so that the job comes with your rows")
    visited = _CallerConnection(connection)
    session = Session(cast("psycopg.Connection[TupleRow]", visited))
    with ErrorTranslator(home.where), connection.transaction():
        if Identity.read(visited) != home.identity.identity:
            raise InvalidOption("connection", f"must be open on {home.where}, the database and schema of this queue")
        (session.now,) = visited.execute(NOW).fetchone()
        session.shard = shard_for_transaction(session)
        yield session
