"""How many `async` handlers a worker runs at once. They wait rather than work, and so they need no thread each."""

from __future__ import annotations


class Slots:
    """Counts. All of it belongs to the desk's lock."""

    def __init__(self) -> None:
        self.most = 0
        """How many may run at once."""
        self.look = True
        """Whether there may be more to claim."""
        self._used = 0
        self._coming = 0

    @property
    def wanted(self) -> bool:
        """Whether it is worth to ask the store."""
        return self.look and self._used < self.most

    @property
    def asked(self) -> bool:
        """Whether the store has been asked and has not answered."""
        return self._coming > 0

    @property
    def busy(self) -> bool:
        """Whether the store has been asked, or should be."""
        return self.asked or self.wanted

    def ask(self) -> int:
        """How many to claim now."""
        if not self.wanted:
            return 0
        self._coming = self.most - self._used
        self.look = False  # what rings from now on is news
        return self._coming

    def answer(self, claimed: int) -> None:
        """So many came. As many as were asked for: there may be more."""
        self._used += claimed
        self.look = self.look or 0 < self._coming <= claimed
        self._coming = 0

    def leave(self) -> None:
        """One has ended. Perhaps it left room under a limit, too."""
        self._used -= 1
        self.look = True

    def give_up(self) -> None:
        """What was asked for does not come: the store failed."""
        self.look = self.look or self._coming > 0
        self._coming = 0
