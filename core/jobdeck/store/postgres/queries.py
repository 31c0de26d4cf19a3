"""Looking: lists, counts and families of the PostgreSQL store."""

from __future__ import annotations

from array import array
from sys import byteorder
from typing import TYPE_CHECKING

from ...model.filter import Condition
from ...model.jobs import Job
from ...model.states import State
from ..base import Store
from ..queries.pagination import count_query, ids_query
from .dialect import POSTGRES
from .rows import read_jobs
from .session import rows_of

if TYPE_CHECKING:
    from .connection import Connections

_JOINED = {True: ("I", "int4send(id::integer)"), False: ("q", "int8send(id)")}
"""How ids come where all are small, which takes half the memory, and where they are not."""
DUE = "SELECT min(scheduled_at) FROM jobdeck_jobs WHERE state IN ('scheduled', 'retrying')"
_DUE_OR_EXPIRING = """
SELECT least((SELECT scheduled_at FROM jobdeck_jobs WHERE state IN ('scheduled', 'retrying') ORDER BY scheduled_at LIMIT 1),
             (SELECT expires_at FROM jobdeck_jobs
               WHERE expires_at IS NOT NULL AND finished_at IS NULL AND state <> 'running' ORDER BY expires_at LIMIT 1))
"""


class Looking(Store):
    """The side of the store that answers people."""

    _connections: Connections

    def version(self) -> object:
        """What is another one as soon as any process has changed the database; `None` where that cannot be told.

        It is which transactions of the whole server have ended, as far as they wrote anything: so it is another one too when
        one wrote to somewhere else. Inside the caller's own transaction it would not tell what that has changed.
        """
        if self._connections.in_transaction():
            return None
        with self._connections.reading() as session:
            return session.execute("SELECT pg_postmaster_start_time()::text || ' ' || pg_current_snapshot()::text").get

    def next_due_at(self) -> float | None:
        with self._connections.reading() as session:
            due: float | None = session.execute(_DUE_OR_EXPIRING).get
        # A worker holds it against its machine's clock: where the server's is behind, it would ask again and again until then.
        return None if due is None else due - self._connections.ahead

    def list_jobs(self, condition: Condition, *, limit: int, sort: str = "id", descending: bool = True) -> list[Job]:
        with self._connections.reading() as session:
            now = self._connections.now(session)
            query, bound = ids_query(session, POSTGRES, condition, now, sort, descending, limit)
            ids = [job_id for (job_id,) in rows_of(session, query, bound)]
            found = {job.id: job for job in read_jobs(session, ids, self._connections.lease_skew())}
        return [found[job_id] for job_id in ids]

    def list_ids(
        self, condition: Condition, *, sort: str = "id", descending: bool = True, limit: int | None = None
    ) -> array[int]:
        with self._connections.reading() as session:
            now = self._connections.now(session)
            query, bound = ids_query(session, POSTGRES, condition, now, sort, descending, limit)
            narrow = int(session.execute("SELECT coalesce(max(id), 0) FROM jobdeck_jobs").get) < 2**31
            code, sent = _JOINED[narrow]
            # One value that holds all the ids, as the bytes of an array: reading a million numbers would keep the
            # interpreter's lock from the screen.
            ids = array(code, session.joined(f"SELECT string_agg({sent}, '') FROM ({query}) AS found", bound))
        if byteorder == "little":
            ids.byteswap()
        return ids

    def count_states(self, condition: Condition) -> dict[State, int]:
        with self._connections.reading() as session:
            query, bound = count_query(POSTGRES, condition, self._connections.now(session), by="state")
            return {State(state): n for state, n in rows_of(session, query, bound) if n}

    def count_jobs(self, condition: Condition) -> int:
        with self._connections.reading() as session:
            return int(session.execute(*count_query(POSTGRES, condition, self._connections.now(session))).get)
