"""Detects a connection pooler that gives each transaction another session of the server, such as PgBouncer's transaction mode.

Such a connection keeps nothing between two transactions: its settings are made in each of them, a shard of the counters is
taken for the transaction only, statements are not prepared, and nothing can listen, so that workers poll.
"""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress

import psycopg
from psycopg import RawCursor
from psycopg.rows import TupleRow, tuple_row

from ...model.errors import StoreRefused

NO_TRANSACTIONS = (
    "is behind a connection pooler that shares sessions between the statements of a transaction (pool_mode = statement in"
    " PgBouncer), which jobdeck cannot use; set pool_mode = transaction or session"
)
LOST_STATEMENT = (
    "lost a prepared statement, as behind a connection pooler that shares sessions (pool_mode = transaction in PgBouncer);"
    " connect again, or set prepare_threshold = None on a connection of your own"
)
_ROUNDS = 5
"""The number of times that two connections compare their sessions."""
_PATIENCE = 3.0
"""Seconds that the second connection waits for a session; a pooler in session mode may have none left."""

_own_sessions: set[str] = set()
"""The addresses of poolers that gave each connection a session of its own."""
_shared_sessions: set[str] = set()
"""The addresses of poolers that did not."""


def is_pooled(conninfo: str) -> bool:
    """Return whether connections to this address share sessions, as far as is known from those that were opened."""
    return conninfo in _shared_sessions


def check_transactions(raw: psycopg.Connection[TupleRow], where: str) -> None:
    """Check that a session that is shared is at least not exchanged inside a transaction.

    Raises:
        StoreRefused: it is.
    """
    try:
        raw.execute("BEGIN", prepare=False)
        raw.execute("ROLLBACK", prepare=False)
    except psycopg.Error as error:
        raise StoreRefused(where, NO_TRANSACTIONS) from error


def shares_sessions(raw: psycopg.Connection[TupleRow], conninfo: str) -> bool:
    """Return whether the server behind a new connection changes its session, or gives it to other connections too."""
    if conninfo in _shared_sessions:
        return True
    session = _session(raw)
    if session == raw.info.backend_pid or conninfo in _own_sessions:
        return False  # the session that the server named when we connected: no pooler, as nearly always
    with suppress(psycopg.OperationalError):
        other = psycopg.Connection.connect(conninfo, autocommit=True, row_factory=tuple_row, cursor_factory=RawCursor)
        with closing(other), closing(socket.fromfd(other.fileno(), socket.AF_INET, socket.SOCK_STREAM)) as line:
            timer = threading.Timer(_PATIENCE, line.shutdown, (socket.SHUT_RDWR,))
            timer.daemon = True
            timer.start()
            try:
                for _ in range(_ROUNDS):
                    if _session(other) == session or _session(raw) != session:
                        _shared_sessions.add(conninfo)
                        return True
            finally:
                timer.cancel()
    _own_sessions.add(conninfo)
    return False


def _session(raw: psycopg.Connection[TupleRow]) -> int:
    row = raw.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    assert row is not None
    return int(row[0])
