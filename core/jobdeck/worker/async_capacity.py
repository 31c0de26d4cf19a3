"""Limit the number of async handlers that a worker runs at once. They mostly wait, so they need no thread each."""

from __future__ import annotations


class AsyncCapacity:
    """Counts the async jobs in flight. Guarded by the dispatcher's lock."""

    def __init__(self) -> None:
        self.limit = 0
        """The maximum number of async jobs in flight."""
        self.claim_hint = True
        """Whether more async jobs may be ready to claim."""
        self._in_flight = 0
        self._claiming = 0

    @property
    def should_claim(self) -> bool:
        """Report whether to claim async jobs now."""
        return self.claim_hint and self._in_flight < self.limit

    @property
    def is_claiming(self) -> bool:
        """Report whether a claim is in progress."""
        return self._claiming > 0

    @property
    def busy(self) -> bool:
        """Report whether a claim is in progress or should be made."""
        return self.is_claiming or self.should_claim

    def reserve(self) -> int:
        """Reserve the free capacity for a claim and return it; 0 if no claim is due."""
        if not self.should_claim:
            return 0
        self._claiming = self.limit - self._in_flight
        self.claim_hint = False  # a notification from now on is about new jobs
        return self._claiming

    def confirm(self, claimed: int) -> None:
        """Record the number of jobs claimed. A full claim means that more may be ready."""
        self._in_flight += claimed
        self.claim_hint = self.claim_hint or 0 < self._claiming <= claimed
        self._claiming = 0

    def release(self) -> None:
        """Release the capacity of a finished job. Its end may also have freed capacity under a queue or kind limit."""
        self._in_flight -= 1
        self.claim_hint = True

    def cancel_reservation(self) -> None:
        """Cancel the reservation: the claim failed."""
        self.claim_hint = self.claim_hint or self._claiming > 0
        self._claiming = 0
