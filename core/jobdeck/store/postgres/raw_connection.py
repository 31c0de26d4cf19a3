"""Opens and closes a connection to a PostgreSQL server, set up as the store needs it."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, cast

import psycopg
from psycopg import RawCursor
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from ... import fork
from ...clock import time
from . import type_adapters as texts
from .dsn import Address
from .errors import LOCK_TIMEOUT
from .pooler import check_transactions, shares_sessions
from .session import Session

_CLOSE_WAIT = 2.0
"""Seconds that a close takes at most to interrupt the statements of other threads."""

_FRESH = 5.0
"""Seconds for which a connection that nobody uses is trusted to work; after that a firewall may have dropped it, say."""
_SETTLE = 0.1
"""Seconds between two tries to send the rest of a statement to a server that reads nothing."""
_BETWEEN_STATEMENTS = (TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR)


def connect(address: Address, synchronous: str = "FULL") -> psycopg.Connection[TupleRow]:
    """Open a connection.

    Raises:
        StoreRefused: a pooler is in between that shares sessions inside transactions.
        psycopg.OperationalError: the server is unreachable.
    """
    raw = psycopg.Connection.connect(address.conninfo, autocommit=True, row_factory=tuple_row, cursor_factory=RawCursor)
    try:
        if shares_sessions(raw, address.conninfo):
            check_transactions(raw, address.shown)
            raw.prepare_threshold = None
            texts.adapt(raw)
        else:
            _set_up(raw, synchronous)
    except BaseException:
        raw.close()
        raise
    return raw


def _set_up(raw: psycopg.Connection[TupleRow], synchronous: str) -> None:
    texts.adapt(raw)
    settings = "; ".join(f"SET {name} = {value}" for name, value in session_settings(synchronous).items())
    raw.execute(cast("Any", settings), prepare=False)


def session_settings(synchronous: str) -> dict[str, str]:
    """Return the settings of a session, or, if it is shared, of each transaction."""
    settings = {
        "lock_timeout": str(int(LOCK_TIMEOUT * 1000)),
        "jit": "off",  # it would take a claim for a long query
        "extra_float_digits": "1",  # numbers keep their last bit
    }
    if synchronous != "FULL":
        # The last acknowledged writes may be lost if the server's machine fails; nothing is ever damaged.
        settings["synchronous_commit"] = "off"
    return settings


class RawConnection:
    """A thread's connection, closed when the thread releases it."""

    def __init__(
        self, raw: psycopg.Connection[TupleRow], generation: int, table: int, everyone: set[Any], *, pooled: bool = False
    ) -> None:
        self.raw = raw
        everyone.add(raw)
        self._everyone = everyone
        self._process = os.getpid()
        self.generation = generation
        """The number of the queue that it was opened on; see `Store.generation`."""
        self.table = table
        """The number of a table of that queue."""
        self.thread = threading.get_ident()
        """The identifier of the thread that uses it."""
        self.session = Session(raw, pooled=pooled)
        self.after_commit: dict[Callable[[], None], None] = {}
        self.parts = 0
        self.unanswered = False
        """`True` if the result of a statement has not been read yet; see `send`."""
        self.last_used = 0.0
        """The time on the monotonic clock at which it last ended a transaction."""
        self.in_transaction = False
        """`True` while the thread has a transaction open, whatever its state on the server."""

    def send(self, statement: bytes) -> None:
        """Run a statement whose result nobody reads, in a transaction of its own, without waiting for the server."""
        with self.raw.lock:
            self.unanswered = True
            self.raw.pgconn.send_query(statement)
            self.raw.pgconn.flush()

    def settle(self) -> None:
        """Read the result of the statement that was sent last. It has nearly always arrived."""
        if not self.unanswered:
            return
        self.unanswered = False
        server = self.raw.pgconn
        with suppress(psycopg.Error), self.raw.lock:  # who uses a connection that broke finds out
            while True:
                server.consume_input()
                while server.flush() or server.is_busy():
                    _is_readable(server.socket, _SETTLE)
                    server.consume_input()
                if server.get_result() is None:
                    return

    @property
    def is_idle(self) -> bool:
        """Return whether the connection works and has neither a transaction nor a statement in progress."""
        found = self.raw.pgconn
        return (
            found.transaction_status == TransactionStatus.IDLE  # unknown if the connection is closed or broken
            and found.pipeline_status == PipelineStatus.OFF
        )

    @property
    def accepts_statements(self) -> bool:
        """Return whether the connection works and has no statement in progress; it may have a transaction open."""
        found = self.raw.pgconn
        return found.transaction_status in _BETWEEN_STATEMENTS and found.pipeline_status == PipelineStatus.OFF

    def __del__(self) -> None:
        # All other threads end in a forked process; a close would end the parent's session.
        if os.getpid() == self._process:
            self._everyone.discard(self.raw)
            with suppress(Exception):
                self.raw.close()

    @property
    def is_fresh(self) -> bool:
        """Return whether it was used moments ago, and the server has not spoken since, as it does when it ends the session."""
        return time.monotonic() < self.last_used + _FRESH and not _is_readable(self.raw.pgconn.socket, 0)

    def cancel(self) -> None:
        """Let the server cancel the statement that this thread no longer waits for, if there is one."""
        if self.raw.pgconn.transaction_status == TransactionStatus.ACTIVE:
            with suppress(psycopg.Error):
                self.raw.cancel_safe(timeout=_CLOSE_WAIT)

    def abort(self) -> None:
        """Break the connection, by another thread: a call that waits for the server fails."""
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.raw.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    def execute_raw(self, statement: str) -> psycopg.Cursor[TupleRow]:
        """Run statements without values in one round trip."""
        return self.raw.execute(cast("Any", statement), prepare=False)


def _is_readable(descriptor: int, timeout: float) -> bool:
    """Wait up to `timeout` seconds until the server has spoken or closed the connection; return whether it has."""
    listening = select.poll()
    listening.register(descriptor, select.POLLIN)
    return bool(listening.poll(timeout * 1000))


def drop_connection(raw: psycopg.Connection[TupleRow]) -> None:
    """Drop a connection of the parent, in a forked process: close the descriptor, and say nothing to the server."""
    with suppress(psycopg.Error, OSError):
        os.close(raw.pgconn.socket)
    fork.keep(raw)


def close_connections(connections: Iterable[psycopg.Connection[TupleRow]]) -> None:
    """Close connections that other threads may be using, after interrupting their statements."""
    until = time.monotonic() + _CLOSE_WAIT
    for raw in connections:
        while not raw.lock.acquire(timeout=0.005):
            remaining = until - time.monotonic()
            if remaining <= 0:
                break  # its thread, or the server, hangs: the connection closes when the thread releases it
            with suppress(psycopg.Error):
                raw.cancel_safe(timeout=min(1.0, remaining))
        else:
            try:
                raw.close()
            finally:
                raw.lock.release()
