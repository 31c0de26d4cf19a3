"""What a store has that the acts of people are done with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from ..model.jobs import Job
from ..model.states import State
from .counters import Tally
from .records import Row

T = TypeVar("T")
Bound = Sequence[Any] | Mapping[str, Any]
"""Values for `?`, in their order, or for `:name`."""


class Answer(Protocol):
    """What a statement returned."""

    @property
    def get(self) -> Any:
        """The one value, or row, that it returned; `None` where it returned none."""
        ...

    def fetchall(self) -> list[Any]:
        """All its rows."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Sql(Protocol):
    """A connection with a transaction open on it."""

    def execute(self, statement: str, bound: Any = None, /) -> Answer:
        """Run a statement with these values."""
        ...

    def executemany(self, statement: str, rows: Iterable[Any], /) -> Any:
        """Run a statement once for each of the rows."""
        ...

    def changes(self) -> int:
        """How many rows the last statement changed."""
        ...


class House(ABC):
    """The side of a store that its acts, journal and schedules stand on."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Sql]:
        """A write transaction; joins an open one."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Sql]:
        """A read transaction; joins an open one."""

    @abstractmethod
    def alone(self, connection: Sql) -> None:
        """Until the transaction ends, nobody else is here: what is read of the journal stays true."""

    @abstractmethod
    def now(self, connection: Sql) -> float:
        """What time it is."""

    @abstractmethod
    def lease_now(self, connection: Sql) -> float:
        """What time it is on the clock that leases and heartbeats are counted on."""

    @abstractmethod
    def lease_skew(self) -> float:
        """Seconds from that clock to the one that people read."""

    @abstractmethod
    def ahead(self) -> float:
        """Seconds by which its clock is ahead of this machine's; 0 where it is this machine's."""

    @abstractmethod
    def repeat(self, act: Callable[[], T]) -> T:
        """Do what is one transaction; do it again where others got in its way."""

    @abstractmethod
    def hold(self, connection: Sql, table: str, key: str, value: str | int) -> None:
        """The row with this key, if there is one, is what it is until the transaction ends."""

    @abstractmethod
    def tally(self) -> Tally:
        """A new one."""

    @abstractmethod
    def columns(self, connection: Sql, table: str) -> str:
        """A table's stored columns, as SQL lists them: all but those that the database computes."""

    @abstractmethod
    def looked_at(self, connection: Sql, ids: Sequence[int]) -> Iterator[Job]:
        """The jobs with these ids, in no order, for people to see: leases end on the clock that people read."""

    @abstractmethod
    def jobs(self, connection: Sql, ids: Sequence[int]) -> Iterator[Job]:
        """The jobs with these ids, in no order. They are what they are until the transaction ends."""

    @abstractmethod
    def states(self, connection: Sql, ids: Sequence[int]) -> Mapping[int, State]:
        """The states of those of the jobs that exist. They are what they are until the transaction ends."""

    @abstractmethod
    def any_waits(self, connection: Sql) -> bool:
        """Whether any job waits for another."""

    @abstractmethod
    def settle(self, connection: Sql, tally: Tally, ended: Mapping[int, State | None], now: float) -> dict[int, list[int]]:
        """Tell the children of jobs that have become final (`None`: were removed).

        Returns the jobs that were cancelled, each with those that it waited for.
        """


def rows_of(connection: Sql, query: str, bound: Bound | None = None) -> list[Row]:
    """All rows of a query."""
    return [*connection.execute(query, bound)]
