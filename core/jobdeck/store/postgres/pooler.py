"""Detects a connection pooler that gives each transaction another session of the server, such as PgBouncer's transaction mode.

A queue needs a session of its own for each connection: for LISTEN, for its settings, and for prepared statements.
"""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress

import psycopg
from psycopg import RawCursor
from psycopg.rows import TupleRow, tuple_row

POOLED = (
    "is behind a connection pooler that shares sessions between clients (pool_mode = transaction in PgBouncer), which jobdeck"
    " cannot use; connect to the server itself, or set pool_mode = session"
)
_ROUNDS = 5
"""The number of times that two connections compare their sessions."""
_PATIENCE = 3.0
"""Seconds that the second connection waits for a session; a pooler in session mode may have none left."""

_own_sessions: set[str] = set()
"""The addresses of poolers that gave each connection a session of its own."""


def shares_sessions(raw: psycopg.Connection[TupleRow], conninfo: str) -> bool:
    """Return whether the server behind a new connection changes its session, or gives it to other connections too."""
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
                        return True
            finally:
                timer.cancel()
    _own_sessions.add(conninfo)
    return False


def _session(raw: psycopg.Connection[TupleRow]) -> int:
    row = raw.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    assert row is not None
    return int(row[0])
