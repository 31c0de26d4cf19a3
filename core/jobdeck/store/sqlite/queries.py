"""Looking: lists and counts of the SQLite store. None of them counts rows where a counter knows."""

from __future__ import annotations

from array import array
from sys import byteorder

import apsw

from ...clock import Clock
from ...model.filter import Condition
from ...model.jobs import Job
from ...model.states import State
from ..queries.dialect import Bound
from ..queries.pagination import count_query, ids_query
from .backend import read_jobs
from .connection import Connections
from .dialect import SQLITE
from .rows import rows_of

_WIDTHS = {True: "%08X", False: "%016X"}
"""How ids are written where all are small, which takes half the memory, and where they are not."""
_PIECE = 20_000
DUE = "SELECT min(scheduled_at) FROM jobdeck_jobs INDEXED BY jobdeck_due WHERE state IN ('scheduled', 'retrying')"
_DUE_OR_EXPIRING = f"""
SELECT min(at) FROM (
    SELECT ({DUE}) AS at
    UNION ALL
    SELECT * FROM (SELECT expires_at FROM jobdeck_jobs INDEXED BY jobdeck_expiring
     WHERE expires_at IS NOT NULL AND finished_at IS NULL AND state <> 'running' ORDER BY expires_at LIMIT 1))
"""


class Looks:
    """Reads."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    def _skew(self) -> float:
        return self._clock.now() - self._clock.monotonic()

    def next_due_at(self) -> float | None:
        """See `Store.next_due_at`."""
        with self._connections.reading() as connection:
            due: float | None = connection.execute(_DUE_OR_EXPIRING).get
            return due

    def page(self, condition: Condition, limit: int, sort: str, descending: bool) -> list[Job]:
        """See `Store.list_jobs`."""
        with self._connections.reading() as connection:
            ids = [row[0] for row in connection.execute(*self._ids_query(connection, condition, sort, descending, limit))]
            found = {job.id: job for job in read_jobs(connection, ids, self._skew())}
        return [found[job_id] for job_id in ids]

    def ids(self, condition: Condition, sort: str, descending: bool, limit: int | None) -> array[int]:
        """See `Store.list_ids`."""
        with self._connections.reading() as connection:
            query, bound = self._ids_query(connection, condition, sort, descending, limit)
            # One row holding all the ids, as the bytes of an array: fetching a million rows one by one would take and give
            # back the interpreter's lock a million times, and reading a million numbers would keep it from the screen.
            narrow = int(connection.execute("SELECT coalesce(max(id), 0) FROM jobdeck_jobs").get) < 2**32
            joined = rows_of(
                connection,
                f"SELECT unhex(group_concat(format(:width, id), '')) FROM ({query})",
                {**bound, "width": _WIDTHS[narrow]},
            )
        found = array("I" if narrow else "q", joined[0][0] or b"")
        if byteorder == "little":
            found.byteswap()
        if not narrow:
            return found
        ids = array("q")
        for start in range(0, len(found), _PIECE):  # in pieces, so that others get the interpreter in between
            ids.extend(iter(found[start : start + _PIECE]))
        return ids

    def _ids_query(
        self, connection: apsw.Connection, condition: Condition, sort: str, descending: bool, limit: int | None
    ) -> tuple[str, Bound]:
        return ids_query(connection, SQLITE, condition, self._clock.now(), sort, descending, limit)

    def count(self, condition: Condition) -> int:
        """See `Store.count_jobs`."""
        with self._connections.reading() as connection:
            return int(connection.execute(*count_query(SQLITE, condition, self._clock.now())).get)

    def states(self, condition: Condition) -> dict[State, int]:
        """See `Store.count_states`."""
        with self._connections.reading() as connection:
            counted = rows_of(connection, *count_query(SQLITE, condition, self._clock.now(), by="state"))
        return {State(state): n for state, n in counted if n}
