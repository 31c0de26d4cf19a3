"""A connection to a PostgreSQL server, set up as the store needs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import psycopg
from psycopg import RawCursor
from psycopg.rows import TupleRow, tuple_row

from . import type_adapters as texts
from .dsn import Address
from .errors import LOCK_TIMEOUT
from .session import Session

_CLOSE_WAIT = 2.0
"""Seconds that a close waits for another thread's statement to be interrupted."""


def open_raw(address: Address, synchronous: str = "FULL") -> psycopg.Connection[TupleRow]:
    """Open a connection, set up as the store needs it."""
    raw = psycopg.Connection.connect(address.conninfo, autocommit=True, row_factory=tuple_row, cursor_factory=RawCursor)
    texts.adapt(raw)
    settings = [
        f"SET lock_timeout = {int(LOCK_TIMEOUT * 1000)}",
        "SET jit = off",  # its estimates take a claim for something long
        "SET extra_float_digits = 1",  # numbers come back to the last bit
    ]
    if synchronous != "FULL":
        # What was acknowledged in the last moments may be lost when the server's machine fails; nothing is ever damaged.
        settings.append("SET synchronous_commit = off")
    raw.execute(cast("Any", "; ".join(settings)), prepare=False)
    return raw


class Line:
    """A thread's connection, closed when the thread lets go of it."""

    def __init__(self, raw: psycopg.Connection[TupleRow], file: int, table: int) -> None:
        self.raw = raw
        self.file = file
        """Which of the queues that have been at the address it was opened on; see `Store.file`."""
        self.table = table
        """The number of a table of that queue."""
        self.session = Session(raw)
        self.after_commit: dict[Callable[[], None], None] = {}
        self.parts = 0

    def __del__(self) -> None:
        with suppress(Exception):
            self.raw.close()

    def say(self, statement: str) -> psycopg.Cursor[TupleRow]:
        """Run statements that take no values, in one round trip."""
        return self.raw.execute(cast("Any", statement), prepare=False)


def close_raw(raw: psycopg.Connection[TupleRow]) -> None:
    """Close a connection that another thread may be using: what it does is interrupted first."""
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
    # Its thread does not come back from the operating system. The connection closes when the thread lets go of it.
