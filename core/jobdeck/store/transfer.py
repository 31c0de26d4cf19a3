"""Reads all rows of a queue, and writes them to another database, table by table and a batch at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar

from ..model.record_class import record
from .backend import Backend, SqlConnection, retried, rows_of
from .moved import INCOMING, MOVED, ORIGIN, Mark, moved_text, remove_mark
from .records import Row
from .row_rules import RULES

BATCH = 2_000
"""Rows in one transaction."""
_MASK = (1 << 128) - 1


@record
class Table:
    """A table of a queue, with the same rows on every store."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    """All of them, those of the key first."""
    by_id: bool
    """`True` if the key is of whole numbers, so that a copy continues after the highest one. Other tables are small: they are
    copied in one transaction."""
    lease_clock: str | None = None
    """A column with times on the clock that leases are measured on. The clocks of two databases differ."""

    @property
    def checked(self) -> tuple[int, ...]:
        """Return the places of the columns that are the same in a copy."""
        return tuple(place for place, name in enumerate(self.columns) if name != self.lease_clock)


def _table(name: str, *key: str, by_id: bool = True, lease_clock: str | None = None) -> Table:
    others = [column for column in RULES[name].columns if column not in key]
    return Table(name, key, (*key, *others), by_id, lease_clock)


TABLES = (
    _table("jobdeck_batches", "id"),
    _table("jobdeck_jobs", "id", lease_clock="lease_until"),
    _table("jobdeck_attempts", "job_id", "lease"),
    _table("jobdeck_logs", "id"),
    _table("jobdeck_after", "child", "parent"),
    _table("jobdeck_waits", "parent", "child"),
    _table("jobdeck_journal", "id"),
    _table("jobdeck_journal_parts", "act", "part"),
    _table("jobdeck_queues", "name", by_id=False),
    _table("jobdeck_schedules", "name", by_id=False),
    _table("jobdeck_starts", "queue", "at", by_id=False, lease_clock="at"),
    _table("jobdeck_metrics", "width", "slot", "queue", "kind", "measure", "bucket", by_id=False),
    _table("jobdeck_depths", "slot", "queue", by_id=False),
    _table("jobdeck_counts", "queue", "kind", "state", by_id=False),
)
"""What is copied. The workers are not: they belong to the database that they work for."""
NUMBERED = ("jobdeck_jobs", "jobdeck_batches", "jobdeck_logs", "jobdeck_journal")
"""Tables whose ids are never used again."""


class Transfer(ABC):
    """Reads and writes all rows of one queue."""

    _READ_FROM: ClassVar[Mapping[str, str]] = {}
    """Table → what it is read from, if that is something else."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    # -- rows -------------------------------------------------------------------------------------

    def count(self) -> dict[str, int]:
        """Return the number of rows of each table."""
        with self._backend.read_transaction() as connection:
            return {each.name: connection.execute(f"SELECT count(*) FROM {self._source(each)}").get for each in TABLES}

    def batches(self, table: Table, after: Sequence[Any] | None = None) -> Iterator[list[Row]]:
        """Read a table in the order of its key, from the row after this key on. Times are on the wall clock."""
        columns, key = ", ".join(table.columns), ", ".join(table.key)
        places = ", ".join("?" * len(table.key))
        while True:
            where = "" if after is None else f" WHERE ({key}) > ({places})"
            query = f"SELECT {columns} FROM {self._source(table)}{where} ORDER BY {key} LIMIT {BATCH}"
            with self._backend.read_transaction() as connection:
                rows = rows_of(connection, query, None if after is None else tuple(after))
            if rows:
                after = rows[-1][: len(table.key)]  # as it is stored
                yield self._converted(table, rows, self._backend.lease_skew())
            if len(rows) < BATCH:
                return

    def last_key(self, table: Table) -> Row | None:
        """Return the highest key of a table; `None` if it is empty."""
        key, down = ", ".join(table.key), ", ".join(f"{each} DESC" for each in table.key)
        with self._backend.read_transaction() as connection:
            rows = rows_of(connection, f"SELECT {key} FROM {self._source(table)} ORDER BY {down} LIMIT 1")
        return rows[0] if rows else None

    def digest(self, table: Table) -> tuple[int, int]:
        """Return the number of rows of a table, and a digest of them that does not depend on their order."""
        n = total = 0
        checked = table.checked
        for rows in self.batches(table):
            n += len(rows)
            for row in rows:
                text = repr([row[place] for place in checked]).encode("utf-8", "surrogatepass")
                total += int.from_bytes(blake2b(text, digest_size=16).digest())
        return n, total & _MASK

    @retried
    def append(self, table: Table, rows: Sequence[Row]) -> None:
        """Write rows, whose times are on the wall clock."""
        with self._backend.write_transaction() as connection:
            self._insert(connection, table, self._converted(table, rows, -self._backend.lease_skew()))

    def replace(self, table: Table, source: Transfer) -> None:
        """Replace all rows of a table by those of another database."""
        with self._backend.write_transaction() as connection:
            self._empty(connection, table)
            for rows in source.batches(table):
                self._insert(connection, table, self._converted(table, rows, -self._backend.lease_skew()))

    def empty(self) -> None:
        """Delete all rows."""
        with self._backend.write_transaction() as connection:
            for table in TABLES:
                self._empty(connection, table)

    def _converted(self, table: Table, rows: Sequence[Row], skew: float) -> list[Row]:
        """Return rows with `skew` added to the times of leases, and the numbers that are booleans as such."""
        rules = RULES[table.name].columns
        shifted = None if table.lease_clock is None else table.columns.index(table.lease_clock)
        flags = [place for place, name in enumerate(table.columns) if name in rules and rules[name].type == "boolean"]
        if shifted is None and not flags:
            return [*rows]
        found: list[Row] = []
        for row in rows:
            values = [*row]
            for place in flags:
                values[place] = bool(values[place])
            if shifted is not None and values[shifted] is not None:
                values[shifted] += skew
            found.append(values)
        return found

    def _source(self, table: Table) -> str:
        return self._READ_FROM.get(table.name, table.name)

    def _empty(self, connection: SqlConnection, table: Table) -> None:
        connection.execute(f"DELETE FROM {table.name}")

    @abstractmethod
    def _insert(self, connection: Any, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows, whose times are the store's own."""

    # -- ids --------------------------------------------------------------------------------------

    @abstractmethod
    def highest_ids(self) -> Mapping[str, int]:
        """Return the highest id that was ever used in each of `NUMBERED`."""

    @abstractmethod
    def set_highest_ids(self, ids: Mapping[str, int]) -> None:
        """Let new rows of these tables get higher ids."""

    # -- marks ------------------------------------------------------------------------------------

    def mark(self, key: str) -> Mark | None:
        """Return the mark with this key; see `moved`."""
        with self._backend.read_transaction() as connection:
            return Mark.read(connection, key)

    @retried
    def mark_source(self, mark: Mark) -> None:
        """Mark the source, and refuse all writes from now on, also those of processes that have it open."""
        with self._backend.write_transaction() as connection:
            self._allow_writes(connection)
            mark.write(connection, MOVED)
            self._refuse_writes(connection, moved_text(mark))

    @retried
    def mark_target(self, mark: Mark, *, complete: bool) -> None:
        """Mark the target: nobody may open it until it is complete."""
        with self._backend.write_transaction() as connection:
            remove_mark(connection, INCOMING)
            mark.write(connection, ORIGIN if complete else INCOMING)

    @retried
    def unmark_source(self) -> None:
        """Remove the mark of a source, and allow writes."""
        with self._backend.write_transaction() as connection:
            self._allow_writes(connection)
            remove_mark(connection, MOVED)

    @abstractmethod
    def _refuse_writes(self, connection: Any, text: str) -> None:
        """Refuse all writes to tables of the queue, with this text after the name of the database."""

    @abstractmethod
    def _allow_writes(self, connection: Any) -> None:
        """End what `_refuse_writes` began."""
