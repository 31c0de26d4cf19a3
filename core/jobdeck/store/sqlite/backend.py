"""The backend of the SQLite store. A file has one writer at a time, so nothing needs a lock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import apsw

from ...clock import Clock
from ...model.jobs import Job
from ...model.states import State
from ..backend import Backend
from ..counters import CounterDeltas
from ..dependencies import has_dependents
from ..notifier import SocketNotifier
from .connection import Connections
from .counters import SqliteCounterDeltas
from .dependencies import DEPENDENCIES
from .rows import read_jobs, read_states

T = TypeVar("T")


class SqliteBackend(Backend):
    """One database file."""

    def __init__(self, connections: Connections, clock: Clock, notifier: SocketNotifier) -> None:
        self._connections = connections
        self._clock = clock
        self._notifier = notifier

    def write_transaction(self) -> AbstractContextManager[apsw.Connection]:
        return self._connections.write_transaction()

    def read_transaction(self) -> AbstractContextManager[apsw.Connection]:
        return self._connections.read_transaction()

    def retry_on_conflict(self, action: Callable[[], T]) -> T:
        return action()  # there are no conflicts

    def notify(self) -> None:
        self._connections.after_commit(self._notifier.notify)

    def lock_journal(self, connection: Any) -> None:
        return

    def lock_row(self, connection: Any, table: str, key: str, value: str | int) -> None:
        return

    def now(self, connection: Any) -> float:
        return self._clock.now()

    def lease_now(self, connection: Any) -> float:
        return self._clock.monotonic()

    def boot(self) -> str:
        return self._clock.boot()

    def lease_skew(self) -> float:
        return self._clock.now() - self._clock.monotonic()

    def clock_offset(self) -> float:
        return 0.0

    def new_counters(self) -> CounterDeltas:
        return SqliteCounterDeltas()

    def stored_columns(self, connection: Any, table: str) -> str:
        return ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))

    def load_for_display(self, connection: Any, ids: Sequence[int]) -> Iterator[Job]:
        return read_jobs(connection, ids, self.lease_skew())

    def load_for_update(self, connection: Any, ids: Sequence[int]) -> Iterator[Job]:
        return read_jobs(connection, ids, 0.0)

    def load_states(self, connection: Any, ids: Sequence[int]) -> Mapping[int, State]:
        return read_states(connection, ids)

    def has_dependents(self, connection: Any) -> bool:
        return has_dependents(connection)

    def resolve_dependents(
        self, connection: Any, counters: CounterDeltas, ended: Mapping[int, State | None], now: float
    ) -> dict[int, list[int]]:
        return DEPENDENCIES.resolve(connection, counters, ended, now)
