"""Lists and counts jobs and queues."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Sequence
from typing import ClassVar

from ...model.filter import Condition
from ...model.jobs import Job, PageEnd
from ...model.overview import Overview, QueueInfo
from ...model.states import State
from ..backend import Backend, SqlConnection, rows_of
from ..records import state_of
from ..workers import Workers
from .dialect import Bound, Dialect
from .overview import read_overview
from .pagination import count_query, ids_query
from .queues import read_queues


class Queries(ABC):
    """Reads many jobs at once. Never counts rows if a counter has the number."""

    _NEXT_DUE: ClassVar[str]
    """A statement that returns when the next `scheduled` or `retrying` job is due."""

    def __init__(self, backend: Backend, dialect: Dialect, workers: Workers) -> None:
        self._backend = backend
        self._dialect = dialect
        self._workers = workers

    def list(
        self, condition: Condition, *, limit: int, sort: str = "id", descending: bool = True, after: PageEnd | None = None
    ) -> Sequence[Job]:
        """Return the first `limit` jobs that meet the condition, or those after the end of another page.

        Raises:
            InvalidOption: `sort` is none of `SORTS`; with `after`, none of `PAGED_SORTS`.
        """
        with self._backend.read_transaction() as connection:
            query, bound = self._ids_query(connection, condition, sort, descending, limit, after)
            ids = [job_id for (job_id,) in rows_of(connection, query, bound)]
            found = {job.id: job for job in self._backend.load_for_display(connection, ids)}
        return [found[job_id] for job_id in ids]

    @abstractmethod
    def list_ids(
        self, condition: Condition, *, sort: str = "id", descending: bool = True, limit: int | None = None
    ) -> array[int]:
        """Return the ids of all jobs that meet the condition, in order. Fast enough for a million. Raises as `list` does."""

    def count(self, condition: Condition) -> int:
        """Return the number of jobs that meet the condition."""
        with self._backend.read_transaction() as connection:
            query, bound = count_query(self._dialect, condition, self._backend.now(connection))
            return int(connection.execute(query, bound).get)

    def count_states(self, condition: Condition) -> dict[State, int]:
        """Return the number of jobs in each state that meet the condition."""
        with self._backend.read_transaction() as connection:
            query, bound = count_query(self._dialect, condition, self._backend.now(connection), by="state")
            return {state_of(state): n for state, n in rows_of(connection, query, bound) if n}

    @abstractmethod
    def next_due_at(self) -> float | None:
        """Return when the next `scheduled` or `retrying` job is due, or a queued one expires, by this machine's clock."""

    def queues(self) -> Sequence[QueueInfo]:
        """Return every queue that has jobs or limits, or is paused, by name."""
        with self._backend.read_transaction() as connection:
            return read_queues(connection)

    def overview(self, *, seconds: float, slices: int, lease: float) -> Overview:
        """Return a consistent overview of the queue, with metrics over the last `seconds` in about `slices` slices."""
        return read_overview(self._backend, self._workers, seconds, slices, lease, self._NEXT_DUE)

    def _ids_query(
        self,
        connection: SqlConnection,
        condition: Condition,
        sort: str,
        descending: bool,
        limit: int | None,
        after: PageEnd | None = None,
    ) -> tuple[str, Bound]:
        now = self._backend.now(connection)
        return ids_query(connection, self._dialect, condition, now, sort, descending, limit, after)
