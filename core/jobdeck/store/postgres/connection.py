"""PostgreSQL connections, one for each thread, reopened when they break. Every failure is raised as a named error."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast
from weakref import WeakSet

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow

from ... import fork
from ...clock import Clock, time
from ...model.errors import StoreError, StoreFailed, StoreMissing, StoreRefused, StoreReplaced, StoreUnreachable
from .dsn import Address
from .errors import Conflict, ErrorTranslator, connect_error_text
from .identity import TABLE, DatabaseIdentity, Identity
from .pooler import is_pooled
from .raw_connection import RawConnection, close_connections, connect, drop_connection, session_settings
from .schema import make_ready
from .session import Session

_TRIES = 8
"""The number of tries of a transaction that conflicts with others."""
_SAME_CLOCK = 0.05
"""Seconds: below this, the measured difference of two clocks is the time of the round trip."""
NOW = "SELECT extract(epoch FROM clock_timestamp())::double precision"
_FORKED = "this process was forked inside the transaction, which belongs to its parent"
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {NOW}, {TABLE}"
_BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {NOW}, {TABLE}"

P = ParamSpec("P")
T = TypeVar("T")


class _RollBack(Exception):
    """Ends a transaction without its changes."""


class _Local(threading.local):
    """The state of one thread."""

    connection: RawConnection | None = None
    generation: int | None = None
    """The number of the queue that the thread uses; `None` before its first call."""
    trial = False
    """`True` inside a transaction that will be rolled back; see `Connections.repaired`."""


class Connections:
    """The connections to one database: each thread has its own, closed when the thread ends.

    While the server is unreachable, every call raises `StoreUnreachable`; while the queue is missing, `StoreMissing`.
    If another queue replaces the old one, each thread that used that one gets a `StoreReplaced` once.
    """

    def __init__(
        self, address: Address, clock: Clock | None, synchronous: str, *, create: bool = True, readonly: bool = False
    ) -> None:
        self.where = address.shown
        self.address = address
        self._clock = clock
        self._synchronous = synchronous
        self._local = _Local()
        self._all: WeakSet[RawConnection] = WeakSet()
        self._raws: set[psycopg.Connection[TupleRow]] = set()
        """The same connections, also of threads that do not exist any more in a forked process."""
        self._forks = 0
        """The number of forks that led from the process that opened the store to this one."""
        self._guard = threading.Lock()
        self._translate_errors = ErrorTranslator(self.where)
        self._skew = 0.0
        self._readonly = readonly
        self._set_local = "".join(
            f", set_config('{name}', '{value}', true)" for name, value in session_settings(synchronous).items()
        )
        """What makes the settings of a session for one transaction, behind a pooler; added to the statements that begin it."""
        self.identity = DatabaseIdentity(make_ready(address, synchronous, create=create, readonly=readonly))
        fork.register(self)

    def after_fork(self) -> None:
        """Drop the parent's connections, in the child: both would talk to the server on the same socket."""
        self._forks += 1
        self._guard = threading.Lock()
        for raw in self._raws:
            drop_connection(raw)
        self._all, self._raws = WeakSet(), set()
        self._local = _Local()
        self.identity.after_fork()

    # -- time -------------------------------------------------------------------------------------

    def now(self, session: Session) -> float:
        """Return the time: by the clock passed to the store, or by the server's at the start of the transaction."""
        return session.now if self._clock is None else self._clock.now()

    def lease_now(self, session: Session) -> float:
        """Return the time on the clock that leases are measured on: the server's, if the store got no clock."""
        return session.now if self._clock is None else self._clock.monotonic()

    def lease_skew(self) -> float:
        """Return the seconds from the clock that leases are measured on to `now`."""
        return 0.0 if self._clock is None else self._clock.now() - self._clock.monotonic()

    @property
    def clock_offset(self) -> float:
        """Seconds by which the server's clock is ahead of this machine's, which a worker measures times by."""
        return self._skew if abs(self._skew) > _SAME_CLOCK else 0.0

    def given_now(self) -> float | None:
        """Return the time by the clock that was passed to the store; `None` if the server reads its own."""
        return None if self._clock is None else self._clock.now()

    def given_times(self, session: Session) -> tuple[float | None, float | None]:
        """Return `now` and `lease_now` if a clock was passed to the store; `None` if the server reads its own."""
        return (None, None) if self._clock is None else (self._clock.now(), self._clock.monotonic())

    # -- transactions -----------------------------------------------------------------------------

    def in_transaction(self) -> bool:
        """Return whether this thread has an open transaction."""
        return self._inside() is not None

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call `action`, once, when this thread's open transaction is committed; now if there is none."""
        connection = self._inside()
        if connection is None:
            action()
        else:
            connection.after_commit[action] = None

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a write transaction: committed at the end, rolled back on an exception.

        Inside an open transaction this is a savepoint: an exception undoes its own changes only.
        """
        if self._readonly and not self._local.trial:
            raise StoreRefused(self.where, "is open for reading only")
        with self._translate_errors:
            inner = self._inside()
            connection = inner or self._begin(_BEGIN)
            session = connection.session
            part = f"part{connection.parts}"
            savepoint = session.set_savepoint(part) if inner else None
            connection.parts += bool(inner)
        forks = self._forks
        try:
            yield session
            if forks != self._forks:
                raise StoreFailed(self.where, _FORKED)  # noqa: TRY301
            with self._translate_errors:
                if inner:
                    session.release_savepoint(part)
                elif not session.commit():
                    raise StoreFailed(self.where, "a statement of the transaction had failed")  # noqa: TRY301
        except BaseException:
            if forks != self._forks:
                raise
            with self._translate_errors, suppress(psycopg.OperationalError):
                # The server rolls back a transaction whose connection breaks, or is thrown away.
                if not connection.accepts_statements:
                    session.reset()
                elif inner:
                    session.roll_back_to(part, savepoint)
                else:
                    session.reset()
                    connection.execute_raw("ROLLBACK")
            if not inner:
                connection.after_commit.clear()
            raise
        finally:
            if inner:
                connection.parts -= 1
            elif forks == self._forks:
                self._end(connection)
        if not inner:
            waiting, connection.after_commit = connection.after_commit, {}
            for action in waiting:
                action()

    def run_alone(self, statement: str, bound: Mapping[str, Any]) -> Any:
        """Run a statement as a transaction of its own, in one round trip, and return its only row.

        Besides `bound` it gets `table`, the number that it must find for `TABLE`, and `shard`, the connection's. The result is
        `None`, and nothing was changed, if it found another table, or if this thread has no connection that was used moments
        ago and works: a transaction that is opened as usual finds out what is the matter.
        """
        connection = self._local.connection
        if connection is None or connection.in_transaction or self._readonly or self._translate_errors.closed:
            return None
        session = connection.session
        connection.settle()
        if session.shard is None or session.pooled or self._local.generation != connection.generation:
            return None
        if not connection.is_idle or not connection.is_fresh:
            return None
        connection.in_transaction = True
        with self._translate_errors:
            try:
                return session.execute(statement, {**bound, "table": connection.table, "shard": session.shard}).get
            except (errors.UndefinedTable, errors.UndefinedFunction):
                return None
            except BaseException:
                connection.cancel()  # an exception raised from outside: the statement would be committed later
                raise
            finally:
                self._end(connection)

    @contextmanager
    def write_transaction(self) -> Iterator[Session]:
        """Open a transaction as `transaction` does, and convert what the driver raises inside to a named error."""
        with self.transaction() as session, self._translate_errors:
            yield session

    @contextmanager
    def read_transaction(self) -> Iterator[Session]:
        """Open a read transaction, which sees one snapshot, or join the open one."""
        with self._translate_errors:
            inner = self._inside()
            if inner is not None:
                yield inner.session
                return
            connection = self._begin(_BEGIN_READING)
            forks = self._forks
            try:
                yield connection.session
            finally:
                if forks == self._forks:
                    with suppress(psycopg.OperationalError):
                        if connection.accepts_statements:
                            connection.execute_raw("COMMIT")
                    self._end(connection)

    def retry_on_conflict(self, action: Callable[[], T]) -> T:
        """Run the action, and retry it while it conflicts with other transactions.

        Inside an open transaction it runs once: that one holds the locks that others wait for until it ends.
        """
        if self.in_transaction():
            return action()
        for attempt in range(_TRIES):
            try:
                return action()
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
                time.sleep(random.uniform(0, 0.002 * 2**attempt))
        raise AssertionError

    @property
    def notice(self) -> str | None:
        """See `Store.notice`: a server shows everything that the user may read."""
        return None

    @contextmanager
    def repaired(self, repair: Callable[[], Sequence[object]]) -> Iterator[bool]:
        """See `base.Connections.repaired`: they are repaired in a transaction that is rolled back at the end.

        A user who may only read gets the damaged rows as they are.
        """
        with ExitStack() as stack:
            self._local.trial = True
            try:
                stack.enter_context(self._rolled_back())
                found = bool(repair())
            except StoreError:
                found = False
            finally:
                self._local.trial = False
            yield found

    @contextmanager
    def _rolled_back(self) -> Iterator[None]:
        try:
            with self.transaction():
                yield
                raise _RollBack  # noqa: TRY301
        except _RollBack:
            pass

    def send(self, statement: bytes) -> None:
        """Run a statement whose result nobody reads on this thread's connection, without waiting for the server."""
        with self._translate_errors:
            self._connection().send(statement)

    @contextmanager
    def idle_connection(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """Yield this thread's connection, outside of a transaction."""
        with self._translate_errors:
            yield self._connection().raw

    # -- connections ------------------------------------------------------------------------------

    def _inside(self) -> RawConnection | None:
        """Return this thread's connection, if it has an open transaction."""
        connection = self._local.connection
        return connection if connection is not None and connection.in_transaction else None

    def version(self) -> object:
        """See `Store.version`.

        This is the set of ended transactions of the whole server that have written anything: so it also changes when another
        database is written to. Inside the caller's own transaction it would not show that one's changes, and is `None`.
        """
        if self.in_transaction():
            return None
        with self.read_transaction() as session:
            return session.execute("SELECT pg_postmaster_start_time()::text || ' ' || pg_current_snapshot()::text").get

    def lock_wait_started(self) -> float | None:
        """See `Store.lock_wait_started`: a server has no lock on the whole database to wait for."""
        return None

    def interrupt(self, thread: int) -> None:
        """See `Store.interrupt`: break the connection of the thread."""
        with self._guard:
            found = [connection for connection in self._all if connection.thread == thread]
        for connection in found:
            connection.abort()

    @property
    def generation(self) -> int:
        """See `Store.generation`."""
        return self.identity.generation if self._local.generation is None else self._local.generation

    def recreate(self) -> None:
        """See `Store.recreate`."""
        if self._readonly:
            raise StoreRefused(self.where, "is open for reading only")
        make_ready(self.address, self._synchronous)

    def _begin(self, statement: str) -> RawConnection:
        connection = self._connection()
        try:
            table = self._execute_begin(connection, statement)
        except psycopg.OperationalError:
            if self._translate_errors.closed or connection.accepts_statements:
                raise
            # It broke while idle. No transaction had started, so a retry loses nothing.
            self._discard(connection)
            connection = self._connection()
            table = self._execute_begin(connection, statement)
        if table != connection.table:  # the queue was dropped, and perhaps created again
            self._discard(connection)
            connection = self._connection()
            self._execute_begin(connection, statement)
        before, self._local.generation = self._local.generation, connection.generation
        if before not in (None, connection.generation):
            connection.execute_raw("ROLLBACK")
            raise StoreReplaced(self.where)
        connection.in_transaction = True
        return connection

    def _end(self, connection: RawConnection) -> None:
        """End this thread's transaction, and throw the connection away unless it is known to be idle.

        A server that crashed, or an exception that was raised in this thread from outside (a signal handler's, say), may have
        left a statement half sent, or a result half read: every further statement would fail, on a connection that looks open.
        """
        connection.in_transaction = False
        connection.last_used = time.monotonic()
        if not connection.is_idle:
            self._discard(connection)

    def _discard(self, connection: RawConnection) -> None:
        if self._local.connection is connection:
            self._local.connection = None
        connection.raw.close()

    def _execute_begin(self, connection: RawConnection, statement: str) -> int | None:
        """Begin a transaction and read the server's time; return the number of the queue's table."""
        sent_at = time.time()
        session = connection.session
        if session.pooled:
            session.shard = None
            statement += self._set_local
        cursor = connection.execute_raw(statement)
        cursor.nextset()
        row = cursor.fetchone()
        assert row is not None
        session.now, table = row[:2]
        if self._clock is None:
            self._skew = session.now - (sent_at + time.time()) / 2
        return cast("int | None", table)

    def _connection(self) -> RawConnection:
        """Return this thread's connection, or open a new one if it has none that works.

        Raises:
            StoreUnreachable: the server is unreachable.
            StoreMissing: the queue is missing.
        """
        connection = self._local.connection
        if connection is not None:
            connection.settle()
            if connection.in_transaction or connection.is_idle:
                return connection
            self._discard(connection)
        if self._translate_errors.closed:
            raise StoreFailed(self.where, "it was closed")
        connection = self._open()
        with self._guard:
            if self._translate_errors.closed:
                connection.raw.close()
                raise StoreFailed(self.where, "it was closed")
            self._all.add(connection)
        self._local.connection = connection
        return connection

    def _open(self) -> RawConnection:
        try:
            raw = connect(self.address, self._synchronous)
        except psycopg.OperationalError as error:
            raise StoreUnreachable(self.where, connect_error_text(error)) from error
        try:
            return self._identify(raw)
        except BaseException:
            raw.close()
            raise

    def _identify(self, raw: psycopg.Connection[TupleRow]) -> RawConnection:
        seen = Identity.read(raw)
        if seen.table is None:
            raise StoreMissing(self.where, "no longer holds a queue")
        # Another queue may be of another version of jobdeck: it is checked as a newly opened one.
        generation = self.identity.observe(seen, lambda: make_ready(self.address, self._synchronous, readonly=self._readonly))
        return RawConnection(raw, generation, seen.table, self._raws, pooled=is_pooled(self.address.conninfo))

    def close(self) -> None:
        """Close the connections of all threads. Threads that still use one get a `StoreFailed`."""
        self._translate_errors.closed = True
        with self._guard:
            connections = list(self._all)
            self._all.clear()
        self._local = _Local()
        close_connections(connection.raw for connection in connections)


class HasConnections(Protocol):
    """A component of the store that has connections."""

    _connections: Connections


Component = TypeVar("Component", bound=HasConnections)


def retried(method: Callable[Concatenate[Component, P], T]) -> Callable[Concatenate[Component, P], T]:
    """Retry a component's method, which is one transaction, if it conflicts with another one."""

    @wraps(method)
    def retry(self: Component, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._connections.retry_on_conflict(partial(method, self, *args, **kwargs))

    return retry
