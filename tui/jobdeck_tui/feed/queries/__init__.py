"""Queries for the screens other than the jobs: each runs on the feed's thread and returns a frozen record."""

from __future__ import annotations

from typing import Protocol, TypeVar

from jobdeck import Queue

T_co = TypeVar("T_co", covariant=True)


class ScreenQuery(Protocol[T_co]):
    """The data that a screen needs in addition to the overview. A frozen dataclass: equal queries read the same."""

    @property
    def interval(self) -> float:
        """Seconds between two reads."""
        ...

    def read(self, queue: Queue) -> T_co:
        """Read the data; called on the feed's thread only."""
        ...
