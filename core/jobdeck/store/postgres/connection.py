"""PostgreSQL connections: one a thread, opened again when they break, every failure turned into a named error."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ParamSpec, TypeVar, cast
from weakref import WeakSet

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from ...clock import Clock
from ...model.errors import StoreAway, StoreFailed, StoreLost, StoreReplaced
from .dsn import Address
from .errors import Conflict, Translated, reason
from .identity import TABLE, Identity, Whereabouts
from .raw_connection import Line, close_raw, open_raw
from .schema import make_ready
from .session import Session

_TRIES = 8
"""How often a transaction that others got in the way of is done again."""
_SAME_CLOCK = 0.05
"""Seconds: two clocks that are no further apart are told apart by how long a question takes, not by what they say."""
NOW = "SELECT extract(epoch FROM clock_timestamp())::double precision"
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {NOW}, {TABLE}"
_BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {NOW}, {TABLE}"

P = ParamSpec("P")
T = TypeVar("T")


class _Local(threading.local):
    """What each thread has of its own."""

    line: Line | None = None
    file: int | None = None
    """Which of the queues that have been at the address it is at; `None` before its first call."""


class Connections:
    """The connections to one database: each thread has its own, closed when the thread ends.

    While the server cannot be reached, every call is refused (`StoreAway`); while there is no queue where there was one, too
    (`StoreLost`). When another queue is there, each thread that knew the old one is told so once (`StoreReplaced`).
    """

    def __init__(self, address: Address, clock: Clock | None, synchronous: str, *, create: bool = True) -> None:
        self.where = address.shown
        self.address = address
        self._clock = clock
        self._synchronous = synchronous
        self._local = _Local()
        self._all: WeakSet[Line] = WeakSet()
        self._guard = threading.Lock()
        self._translated = Translated(self.where)
        self._skew = 0.0
        self.place = Whereabouts(make_ready(address, synchronous, create=create))

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
                line.say(f"SAVEPOINT {part}")
        try:
            yield line.session
            with self._translated:
                line.say(f"RELEASE {part}" if inner else "COMMIT")
        except BaseException:
            with self._translated, suppress(psycopg.OperationalError):
                # One that broke has been rolled back by the server.
                if not line.raw.closed:
                    line.say(f"ROLLBACK TO {part}; RELEASE {part}" if inner else "ROLLBACK")
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
                        line.say("COMMIT")

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

    def _inside(self) -> Line | None:
        """This thread's connection, if a transaction is open on it."""
        line = self._local.line
        if line is None or line.raw.pgconn.transaction_status not in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
            TransactionStatus.ACTIVE,
        ):
            return None
        return line

    @property
    def file(self) -> int:
        """See `Store.file`."""
        return self.place.file if self._local.file is None else self._local.file

    def renew(self) -> None:
        """See `Store.renew`."""
        make_ready(self.address, self._synchronous)

    def _begin(self, statement: str) -> Line:
        line = self._line()
        try:
            table = self._begun(line, statement)
        except psycopg.OperationalError:
            # It broke while nobody looked. Nothing was begun, so nothing is lost by another try.
            if self._translated.closed or not line.raw.closed:
                raise
            line = self._line()
            table = self._begun(line, statement)
        if table != line.table:  # the queue was dropped under the connection; perhaps it was made anew
            line.raw.close()
            line = self._line()
            self._begun(line, statement)
        before, self._local.file = self._local.file, line.file
        if before not in (None, line.file):
            line.say("ROLLBACK")
            raise StoreReplaced(self.where)
        return line

    def _begun(self, line: Line, statement: str) -> int | None:
        """Begin a transaction, and learn what time it is; the number of the queue's table."""
        asked = time.time()
        cursor = line.say(statement)
        cursor.nextset()
        row = cursor.fetchone()
        assert row is not None
        line.session.now, table = row
        if self._clock is None:
            self._skew = line.session.now - (asked + time.time()) / 2
        return cast("int | None", table)

    def _line(self) -> Line:
        """This thread's connection, a new one if it has none that works.

        Raises:
            StoreAway: the server cannot be reached.
            StoreLost: there is no queue any more.
        """
        line = self._local.line
        if line is not None and not line.raw.closed:
            return line
        self._local.line = None
        if self._translated.closed:
            raise StoreFailed(self.where, "it was closed")
        line = self._open()
        with self._guard:
            if self._translated.closed:
                line.raw.close()
                raise StoreFailed(self.where, "it was closed")
            self._all.add(line)
        self._local.line = line
        return line

    def _open(self) -> Line:
        try:
            raw = open_raw(self.address, self._synchronous)
        except psycopg.OperationalError as error:
            raise StoreAway(self.where, reason(error)) from error
        try:
            return self._placed(raw)
        except BaseException:
            raw.close()
            raise

    def _placed(self, raw: psycopg.Connection[TupleRow]) -> Line:
        seen = Identity.read(raw)
        if seen.table is None:
            raise StoreLost(self.where, "holds no queue any more")
        # Another queue may be of another jobdeck: it is looked at as one that is opened.
        return Line(raw, self.place.note(seen, lambda: make_ready(self.address, self._synchronous)), seen.table)

    def close(self) -> None:
        """Close the connections of all threads. Threads still at work get a `StoreFailed`."""
        self._translated.closed = True
        with self._guard:
            lines = list(self._all)
            self._all.clear()
        self._local = _Local()
        for line in lines:
            close_raw(line.raw)
