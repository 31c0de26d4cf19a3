"""What a store must do so that people can undo what they did.

The acts themselves are written by `Store.cancel_jobs` and its neighbours, each in the transaction of the act.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..model.journal import Act, Undoing

ACTS_KEPT = 1000
"""The newest acts; older ones are forgotten."""
ACTS_KEPT_FOR = 30 * 86400.0
"""Seconds: older acts are forgotten."""
ACT_BYTES = 32 << 20
"""What is kept of one act at most; the jobs beyond cannot be taken back. Measured: 100,000 small jobs deleted take 2 MB,
retried 0.3 MB."""
BYTES_KEPT = 64 << 20
"""What is kept of all acts together; the oldest go first."""


ACTS_READ = 256 << 10
"""Bytes of the journal's newest parts that are looked through for the acts on one job."""


class Journal(ABC):
    """The journal of one store."""

    @abstractmethod
    def undo(self, act_id: int | None = None, *, by: str = "somebody", who: str | None = None) -> Undoing:
        """Take an act back, in transactions of some hundreds of jobs, for every job that has not moved on since.

        An undo that ends half-way (a crash, a full disk) goes on where it was when the act is undone by its id.

        Args:
            act_id: the act; the newest that nobody has undone, or tried to, when `None`.
            by: who undoes it.
            who: without an `act_id`: only an act of this person's.

        Raises:
            NothingToUndo: there is no such act.
            ActNotFound: there is no act with this id.
            WrongAct: it was undone before.
        """

    @abstractmethod
    def redo(self, act_id: int | None = None, *, by: str = "somebody", who: str | None = None) -> Undoing:
        """Do an undone act again, for the jobs for which it was undone and which have not moved on since.

        Args:
            act_id: the act; the one that was undone last, if who undid it has done nothing new since, when `None`.
            by: who does it again.
            who: without an `act_id`: only an act that this person has undone.

        Raises:
            NothingToUndo: there is no such act.
            ActNotFound: there is no act with this id.
            WrongAct: it is not undone.
        """

    @abstractmethod
    def list_acts(self, limit: int) -> list[Act]:
        """The newest acts, newest first."""

    @abstractmethod
    def acts_on(self, job_id: int, since: float, room: int) -> list[Act]:
        """What was done to one job, oldest first: as far as `room` bytes of the newest acts from `since` on tell."""

    @abstractmethod
    def prune(self) -> int:
        """Forget acts that are too old, too many or too large together; returns how many."""
