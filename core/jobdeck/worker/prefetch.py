"""How far a worker claims ahead of its idle threads."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.attempt_result import Ending, Release

WORTH = 0.05
"""Seconds: about what the jobs that are claimed ahead may take one thread."""
MOST = 512
"""Jobs claimed ahead, at the most."""
LONG = 0.02
"""Seconds to wait for other processes' transactions. Who waits longer makes its own shorter, so that others wait less too."""
_FEWEST = 128
"""Jobs that are claimed ahead however long one waits: a commit costs as much as some of them."""
_FRESH = 0.3
"""Weight of the newest jobs in the mean."""
_SHORTEST = 1e-6


class Pace:
    """Claims ahead when jobs prove short: a commit for the few jobs that happen to be wanted would cost more than they do.

    Goes by how long the newest jobs ran, never more than doubles, and starts anew when a claim finds less than it asked
    for, or what was claimed lies about.
    """

    def __init__(self) -> None:
        self.ahead = 0
        """Jobs to hold beyond the idle threads."""
        self._mean: float | None = None
        self._most = MOST

    @property
    def low(self) -> int:
        """When so few are left, the next claim is due."""
        return self.ahead // 2

    @property
    def enough(self) -> int:
        """Endings worth a commit of their own."""
        return max(1, self.ahead // 2)

    def learn(self, endings: Sequence[Ending]) -> None:
        """These have ended."""
        took = [max(0.0, each.finished_at - each.started_at) for each in endings if type(each) is not Release]
        if took:
            mean = sum(took) / len(took)
            self._mean = mean if self._mean is None else self._mean + _FRESH * (mean - self._mean)
            self.ahead = min(self.ahead, self._worth())

    def claimed(self, *, full: bool, threads: int) -> None:
        """A claim came back, with all that it asked for or with less."""
        self.ahead = min(self._most, max(2 * threads, 2 * self.ahead), self._worth()) if full else 0

    def waited(self, seconds: float) -> None:
        """So long the last transaction had to wait until it could begin."""
        self._most = max(_FEWEST, self._most // 2) if seconds > LONG else min(MOST, self._most + self._most // 8)
        self.ahead = min(self.ahead, self._most)

    def slow(self) -> None:
        """Jobs that were claimed ahead had to wait too long."""
        self.ahead = 0
        self._mean = WORTH

    def _worth(self) -> int:
        return 0 if self._mean is None else int(WORTH / max(_SHORTEST, self._mean))
