"""What the acts of people stand on in the SQLite store. Who writes is alone there anyway."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import apsw

from ...clock import Clock
from ...model.jobs import Job
from ...model.states import State
from ..backend import House
from ..counters import Tally
from ..dependencies import any_waits
from ..records import JOB_COLUMNS, job_of
from .connection import Connections
from .counters import SqliteTally
from .dependencies import WAITS

T = TypeVar("T")


class SqliteHouse(House):
    """One database file."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    def writing(self) -> AbstractContextManager[apsw.Connection]:
        return self._connections.writing()

    def reading(self) -> AbstractContextManager[apsw.Connection]:
        return self._connections.reading()

    def alone(self, connection: Any) -> None:
        return

    def now(self, connection: Any) -> float:
        return self._clock.now()

    def lease_now(self, connection: Any) -> float:
        return self._clock.monotonic()

    def lease_skew(self) -> float:
        return self._clock.now() - self._clock.monotonic()

    def ahead(self) -> float:
        return 0.0

    def repeat(self, act: Callable[[], T]) -> T:
        return act()

    def hold(self, connection: Any, table: str, key: str, value: str | int) -> None:
        return

    def tally(self) -> Tally:
        return SqliteTally()

    def columns(self, connection: Any, table: str) -> str:
        return ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))

    def looked_at(self, connection: Any, ids: Sequence[int]) -> Iterator[Job]:
        return read_jobs(connection, ids, self.lease_skew())

    def jobs(self, connection: Any, ids: Sequence[int]) -> Iterator[Job]:
        return read_jobs(connection, ids, 0.0)

    def states(self, connection: Any, ids: Sequence[int]) -> Mapping[int, State]:
        query = "SELECT id, state FROM jobdeck_jobs WHERE id IN (SELECT value FROM json_each(?))"
        return {job_id: State(state) for job_id, state in connection.execute(query, (json.dumps(list(ids)),))}

    def any_waits(self, connection: Any) -> bool:
        return any_waits(connection)

    def settle(self, connection: Any, tally: Tally, ended: Mapping[int, State | None], now: float) -> dict[int, list[int]]:
        return WAITS.settle(connection, tally, ended, now)


def read_jobs(connection: apsw.Connection, ids: Sequence[int], skew: float) -> Iterator[Job]:
    """The jobs with these ids, in no order."""
    rows = connection.execute(
        f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
    )
    return map(job_of(skew), rows)
