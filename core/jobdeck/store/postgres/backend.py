"""What the acts of people stand on in the PostgreSQL store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from ...model.jobs import Job
from ...model.states import State
from ..backend import House
from ..counters import Tally
from ..dependencies import any_waits
from .advisory_locks import JOURNAL, pass_door
from .connection import Connections
from .counters import PostgresTally
from .dependencies import WAITS
from .rows import hold_states, lock_jobs, read_jobs
from .session import Session

T = TypeVar("T")
_STORED = """
SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
 WHERE attrelid = ?::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


class PostgresHouse(House):
    """One database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._asked = False

    def writing(self) -> AbstractContextManager[Session]:
        return self._connections.writing()

    def reading(self) -> AbstractContextManager[Session]:
        return self._connections.reading()

    def alone(self, connection: Any) -> None:
        pass_door(connection, JOURNAL)

    def now(self, connection: Any) -> float:
        return self._connections.now(connection)

    def lease_now(self, connection: Any) -> float:
        return self._connections.lease_now(connection)

    def lease_skew(self) -> float:
        return self._connections.lease_skew()

    def ahead(self) -> float:
        if not self._asked:
            with self._connections.reading():  # how far it is ahead is told by every transaction
                self._asked = True
        return self._connections.ahead

    def repeat(self, act: Callable[[], T]) -> T:
        return self._connections.repeat(act)

    def hold(self, connection: Any, table: str, key: str, value: str | int) -> None:
        connection.execute(f"SELECT 1 FROM {table} WHERE {key} = ? FOR UPDATE", (value,))

    def tally(self) -> Tally:
        return PostgresTally()

    def columns(self, connection: Any, table: str) -> str:
        return str(connection.execute(_STORED, (table,)).get)

    def looked_at(self, connection: Any, ids: Sequence[int]) -> Iterator[Job]:
        return read_jobs(connection, ids, self.lease_skew())

    def jobs(self, connection: Any, ids: Sequence[int]) -> Iterator[Job]:
        return lock_jobs(connection, ids)

    def states(self, connection: Any, ids: Sequence[int]) -> Mapping[int, State]:
        return hold_states(connection, ids)

    def any_waits(self, connection: Any) -> bool:
        return any_waits(connection)

    def settle(self, connection: Any, tally: Tally, ended: Mapping[int, State | None], now: float) -> dict[int, list[int]]:
        return WAITS.settle(connection, tally, ended, now)
