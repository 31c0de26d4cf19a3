"""A connection with a transaction open on it, in the words that a store's code uses for every database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import psycopg
from psycopg.rows import TupleRow

from ..records import Row

Bound = Sequence[Any] | Mapping[str, Any]

# What is quoted is passed over, and so is a cast.
_PLACE = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|::|\?(?P<number>\d*)|:(?P<name>[A-Za-z_]\w*)""")


@lru_cache(maxsize=2048)
def translate_placeholders(statement: str) -> tuple[str, tuple[str, ...]]:
    """The statement with PostgreSQL's `$1` for `?`, `?1` and `:name`; and the names, in the order of their numbers."""
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
    """What a statement returned, all of which is here by now."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: psycopg.Cursor[TupleRow]) -> None:
        self._cursor = cursor

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchall())

    def fetchall(self) -> list[Any]:
        """All its rows."""
        return self._cursor.fetchall() if self._cursor.description else []

    @property
    def get(self) -> Any:
        """The one value, or row, that it returned; `None` where it returned none."""
        row = self._cursor.fetchone() if self._cursor.description else None
        return row if row is None or len(row) > 1 else next(iter(row))


class Session:
    """A connection with a transaction open on it."""

    __slots__ = ("_changed", "_clock_now", "now", "raw", "shard")

    def __init__(self, raw: psycopg.Connection[TupleRow]) -> None:
        self.raw = raw
        self.now = 0.0
        """What time it was by the server's clock when the transaction began."""
        self.shard: int | None = None
        """In which stripe it counts; see `stripes`."""
        self._changed = 0

    def execute(self, statement: str, bound: Bound | None = None, /) -> CursorRows:
        """Run a statement with these values."""
        text, names = translate_placeholders(statement)
        values = [bound[name] for name in names] if isinstance(bound, Mapping) else bound
        cursor = self.raw.execute(cast("Any", text), values or ())
        self._changed = cursor.rowcount
        return CursorRows(cursor)

    def joined(self, statement: str, bound: Bound) -> bytes:
        """The one value that a statement returned, bytes, sent as they are; none where it is NULL."""
        text, names = translate_placeholders(statement)
        values = [bound[name] for name in names] if isinstance(bound, Mapping) else bound
        row = self.raw.execute(cast("Any", text), values or (), binary=True).fetchone()
        return b"" if row is None or row[0] is None else bytes(row[0])

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run a statement once for each of the rows, without waiting for one before the next is sent."""
        rows = [*rows]
        if rows:
            self.raw.cursor().executemany(cast("Any", translate_placeholders(statement)[0]), rows)

    def each(self, statement: str, rows: Sequence[Sequence[Any]]) -> list[Row | None]:
        """As `executemany`; the first row that the statement returned for each of the rows, or `None`."""
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
        """How many rows the last statement changed."""
        return self._changed
