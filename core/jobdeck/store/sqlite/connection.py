"""SQLite connections, one for each thread. Every failure is raised as a named error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

import apsw

from ...clock import Clock
from ...model.errors import StoreFailed, StoreMissing, StoreReplaced
from .errors import ErrorTranslator
from .file_identity import DatabaseIdentity
from .lock_wait import LockWaits
from .raw_connection import close_connection, connect
from .schema import make_ready
from .wal import LOG_KEPT, file_size, wal_path


class _Local(threading.local):
    """The state of one thread."""

    connection: apsw.Connection | None = None
    opening = 0
    """The number of the opening that the connection belongs to."""
    generation = 0
    """The number of the database that the connection is open on."""
    after_commit: dict[Callable[[], None], None] | None = None
    urgent = False
    """Whether its waits for the lock come before those of others."""


class Connections:
    """The connections to one database file: each thread has its own, closed when the thread ends.

    If another file replaces the open one, each thread that had it open gets a `StoreReplaced` once, and then uses the new
    file. While the file is missing, every call raises `StoreMissing`.
    """

    def __init__(self, path: Path, clock: Clock, synchronous: str, *, adopt: bool = False) -> None:
        self.where = str(path)
        # A thread may open its connection after the program has changed its working folder.
        self._path = path.absolute()
        self._clock = clock
        self._adopt = adopt
        self._synchronous = synchronous
        self._local = _Local()
        self._all: WeakSet[apsw.Connection] = WeakSet()
        self._guard = threading.RLock()
        self._closed = False
        self._opening = self._generation = 0
        self._waiting: dict[int, float] = {}
        self.lock_waits = LockWaits()
        self._identity = DatabaseIdentity(self._path, self.where)
        self._translate_errors = ErrorTranslator(self.where)
        with self._translate_errors:
            make_ready(self._path, self.where, clock, adopt=adopt)
        self._identity.accept()

    def get(self) -> apsw.Connection:
        """Return this thread's connection."""
        found = self._local.connection
        if found is None:
            with self._guard:  # a connection that is opened during the close, or a change of files, must not outlive it
                opening, generation = self._opening, self._generation
            found = connect(
                self._path,
                ended=lambda: self._closed,
                wait_started=self._wait_started,
                waits=self.lock_waits,
                urgent=lambda: self._local.urgent,
            )
            # SQLite would delete the log by its name, which may belong to another database by then: see `close`.
            found.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            found.execute("PRAGMA journal_mode = WAL")
            found.execute(f"PRAGMA synchronous = {self._synchronous}")
            found.execute(f"PRAGMA journal_size_limit = {LOG_KEPT}")
            # A busy queue writes the same pages many times: the less often they are checkpointed, the better.
            found.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: 16 MB
            found.execute("PRAGMA cache_size = -4000")  # KiB
            with self._guard:
                if self._closed:
                    found.close()
                    raise StoreFailed(self.where, "it was closed")
                self._identity.record_siblings()
                self._local.connection, self._local.opening, self._local.generation = found, opening, generation
                self._all.add(found)
        return found

    def _wait_started(self, since: float) -> None:
        """Record since when this thread has been waiting for another process's lock."""
        self._waiting[threading.get_ident()] = since

    def lock_wait_started(self) -> float | None:
        """See `Store.lock_wait_started`: the time of the thread that has been waiting longest."""
        return min(list(self._waiting.values()), default=None)

    def interrupt(self, thread: int) -> None:
        """See `Store.interrupt`: a call to a file waits for a lock at most, and for a limited time."""

    @property
    def generation(self) -> int:
        """See `Store.generation`."""
        return self._generation if self._local.connection is None else self._local.generation

    def version(self) -> object:
        """See `Store.version`."""
        with self.read_transaction() as connection:
            # The commits of all other connections, and the rows that this one has changed itself.
            return id(connection), connection.pragma("data_version"), connection.total_changes()

    def is_file(self, path: Path) -> bool:
        """Return whether the path names this database."""
        try:
            return path.samefile(self._path)
        except OSError:
            return False

    def recreate(self) -> None:
        """See `Store.recreate`."""
        with self._guard:
            if self._identity.problem is not None and not self._identity.is_current():
                with self._translate_errors:
                    self._identity.abandon(self._unused(), at_last=True)
                    self._reopen(create=True)

    def _current(self, *, writing: bool = False) -> apsw.Connection:
        """Return this thread's connection to the current file.

        Raises:
            StoreMissing: the file is missing.
            StoreReplaced: the file is another one than at the last call; raised once in each thread.
        """
        if not self._closed and not self._identity.is_current(writing=writing):
            with self._guard:
                self._follow()
        found = self._local.connection
        if found is not None and self._local.opening != self._opening:
            replaced = self._local.generation != self._generation
            self._local.connection = None
            self._all.discard(found)
            close_connection(found)
            self._local.generation = self._generation
            if replaced:
                raise StoreReplaced(self.where)
        return self.get()

    def _follow(self) -> None:
        """Open the current file in place of the one that was open."""
        if self._identity.is_current():
            return  # another thread was faster
        problem = self._identity.problem
        self._identity.abandon(self._unused(), at_last=problem is None)
        if problem is not None:
            raise StoreMissing(self.where, problem)
        self._reopen(create=False)

    def _reopen(self, *, create: bool) -> None:
        if self._identity.is_original:
            # Within a process, SQLite shares the index of the log among all connections to the file, including new ones.
            for connection in list(self._all):
                close_connection(connection)
            self._all.clear()
        make_ready(self._path, self.where, self._clock, adopt=self._adopt, create=create)
        self._opening += 1
        if not self._identity.accept():
            self._generation += 1

    def _unused(self) -> apsw.Connection | None:
        """Return this thread's connection to the old file, if it has one without an open transaction."""
        found = self._local.connection
        with suppress(apsw.ConnectionClosedError):
            if found is not None and self._local.opening == self._opening and not found.in_transaction:
                return found
        return None

    def close(self) -> None:
        """Close the connections of all threads. Threads that still use one get a `StoreFailed`."""
        self._closed = True
        with self._guard:
            fold = self._identity.is_current()
            for connection in list(self._all):
                close_connection(connection, fold=fold)
            if fold and not self._all and file_size(wal_path(self._path)):
                self._fold()
            self._all.clear()
            self._local = _Local()

    def _fold(self) -> None:
        """Checkpoint the log that finished threads have left, by opening a connection and closing it as the last one."""
        with suppress(apsw.Error):
            last = connect(self._path, ended=lambda: True)
            try:
                last.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            finally:
                last.close()

    def _inside(self) -> apsw.Connection | None:
        """Return this thread's connection, if it has an open transaction."""
        found = self._local.connection
        try:
            return found if found is not None and found.in_transaction else None
        except apsw.ConnectionClosedError:  # by `close`, or because its file is missing
            if self._closed:
                raise
            return None

    def in_transaction(self) -> bool:
        """Return whether this thread has an open transaction."""
        with self._translate_errors:
            return self._inside() is not None

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call `action`, once, when this thread's open transaction is committed; now if there is none."""
        if self.in_transaction():
            waiting = self._local.after_commit = self._local.after_commit or {}
            waiting[action] = None
            return
        action()

    def _begin(self, statement: str, *, writing: bool = False) -> apsw.Connection:
        connection = self._current(writing=writing)
        try:
            connection.execute(statement)
        finally:
            if self._waiting and (since := self._waiting.pop(threading.get_ident(), None)) is not None:
                self.lock_waits.record(since)
        return connection

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Let this thread's waits for the lock end before those of other threads and processes."""
        self._local.urgent = True
        try:
            yield
        finally:
            self._local.urgent = False

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Open a write transaction: committed at the end, rolled back on an exception.

        Inside an open transaction this is a savepoint: an exception undoes its own changes only.
        """
        with self._translate_errors:
            inner = self._inside()
            if inner is not None:
                inner.execute("SAVEPOINT part")
            connection = inner or self._begin("BEGIN IMMEDIATE", writing=True)
        try:
            yield connection
            with self._translate_errors:
                connection.execute("RELEASE part" if inner else "COMMIT")
        except BaseException:
            with self._translate_errors:
                # SQLite may have rolled back by itself (disk full, input/output error).
                if connection.in_transaction:
                    connection.execute("ROLLBACK TO part; RELEASE part" if inner else "ROLLBACK")
            if not inner:
                self._local.after_commit = None
            raise
        if not inner:
            waiting, self._local.after_commit = self._local.after_commit, None
            for action in waiting or ():
                action()

    @contextmanager
    def write_transaction(self) -> Iterator[apsw.Connection]:
        """Open a transaction as `transaction` does, and convert what SQLite raises inside to a named error."""
        with self.transaction() as connection, self._translate_errors:
            yield connection

    @contextmanager
    def read_transaction(self) -> Iterator[apsw.Connection]:
        """Open a read transaction, which sees one snapshot, or join the open one."""
        with self._translate_errors:
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
