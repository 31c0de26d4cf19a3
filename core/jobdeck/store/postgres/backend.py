"""The backend of the PostgreSQL store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from ...model.jobs import Job
from ...model.states import State
from ..backend import Backend
from ..counters import CounterDeltas
from ..dependencies import has_dependents
from .advisory_locks import JOURNAL, advisory_lock
from .connection import Connections
from .counters import PostgresCounterDeltas
from .dependencies import DEPENDENCIES
from .notifier import PostgresNotifier
from .rows import lock_jobs, lock_states, read_jobs
from .session import Session

T = TypeVar("T")
_STORED = """
SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
 WHERE attrelid = ?::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


class PostgresBackend(Backend):
    """One database on a server."""

    def __init__(self, connections: Connections, notifier: PostgresNotifier) -> None:
        self._connections = connections
        self._notifier = notifier
        self._offset_known = False

    def write_transaction(self) -> AbstractContextManager[Session]:
        return self._connections.write_transaction()

    def read_transaction(self) -> AbstractContextManager[Session]:
        return self._connections.read_transaction()

    def retry_on_conflict(self, action: Callable[[], T]) -> T:
        return self._connections.retry_on_conflict(action)

    def notify(self) -> None:
        self._notifier.notify()

    def lock_journal(self, connection: Any) -> None:
        advisory_lock(connection, JOURNAL)

    def lock_row(self, connection: Any, table: str, key: str, value: str | int) -> None:
        connection.execute(f"SELECT 1 FROM {table} WHERE {key} = ? FOR UPDATE", (value,))

    def now(self, connection: Any) -> float:
        return self._connections.now(connection)

    def lease_now(self, connection: Any) -> float:
        return self._connections.lease_now(connection)

    def boot(self) -> str:
        return ""  # the server's, for all

    def lease_skew(self) -> float:
        return self._connections.lease_skew()

    def clock_offset(self) -> float:
        if not self._offset_known:
            with self._connections.read_transaction():  # every transaction measures the offset
                self._offset_known = True
        return self._connections.clock_offset

    def new_counters(self) -> CounterDeltas:
        return PostgresCounterDeltas()

    def stored_columns(self, connection: Any, table: str) -> str:
        return str(connection.execute(_STORED, (table,)).get)

    def load_for_display(self, connection: Any, ids: Sequence[int]) -> Iterator[Job]:
        return read_jobs(connection, ids, self.lease_skew())

    def load_for_update(self, connection: Any, ids: Sequence[int]) -> Iterator[Job]:
        return lock_jobs(connection, ids)

    def load_states(self, connection: Any, ids: Sequence[int]) -> Mapping[int, State]:
        return lock_states(connection, ids)

    def has_dependents(self, connection: Any) -> bool:
        return has_dependents(connection)

    def resolve_dependents(
        self, connection: Any, counters: CounterDeltas, ended: Mapping[int, State | None], now: float
    ) -> dict[int, list[int]]:
        return DEPENDENCIES.resolve(connection, counters, ended, now)
