"""What a store knows of one job, or one queue, beyond its row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ..model.claim_conditions import Situation

if TYPE_CHECKING:
    from ..model.forecast import Backlog


class Insight(ABC):
    """The facts behind the question why. `Store.insight` has one."""

    @abstractmethod
    def situation(self, job_id: int, lease: float, ageing: float = 0.0) -> Situation | None:
        """Where the job stands, all of it read in one transaction; `None` if there is no such job.

        Args:
            job_id: the job.
            lease: seconds without a word after which a worker counts as dead.
            ageing: seconds after which a ready job counts as one step higher in priority; 0 means never.
        """

    @abstractmethod
    def backlogs(self, *, seconds: float, slots: int, lease: float) -> list[Backlog]:
        """Every queue as it stands, by name, all read in one transaction.

        Args:
            seconds: how far back the pace is told.
            slots: in about how many slices.
            lease: seconds without a word after which a worker counts as dead.
        """
