"""Uses the caller's own connection, for an enqueue inside the caller's own transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
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
    """Adapts the caller's connection to the store's code, without changing its own settings."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def cursor(self) -> psycopg.RawCursor[TupleRow]:
        """Create a cursor with the store's placeholders, rows and type adapters."""
        made = psycopg.RawCursor(self._connection, row_factory=tuple_row)
        texts.adapt(made)
        return made

    def execute(self, statement: Any, bound: Sequence[Any] | None = None, *, prepare: bool | None = None) -> Any:
        """Run a statement."""
        return self.cursor().execute(statement, bound, prepare=prepare)

    def pipeline(self) -> AbstractContextManager[object]:
        """Send what is executed inside the block together."""
        return self._connection.pipeline()


@contextmanager
def caller_connection(connection: object, home: Connections) -> Iterator[Session]:
    """Use the caller's connection as a session, inside the caller's open transaction.

    An exception inside undoes the changes made inside, and no others.

    Raises:
        InvalidOption: it is not a psycopg connection, has no open transaction, or is to another database or schema.
    """
    if not isinstance(connection, psycopg.Connection):
        raise InvalidOption("connection", "must be a psycopg.Connection, with its transaction open")
    if connection.info.encoding != "utf-8":
        raise InvalidOption("connection", f"must speak UTF8 with its server, not {connection.info.encoding}")
    status = connection.info.transaction_status
    if status is TransactionStatus.IDLE and not connection.autocommit:
        # Its first statement begins a transaction, and may be ours; the caller commits it.
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
        session.flush()
