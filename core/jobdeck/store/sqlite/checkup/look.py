"""What a check gets to look at, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from ....clock import Clock
from ....findings import Severity
from ....settings import Settings
from ..rows import Row, rows_of

Answer = tuple[Severity, str, str]
"""How bad, what was found, what to do."""

RESTORE = (
    "Stop every program that uses it, keep a copy of the file and of its -wal, and go back to the last backup;"
    " `.recover` of the sqlite3 command saves what can still be read."
)


@dataclass(slots=True)
class Look:
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

    def rows(self, query: str, *bound: object) -> list[Row]:
        """All rows of a query."""
        return rows_of(self.connection, query, bound)

    def number(self, query: str, *bound: object) -> int:
        """The one number that a query answers; 0 for NULL."""
        ((value,),) = self.rows(query, *bound)
        return int(value or 0)


Check = Callable[[Look], Iterable[Answer]]


def megabytes(size: float) -> str:
    """A size for a person: `3.1 MB`, `12.4 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def jobs(n: int) -> str:
    """`1 job`, `1,200 jobs`."""
    return f"{n:,} job{'' if n == 1 else 's'}"


def lasting(seconds: float) -> str:
    """A duration for a person, in one unit: `40 s`, `3 min`, `5 h`, `12 days`."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:,.0f} days"
