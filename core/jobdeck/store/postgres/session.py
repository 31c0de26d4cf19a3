"""Adapts a psycopg connection with an open transaction to the interface that the store's code uses for every database."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import psycopg
from psycopg.rows import TupleRow

from ..records import Row

Bound = Sequence[Any] | Mapping[str, Any]

# Quoted text and casts are skipped.
_PLACE = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|::|\?(?P<number>\d*)|:(?P<name>[A-Za-z_]\w*)""")


@lru_cache(maxsize=2048)
def translate_placeholders(statement: str) -> tuple[str, tuple[str, ...]]:
    """Translate `?`, `?1` and `:name` to PostgreSQL's `$1`; return the statement, and the names in the order of numbers."""
    names: dict[str, int] = {}
    count = 0

    def number_placeholder(found: re.Match[str]) -> str:
        nonlocal count
        name, number = found["name"], found["number"]
        if name is not None:
            return f"${names.setdefault(name, len(names) + 1)}"
        if number is None:
            return found[0]
        if not number:
            count += 1
        return f"${number or count}"

    return _PLACE.sub(number_placeholder, statement).replace("json_each(", "jobdeck_each("), tuple(names)


_KEEP_PLANS = "SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)"


class CursorRows:
    """The result of a statement, fully received."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: psycopg.Cursor[TupleRow]) -> None:
        self._cursor = cursor

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchall())

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        return self._cursor.fetchall() if self._cursor.description else []

    @property
    def changed(self) -> int:
        """The number of rows that the statement changed."""
        return self._cursor.rowcount

    @property
    def get(self) -> Any:
        """The only value, or the only row, of the result; `None` if it is empty."""
        row = self._cursor.fetchone() if self._cursor.description else None
        return row if row is None or len(row) > 1 else next(iter(row))


class Session:
    """A connection with an open transaction.

    A statement whose result nobody reads is deferred: it is sent together with the next one, in one round trip to the server.
    The server runs the statements of a round trip in their order, and none after one that failed.
    """

    __slots__ = ("_changed", "_deferred", "doomed", "now", "pooled", "raw", "shard")

    def __init__(self, raw: psycopg.Connection[TupleRow], *, pooled: bool = False) -> None:
        self.raw = raw
        self.pooled = pooled
        """`True` if each transaction has another session of the server; see `pooler`."""
        self.now = 0.0
        """The time by the server's clock when the transaction started."""
        self.shard: int | None = None
        """The shard that it counts in; see `sharded_counters`."""
        self.doomed = False
        """`True` if a deferred statement has failed, so that no savepoint can save the transaction."""
        self._changed = 0
        self._deferred: list[_Statement] = []

    def execute(self, statement: str, bound: Bound | None = None, /) -> CursorRows:
        """Run a statement with these values."""
        return self.together((statement, bound))[0]

    def execute_binary(self, statement: str, bound: Bound | None = None, /) -> CursorRows:
        """Run a statement as `execute` does, and let the server send numbers as they are: for many rows that is faster."""
        return CursorRows(self._send([_Statement(*_translated(statement, bound), binary=True)])[0])

    def together(self, *statements: tuple[str, Bound | None]) -> list[CursorRows]:
        """Run statements in one round trip, and return the result of each. None may need the result of another one."""
        if len(statements) == 1 and not self._deferred:  # nearly every call
            cursor = self.raw.execute(*_translated(*statements[0]))
            self._changed = cursor.rowcount
            return [CursorRows(cursor)]
        return [CursorRows(cursor) for cursor in self._send([_Statement(*_translated(*each)) for each in statements])]

    def defer(self, statement: str, bound: Bound | None = None, /) -> None:
        """Run a statement before the next one, in its round trip. If it fails, the whole transaction does."""
        self._deferred.append(_Statement(*_translated(statement, bound)))

    def defer_many(self, statement: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run a statement once for each of the rows, as `defer` does."""
        if rows := [*rows]:
            self._deferred.append(_Statement(cast("Any", translate_placeholders(statement)[0]), rows, many=True))

    def keep_plans(self) -> None:
        """Let the server keep the plans of prepared statements until the transaction ends, where it would plan each run anew.

        For statements that read by an index whatever their values are: planning a claim takes as long as claiming twenty jobs.
        A plan that was made for a small table must not read all of a large one, so these read by an index in any case.
        """
        self.defer(_KEEP_PLANS)

    def joined(self, statement: str, bound: Bound) -> bytes:
        """Return the only value of a statement, as raw bytes; none if it is NULL."""
        self.flush()
        text, values = _translated(statement, bound)
        row = self.raw.execute(text, values, binary=True).fetchone()
        return b"" if row is None or row[0] is None else bytes(row[0])

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run a statement once for each of the rows, in one round trip."""
        self.defer_many(statement, rows)
        self.flush()

    def each(self, statement: str, rows: Sequence[Sequence[Any]]) -> list[Row | None]:
        """Run a statement as `executemany` does; return its first result row for each of the rows, or `None`."""
        text: Any = translate_placeholders(statement)[0]
        return [cursor.fetchone() for cursor in self._send([_Statement(text, row) for row in rows])] if rows else []

    def changes(self) -> int:
        """Return the number of rows that the last statement changed."""
        return self._changed

    # -- transactions -----------------------------------------------------------------------------

    def set_savepoint(self, name: str) -> object:
        """Set a savepoint, and return what `roll_back_to` needs. It is sent with the next statement."""
        savepoint = _plain(f"SAVEPOINT {name}")
        self._deferred.append(savepoint)
        return savepoint

    def release_savepoint(self, name: str) -> None:
        """Release a savepoint: its changes are those of the transaction."""
        self._deferred.append(_plain(f"RELEASE {name}"))

    def roll_back_to(self, name: str, savepoint: object) -> None:
        """Undo all that was done since the savepoint was set."""
        if any(each is savepoint for each in self._deferred):  # the server knows of nothing since then
            while self._deferred.pop() is not savepoint:
                pass
            return
        self._deferred.clear()
        if not self.doomed:
            self.raw.execute(cast("Any", f"ROLLBACK TO {name}; RELEASE {name}"), prepare=False)

    def commit(self) -> bool:
        """Commit the transaction; return `False` if the server rolled it back instead, because a statement had failed."""
        (cursor,) = self._send([_plain("COMMIT")])
        return cursor.statusmessage != "ROLLBACK"

    def flush(self) -> None:
        """Run the deferred statements now."""
        if self._deferred:
            self._send([])

    def reset(self) -> None:
        """Drop the deferred statements: the transaction has ended, or is about to be rolled back."""
        self._deferred.clear()
        self.doomed = False

    def _send(self, statements: Sequence[_Statement]) -> list[psycopg.Cursor[TupleRow]]:
        """Run the deferred statements and these ones, in one round trip; return the cursors of these ones."""
        deferred, self._deferred = self._deferred, []
        all_of_them = [*deferred, *statements]
        cursors: list[psycopg.Cursor[TupleRow]] = []
        if len(all_of_them) == 1:
            cursors.append(self.raw.cursor())
            all_of_them[0].run(cursors[0])
        elif all_of_them:
            try:
                _run_together(self.raw, all_of_them, cursors)
            except BaseException:
                # What failed may be one of the last ones, and the others may be saved.
                self.doomed = len(cursors) <= len(deferred) or any(each.pgresult is None for each in cursors[: len(deferred)])
                raise
        if statements:
            self._changed = cursors[-1].rowcount
        return cursors[len(deferred) :]


class _Statement:
    """A statement to send, with its values."""

    __slots__ = ("_binary", "_many", "_plain", "_text", "_values")

    def __init__(
        self, text: Any, values: Sequence[Any] = (), *, many: bool = False, plain: bool = False, binary: bool = False
    ) -> None:
        self._text = text
        self._values = values
        self._many = many
        self._plain = plain
        self._binary = binary

    def run(self, cursor: psycopg.Cursor[TupleRow]) -> None:
        """Run it; in a pipeline, send it."""
        if self._many:
            cursor.executemany(self._text, self._values)
        elif self._plain:
            cursor.execute(self._text, prepare=False)
        else:
            cursor.execute(self._text, self._values, binary=self._binary)


def _plain(text: str) -> _Statement:
    return _Statement(cast("Any", text), plain=True)


def _translated(statement: str, bound: Bound | None) -> tuple[Any, Sequence[Any]]:
    """Return a statement as the driver takes it, and its values in their order."""
    text, names = translate_placeholders(statement)
    return text, ([bound[name] for name in names] if isinstance(bound, Mapping) else bound or ())


def _run_together(
    raw: psycopg.Connection[TupleRow], statements: Sequence[_Statement], cursors: list[psycopg.Cursor[TupleRow]]
) -> None:
    """Run the statements in one round trip; append the cursor of each to `cursors`."""
    first: psycopg.Error | None = None
    handled = sys.exception()
    try:
        with raw.pipeline():
            try:
                for statement in statements:
                    cursors.append(raw.cursor())
                    statement.run(cursors[-1])
            except psycopg.Error as error:  # the end of the pipeline would only say that it was aborted
                first = error
    except psycopg.Error as error:
        outside = error.__context__
        if outside is not None and outside is not handled and not isinstance(outside, psycopg.Error):
            raise outside from None  # by a signal handler, say, which left the pipeline busy
        first = first or error
    if first is not None:
        raise first
