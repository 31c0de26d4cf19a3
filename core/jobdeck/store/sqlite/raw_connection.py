"""Opens and closes a connection to an SQLite file, set up as the store needs it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw

from ... import fork
from ...clock import time
from ..filesystem import create_private_file
from .errors import BUSY_TIMEOUT
from .lock_wait import LockWaits
from .row_sql import is_utf8

_CLOSE_TRIES = 200
"""Tries of 5 ms each to interrupt another thread's statement before a close."""


def connect(
    path: Path,
    *,
    create: bool = False,
    ended: Callable[[], bool] = lambda: False,
    wait_started: Callable[[float], None] = lambda since: None,
    waits: LockWaits | None = None,
    urgent: Callable[[], bool] = lambda: False,
) -> apsw.Connection:
    """Open the file.

    Args:
        path: the file.
        create: create the file if it does not exist. Otherwise a file that was deleted under a running queue is an error,
            not a new and empty queue.
        ended: returns whether to stop waiting for a lock.
        wait_started: called with the time on the monotonic clock when this connection starts to wait for a lock.
        waits: paces the waits for a lock; shared by the connections of a process.
        urgent: returns whether the wait is urgent.
    """
    if create:
        with suppress(OSError):  # SQLite reports what is wrong
            create_private_file(path)  # its log and index get the same permissions from SQLite
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = apsw.Connection(str(path), flags=flags, statementcachesize=256)
    fork.hold(connection)
    waiting_from = 0.0
    pause = (waits or LockWaits()).pause

    def busy(calls: int) -> bool:
        nonlocal waiting_from
        now = time.monotonic()
        if calls == 0:
            waiting_from = now
            wait_started(now)
        elif now - waiting_from > BUSY_TIMEOUT or ended():
            return False
        fork.pause()
        time.sleep(pause(now - waiting_from, urgent=urgent()))
        fork.resume()
        return True

    connection.set_busy_handler(busy)
    connection.create_scalar_function("jobdeck_place", _place, 1, deterministic=True)
    connection.create_scalar_function("jobdeck_utf8", is_utf8, 1, deterministic=True)
    # Plan by the statement alone, never by its values: otherwise each new value recompiles the statement.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def is_utf8_path(path: Path) -> bool:
    """Return whether SQLite, which takes paths as UTF-8 only, can open the path."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(*values: Any) -> str:
    """Return where a traceback was raised, for SQL (see `place_of`)."""
    from ...model.metrics import error_place  # imported late: only queries of errors need it

    return error_place(None if values[0] is None else str(values[0]))


def close_connection(connection: apsw.Connection, *, fold: bool = False) -> None:
    """Close a connection that another thread may be using, after interrupting its statement.

    With `fold`, the last connection to close checkpoints the log and deletes it.
    """
    for _ in range(_CLOSE_TRIES):
        try:
            if fold:
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            connection.close(force=True)
        except apsw.ThreadingViolationError:
            # Only if needed: an interrupted connection would leave its log unfolded.
            connection.interrupt()
            time.sleep(0.005)
        except apsw.ConnectionClosedError:
            return
        else:
            return
    # Its thread hangs in the operating system. The connection closes when the thread releases it.
