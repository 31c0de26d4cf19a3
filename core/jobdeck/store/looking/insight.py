"""The insight into a queue, whichever store it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...situation import Situation
from ..insight import Insight
from ..people.house import House
from ..workers import Workers
from .dialect import Dialect
from .queues import read_queues
from .situations import Moment, read_situation

if TYPE_CHECKING:
    from ...backlog import Backlog


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
        from ..measuring import Slices
        from .backlogs import read_backlogs  # imported late: few who open the queue ask

        with self._house.reading() as connection:
            now = self._house.now(connection)
            queues, workers = read_queues(connection), self._workers.list(connection, lease)
            return read_backlogs(connection, queues, workers, Slices.of(now, seconds, slots), now)
