"""SQLite connections: one a thread, opened with care, every failure turned into a named error."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from weakref import WeakSet

import apsw

from ...clock import Clock
from ...errors import StoreBusy, StoreFailed, StoreRefused

BUSY_TIMEOUT = 10.0
"""Seconds a write waits for another process's transaction."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn SQLite's exceptions into jobdeck's."""
    try:
        yield
    except apsw.BusyError as error:
        raise StoreBusy(where, BUSY_TIMEOUT) from error
    except apsw.NotADBError as error:
        raise StoreRefused(where, "is not an SQLite database") from error
    except apsw.CorruptError as error:
        raise StoreRefused(where, "is a damaged SQLite database; restore it from a backup") from error
    except (apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StoreRefused(where, "cannot be written to; check its permissions") from error
    except apsw.CantOpenError as error:
        raise StoreRefused(where, "cannot be opened; check that its folder exists and can be written to") from error
    except apsw.FullError as error:
        raise StoreFailed(where, "the disk is full") from error
    except apsw.ConstraintError:
        raise  # a broken invariant is a bug of ours, not of the database's
    except apsw.Error as error:
        raise StoreFailed(where, str(error)) from error


class Connections:
    """The connections of one database file: each thread has its own, closed when the thread ends."""

    def __init__(self, path: Path, clock: Clock, synchronous: str, *, adopt: bool = False) -> None:
        self.where = str(path)
        self._path = path
        self._clock = clock
        self._synchronous = synchronous
        self._local = threading.local()
        self._all: WeakSet[apsw.Connection] = WeakSet()
        self._guard = threading.Lock()
        self._closed = False
        with translated(self.where):
            _make_ready(path, clock, adopt=adopt)

    def get(self) -> apsw.Connection:
        """This thread's connection."""
        found: apsw.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            if self._closed:
                raise StoreFailed(self.where, "it was closed")
            found = self._local.connection = _connect(self._path)
            found.execute("PRAGMA journal_mode = WAL")
            found.execute(f"PRAGMA synchronous = {self._synchronous}")
            with self._guard:
                self._all.add(found)
        return found

    def close(self) -> None:
        """Close the connections of all threads. Threads still at work get a `StoreFailed`."""
        self._closed = True
        with self._guard:
            for connection in list(self._all):
                connection.close(force=True)
            self._all.clear()
        self._local = threading.local()

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """A write transaction: committed at the end, rolled back on an exception. Joins an open one."""
        with translated(self.where):
            connection = self.get()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # SQLite may have rolled back by itself (disk full, input/output error).
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A read transaction: everything read inside is of one moment. Joins an open one."""
        with translated(self.where):
            connection = self.get()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), statementcachesize=256)
    waiting_since = 0.0

    def busy(calls: int) -> bool:
        # SQLite's own handler sleeps longer and longer, up to 100 ms, and so a process that asks rarely
        # starves beside one that asks all the time. Short sleeps of random length are fair.
        nonlocal waiting_since
        if calls == 0:
            waiting_since = time.monotonic()
        elif time.monotonic() - waiting_since > BUSY_TIMEOUT:
            return False
        time.sleep(random.uniform(0.0002, 0.002))
        return True

    connection.set_busy_handler(busy)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _make_ready(path: Path, clock: Clock, *, adopt: bool) -> None:
    """Check the file, bring its schema up to date, note the machine's boot. Refuses without touching a byte."""
    if path.is_dir():
        raise StoreRefused(str(path), "is a folder, not a database")
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreRefused(str(path), f"cannot be created ({error.strerror})") from None
    elif not _writable(path):
        raise StoreRefused(str(path), "cannot be written to; check its permissions and those of its folder")
    steps = _steps()
    connection = _connect(path)
    try:
        if _version(connection, path, steps, adopt=adopt) < len(steps):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            # Another process may have been faster.
            for number in range(_version(connection, path, steps, adopt=adopt), len(steps)):
                connection.execute(steps[number])
                connection.execute("INSERT OR REPLACE INTO jobdeck_meta VALUES ('schema', ?)", (str(number + 1),))
            connection.execute("COMMIT")
        _note_boot(connection, clock.boot())
    finally:
        connection.close()


def _writable(path: Path) -> bool:
    import os

    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _steps() -> list[str]:
    folder = files("jobdeck.store") / "migrations"
    scripts = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [script.read_text() for script in scripts]


def _version(connection: apsw.Connection, path: Path, steps: list[str], *, adopt: bool) -> int:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if "jobdeck_meta" not in tables:
        if tables and not adopt:
            raise StoreRefused(str(path), "is a database of another program; give jobdeck a file of its own")
        return 0
    row = connection.execute("SELECT value FROM jobdeck_meta WHERE key = 'schema'").fetchone()
    version = int(row[0]) if row else 0
    if version > len(steps):
        raise StoreRefused(
            str(path), f"was written by a newer jobdeck (schema {version}; this one knows {len(steps)}); upgrade jobdeck"
        )
    return version


def _note_boot(connection: apsw.Connection, boot: str) -> None:
    """Leases count on the monotonic clock, which starts anew with the machine: those of an earlier boot have ended."""
    known = "SELECT value FROM jobdeck_meta WHERE key = 'boot'"
    row = connection.execute(known).fetchone()
    if row and row[0] == boot:
        return
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT OR REPLACE INTO jobdeck_meta VALUES ('boot', ?)", (boot,))
    connection.execute("UPDATE jobdeck_jobs SET lease_until = -1 WHERE state = 'running'")
    connection.execute("UPDATE jobdeck_workers SET beat = -1e9")
    connection.execute("COMMIT")
