"""The insight into one database on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...situation import Situation
from ..insight import Insight
from ..looking.situations import Moment, read_situation
from .conditions import POSTGRES
from .connection import Connections
from .queues import read_queues
from .rows import read_jobs
from .workers import Workers

if TYPE_CHECKING:
    from ...backlog import Backlog


class PostgresInsight(Insight):
    """What decides whether a job is claimed."""

    def __init__(self, connections: Connections, workers: Workers) -> None:
        self._connections = connections
        self._workers = workers

    def situation(self, job_id: int, lease: float, ageing: float = 0.0) -> Situation | None:
        with self._connections.reading() as session:
            job = next(read_jobs(session, [job_id], self._connections.lease_skew()), None)
            if job is None:
                return None
            workers = self._workers.list(session, lease)
            moment = Moment(self._connections.now(session), self._connections.lease_now(session), ageing)
            return read_situation(session, POSTGRES, job, workers, moment)

    def backlogs(self, *, seconds: float, slots: int, lease: float) -> list[Backlog]:
        from ..looking.backlogs import read_backlogs  # imported late: few who open the queue ask
        from ..measuring import Slices

        with self._connections.reading() as session:
            now = self._connections.now(session)
            queues, workers = read_queues(session), self._workers.list(session, lease)
            return read_backlogs(session, queues, workers, Slices.of(now, seconds, slots), now)
