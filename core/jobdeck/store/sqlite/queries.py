"""Lists job ids in SQLite, and finds when the next job is due."""

from __future__ import annotations

from array import array
from sys import byteorder

from ...model.filter import Condition
from ..backend import rows_of
from ..queries.job_queries import Queries

_WIDTHS = {True: "%08X", False: "%016X"}
"""How ids are encoded: in half the memory if all of them are small."""
_PIECE = 20_000
_NEXT_DUE = "SELECT min(scheduled_at) FROM jobdeck_jobs INDEXED BY jobdeck_due WHERE state IN ('scheduled', 'retrying')"
_NEXT_DUE_OR_EXPIRING = f"""
SELECT min(at) FROM (
    SELECT ({_NEXT_DUE}) AS at
    UNION ALL
    SELECT * FROM (SELECT expires_at FROM jobdeck_jobs INDEXED BY jobdeck_expiring
     WHERE expires_at IS NOT NULL AND finished_at IS NULL AND state <> 'running' ORDER BY expires_at LIMIT 1))
"""


class SqliteQueries(Queries):
    """The queries of one file."""

    _NEXT_DUE = _NEXT_DUE

    def next_due_at(self) -> float | None:
        with self._backend.read_transaction() as connection:
            due: float | None = connection.execute(_NEXT_DUE_OR_EXPIRING).get
            return due

    def list_ids(
        self, condition: Condition, *, sort: str = "id", descending: bool = True, limit: int | None = None
    ) -> array[int]:
        with self._backend.read_transaction() as connection:
            query, bound = self._ids_query(connection, condition, sort, descending, limit)
            # One row that holds all ids, as the bytes of an array: fetching a million rows one by one would release and take
            # the interpreter's lock a million times, and decoding a million numbers would keep it from the screen.
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
        for start in range(0, len(found), _PIECE):  # in pieces, so that other threads run in between
            ids.extend(iter(found[start : start + _PIECE]))
        return ids
