"""What a store tells of the past."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from ..model.events import MOST_RUNS, Event, Happening, Runs


class History(ABC):
    """Runs and events. `Store.history` has one."""

    @abstractmethod
    def runs(self, since: float, until: float, *, limit: int = MOST_RUNS, slices: int = 100) -> Runs:
        """The runs that overlap the time from `since` to `until`.

        Args:
            since: where it begins.
            until: where it ends.
            limit: how many are told at most. Where there are more, a sample that is spread over the time.
            slices: into how many slices the time is cut for that.
        """

    @abstractmethod
    def events(self, *, after: float | None, limit: int, only: Collection[Happening] = ()) -> list[Event]:
        """The newest events that came later than `after`, oldest first; with `only`, those of some sorts."""
