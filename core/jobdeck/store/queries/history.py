"""What a queue tells of the past, whichever store it is in: runs by time, and events."""

from __future__ import annotations

from collections.abc import Collection

from ...model.events import MOST_RUNS, Event, Happening, Runs
from ..backend import House
from ..history import History
from .dialect import Dialect
from .events import read_events
from .runs import read_runs


class KeptHistory(History):
    """The past of one queue."""

    def __init__(self, house: House, dialect: Dialect) -> None:
        self._house = house
        self._dialect = dialect

    def runs(self, since: float, until: float, *, limit: int = MOST_RUNS, slices: int = 100) -> Runs:
        with self._house.reading() as connection:
            now, skew = self._house.now(connection), self._house.lease_skew()
            return read_runs(connection, self._dialect, since, until, now, skew, limit, slices)

    def events(self, *, after: float | None, limit: int, only: Collection[Happening] = ()) -> list[Event]:
        with self._house.reading() as connection:
            return read_events(connection, self._dialect, after, limit, only, self._house.lease_skew())
