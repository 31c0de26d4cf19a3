"""SQLite connections: one a thread, opened with care, every failure turned into a named error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from weakref import WeakSet

import apsw

from ...clock import Clock
from ...model.errors import RowRefused, StoreBusy, StoreError, StoreFailed, StoreLost, StoreRefused, StoreReplaced
from .file_identity import Whereabouts
from .schema import BUSY_TIMEOUT, connect, make_ready
from .wal import LOG_KEPT, log_of, size_of

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
        case apsw.IOError() if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHORT_READ:
            return StoreRefused(where, "is a damaged SQLite database, and ends too soon; restore it from a backup")
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
    opening = 0
    """Which of the openings of the path the connection belongs to."""
    file = 0
    """Which of the databases that have been at the path it is open on."""
    after_commit: dict[Callable[[], None], None] | None = None


class Connections:
    """The connections of one database file: each thread has its own, closed when the thread ends.

    When another file takes the place of the one that was open, each thread that had it open is told so once
    (`StoreReplaced`), and goes on with the new one. While there is none, every call is refused (`StoreLost`).
    """

    def __init__(self, path: Path, clock: Clock, synchronous: str, *, adopt: bool = False) -> None:
        self.where = str(path)
        # A thread may open its connection after the program has changed its folder.
        self._path = path.absolute()
        self._clock = clock
        self._adopt = adopt
        self._synchronous = synchronous
        self._local = _Local()
        self._all: WeakSet[apsw.Connection] = WeakSet()
        self._guard = threading.RLock()
        self._closed = False
        self._opening = self._file = 0
        self._waiting: dict[int, float] = {}
        self._place = Whereabouts(self._path, self.where)
        self._translated = Translated(self.where)
        with self._translated:
            make_ready(self._path, self.where, clock, adopt=adopt)
        self._place.settle()

    def get(self) -> apsw.Connection:
        """This thread's connection."""
        found = self._local.connection
        if found is None:
            with self._guard:  # one that is opened during the close, or a change of files, must not outlive it
                opening, file = self._opening, self._file
            found = connect(self._path, ended=lambda: self._closed, waits=self._waits)
            # SQLite would take the log away by its name, which may be the name of another database's by then: see `close`.
            found.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            found.execute("PRAGMA journal_mode = WAL")
            found.execute(f"PRAGMA synchronous = {self._synchronous}")
            found.execute(f"PRAGMA journal_size_limit = {LOG_KEPT}")
            # A busy queue writes the same pages again and again: the fewer times they are folded into the file the better.
            found.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: 16 MB
            found.execute("PRAGMA cache_size = -4000")  # KiB
            with self._guard:
                if self._closed:
                    found.close()
                    raise StoreFailed(self.where, "it was closed")
                self._place.note_beside()
                self._local.connection, self._local.opening, self._local.file = found, opening, file
                self._all.add(found)
        return found

    def _waits(self, since: float) -> None:
        """This thread waits for another process's lock since then."""
        self._waiting[threading.get_ident()] = since

    def waiting_since(self) -> float | None:
        """Since when, on the monotonic clock, the thread that waits longest for another process's lock does so."""
        return min(list(self._waiting.values()), default=None)

    @property
    def file(self) -> int:
        """Which of the databases that have been at the path this thread is at, from 0."""
        return self._file if self._local.connection is None else self._local.file

    def is_file(self, path: Path) -> bool:
        """Whether the path names this database."""
        try:
            return path.samefile(self._path)
        except OSError:
            return False

    def renew(self) -> None:
        """Make a new and empty database where there is none any more. Does nothing where there is one."""
        with self._guard:
            if self._place.problem is not None and not self._place.same():
                with self._translated:
                    self._place.leave(self._unused(), at_last=True)
                    self._open_anew(create=True)

    def _here(self, *, writing: bool = False) -> apsw.Connection:
        """This thread's connection, to the file that is there now.

        Raises:
            StoreLost: there is none.
            StoreReplaced: it is another one than at the last call, which this thread has now been told.
        """
        if not self._closed and not self._place.same(writing=writing):
            with self._guard:
                self._follow()
        found = self._local.connection
        if found is not None and self._local.opening != self._opening:
            told = self._local.file != self._file
            self._local.connection = None
            self._all.discard(found)
            _close(found)
            self._local.file = self._file
            if told:
                raise StoreReplaced(self.where)
        return self.get()

    def _follow(self) -> None:
        """Open the file that is there now instead of the one that was."""
        if self._place.same():
            return  # another thread was faster
        problem = self._place.problem
        self._place.leave(self._unused(), at_last=problem is None)
        if problem is not None:
            raise StoreLost(self.where, problem)
        self._open_anew(create=False)

    def _open_anew(self, *, create: bool) -> None:
        if self._place.is_back:
            # Within a process SQLite shares the index of the log among all who have the file open, the new ones too.
            for connection in list(self._all):
                _close(connection)
            self._all.clear()
        make_ready(self._path, self.where, self._clock, adopt=self._adopt, create=create)
        self._opening += 1
        if not self._place.settle():
            self._file += 1

    def _unused(self) -> apsw.Connection | None:
        """This thread's connection, if it has one to the old file and no transaction open on it."""
        found = self._local.connection
        with suppress(apsw.ConnectionClosedError):
            if found is not None and self._local.opening == self._opening and not found.in_transaction:
                return found
        return None

    def close(self) -> None:
        """Close the connections of all threads. Threads still at work get a `StoreFailed`."""
        self._closed = True
        with self._guard:
            fold = self._place.same()
            for connection in list(self._all):
                _close(connection, fold=fold)
            if fold and not self._all and size_of(log_of(self._path)):
                self._fold()
            self._all.clear()
            self._local = _Local()

    def _fold(self) -> None:
        """Fold in what threads that have ended have left in the log, as the last connection of all does."""
        with suppress(apsw.Error):
            last = connect(self._path, ended=lambda: True)
            try:
                last.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            finally:
                last.close()

    def _inside(self) -> apsw.Connection | None:
        """This thread's connection, if a transaction is open on it."""
        found = self._local.connection
        try:
            return found if found is not None and found.in_transaction else None
        except apsw.ConnectionClosedError:  # by `close`, or because its file has gone
            if self._closed:
                raise
            return None

    def in_transaction(self) -> bool:
        """Whether this thread has a transaction open."""
        with self._translated:
            return self._inside() is not None

    def after_commit(self, act: Callable[[], None]) -> None:
        """Call `act`, once, when this thread's open transaction has been committed; now if there is none."""
        if self.in_transaction():
            waiting = self._local.after_commit = self._local.after_commit or {}
            waiting[act] = None
            return
        act()

    def _begin(self, statement: str, *, writing: bool = False) -> apsw.Connection:
        connection = self._here(writing=writing)
        try:
            connection.execute(statement)
        finally:
            if self._waiting:
                self._waiting.pop(threading.get_ident(), None)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """A write transaction: committed at the end, rolled back on an exception.

        Inside an open one it is a part of that: its own changes are undone on an exception, and the rest stands.
        """
        with self._translated:
            inner = self._inside()
            if inner is not None:
                inner.execute("SAVEPOINT part")
            connection = inner or self._begin("BEGIN IMMEDIATE", writing=True)
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
            if (inner := self._inside()) is not None:
                yield inner
                return
            connection = self._begin("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")
                if self._waiting:
                    self._waiting.pop(threading.get_ident(), None)


def _close(connection: apsw.Connection, *, fold: bool = False) -> None:
    """Close a connection that another thread may be using: what it does is interrupted first.

    With `fold` the last connection of all folds the log into the file and takes the log away.
    """
    for _ in range(_CLOSE_TRIES):
        try:
            if fold:
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
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
