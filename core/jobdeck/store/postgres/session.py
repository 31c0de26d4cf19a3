"""Adapts a psycopg connection with an open transaction to the interface that the store's code uses for every database."""

from __future__ import annotations

import re
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
    def get(self) -> Any:
        """The only value, or the only row, of the result; `None` if it is empty."""
        row = self._cursor.fetchone() if self._cursor.description else None
        return row if row is None or len(row) > 1 else next(iter(row))


class Session:
    """A connection with an open transaction."""

    __slots__ = ("_changed", "_clock_now", "now", "raw", "shard")

    def __init__(self, raw: psycopg.Connection[TupleRow]) -> None:
        self.raw = raw
        self.now = 0.0
        """The time by the server's clock when the transaction started."""
        self.shard: int | None = None
        """The shard that it counts in; see `sharded_counters`."""
        self._changed = 0

    def execute(self, statement: str, bound: Bound | None = None, /) -> CursorRows:
        """Run a statement with these values."""
        text, names = translate_placeholders(statement)
        values = [bound[name] for name in names] if isinstance(bound, Mapping) else bound
        cursor = self.raw.execute(cast("Any", text), values or ())
        self._changed = cursor.rowcount
        return CursorRows(cursor)

    def joined(self, statement: str, bound: Bound) -> bytes:
        """Return the only value of a statement, as raw bytes; none if it is NULL."""
        text, names = translate_placeholders(statement)
        values = [bound[name] for name in names] if isinstance(bound, Mapping) else bound
        row = self.raw.execute(cast("Any", text), values or (), binary=True).fetchone()
        return b"" if row is None or row[0] is None else bytes(row[0])

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run a statement once for each of the rows, in a pipeline."""
        rows = [*rows]
        if rows:
            self.raw.cursor().executemany(cast("Any", translate_placeholders(statement)[0]), rows)

    def each(self, statement: str, rows: Sequence[Sequence[Any]]) -> list[Row | None]:
        """Run a statement as `executemany` does; return its first result row for each of the rows, or `None`."""
        if not rows:
            return []
        cursor = self.raw.cursor()
        cursor.executemany(cast("Any", translate_placeholders(statement)[0]), rows, returning=True)
        found: list[Row | None] = []
        while True:
            found.append(cursor.fetchone())
            if not cursor.nextset():
                return found

    def changes(self) -> int:
        """Return the number of rows that the last statement changed."""
        return self._changed
