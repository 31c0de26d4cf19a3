"""Writes the logs of attempts in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from ..log_sizes import LogSizes, line_bytes
from ..records import replace_surrogates
from .connection import Connections, retried

# A worker that lost its lease may log for a job that was deleted in the meantime.
_APPEND = """
INSERT INTO jobdeck_logs (job_id, attempt, at, level, text)
SELECT ?1::bigint, ?2::integer, ?3::double precision, ?4, ?5 WHERE EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = ?1)
"""


class Logs:
    """Writes the logs of one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        # As a range of the index: with an equality, a planner that expects few lines of a job reads and sorts all of them.
        self._sizes = LogSizes(connections, "(job_id, id) >= (?, ?)")

    @retried
    def append(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        """See `base.Logs.append`."""
        rows = [
            (job_id, attempt, at, replace_surrogates(level), replace_surrogates(text))
            for job_id, attempt, at, level, text in lines
        ]
        added: dict[tuple[int, int], int] = {}
        # In this order, as every transaction that locks the lines of several logs.
        for job_id, attempt, _, _, text in sorted(rows, key=lambda row: row[:2]):
            added[job_id, attempt] = added.get((job_id, attempt), 0) + line_bytes(text)
        with self._connections.write_transaction() as session:
            session.executemany(_APPEND, rows)
            self._sizes.trim(session, added, keep_bytes)
