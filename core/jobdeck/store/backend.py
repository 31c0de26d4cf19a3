"""The interface of a database to the code that both stores share: transactions, locks, clocks, and rows as records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ..model.jobs import Job
from ..model.states import State
from .counters import CounterDeltas
from .records import Row

P = ParamSpec("P")
T = TypeVar("T")
Bound = Sequence[Any] | Mapping[str, Any]
"""Values for `?`, in their order, or for `:name`."""


class Rows(Protocol):
    """The result of a statement."""

    @property
    def get(self) -> Any:
        """The only value, or the only row, of the result; `None` if it is empty."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class SqlConnection(Protocol):
    """A connection with an open transaction."""

    def execute(self, statement: str, bound: Any = None, /) -> Rows:
        """Run a statement with these values."""
        ...

    def executemany(self, statement: str, rows: Iterable[Any], /) -> Any:
        """Run a statement once for each of the rows."""
        ...

    def changes(self) -> int:
        """Return the number of rows that the last statement changed."""
        ...


class Backend(ABC):
    """One database, as operations, queries and metrics see it."""

    @abstractmethod
    def write_transaction(self) -> AbstractContextManager[SqlConnection]:
        """Open a write transaction, or join the open one."""

    @abstractmethod
    def read_transaction(self) -> AbstractContextManager[SqlConnection]:
        """Open a read transaction, or join the open one."""

    @abstractmethod
    def retry_on_conflict(self, action: Callable[[], T]) -> T:
        """Run an action that is one transaction, and retry it if it conflicts with another one."""

    @abstractmethod
    def notify(self) -> None:
        """Wake the workers of all processes, once this thread's open transaction is committed."""

    @abstractmethod
    def lock_journal(self, connection: SqlConnection) -> None:
        """Lock the journal until the transaction ends, so that what is read from it stays valid."""

    @abstractmethod
    def lock_row(self, connection: SqlConnection, table: str, key: str, value: str | int) -> None:
        """Lock the row with this key, if it exists, until the transaction ends."""

    @abstractmethod
    def now(self, connection: SqlConnection) -> float:
        """Return the time."""

    @abstractmethod
    def lease_now(self, connection: SqlConnection) -> float:
        """Return the time on the clock that leases and heartbeats are measured on."""

    @abstractmethod
    def boot(self) -> str:
        """Return an id of that clock: times of another one cannot be compared to it."""

    @abstractmethod
    def lease_skew(self) -> float:
        """Return the seconds from that clock to the wall clock."""

    @abstractmethod
    def clock_offset(self) -> float:
        """Return the seconds by which the database's clock is ahead of this machine's; 0 if they are the same."""

    @abstractmethod
    def new_counters(self) -> CounterDeltas:
        """Return empty counter deltas for one transaction."""

    @abstractmethod
    def stored_columns(self, connection: SqlConnection, table: str) -> str:
        """Return a table's stored columns as SQL lists them, without those that the database computes."""

    @abstractmethod
    def load_for_display(self, connection: SqlConnection, ids: Sequence[int]) -> Iterator[Job]:
        """Return the jobs with these ids, in no order, with the ends of their leases on the wall clock."""

    @abstractmethod
    def load_for_update(self, connection: SqlConnection, ids: Sequence[int]) -> Iterator[Job]:
        """Lock the jobs with these ids until the transaction ends, and return them in no order."""

    @abstractmethod
    def load_states(self, connection: SqlConnection, ids: Sequence[int]) -> Mapping[int, State]:
        """Lock the states of these jobs until the transaction ends, and return those that exist."""

    @abstractmethod
    def has_dependents(self, connection: SqlConnection) -> bool:
        """Return whether any job waits for another."""

    @abstractmethod
    def resolve_dependents(
        self, connection: SqlConnection, counters: CounterDeltas, ended: Mapping[int, State | None], now: float
    ) -> dict[int, list[int]]:
        """Resolve the dependents of jobs that have become final (`None`: were deleted).

        Returns the jobs that were cancelled for it, each with the jobs that it waited for.
        """


class HasBackend(Protocol):
    """A component that works on a backend."""

    _backend: Backend


Component = TypeVar("Component", bound=HasBackend)


def retried(method: Callable[Concatenate[Component, P], T]) -> Callable[Concatenate[Component, P], T]:
    """Retry a component's method, which is one transaction, if it conflicts with another one."""

    @wraps(method)
    def retry(self: Component, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._backend.retry_on_conflict(partial(method, self, *args, **kwargs))

    return retry


def rows_of(connection: SqlConnection, query: str, bound: Bound | None = None) -> list[Row]:
    """Return all rows of a query."""
    return [*connection.execute(query, bound)]
