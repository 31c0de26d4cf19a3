"""SQLite connections, one for each thread. Every failure is raised as a named error."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

import apsw

from ... import fork
from ...clock import Clock, time
from ...logs import get_logger
from ...model.errors import StoreFailed, StoreMissing, StoreReplaced
from . import file_guard
from .errors import BUSY_TIMEOUT, CONVERTED, ErrorTranslator, to_store_error
from .file_identity import DatabaseIdentity, LogState, fold, resolve
from .lock_wait import LockWaits
from .raw_connection import close_connection, connect
from .schema import make_ready
from .transaction import WriteTransaction
from .wal import LOG_KEPT, file_size, wal_path

logger = get_logger("jobdeck.store")

_LOSSES = {
    LogState.EMPTIED: "log was emptied while it was open",
    LogState.REPLACED: "log was deleted while it was open, and other programs have started another one",
}
"""The changes of the log that lose what only it held."""
_REOPENING = 2.0
"""Seconds for which a connection is tried again while another one of this process still has a deleted log open."""
_STILL_OPEN = "its -wal or -shm was deleted, and a connection of this program still has the deleted one open; close that"
_SECOND_LIBRARY = (
    "a transaction of sqlite3 in this process stayed open on it, and the locks of two SQLite libraries do not hold against each"
    " other inside a process; run your statements in Queue.transaction()"
)


_guard = threading.RLock()
_stores: WeakSet[Connections] = WeakSet()
"""The connections of all queues that this process has open: those to one file must be reopened together."""


def _drop(connections: Iterable[apsw.Connection], *, close: bool) -> None:
    """Close a parent's connections, or keep them as they are for ever."""
    for connection in connections:
        try:
            if close:
                connection.close(force=True)
                continue
        except apsw.Error:
            pass  # another thread of the parent was just using it
        fork.keep(connection)


def _in_transaction(connection: apsw.Connection) -> bool:
    """Return whether the connection has an open transaction, or may have one."""
    try:
        return connection.in_transaction
    except apsw.ConnectionClosedError:
        return False
    except apsw.Error:
        return True


class _Local(threading.local):
    """The state of one thread."""

    connection: apsw.Connection | None = None
    opening = 0
    """The number of the opening that the connection belongs to."""
    generation = 0
    """The number of the database that the connection is open on."""
    after_commit: dict[Callable[[], None], None] | None = None
    urgent = False
    """`True` if its waits for the lock take precedence."""


class Connections:
    """The connections to one database file: each thread has its own, closed when the thread ends.

    If another file replaces the open one, each thread that had it open gets a `StoreReplaced` once, and then uses the new
    file. While the file is missing, every call raises `StoreMissing`.
    """

    def __init__(self, path: Path, clock: Clock, synchronous: str, *, adopt: bool = False) -> None:
        self.where = str(path)
        # A thread may open its connection after the program has changed its working folder.
        self._given = path.absolute()
        self.path = resolve(self._given)
        """The file, without symlinks: SQLite keeps the log beside this one."""
        self._clock = clock
        self._adopt = adopt
        self._synchronous = synchronous
        self._local = _Local()
        self._all: WeakSet[apsw.Connection] = WeakSet()
        self.forks = 0
        """The number of forks that led from the process that opened the store to this one."""
        self._guard = _guard
        self._closed = False
        self._opening = self._generation = 0
        self._loss: str | None = None
        self._waiting: dict[int, float] = {}
        self.lock_waits = LockWaits()
        self.file_guard: file_guard.FileGuard | None = None
        self._identity = DatabaseIdentity(self._given, self.where)
        self._translate_errors = ErrorTranslator(self.where)
        with self._translate_errors:
            self._prepare()
        _stores.add(self)
        fork.register(self)

    def _prepare(self) -> None:
        """Make the file ready for its first connection."""
        make_ready(self.path, self.where, self._clock, adopt=self._adopt)
        self._identity.accept(self.path)

    @property
    def notice(self) -> str | None:
        """Return what a reader must know of what is read; see `Store.notice`."""
        return None

    @contextmanager
    def repaired(self, repair: Callable[[], Sequence[object]]) -> Iterator[bool]:
        """See `base.Connections.repaired`: these repair damaged rows where they are."""
        yield False

    @staticmethod
    def all_stores() -> list[Connections]:
        """Return the connections of all queues that this process has open."""
        return [*_stores]

    def forget(self) -> None:
        """Remove this from the queues that this process has open."""
        _stores.discard(self)

    def after_fork(self) -> None:
        """Drop the parent's connections, in the child.

        SQLite shares what it knows about a file among all connections of a process, and a copy of it says that this process has
        locks which only the parent has. So the copies are closed. None of them checkpoints, and the index, which the end of an
        open transaction may change, is detached from the parent's meanwhile.
        """
        self.forks += 1
        global _guard
        if self._guard is _guard:
            _guard = threading.RLock()
        self._guard = _guard
        inherited = list(self._all)
        if any(map(_in_transaction, inherited)):
            with file_guard.detached_index(self.path) as detached:
                _drop(inherited, close=detached)
        else:
            _drop(inherited, close=True)
        self._all = WeakSet()
        self._local = _Local()
        self._waiting = {}
        self.file_guard = None
        self._identity.forget_siblings()

    def get(self) -> apsw.Connection:
        """Return this thread's connection."""
        found = self._local.connection
        until = None
        while found is None:
            with self._guard:  # a connection that is opened during the close, or a change of files, must not outlive it
                opening, generation = self._opening, self._generation
                if self.file_guard is None:
                    self.file_guard = file_guard.acquire(self.path)
            opened = self._connect()
            with self._guard:
                if self._closed:
                    opened.close()
                    raise StoreFailed(self.where, "it was closed")
                if self._identity.record_siblings():
                    if self.file_guard is not None:
                        self.file_guard.relock()
                    found = self._local.connection = opened
                    self._local.opening, self._local.generation = opening, generation
                    self._all.add(found)
                    break
                opened.close()
            # A store of this process that has noticed it is about to close its connections to the deleted log.
            until = until or time.monotonic() + _REOPENING
            if time.monotonic() > until:
                raise StoreFailed(self.where, _STILL_OPEN)
            time.sleep(0.02)
        return found

    def _connect(self) -> apsw.Connection:
        """Open a connection, with the log and its index."""
        opened = connect(
            self.path,
            ended=lambda: self._closed,
            wait_started=self._wait_started,
            waits=self.lock_waits,
            urgent=lambda: self._local.urgent,
        )
        # SQLite would delete the log by its name, which may belong to another database by then: see `close`.
        opened.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        opened.execute("PRAGMA journal_mode = WAL")
        opened.execute(f"PRAGMA synchronous = {self._synchronous}")
        opened.execute(f"PRAGMA journal_size_limit = {LOG_KEPT}")
        # A busy queue writes the same pages many times: the less often they are checkpointed, the better.
        opened.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: 16 MB
        opened.execute("PRAGMA cache_size = -4000")  # KiB
        opened.execute("PRAGMA schema_version").fetchall()  # opens the log's index
        return opened

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
            return path.samefile(self.path)
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
        if not self._closed and not self._identity.is_unchanged(self.file_guard, writing=writing):
            with self._guard:
                self._follow()
        return self._own()

    def _own(self) -> apsw.Connection:
        """Return this thread's connection, a new one if the file was opened anew.

        Raises:
            StoreReplaced: the file is another one than at the last call; raised once in each thread.
        """
        found = self._local.connection
        if found is not None and self._local.opening != self._opening:
            replaced = self._local.generation != self._generation
            self._local.connection = None
            self._all.discard(found)
            close_connection(found)
            self._local.generation = self._generation
            if replaced:
                raise StoreReplaced(self.where, self._loss)
        return self.get()

    def check(self) -> None:
        """Open the current file and log, if they are others than before. Raises as every transaction does."""
        with self._translate_errors:
            if self.open_transaction() is None:
                self._current()

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """Open a long read transaction, on a connection of its own."""
        self.check()
        reader = connect(self.path)
        try:
            reader.execute("BEGIN; SELECT count(*) FROM jobdeck_meta").fetchall()
            yield reader
        finally:
            reader.close()

    def _follow(self) -> None:
        """Open the current file in place of the one that was open."""
        if self._closed:
            return  # the close has checked in the log, and deleted it; the connection says that it was closed
        if self._identity.is_current():
            state = self._identity.log_state(self.file_guard)
            if state is not LogState.CURRENT:  # otherwise another thread was faster
                self._reopen_log(state)
            return
        self._loss = None
        self._release_guard()
        problem = self._identity.problem
        self._identity.abandon(self._unused(), at_last=problem is None)
        if problem is not None:
            raise StoreMissing(self.where, problem)
        self._reopen(create=False)

    def _release_guard(self) -> None:
        if self.file_guard is not None:
            file_guard.release(self.file_guard)
            self.file_guard = None

    def _reopen(self, *, create: bool) -> None:
        if self._identity.is_original:
            # Within a process, SQLite shares the index of the log among all connections to the file, including new ones.
            for connection in list(self._all):
                close_connection(connection)
            self._all.clear()
        self.path = resolve(self._given)
        make_ready(self.path, self.where, self._clock, adopt=self._adopt, create=create)
        self._opening += 1
        if not self._identity.accept(self.path):
            self._generation += 1

    def _reopen_log(self, state: LogState) -> None:
        """Open the log and the index anew, after they were deleted, replaced or truncated; save what the old log holds.

        Raises:
            StoreFailed: what the deleted log holds cannot be saved now, because the file is in use.
        """
        if state is LogState.DELETED and not any(map(fold, self._idle())):
            raise StoreFailed(self.where, f"its log {self.path.name}-wal was deleted, and what it holds cannot be saved now")
        self._loss = _LOSSES.get(state)
        if self._loss is not None:
            logger.error("%s", StoreReplaced(self.where, self._loss))
        if state is LogState.EMPTIED and self.file_guard is not None:
            self.file_guard.clear_index()
        # Within a process, SQLite shares the index among all connections to the file, including new ones.
        for each in [each for each in _stores if each.path == self.path]:
            each._loss = self._loss
            each._close_all()
            each._identity.forget_siblings()
            each._opening += 1
            each._generation += self._loss is not None

    def _close_all(self) -> None:
        for connection in list(self._all):
            close_connection(connection)
        self._all.clear()
        self._release_guard()

    def _idle(self) -> Iterator[apsw.Connection]:
        """Return the connections without an open transaction, this thread's first."""
        own = self._unused()
        for connection in ([] if own is None else [own]) + [each for each in self._all if each is not own]:
            with suppress(apsw.Error):
                if not connection.in_transaction:
                    yield connection

    def _confirm_log(self, connection: apsw.Connection) -> None:
        """Make sure that what was just committed is not in a log that was deleted meanwhile.

        Raises:
            StoreFailed: it may be.
        """
        if self.file_guard is not None and self.file_guard.has_files(self._identity.unchanged_since):
            return
        state = self._identity.log_state()
        if state is LogState.CURRENT or not self._identity.is_current():
            return
        with self._guard:
            if self._closed:
                return  # after the commit, by another thread: that has saved it
            if state is LogState.DELETED and fold(connection):
                self._reopen_log(LogState.RENEWED)
                return
        raise StoreFailed(self.where, f"its log {self.path.name}-wal or -shm was deleted during a change, which may be lost")

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
            self._release_guard()
            for connection in list(self._all):
                close_connection(connection, fold=fold)
            if fold and not self._all and file_size(wal_path(self.path)):
                self._fold()
            self._all.clear()
            self._local = _Local()
            self.forget()
        file_guard.close_unused()

    def _fold(self) -> None:
        """Checkpoint the log that finished threads have left, by opening a connection and closing it as the last one."""
        with suppress(apsw.Error):
            last = connect(self.path, ended=lambda: True)
            try:
                last.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            finally:
                last.close()

    def open_transaction(self) -> apsw.Connection | None:
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
        try:
            return self.open_transaction() is not None
        except CONVERTED as error:
            raise to_store_error(error, self.where) from error

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call `action`, once, when this thread's open transaction is committed; now if there is none."""
        if self.in_transaction():
            waiting = self._local.after_commit = self._local.after_commit or {}
            waiting[action] = None
            return
        action()

    def committed(self, connection: apsw.Connection) -> None:
        """Make sure of what this thread has committed, and do what waits for that."""
        self._confirm_log(connection)
        waiting, self._local.after_commit = self._local.after_commit, None
        for action in waiting or ():
            action()

    def forget_after_commit(self) -> None:
        """Forget what waits for this thread's commit, which was rolled back."""
        self._local.after_commit = None

    def _begin(self, statement: str, *, writing: bool = False) -> apsw.Connection:
        fork.enter()
        try:
            connection = self._current(writing=writing)
            try:
                connection.execute(statement)
            finally:
                if self._waiting and (since := self._waiting.pop(threading.get_ident(), None)) is not None:
                    self.lock_waits.record(since)
        except BaseException:
            fork.leave()
            raise
        return connection

    def begin_writing(self) -> apsw.Connection:
        """Begin a write transaction, once no other library of this process writes."""
        until = None
        while True:
            guard = self.file_guard
            if guard is None or not guard.sqlite3_writes():
                connection = self._begin("BEGIN IMMEDIATE", writing=True)
                try:
                    if self._is_alone():
                        return connection
                    connection.execute("ROLLBACK")
                except BaseException:
                    fork.leave()
                    raise
                fork.leave()
            until = until or time.monotonic() + BUSY_TIMEOUT
            if self._closed or time.monotonic() > until:
                raise StoreFailed(self.where, _SECOND_LIBRARY)
            time.sleep(random.uniform(0.001, 0.01))

    def _is_alone(self) -> bool:
        """Return whether no other library of this process writes, inside a write transaction."""
        guard = self.file_guard
        if guard is None or (guard.locked and "_sqlite3" not in sys.modules):
            return True
        guard.relock()
        return guard.exclude_sqlite3()

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Let this thread's waits for the lock end before those of other threads and processes."""
        self._local.urgent = True
        try:
            yield
        finally:
            self._local.urgent = False

    def transaction(self) -> WriteTransaction:
        """Open a write transaction: committed at the end, rolled back on an exception.

        Inside an open transaction this is a savepoint: an exception undoes its own changes only.
        """
        return WriteTransaction(self, convert=False)

    def write_transaction(self) -> WriteTransaction:
        """Open a transaction as `transaction` does, and convert what SQLite raises inside to a named error."""
        return WriteTransaction(self, convert=True)

    @contextmanager
    def read_transaction(self) -> Iterator[apsw.Connection]:
        """Open a read transaction, which sees one snapshot, or join the open one."""
        with self._translate_errors:
            if (inner := self.open_transaction()) is not None:
                yield inner
                return
            connection = self._begin("BEGIN")
            forks = self.forks
            try:
                yield connection
            finally:
                try:
                    if forks == self.forks and connection.in_transaction:
                        connection.execute("COMMIT")
                finally:
                    fork.leave()
                    if self._waiting:
                        self._waiting.pop(threading.get_ident(), None)
