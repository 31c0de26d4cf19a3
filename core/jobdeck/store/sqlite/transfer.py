"""Copies a queue out of an SQLite file, or into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import apsw

from ..backend import SqlConnection, retried
from ..moved import REFUSED
from ..records import Row
from ..transfer import NUMBERED, TABLES, Table, Transfer

_GUARDED = (*(table.name for table in TABLES), "jobdeck_workers")


class SqliteTransfer(Transfer):
    """Reads and writes all rows of one file."""

    _READ_FROM: ClassVar[Mapping[str, str]] = {"jobdeck_counts": "(SELECT * FROM jobdeck_counts WHERE n <> 0)"}

    def _insert(self, connection: Any, table: Table, rows: Sequence[Row]) -> None:
        places = ", ".join("?" * len(table.columns))
        connection.executemany(f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})", rows)

    def highest_ids(self) -> Mapping[str, int]:
        with self._backend.read_transaction() as connection:
            found = {row[0]: int(row[1]) for row in connection.execute("SELECT name, seq FROM sqlite_sequence")}
            last = connection.execute("SELECT max(coalesce(max(id), 0), (SELECT last FROM jobdeck_ids)) FROM jobdeck_jobs").get
            return {name: found.get(name, 0) for name in NUMBERED} | {"jobdeck_jobs": int(last)}

    @retried
    def set_highest_ids(self, ids: Mapping[str, int]) -> None:
        with self._backend.write_transaction() as connection:
            for name, highest in ids.items():
                if name == "jobdeck_jobs":
                    connection.execute("UPDATE jobdeck_ids SET last = ?", (highest,))
                else:
                    connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
                    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, highest))

    def _refuse_writes(self, connection: Any, text: str) -> None:
        said = apsw.format_sql_value(REFUSED + text)
        for table in _GUARDED:
            for change in ("INSERT", "UPDATE", "DELETE"):
                name = _trigger(table, change)
                connection.execute(f"CREATE TRIGGER {name} BEFORE {change} ON {table} BEGIN SELECT RAISE(ABORT, {said}); END")

    def _allow_writes(self, connection: SqlConnection) -> None:
        for table in _GUARDED:
            for change in ("INSERT", "UPDATE", "DELETE"):
                connection.execute(f"DROP TRIGGER IF EXISTS {_trigger(table, change)}")


def _trigger(table: str, change: str) -> str:
    return f"{table}_moved_{change.lower()}"
