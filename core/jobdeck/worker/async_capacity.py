"""Limit the number of async handlers that a worker runs at once. They mostly wait, so they need no thread each."""

from __future__ import annotations


class Slots:
    """Counts the async jobs in flight. Guarded by the dispatcher's lock."""

    def __init__(self) -> None:
        self.most = 0
        """The maximum number of async jobs in flight."""
        self.look = True
        """Whether more async jobs may be ready to claim."""
        self._in_flight = 0
        self._claiming = 0

    @property
    def wanted(self) -> bool:
        """Report whether to claim async jobs now."""
        return self.look and self._in_flight < self.most

    @property
    def asked(self) -> bool:
        """Report whether a claim is in progress."""
        return self._claiming > 0

    @property
    def busy(self) -> bool:
        """Report whether a claim is in progress or should be made."""
        return self.asked or self.wanted

    def ask(self) -> int:
        """Reserve the free capacity for a claim and return it; 0 if no claim is due."""
        if not self.wanted:
            return 0
        self._claiming = self.most - self._in_flight
        self.look = False  # a notification from now on is about new jobs
        return self._claiming

    def answer(self, claimed: int) -> None:
        """Record the number of jobs claimed. A full claim means that more may be ready."""
        self._in_flight += claimed
        self.look = self.look or 0 < self._claiming <= claimed
        self._claiming = 0

    def leave(self) -> None:
        """Release the capacity of a finished job. Its end may also have freed capacity under a queue or kind limit."""
        self._in_flight -= 1
        self.look = True

    def give_up(self) -> None:
        """Cancel the reservation: the claim failed."""
        self.look = self.look or self._claiming > 0
        self._claiming = 0
