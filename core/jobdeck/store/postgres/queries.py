"""Lists job ids in PostgreSQL, and finds when the next job is due."""

from __future__ import annotations

from array import array
from sys import byteorder
from typing import Any, cast

from ...model.filter import Condition
from ..queries.job_queries import Queries
from .session import Session

_JOINED = {True: ("I", "int4send(id::integer)"), False: ("q", "int8send(id)")}
"""How ids are encoded: in half the memory if all of them are small."""
_NEXT_DUE = "SELECT min(scheduled_at) FROM jobdeck_jobs WHERE state IN ('scheduled', 'retrying')"
_NEXT_DUE_OR_EXPIRING = """
SELECT least((SELECT scheduled_at FROM jobdeck_jobs WHERE state IN ('scheduled', 'retrying') ORDER BY scheduled_at LIMIT 1),
             (SELECT expires_at FROM jobdeck_jobs
               WHERE expires_at IS NOT NULL AND finished_at IS NULL AND state <> 'running' ORDER BY expires_at LIMIT 1))
"""


class PostgresQueries(Queries):
    """The queries of one database on a server."""

    _NEXT_DUE = _NEXT_DUE

    def next_due_at(self) -> float | None:
        with self._backend.read_transaction() as connection:
            due: float | None = connection.execute(_NEXT_DUE_OR_EXPIRING).get
            # A worker compares it with its machine's clock: if the server's is behind, it would poll until then.
            return None if due is None else due - self._backend.clock_offset()

    def list_ids(
        self, condition: Condition, *, sort: str = "id", descending: bool = True, limit: int | None = None
    ) -> array[int]:
        with self._backend.read_transaction() as connection:
            session = cast("Session", connection)
            query, bound = self._ids_query(session, condition, sort, descending, limit)
            narrow = int(session.execute("SELECT coalesce(max(id), 0) FROM jobdeck_jobs").get) < 2**31
            code, sent = _JOINED[narrow]
            # One value that holds all ids, as the bytes of an array: decoding a million numbers would keep the interpreter's
            # lock from the screen.
            ids: array[Any] = array(code, session.joined(f"SELECT string_agg({sent}, '') FROM ({query}) AS found", bound))
        if byteorder == "little":
            ids.byteswap()
        return ids
