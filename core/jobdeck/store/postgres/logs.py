"""Writes the logs of attempts in PostgreSQL, and keeps each to its size limit."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import replace_surrogates
from .connection import Connections, retried

# A worker that lost its lease may log for a job that was deleted in the meantime.
_APPEND = """
INSERT INTO jobdeck_logs (job_id, attempt, at, level, text)
SELECT ?1::bigint, ?2::integer, ?3::double precision, ?4, ?5 WHERE EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = ?1)
"""
_CUT = """
DELETE FROM jobdeck_logs WHERE id IN (SELECT id FROM (SELECT id, sum(octet_length(text)) OVER (ORDER BY id DESC) AS kept
  FROM jobdeck_logs WHERE job_id = ? AND attempt = ?) AS lines WHERE kept > ?)
"""


class Logs:
    """Writes the logs of one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @retried
    def append(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        """See `base.Logs.append`."""
        rows = [
            (job_id, attempt, at, replace_surrogates(level), replace_surrogates(text))
            for job_id, attempt, at, level, text in lines
        ]
        with self._connections.write_transaction() as session:
            session.executemany(_APPEND, rows)
            session.executemany(_CUT, [(*each, keep_bytes) for each in sorted({(line[0], line[1]) for line in lines})])
