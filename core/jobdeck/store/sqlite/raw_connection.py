"""Opens and closes a connection to an SQLite file, set up as the store needs it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw

from ... import fork
from ...clock import time
from ..filesystem import create_private_file
from .errors import BUSY_TIMEOUT
from .lock_wait import LockWaits

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
    _set_up(connection, ended, wait_started, waits, urgent)
    return connection


def connect_for_reading(
    path: Path,
    *,
    immutable: bool,
    private: bool,
    ended: Callable[[], bool],
    wait_started: Callable[[float], None],
    waits: LockWaits,
) -> apsw.Connection:
    """Open the file such that nothing is written, beside what processes that share it write to the log's index.

    Args:
        path: the file.
        immutable: read the file alone, without its log and without locks.
        private: read the log as well, without locks, with an index in memory.
        ended: see `connect`.
        wait_started: see `connect`.
        waits: see `connect`.
    """
    name = f"file:{quote(os.fsencode(path))}{'?immutable=1' if immutable else ''}"
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    vfs = {"vfs": "unix-none"} if private and "unix-none" in apsw.vfs_names() else {}
    connection = apsw.Connection(name, flags=flags, statementcachesize=256, **vfs)
    _set_up(connection, ended, wait_started, waits, lambda: False)
    if private:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    return connection


def _set_up(
    connection: apsw.Connection,
    ended: Callable[[], bool],
    wait_started: Callable[[float], None],
    waits: LockWaits | None,
    urgent: Callable[[], bool],
) -> None:
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
    connection.create_scalar_function("jobdeck_contains", _contains, 2, deterministic=True)
    connection.create_scalar_function("jobdeck_failure_place", _failure_place, 3, deterministic=True)
    connection.create_scalar_function("jobdeck_utf8", _is_utf8, 1, deterministic=True)
    # Plan by the statement alone, never by its values: otherwise each new value recompiles the statement.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")


def is_utf8_path(path: Path) -> bool:
    """Return whether SQLite, which takes paths as UTF-8 only, can open the path."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _contains(*values: Any) -> bool:
    """Return whether a text contains the value of a filter, for SQL (see `contains`)."""
    from ...model.case_folding import contains  # imported late: only few filters need it

    return contains(str(values[0]), str(values[1]))


def _failure_place(*values: Any) -> str:
    """Return the place of a failure, for SQL: see `failure_place`."""
    from ...model.metrics import failure_place  # imported late: only queries of errors need it

    error_type, message, traceback = (None if value is None else str(value) for value in values)
    return failure_place(error_type, message, traceback)


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


def _is_utf8(*values: Any) -> bool:
    """Return whether the bytes are UTF-8, or NULL, for SQL (`jobdeck_utf8`)."""
    try:
        if values[0] is not None:
            str(values[0], "utf-8")
    except UnicodeDecodeError:
        return False
    return True
