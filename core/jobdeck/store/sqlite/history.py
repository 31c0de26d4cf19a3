"""What the SQLite store tells of the past: runs by time, and events."""

from __future__ import annotations

from collections.abc import Collection

from ...clock import Clock
from ...history import MOST_RUNS, Event, Happening, Runs
from ..history import History
from ..looking.events import read_events
from ..looking.runs import read_runs
from .conditions import SQLITE
from .connection import Connections


class SqliteHistory(History):
    """The past of one database file."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    def runs(self, since: float, until: float, *, limit: int = MOST_RUNS, slices: int = 100) -> Runs:
        now = self._clock.now()
        skew = now - self._clock.monotonic()
        with self._connections.reading() as connection:
            return read_runs(connection, SQLITE, since, until, now, skew, limit, slices)

    def events(self, *, after: float | None, limit: int, only: Collection[Happening] = ()) -> list[Event]:
        skew = self._clock.now() - self._clock.monotonic()
        with self._connections.reading() as connection:
            return read_events(connection, SQLITE, after, limit, only, skew)
