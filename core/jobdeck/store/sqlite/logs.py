"""The logs of attempts: written, and kept to the size that each may have.

How long a log is, is counted once and then kept in mind: summing up a log of megabytes with each line that is added would
hold the file's one lock for most of the time that two talkative jobs run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import apsw

from ..records import storable
from .connection import Connections

_KNOWN = 2000
"""Logs whose size is kept in mind; of others it is counted anew."""

# A worker that lost its lease may log for a job that has been deleted since.
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
"""A job's id and an attempt."""


@dataclass(frozen=True, slots=True)
class _Extent:
    """What there is of a log."""

    first: int
    """No line has a lower id."""
    size: int
    """Bytes."""


class Logs:
    """Writes the logs of one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._known: dict[Key, _Extent] = {}
        self._file = 0

    def append(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        """See `Store.append_logs`."""
        rows = [(job_id, attempt, at, storable(level), storable(text)) for job_id, attempt, at, level, text in lines]
        added: dict[Key, int] = {}
        for job_id, attempt, _, _, text in rows:
            added[job_id, attempt] = added.get((job_id, attempt), 0) + len((text or "").encode())
        told: dict[Key, _Extent] = {}
        with self._connections.writing() as connection:
            connection.executemany(_APPEND, rows)
            if self._connections.file != self._file:  # another database is there now, with jobs of its own
                self._known, self._file = {}, self._connections.file
            for key, size in added.items():
                # Forgotten until it is committed: what is rolled back was never there.
                known = self._known.pop(key, None)
                if known is None:
                    extent = _Extent(*connection.execute(_COUNTED, key).get)
                else:
                    extent = _Extent(known.first, known.size + size)
                told[key] = _cut(connection, key, extent, keep_bytes)
            self._connections.after_commit(partial(self._keep_in_mind, told))

    def _keep_in_mind(self, told: Mapping[Key, _Extent]) -> None:
        self._known |= told
        while len(self._known) > _KNOWN:
            self._known.pop(next(iter(self._known)), None)


def _cut(connection: apsw.Connection, key: Key, extent: _Extent, keep_bytes: int) -> _Extent:
    """Remove the oldest lines, until what is left is no larger than it may be."""
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
