"""The input and the result of a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from ....clock import Clock
from ....settings import Settings
from ...backend import rows_of
from ...damaged_rows import RowSql
from ...doctor import CheckResult
from ...records import Row
from ..row_sql import ROW_SQL

RESTORE = (
    "Stop every program that uses it, keep a copy of the file and of its -wal, and go back to the last backup;"
    " `.recover` of the sqlite3 command saves what can still be read."
)


@dataclass(slots=True)
class CheckContext:
    """One check of one file."""

    path: Path
    """Absolute."""
    settings: Settings
    clock: Clock
    full: bool
    schema: int = 0
    """The schema version of the file."""
    connection: apsw.Connection = field(init=False, repr=False)
    """Set once the file is open; checks of the environment do not use it."""

    @property
    def row_sql(self) -> RowSql:
        """The SQL that judges rows."""
        return ROW_SQL

    @property
    def now(self) -> float:
        """The time."""
        return self.clock.now()

    @property
    def lease_now(self) -> float:
        """The time on the clock that leases are measured on."""
        return self.clock.monotonic()

    @property
    def boot(self) -> str:
        """The id of that clock."""
        return self.clock.boot()

    def rows(self, query: str, *bound: object) -> list[Row]:
        """Return all rows of a query."""
        return rows_of(self.connection, query, bound)

    def number(self, query: str, *bound: object) -> int:
        """Return the only number that a query returns; 0 for NULL."""
        ((value,),) = self.rows(query, *bound)
        return int(value or 0)


Check = Callable[[CheckContext], Iterable[CheckResult]]
