"""The insight into one database file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clock import Clock
from ...situation import Situation
from ..insight import Insight
from ..looking.situations import Moment, read_situation
from .conditions import SQLITE
from .connection import Connections
from .house import read_jobs
from .looks import Looks

if TYPE_CHECKING:
    from ...backlog import Backlog


class SqliteInsight(Insight):
    """What decides whether a job is claimed."""

    def __init__(self, connections: Connections, clock: Clock, looks: Looks) -> None:
        self._connections = connections
        self._clock = clock
        self._looks = looks

    def situation(self, job_id: int, lease: float, ageing: float = 0.0) -> Situation | None:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        with self._connections.reading() as connection:
            job = next(read_jobs(connection, [job_id], now - monotonic), None)
            if job is None:
                return None
            workers = self._looks.workers(lease)  # a part of this transaction
            return read_situation(connection, SQLITE, job, workers, Moment(now, monotonic, ageing))

    def backlogs(self, *, seconds: float, slots: int, lease: float) -> list[Backlog]:
        from ..looking.backlogs import read_backlogs  # imported late: few who open the queue ask
        from ..measuring import Slices

        now = self._clock.now()
        with self._connections.reading() as connection:
            queues, workers = self._looks.queues(), self._looks.workers(lease)  # parts of this transaction
            return read_backlogs(connection, queues, workers, Slices.of(now, seconds, slots), now)
