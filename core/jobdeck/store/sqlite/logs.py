"""Writes the logs of attempts in SQLite, and keeps each to its size limit.

The size of a log is read once and then cached: summing up megabytes with each added line would hold the file's one lock for
most of the time that two jobs with many lines run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import apsw

from ..records import replace_surrogates
from .connection import Connections

_KNOWN = 2000
"""The number of logs whose size is cached; the size of others is read again."""

# A worker that lost its lease may log for a job that was deleted in the meantime.
_APPEND = """
INSERT INTO jobdeck_logs (job_id, attempt, at, level, text)
SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = ?1)
"""
_COUNTED = """
SELECT coalesce(min(id), 0), coalesce(sum(octet_length(text)), 0) FROM jobdeck_logs WHERE job_id = ? AND attempt = ?
"""
_OLDEST = """
SELECT id, octet_length(text) FROM jobdeck_logs WHERE job_id = ? AND id >= ? AND attempt = ? ORDER BY id
"""
_CUT = "DELETE FROM jobdeck_logs WHERE job_id = ? AND id BETWEEN ? AND ? AND attempt = ?"

Key = tuple[int, int]
"""The id of a job, and the number of an attempt."""


@dataclass(frozen=True, slots=True)
class _Extent:
    """The extent of a log."""

    first: int
    """No line has a lower id."""
    size: int
    """Bytes."""


class Logs:
    """Writes the logs of one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._known: dict[Key, _Extent] = {}
        self._generation = 0

    def append(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        """See `base.Logs.append`."""
        rows = [
            (job_id, attempt, at, replace_surrogates(level), replace_surrogates(text))
            for job_id, attempt, at, level, text in lines
        ]
        added: dict[Key, int] = {}
        for job_id, attempt, _, _, text in rows:
            added[job_id, attempt] = added.get((job_id, attempt), 0) + len((text or "").encode())
        extents: dict[Key, _Extent] = {}
        with self._connections.write_transaction() as connection:
            connection.executemany(_APPEND, rows)
            if self._connections.generation != self._generation:  # another database is open now, with jobs of its own
                self._known, self._generation = {}, self._connections.generation
            for key, size in added.items():
                # Not cached until it is committed: it may be rolled back.
                known = self._known.pop(key, None)
                if known is None:
                    extent = _Extent(*connection.execute(_COUNTED, key).get)
                else:
                    extent = _Extent(known.first, known.size + size)
                extents[key] = _cut(connection, key, extent, keep_bytes)
            self._connections.after_commit(partial(self._cache, extents))

    def _cache(self, extents: Mapping[Key, _Extent]) -> None:
        self._known |= extents
        while len(self._known) > _KNOWN:
            self._known.pop(next(iter(self._known)), None)


def _cut(connection: apsw.Connection, key: Key, extent: _Extent, keep_bytes: int) -> _Extent:
    """Delete the oldest lines until the rest fits into `keep_bytes`."""
    surplus = extent.size - keep_bytes
    if surplus <= 0:
        return extent
    job_id, attempt = key
    last = freed = 0
    for line, size in connection.execute(_OLDEST, (job_id, extent.first, attempt)):
        last, freed = line, freed + size
        if freed >= surplus:
            break
    connection.execute(_CUT, (job_id, extent.first, last, attempt))
    return _Extent(last + 1, extent.size - freed)
