"""Reads the past of a queue: runs by time, and events."""

from __future__ import annotations

from collections.abc import Collection

from ...model.errors import InvalidOption
from ...model.events import MAX_EVENTS, MAX_RUNS, Event, EventType, Runs
from ..backend import Backend
from .dialect import Dialect
from .events import read_events
from .runs import read_runs


class SqlHistory:
    """The past of one queue."""

    def __init__(self, backend: Backend, dialect: Dialect) -> None:
        self._backend = backend
        self._dialect = dialect

    def runs(self, since: float, until: float, *, limit: int = MAX_RUNS, slices: int = 100) -> Runs:
        """Return the runs that overlap the time from `since` to `until`.

        Args:
            since: the start of the time.
            until: the end of the time.
            limit: the number of runs at most. If there are more, the result is a sample that is spread over the time.
            slices: the number of slices of the time for that sample.

        Raises:
            InvalidOption: an argument is out of range.
        """
        if not since < until:
            raise InvalidOption("since", "must be before the end")
        if not 1 <= limit <= 100_000:
            raise InvalidOption("limit", "must be from 1 to 100,000")
        if not 1 <= slices <= 1_000:
            raise InvalidOption("number of slices", "must be from 1 to 1,000")
        with self._backend.read_transaction() as connection:
            now, skew = self._backend.now(connection), self._backend.lease_skew()
            return read_runs(connection, self._dialect, since, until, now, skew, limit, slices)

    def events(self, *, after: float | None, limit: int, only: Collection[EventType] = ()) -> list[Event]:
        """Return the newest events after `after`, oldest first; with `only`, those of some types.

        Raises:
            InvalidOption: the limit is out of range.
        """
        if not 1 <= limit <= MAX_EVENTS:
            raise InvalidOption("limit", f"must be from 1 to {MAX_EVENTS:,}")
        with self._backend.read_transaction() as connection:
            return read_events(connection, self._dialect, after, limit, only, self._backend.lease_skew())
