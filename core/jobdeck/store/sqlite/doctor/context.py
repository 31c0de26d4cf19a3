"""What a check gets to look at, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from ....clock import Clock
from ....settings import Settings
from ...backend import rows_of
from ...doctor import CheckResult
from ...records import Row

RESTORE = (
    "Stop every program that uses it, keep a copy of the file and of its -wal, and go back to the last backup;"
    " `.recover` of the sqlite3 command saves what can still be read."
)


@dataclass(slots=True)
class CheckContext:
    """One checkup of one file."""

    path: Path
    """Absolute."""
    settings: Settings
    clock: Clock
    full: bool
    schema: int = 0
    """As the file says."""
    connection: apsw.Connection = field(init=False, repr=False)
    """Set once the file could be opened; checks of what is around the file do without."""

    @property
    def now(self) -> float:
        """What time it is."""
        return self.clock.now()

    @property
    def lease_now(self) -> float:
        """What time it is on the clock that leases are counted on."""
        return self.clock.monotonic()

    def rows(self, query: str, *bound: object) -> list[Row]:
        """All rows of a query."""
        return rows_of(self.connection, query, bound)

    def number(self, query: str, *bound: object) -> int:
        """The one number that a query answers; 0 for NULL."""
        ((value,),) = self.rows(query, *bound)
        return int(value or 0)


Check = Callable[[CheckContext], Iterable[CheckResult]]
