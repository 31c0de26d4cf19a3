"""The logs of attempts: written, and kept to the size that each may have."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import storable
from .session import Session

# A worker that lost its lease may log for a job that has been deleted since.
_APPEND = """
INSERT INTO jobdeck_logs (job_id, attempt, at, level, text)
SELECT ?1::bigint, ?2::integer, ?3::double precision, ?4, ?5 WHERE EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = ?1)
"""
_CUT = """
DELETE FROM jobdeck_logs WHERE id IN (SELECT id FROM (SELECT id, sum(octet_length(text)) OVER (ORDER BY id DESC) AS kept
  FROM jobdeck_logs WHERE job_id = ? AND attempt = ?) AS lines WHERE kept > ?)
"""


def append(session: Session, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
    """See `Store.append_logs`."""
    session.executemany(
        _APPEND, [(job_id, attempt, at, storable(level), storable(text)) for job_id, attempt, at, level, text in lines]
    )
    session.executemany(_CUT, [(*each, keep_bytes) for each in sorted({(line[0], line[1]) for line in lines})])
