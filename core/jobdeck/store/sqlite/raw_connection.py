"""Opens and closes a connection to an SQLite file, set up as the store needs it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from ... import fork
from ...model.metrics import error_place
from .errors import BUSY_TIMEOUT

_PATIENCE = 0.02
"""Seconds of waiting after which a connection polls twice as often, and so on."""
_CLOSE_TRIES = 200
"""Tries of 5 ms each to interrupt another thread's statement before a close."""


def connect(
    path: Path,
    *,
    create: bool = False,
    ended: Callable[[], bool] = lambda: False,
    wait_started: Callable[[float], None] = lambda since: None,
) -> apsw.Connection:
    """Open the file.

    Args:
        path: the file.
        create: create the file if it does not exist. Otherwise a file that was deleted under a running queue is an error,
            not a new and empty queue.
        ended: returns whether to stop waiting for a lock.
        wait_started: called with the time on the monotonic clock when this connection starts to wait for a lock.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = apsw.Connection(str(path), flags=flags, statementcachesize=256)
    waiting_from = 0.0

    def busy(calls: int) -> bool:
        # SQLite's own handler sleeps longer and longer, up to 100 ms, so a process that asks rarely is starved by one that asks
        # constantly. Here sleeps are short, of random length, and shorter the longer a connection has waited: the more often it
        # asks, the more likely it is next, so none waits for long.
        nonlocal waiting_from
        now = time.monotonic()
        if calls == 0:
            waiting_from = now
            wait_started(now)
        elif now - waiting_from > BUSY_TIMEOUT or ended():
            return False
        fork.pause()
        time.sleep(random.uniform(0.0002, 0.002) / (1 + (now - waiting_from) / _PATIENCE))
        fork.resume()
        return True

    connection.set_busy_handler(busy)
    connection.create_scalar_function("jobdeck_place", _place, 1, deterministic=True)
    # Plan by the statement alone, never by its values: otherwise each new value recompiles the statement.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _place(*values: Any) -> str:
    """Return where a traceback was raised, for SQL (see `place_of`)."""
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
