"""The input of a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from ....clock import Clock, time
from ....settings import Settings
from ...backend import rows_of
from ...damaged_rows import RowSql
from ...doctor import CheckResult
from ...records import Row
from ..connection import NOW
from ..row_sql import ROW_SQL
from ..session import Session


class CheckContext:
    """One check of one queue."""

    def __init__(
        self, raw: psycopg.Connection[TupleRow], settings: Settings, clock: Clock | None, full: bool, *, pooled: bool = False
    ) -> None:
        self.raw = raw
        self.pooled = pooled
        """`True` if a pooler shares the sessions of the server."""
        self.connection = Session(raw)
        self.settings = settings
        self.full = full
        self.ahead = 0.0
        """Seconds by which the server's clock is ahead of this machine's."""
        self._clock = clock
        self._began = 0.0

    def begin(self) -> None:
        """Start a check: read the server's clock."""
        asked = time.time()
        ((self._began,),) = self.rows(NOW)
        self.ahead = self._began - (asked + time.time()) / 2

    @property
    def row_sql(self) -> RowSql:
        """The SQL that judges rows."""
        return ROW_SQL

    @property
    def now(self) -> float:
        """The time."""
        return self._began if self._clock is None else self._clock.now()

    @property
    def lease_now(self) -> float:
        """The time on the clock that leases are measured on: the server's."""
        return self._began if self._clock is None else self._clock.monotonic()

    @property
    def boot(self) -> str:
        """The id of that clock: it is the server's, for all."""
        return ""

    def rows(self, query: str, *bound: Any) -> list[Row]:
        """Return all rows of a query."""
        return rows_of(self.connection, query, bound)

    def number(self, query: str, *bound: Any) -> int:
        """Return the only number that a query returns; 0 for NULL."""
        ((value,),) = self.rows(query, *bound)
        return int(value or 0)

    def setting(self, name: str) -> str:
        """Return a setting of the server."""
        ((value,),) = self.rows("SELECT current_setting(?)", name)
        return str(value)


Check = Callable[[CheckContext], Iterable[CheckResult]]
