"""Opens and closes a connection to a PostgreSQL server, set up as the store needs it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import psycopg
from psycopg import RawCursor
from psycopg.rows import TupleRow, tuple_row

from ... import fork
from . import type_adapters as texts
from .dsn import Address
from .errors import LOCK_TIMEOUT
from .session import Session

_CLOSE_WAIT = 2.0
"""Seconds that a close takes at most to interrupt another thread's statement."""


def connect(address: Address, synchronous: str = "FULL") -> psycopg.Connection[TupleRow]:
    """Open a connection."""
    raw = psycopg.Connection.connect(address.conninfo, autocommit=True, row_factory=tuple_row, cursor_factory=RawCursor)
    texts.adapt(raw)
    settings = [
        f"SET lock_timeout = {int(LOCK_TIMEOUT * 1000)}",
        "SET jit = off",  # it would take a claim for a long query
        "SET extra_float_digits = 1",  # numbers keep their last bit
    ]
    if synchronous != "FULL":
        # The last acknowledged writes may be lost if the server's machine fails; nothing is ever damaged.
        settings.append("SET synchronous_commit = off")
    raw.execute(cast("Any", "; ".join(settings)), prepare=False)
    return raw


class RawConnection:
    """A thread's connection, closed when the thread releases it."""

    def __init__(self, raw: psycopg.Connection[TupleRow], generation: int, table: int, everyone: set[Any]) -> None:
        self.raw = raw
        everyone.add(raw)
        self._everyone = everyone
        self._process = os.getpid()
        self.generation = generation
        """The number of the queue that it was opened on; see `Store.generation`."""
        self.table = table
        """The number of a table of that queue."""
        self.session = Session(raw)
        self.after_commit: dict[Callable[[], None], None] = {}
        self.parts = 0

    def __del__(self) -> None:
        # All other threads end in a forked process; a close would end the parent's session.
        if os.getpid() == self._process:
            self._everyone.discard(self.raw)
            with suppress(Exception):
                self.raw.close()

    def execute_raw(self, statement: str) -> psycopg.Cursor[TupleRow]:
        """Run statements without values in one round trip."""
        return self.raw.execute(cast("Any", statement), prepare=False)


def drop_connection(raw: psycopg.Connection[TupleRow]) -> None:
    """Drop a connection of the parent, in a forked process: close the descriptor, and say nothing to the server."""
    with suppress(psycopg.Error, OSError):
        os.close(raw.pgconn.socket)
    fork.keep(raw)


def close_connection(raw: psycopg.Connection[TupleRow]) -> None:
    """Close a connection that another thread may be using, after interrupting its statement."""
    until = time.monotonic() + _CLOSE_WAIT
    while time.monotonic() < until:
        if raw.lock.acquire(timeout=0.005):
            try:
                raw.close()
            finally:
                raw.lock.release()
            return
        with suppress(psycopg.Error):
            raw.cancel_safe(timeout=1.0)
    # Its thread hangs in the operating system. The connection closes when the thread releases it.
