"""What the PostgreSQL store tells of the past: runs by time, and events."""

from __future__ import annotations

from collections.abc import Collection

from ...history import MOST_RUNS, Event, Happening, Runs
from ..history import History
from ..looking.events import read_events
from ..looking.runs import read_runs
from .conditions import POSTGRES
from .connection import Connections


class PostgresHistory(History):
    """The past of one database on a server."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def runs(self, since: float, until: float, *, limit: int = MOST_RUNS, slices: int = 100) -> Runs:
        with self._connections.reading() as session:
            now, skew = self._connections.now(session), self._connections.lease_skew()
            return read_runs(session, POSTGRES, since, until, now, skew, limit, slices)

    def events(self, *, after: float | None, limit: int, only: Collection[Happening] = ()) -> list[Event]:
        with self._connections.reading() as session:
            return read_events(session, POSTGRES, after, limit, only, self._connections.lease_skew())
