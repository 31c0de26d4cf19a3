"""The insight into a queue, whichever store it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...model.claim_conditions import Situation
from ..backend import House
from ..insight import Insight
from ..workers import Workers
from .claim_conditions import Moment, read_situation
from .dialect import Dialect
from .queues import read_queues

if TYPE_CHECKING:
    from ...model.forecast import Backlog


class KeptInsight(Insight):
    """What decides whether a job is claimed."""

    def __init__(self, house: House, dialect: Dialect, workers: Workers) -> None:
        self._house = house
        self._dialect = dialect
        self._workers = workers

    def situation(self, job_id: int, lease: float, ageing: float = 0.0) -> Situation | None:
        with self._house.reading() as connection:
            job = next(self._house.looked_at(connection, [job_id]), None)
            if job is None:
                return None
            workers = self._workers.list(connection, lease)
            moment = Moment(self._house.now(connection), self._house.lease_now(connection), ageing)
            return read_situation(connection, self._dialect, job, workers, moment)

    def backlogs(self, *, seconds: float, slots: int, lease: float) -> list[Backlog]:
        from ..metrics.time_slices import Slices
        from .queue_stats import read_backlogs  # imported late: few who open the queue ask

        with self._house.reading() as connection:
            now = self._house.now(connection)
            queues, workers = read_queues(connection), self._workers.list(connection, lease)
            return read_backlogs(connection, queues, workers, Slices.of(now, seconds, slots), now)
