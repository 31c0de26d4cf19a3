"""What a store must do for periodic jobs. Reached as `store.schedules`.

As everywhere in a store, each method is one transaction, or part of the one opened with `Store.transaction`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..model.journal import By
from ..model.schedules import PastJob, Schedule


class Schedules(ABC):
    """The schedules of a store, each known by its name."""

    @abstractmethod
    def ahead(self) -> float:
        """Seconds by which the clock that ticks come by is ahead of this machine's; 0 where it is this machine's."""

    @abstractmethod
    def hold(self, name: str) -> None:
        """Until the open transaction ends, nobody else changes it: what is read of it from now on stays true."""

    @abstractmethod
    def add(self, schedule: Schedule) -> bool:
        """Keep a new schedule; `False` if its name is taken. The store tells when it was created."""

    @abstractmethod
    def change(self, schedule: Schedule) -> bool:
        """Put the schedule in the place of the one of its name; `False` if there is none.

        What the store tells by itself (when it was created, its last job) stays as it is.
        """

    @abstractmethod
    def pause(self, name: str) -> bool:
        """Let it enqueue nothing more; `False` if it was paused before, or is not there."""

    @abstractmethod
    def delete(self, name: str) -> bool:
        """Forget it; `False` if it is not there. Its jobs stay."""

    @abstractmethod
    def get(self, name: str) -> Schedule | None:
        """The schedule, or `None`."""

    @abstractmethod
    def list(self) -> Sequence[Schedule]:
        """All schedules, by name."""

    @abstractmethod
    def note_act(self, operation: str, name: str, by: By, before: Schedule | None) -> None:
        """Write down what somebody has just done to it, in the same transaction, with what it takes to undo that.

        Args:
            operation: one of `journal.SCHEDULE_ACTS`.
            name: of the schedule; what it is now is read here.
            by: who did it.
            before: what it was; `None` if there was none.
        """

    @abstractmethod
    def history(self, name: str, limit: int) -> Sequence[PastJob]:
        """The newest jobs that it has enqueued, as far as they are still there, newest first."""

    @abstractmethod
    def next_at(self) -> float | None:
        """When the next tick of any schedule that is not paused comes."""

    @abstractmethod
    def due(self, limit: int) -> Sequence[Schedule]:
        """Schedules whose tick has come, those that have waited longest first."""

    @abstractmethod
    def advance(self, seen: Schedule, next_at: float) -> Schedule | None:
        """Move on from the tick that was seen to the next one, and forget the error of the tick before.

        Whoever moves it on, and nobody else, enqueues its job, in the same transaction. Guarded: `None`, and
        nothing changed, if another process was faster, or the schedule was paused or got another time meanwhile.

        Returns:
            The schedule as it is at this moment: what it enqueues may have been edited since it was seen.
        """

    @abstractmethod
    def note_job(self, name: str, job_id: int) -> None:
        """It has enqueued this job, now."""

    @abstractmethod
    def note_error(self, seen: Schedule, error: str, next_at: float) -> bool:
        """The tick that was seen enqueued nothing, for this reason; it is tried again at `next_at`. Guarded likewise."""
