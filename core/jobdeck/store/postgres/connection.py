"""PostgreSQL connections: one a thread, opened again when they break, every failure turned into a named error."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from weakref import WeakSet

import psycopg
from psycopg import RawCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from ...clock import Clock
from ...errors import StoreFailed, StoreLost
from . import texts
from .address import Address
from .problems import LOCK_TIMEOUT, Conflict, Translated, told
from .session import Session

_TRIES = 8
"""How often a transaction that others got in the way of is done again."""
_CLOSE_WAIT = 2.0
"""Seconds that a close waits for another thread's statement to be interrupted."""
_SAME_CLOCK = 0.05
"""Seconds: two clocks that are no further apart are told apart by how long a question takes, not by what they say."""
_NOW = "SELECT extract(epoch FROM clock_timestamp())::double precision"
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {_NOW}"
_BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_NOW}"

P = ParamSpec("P")
T = TypeVar("T")


def open_raw(address: Address, synchronous: str = "FULL") -> psycopg.Connection[TupleRow]:
    """Open a connection, set up as the store needs it."""
    raw = psycopg.Connection.connect(address.conninfo, autocommit=True, row_factory=tuple_row, cursor_factory=RawCursor)
    texts.adapt(raw)
    settings = [
        f"SET lock_timeout = {int(LOCK_TIMEOUT * 1000)}",
        "SET jit = off",  # its estimates take a claim for something long
        "SET extra_float_digits = 1",  # numbers come back to the last bit
    ]
    if synchronous != "FULL":
        # What was acknowledged in the last moments may be lost when the server's machine fails; nothing is ever damaged.
        settings.append("SET synchronous_commit = off")
    raw.execute(cast("Any", "; ".join(settings)), prepare=False)
    return raw


class _Line:
    """A thread's connection, closed when the thread lets go of it."""

    def __init__(self, raw: psycopg.Connection[TupleRow]) -> None:
        self.raw = raw
        self.session = Session(raw)
        self.after_commit: dict[Callable[[], None], None] = {}
        self.parts = 0

    def __del__(self) -> None:
        with suppress(Exception):
            self.raw.close()


class _Local(threading.local):
    line: _Line | None = None


class Connections:
    """The connections to one database: each thread has its own, closed when the thread ends."""

    def __init__(self, address: Address, clock: Clock | None, synchronous: str) -> None:
        self.where = address.shown
        self.address = address
        self._clock = clock
        self._synchronous = synchronous
        self._local = _Local()
        self._all: WeakSet[_Line] = WeakSet()
        self._guard = threading.Lock()
        self._translated = Translated(self.where)
        self._skew = 0.0

    # -- time -------------------------------------------------------------------------------------

    def now(self, session: Session) -> float:
        """What time it is: by the clock that the store was given, or by the server's when the transaction began."""
        return session.now if self._clock is None else self._clock.now()

    def lease_now(self, session: Session) -> float:
        """What time it is on the clock that leases are counted on: the server's, where the store was given none."""
        return session.now if self._clock is None else self._clock.monotonic()

    def lease_skew(self) -> float:
        """Seconds from the clock that leases are counted on to `now`."""
        return 0.0 if self._clock is None else self._clock.now() - self._clock.monotonic()

    @property
    def ahead(self) -> float:
        """Seconds by which the server's clock is ahead of this machine's, by which a worker tells its times."""
        return self._skew if abs(self._skew) > _SAME_CLOCK else 0.0

    def given_times(self, session: Session) -> tuple[float | None, float | None]:
        """`now` and `lease_now` where the store was given a clock; `None` where the server reads its own."""
        return (None, None) if self._clock is None else (self._clock.now(), self._clock.monotonic())

    # -- transactions -----------------------------------------------------------------------------

    def in_transaction(self) -> bool:
        """Whether this thread has a transaction open."""
        return self._inside() is not None

    def after_commit(self, act: Callable[[], None]) -> None:
        """Call `act`, once, when this thread's open transaction has been committed; now if there is none."""
        line = self._inside()
        if line is None:
            act()
        else:
            line.after_commit[act] = None

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A write transaction: committed at the end, rolled back on an exception.

        Inside an open one it is a part of that: its own changes are undone on an exception, and the rest stands.
        """
        with self._translated:
            inner = self._inside()
            line = inner or self._begin(_BEGIN)
            part = f"part{line.parts}"
            if inner:
                line.parts += 1
                _say(line, f"SAVEPOINT {part}")
        try:
            yield line.session
            with self._translated:
                _say(line, f"RELEASE {part}" if inner else "COMMIT")
        except BaseException:
            with self._translated, suppress(psycopg.OperationalError):
                # One that broke has been rolled back by the server.
                if not line.raw.closed:
                    _say(line, f"ROLLBACK TO {part}; RELEASE {part}" if inner else "ROLLBACK")
            if not inner:
                line.after_commit.clear()
            raise
        finally:
            if inner:
                line.parts -= 1
        if not inner:
            waiting, line.after_commit = line.after_commit, {}
            for act in waiting:
                act()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """As `transaction`, for the store's own code: what the driver raises inside becomes a named error."""
        with self.transaction() as session, self._translated:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A read transaction: everything read inside is of one moment. Joins an open one."""
        with self._translated:
            inner = self._inside()
            if inner is not None:
                yield inner.session
                return
            line = self._begin(_BEGIN_READING)
            try:
                yield line.session
            finally:
                with suppress(psycopg.OperationalError):
                    if not line.raw.closed:
                        _say(line, "COMMIT")

    def repeat(self, act: Callable[[], T]) -> T:
        """Do it, again and again as long as others get in its way.

        Inside an open transaction it is done once: what others wait for is held by that, and let go of only when it ends.
        """
        if self.in_transaction():
            return act()
        for turn in range(_TRIES):
            try:
                return act()
            except Conflict:
                if turn == _TRIES - 1:
                    raise
                time.sleep(random.uniform(0, 0.002 * 2**turn))
        raise AssertionError

    def say(self, statement: str, bound: tuple[Any, ...] = ()) -> None:
        """Run a statement that needs no transaction, on this thread's connection."""
        with self._translated:
            self._line().raw.execute(cast("Any", statement), bound or None)

    # -- connections ------------------------------------------------------------------------------

    def _inside(self) -> _Line | None:
        """This thread's connection, if a transaction is open on it."""
        line = self._local.line
        if line is None or line.raw.pgconn.transaction_status not in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
            TransactionStatus.ACTIVE,
        ):
            return None
        return line

    def _begin(self, statement: str) -> _Line:
        line = self._line()
        asked = time.time()
        try:
            cursor = _say(line, statement)
        except psycopg.OperationalError:
            # It broke while nobody looked. Nothing was begun, so nothing is lost by another try.
            if self._translated.closed or not line.raw.closed:
                raise
            line = self._line()
            asked = time.time()
            cursor = _say(line, statement)
        cursor.nextset()
        row = cursor.fetchone()
        assert row is not None
        line.session.now = row[0]
        if self._clock is None:
            self._skew = line.session.now - (asked + time.time()) / 2
        return line

    def _line(self) -> _Line:
        """This thread's connection, a new one if it has none that works.

        Raises:
            StoreLost: the server cannot be reached.
        """
        line = self._local.line
        if line is not None and not line.raw.closed:
            return line
        self._local.line = None
        if self._translated.closed:
            raise StoreFailed(self.where, "it was closed")
        try:
            raw = open_raw(self.address, self._synchronous)
        except psycopg.OperationalError as error:
            raise StoreLost(self.where, f"cannot be reached: {told(error)}") from error
        line = _Line(raw)
        with self._guard:
            if self._translated.closed:
                raw.close()
                raise StoreFailed(self.where, "it was closed")
            self._all.add(line)
        self._local.line = line
        return line

    def close(self) -> None:
        """Close the connections of all threads. Threads still at work get a `StoreFailed`."""
        self._translated.closed = True
        with self._guard:
            lines = list(self._all)
            self._all.clear()
        self._local = _Local()
        for line in lines:
            _close(line.raw)


def _say(line: _Line, statement: str) -> psycopg.Cursor[TupleRow]:
    """Run statements that take no values, in one round trip."""
    return line.raw.execute(cast("Any", statement), prepare=False)


def _close(raw: psycopg.Connection[TupleRow]) -> None:
    """Close a connection that another thread may be using: what it does is interrupted first."""
    until = time.monotonic() + _CLOSE_WAIT
    while time.monotonic() < until:
        if raw.lock.acquire(timeout=0.005):
            try:
                raw.close()
            finally:
                raw.lock.release()
            return
        with suppress(psycopg.Error):
            raw.cancel_safe(timeout=1.0)
    # Its thread does not come back from the operating system. The connection closes when the thread lets go of it.


def repeated(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """A method that is one transaction: done again where another transaction got in its way."""

    def again(self: Any, *args: P.args, **named: P.kwargs) -> T:
        connections: Connections = self._connections
        return connections.repeat(lambda: method(self, *args, **named))

    return update_wrapper(again, method)  # type: ignore[return-value]
