"""What the screens beside the jobs look at: each look is read on the feed's thread, and returns a frozen record."""

from __future__ import annotations

from typing import Protocol, TypeVar

from jobdeck import Queue

T_co = TypeVar("T_co", covariant=True)


class Look(Protocol[T_co]):
    """What a screen wants to see beside the overview. A frozen dataclass: equal looks read the same."""

    @property
    def every(self) -> float:
        """Seconds between two readings."""
        ...

    def read(self, queue: Queue) -> T_co:
        """Read it; called on the feed's thread, and nowhere else."""
        ...
