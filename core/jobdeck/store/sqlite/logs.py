"""Writes the logs of attempts in SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from ..log_sizes import LogSizes, line_bytes
from ..records import replace_surrogates
from .connection import Connections

# A worker that lost its lease may log for a job that was deleted in the meantime.
_APPEND = """
INSERT INTO jobdeck_logs (job_id, attempt, at, level, text)
SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = ?1)
"""


class Logs:
    """Writes the logs of one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._sizes = LogSizes(connections, "job_id = ? AND id >= ?")

    def append(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        """See `base.Logs.append`."""
        rows = [
            (job_id, attempt, at, replace_surrogates(level), replace_surrogates(text))
            for job_id, attempt, at, level, text in lines
        ]
        added: dict[tuple[int, int], int] = {}
        for job_id, attempt, _, _, text in rows:
            added[job_id, attempt] = added.get((job_id, attempt), 0) + line_bytes(text)
        with self._connections.write_transaction() as connection:
            connection.executemany(_APPEND, rows)
            self._sizes.trim(connection, added, keep_bytes)
