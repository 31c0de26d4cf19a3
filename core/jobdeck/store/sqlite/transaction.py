"""A write transaction of a thread, as a `with` block.

A class instead of a generator: each enqueue, claim and completion opens one, and a generator costs as much as a statement.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

import apsw

from ... import fork
from ...model.errors import StoreFailed
from .errors import CONVERTED, to_store_error
from .file_guard import FileGuard

_FORKED = "this process was forked inside the transaction, which belongs to its parent"
_LOCK_LOST = (
    "something in this process closed the file's -shm, or wrote to the file with another SQLite library, during a transaction,"
    " which was rolled back; use Queue.transaction() for your own statements"
)


class Transactional(Protocol):
    """The connections of a store, as a transaction uses them."""

    where: str
    forks: int
    """The number of forks that led from the process that opened the store to this one."""
    file_guard: FileGuard | None

    def open_transaction(self) -> apsw.Connection | None:
        """Return this thread's connection, if it has an open transaction."""
        ...

    def begin_writing(self) -> apsw.Connection:
        """Begin a write transaction."""
        ...

    def committed(self, connection: apsw.Connection) -> None:
        """Make sure of what this thread has committed, and do what waits for that."""
        ...

    def forget_after_commit(self) -> None:
        """Forget what waits for this thread's commit, which was rolled back."""
        ...


class WriteTransaction:
    """Commits at the end, and rolls back on an exception. Inside an open transaction it is a savepoint.

    What SQLite raises while it begins and ends is converted to a named error.
    """

    __slots__ = ("_commits", "_connection", "_connections", "_convert", "_forks", "_guard", "_inner")

    def __init__(self, connections: Transactional, *, convert: bool) -> None:
        """Create the block.

        Args:
            connections: the connections of the store.
            convert: whether what SQLite raises inside the block is converted, too.
        """
        self._connections = connections
        self._convert = convert

    def __enter__(self) -> apsw.Connection:
        connections = self._connections
        try:
            inner = connections.open_transaction()
            if inner is not None:
                inner.execute("SAVEPOINT part")
            connection = inner or connections.begin_writing()
        except CONVERTED as error:
            raise to_store_error(error, connections.where) from error
        self._inner = inner is not None
        self._connection = connection
        self._forks = connections.forks
        self._guard = None if inner else connections.file_guard
        try:
            self._commits = self._guard.commits() if self._guard else b""
        except BaseException:
            self._end()
            raise
        return connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._commit()
        except CONVERTED as failure:
            self._end()
            raise to_store_error(failure, self._connections.where) from failure
        except BaseException:
            self._end()
            raise
        if error is not None:
            self._end()
            if self._convert and isinstance(error, CONVERTED):
                raise to_store_error(error, self._connections.where) from error
            return
        if not self._inner:
            fork.leave()
            self._connections.committed(self._connection)

    def _commit(self) -> None:
        if self._forks != self._connections.forks:
            raise StoreFailed(self._connections.where, _FORKED)
        connection, guard = self._connection, self._guard
        # A transaction that SQLite has rolled back by itself has no lock, and must not take it again.
        if guard and connection.in_transaction and not guard.still_writes(self._commits):
            raise StoreFailed(self._connections.where, _LOCK_LOST)
        connection.execute("RELEASE part" if self._inner else "COMMIT")

    def _end(self) -> None:
        """Roll back, and let the process fork again."""
        try:
            if self._forks != self._connections.forks:
                return  # it belongs to the parent
            try:
                # SQLite may have rolled back by itself (disk full, input/output error).
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK TO part; RELEASE part" if self._inner else "ROLLBACK")
            except CONVERTED as error:
                raise to_store_error(error, self._connections.where) from error
            finally:
                if not self._inner:
                    self._connections.forget_after_commit()
        finally:
            if not self._inner:
                fork.leave()
