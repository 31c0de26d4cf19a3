"""SQLite connections: one a thread, opened with care, every failure turned into a named error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from weakref import WeakSet

import apsw

from ...clock import Clock
from ...errors import RowRefused, StoreBusy, StoreError, StoreFailed, StoreRefused
from .opening import BUSY_TIMEOUT, connect, make_ready
from .wal import LOG_KEPT

_CLOSE_TRIES = 200
"""Each after 5 ms: how long a close waits for another thread's statement to be interrupted."""


class Translated:
    """A `with` block inside which SQLite's exceptions, and those of values it cannot take, become jobdeck's."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, (apsw.Error, UnicodeEncodeError, OverflowError)):
            raise _named(error, self._where) from error


def _named(error: Exception, where: str) -> StoreError:
    match error:
        case apsw.BusyError():
            return StoreBusy(where, BUSY_TIMEOUT)
        case apsw.NotADBError():
            return StoreRefused(where, "is not an SQLite database")
        case apsw.CorruptError():
            return StoreRefused(where, "is a damaged SQLite database; restore it from a backup")
        case apsw.ReadOnlyError() | apsw.PermissionsError():
            return StoreRefused(where, "cannot be written to; check its permissions")
        case apsw.CantOpenError():
            return StoreRefused(where, "cannot be opened; check that it and its folder exist and can be written to")
        case apsw.FullError():
            return StoreFailed(where, "the disk is full")
        case apsw.ConnectionClosedError() | apsw.InterruptError() | apsw.ThreadingViolationError():
            return StoreFailed(where, "it was closed")
        case apsw.ConstraintError() | apsw.MismatchError() | apsw.TooBigError() | UnicodeEncodeError() | OverflowError():
            return RowRefused(where, str(error))
    return StoreFailed(where, str(error))


class _Local(threading.local):
    """What each thread has of its own."""

    connection: apsw.Connection | None = None
    after_commit: dict[Callable[[], None], None] | None = None


class Connections:
    """The connections of one database file: each thread has its own, closed when the thread ends."""

    def __init__(self, path: Path, clock: Clock, synchronous: str, *, adopt: bool = False) -> None:
        self.where = str(path)
        # A thread may open its connection after the program has changed its folder.
        self._path = path.absolute()
        self._synchronous = synchronous
        self._local = _Local()
        self._all: WeakSet[apsw.Connection] = WeakSet()
        self._guard = threading.Lock()
        self._closed = False
        self._translated = Translated(self.where)
        with self._translated:
            make_ready(self._path, self.where, clock, adopt=adopt)
        self._file = self._identity()

    def get(self) -> apsw.Connection:
        """This thread's connection."""
        found = self._local.connection
        if found is None:
            found = connect(self._path, ended=lambda: self._closed)
            found.execute("PRAGMA journal_mode = WAL")
            found.execute(f"PRAGMA synchronous = {self._synchronous}")
            found.execute(f"PRAGMA journal_size_limit = {LOG_KEPT}")
            # A busy queue writes the same pages again and again: the fewer times they are folded into the file the better.
            found.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: 16 MB
            found.execute("PRAGMA cache_size = -8000")  # KiB
            with self._guard:  # one that is opened during the close must not outlive it
                if self._closed:
                    found.close()
                    raise StoreFailed(self.where, "it was closed")
                self._local.connection = found
                self._all.add(found)
        return found

    def _identity(self) -> tuple[int, int] | None:
        """Which file the path names now; `None` if there is none."""
        try:
            about = self._path.stat()
        except OSError:
            return None
        return about.st_dev, about.st_ino

    def is_file(self, path: Path) -> bool:
        """Whether the path names this database."""
        try:
            return path.samefile(self._path)
        except OSError:
            return False

    def _check_file(self) -> None:
        """A removed or replaced file lives on, nameless, for those who have it open: what they write is lost."""
        if self._identity() != self._file:
            raise StoreFailed(self.where, "its file was removed or replaced; end this program and start it again")

    def close(self) -> None:
        """Close the connections of all threads. Threads still at work get a `StoreFailed`."""
        with self._guard:
            self._closed = True
            for connection in list(self._all):
                _close(connection)
            self._all.clear()
            self._local = _Local()

    def in_transaction(self) -> bool:
        """Whether this thread has a transaction open."""
        found = self._local.connection
        with self._translated:
            return found is not None and found.in_transaction

    def after_commit(self, act: Callable[[], None]) -> None:
        """Call `act`, once, when this thread's open transaction has been committed; now if there is none."""
        with self._translated:
            if self.get().in_transaction:
                waiting = self._local.after_commit = self._local.after_commit or {}
                waiting[act] = None
                return
        act()

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """A write transaction: committed at the end, rolled back on an exception.

        Inside an open one it is a part of that: its own changes are undone on an exception, and the rest stands.
        """
        with self._translated:
            connection = self.get()
            inner = connection.in_transaction
            if not inner:
                self._check_file()
            connection.execute("SAVEPOINT part" if inner else "BEGIN IMMEDIATE")
        try:
            yield connection
            with self._translated:
                connection.execute("RELEASE part" if inner else "COMMIT")
        except BaseException:
            with self._translated:
                # SQLite may have rolled back by itself (disk full, input/output error).
                if connection.in_transaction:
                    connection.execute("ROLLBACK TO part; RELEASE part" if inner else "ROLLBACK")
            if not inner:
                self._local.after_commit = None
            raise
        if not inner:
            waiting, self._local.after_commit = self._local.after_commit, None
            for act in waiting or ():
                act()

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """As `transaction`, for the store's own code: what SQLite raises inside becomes a named error."""
        with self.transaction() as connection, self._translated:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A read transaction: everything read inside is of one moment. Joins an open one."""
        with self._translated:
            connection = self.get()
            if connection.in_transaction:
                yield connection
                return
            self._check_file()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")


def _close(connection: apsw.Connection) -> None:
    """Close a connection that another thread may be using: what it does is interrupted first."""
    for _ in range(_CLOSE_TRIES):
        try:
            connection.close(force=True)
        except apsw.ThreadingViolationError:
            # Only now: interrupted for nothing, it would leave its log unfolded.
            connection.interrupt()
            time.sleep(0.005)
        except apsw.ConnectionClosedError:
            return
        else:
            return
    # Its thread does not come back from the operating system. The connection closes when the thread lets go of it.
