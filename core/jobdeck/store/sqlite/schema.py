"""Opening an SQLite file: refuse what cannot be used, bring the schema up to date, note the machine's boot."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw

from ...clock import Clock
from ...model.errors import StoreRefused
from ...model.metrics import place_of
from ..notifier import Doorbell
from .file_identity import await_strangers
from .wal import log_of, size_of

BUSY_TIMEOUT = 10.0
"""Seconds a write waits for another process's transaction."""
_PATIENCE = 0.02
"""Seconds: who has waited this long asks twice as often, and so on."""
_MAGIC = b"SQLite format 3\0"


def connect(
    path: Path,
    *,
    create: bool = False,
    ended: Callable[[], bool] = lambda: False,
    waits: Callable[[float], None] = lambda since: None,
) -> apsw.Connection:
    """Open the file.

    Args:
        path: the file.
        create: make it if there is none. Otherwise a file that was removed under a running queue is an error,
            not a new and empty queue.
        ended: says whether waiting for a lock is of no use any more.
        waits: told since when, on the monotonic clock, when this connection begins to wait for a lock.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = apsw.Connection(str(path), flags=flags, statementcachesize=256)
    waiting_since = 0.0

    def busy(calls: int) -> bool:
        # SQLite's own handler sleeps longer and longer, up to 100 ms, and so a process that asks rarely starves beside
        # one that asks all the time. Here sleeps are short, of random length, and shorter the longer one has waited:
        # who asks more often is more likely to be the next, so nobody waits for long.
        nonlocal waiting_since
        now = time.monotonic()
        if calls == 0:
            waiting_since = now
            waits(now)
        elif now - waiting_since > BUSY_TIMEOUT or ended():
            return False
        time.sleep(random.uniform(0.0002, 0.002) / (1 + (now - waiting_since) / _PATIENCE))
        return True

    connection.set_busy_handler(busy)
    connection.create_scalar_function("jobdeck_place", _place, 1, deterministic=True)
    # Plans go by the statement alone, never by its values: otherwise each new value compiles the statement anew.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _place(*told: Any) -> str:
    """In SQL: where a traceback was raised (see `place_of`)."""
    return place_of(None if told[0] is None else str(told[0]))


def make_ready(path: Path, where: str, clock: Clock, *, adopt: bool, create: bool = True) -> None:
    """Check the file, bring its schema up to date, note the boot. What is refused keeps its every byte."""
    check_file(path, where)
    await_strangers(path, Doorbell(path).ring)
    log, index = log_of(path), path.with_name(path.name + "-shm")
    # A log that a killed process left behind is folded into the file by the last connection that closes.
    fresh, left_behind = not log.exists(), size_of(log) > 0
    refused = True
    connection = connect(path, create=create)
    try:
        _migrate(connection, where, adopt=adopt)
        _note_boot(connection, clock.boot())
        refused = False
    except BaseException:
        if left_behind:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        raise
    finally:
        connection.close()
        if refused and fresh and log.exists() and not size_of(log):
            log.unlink()
            index.unlink(missing_ok=True)


def check_file(path: Path, where: str) -> None:
    """Refuse what no file of a queue can be, before SQLite touches it."""
    if "\0" in where:
        raise StoreRefused(repr(where), "is not a name that a file can have")
    if path.name == ":memory:":
        raise StoreRefused(where, "would be forgotten when the process ends; give the queue a file")
    if path.is_dir():
        raise StoreRefused(where, "is a folder, not a database")
    if not path.exists():
        try:
            # One level, as for a new project; more is more likely a mistyped path.
            path.parent.mkdir(exist_ok=True)
        except FileNotFoundError:
            raise StoreRefused(where, f"cannot be created: there is no folder {path.parent.parent}") from None
        except OSError as error:
            raise StoreRefused(where, f"cannot be created ({error.strerror})") from None
        return
    if not path.is_file():
        raise StoreRefused(where, "is not a file")
    if not os.access(path, os.R_OK):
        raise StoreRefused(where, "cannot be read; check its permissions")
    # Root may write to everything; a file that is marked read-only for all is meant to stay as it is.
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) and path.stat().st_mode & 0o222):
        raise StoreRefused(where, "cannot be written to; check its permissions and those of its folder")
    if path.stat().st_size and _beginning(path) != _MAGIC:
        raise StoreRefused(where, "is not an SQLite database")


def _beginning(path: Path) -> bytes:
    """The first bytes of a file, read as SQLite reads it.

    A process that closes a file loses its every lock on it, also those of connections that it has open on the file; only
    SQLite knows to wait with that.
    """
    try:
        file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
    except apsw.CantOpenError:
        return b""
    try:
        return file.xRead(len(_MAGIC), 0)
    except apsw.IOError:  # shorter than that
        return b""
    finally:
        file.xClose()


def _migrate(connection: apsw.Connection, where: str, *, adopt: bool) -> None:
    steps = _steps()
    if schema_of(connection, where, len(steps), adopt=adopt) == len(steps):
        return
    _use_wal(connection, where)
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have been faster.
    for number in range(schema_of(connection, where, len(steps), adopt=adopt), len(steps)):
        connection.execute(steps[number])
        connection.execute("INSERT OR REPLACE INTO jobdeck_meta VALUES ('schema', ?)", (str(number + 1),))
    connection.execute("COMMIT")


def _steps() -> list[str]:
    folder = files("jobdeck.store") / "migrations"
    scripts = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [script.read_text() for script in scripts]


def _use_wal(connection: apsw.Connection, where: str) -> None:
    until = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").get
        except apsw.BusyError:  # several processes make the same new file; SQLite does not wait here by itself
            if time.monotonic() > until:
                raise
            time.sleep(random.uniform(0.0002, 0.002))
            continue
        if mode != "wal":
            raise StoreRefused(where, "lies on a file system that several processes cannot share; choose a local one")
        return


def newest_schema() -> int:
    """The schema that this jobdeck writes."""
    return len(_steps())


def schema_of(connection: apsw.Connection, where: str, newest: int | None = None, *, adopt: bool = False) -> int:
    """The schema of the file; 0 if there is none yet. Refuses another program's and a newer jobdeck's."""
    newest = newest_schema() if newest is None else newest
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if "jobdeck_meta" not in tables:
        if tables and not adopt:
            raise StoreRefused(where, "is a database of another program; give jobdeck a file of its own")
        return 0
    row = connection.execute("SELECT value FROM jobdeck_meta WHERE key = 'schema'").fetchone()
    told = "0" if row is None else str(row[0])
    if not told.isdecimal():
        raise StoreRefused(where, f"says that its schema is {told!r}, which is no number")
    version = int(told)
    if version > newest:
        raise StoreRefused(
            where, f"was written by a newer jobdeck (schema {version}; this one knows {newest}); upgrade jobdeck"
        )
    return version


def _note_boot(connection: apsw.Connection, boot: str) -> None:
    """Leases count on the monotonic clock, which starts anew with the machine: those of an earlier boot have ended."""
    if _boot(connection) == boot:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have been faster, and may hold leases of this boot already.
    if _boot(connection) != boot:
        connection.execute("INSERT OR REPLACE INTO jobdeck_meta VALUES ('boot', ?)", (boot,))
        connection.execute("UPDATE jobdeck_jobs SET lease_until = -1 WHERE state = 'running'")
        connection.execute("UPDATE jobdeck_workers SET beat = -1e9")
        connection.execute("DELETE FROM jobdeck_starts")
    connection.execute("COMMIT")


def _boot(connection: apsw.Connection) -> str | None:
    row = connection.execute("SELECT value FROM jobdeck_meta WHERE key = 'boot'").fetchone()
    return None if row is None else str(row[0])
