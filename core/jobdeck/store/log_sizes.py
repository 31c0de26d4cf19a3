"""Keeps the log of each attempt to its size limit, for every store.

The size of a log is read once and then cached: summing up megabytes with each added line would hold an SQLite file's one lock
for most of the time that two jobs with many lines run, and keep a server busy with nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from ..model.record_class import record
from .backend import SqlConnection, rows_of

_KNOWN = 2000
"""The number of logs whose size is cached; the size of others is read again."""
_FIRST_STEP, _LONGEST_STEP = 4, 1024
"""The number of the oldest lines that are read at once, to delete some of them: nearly always as many as were added."""

_SIZE = "CASE WHEN text = '' THEN 1 ELSE octet_length(text) END"
"""Bytes of a line. An empty one counts too: it is stored."""
_COUNTED = f"SELECT coalesce(min(id), 0), coalesce(sum({_SIZE}), 0) FROM jobdeck_logs WHERE job_id = ? AND attempt = ?"
_OLDEST = f"SELECT job_id, attempt, id, {_SIZE} FROM jobdeck_logs WHERE {{since}} ORDER BY job_id, id LIMIT ?"
_CUT = "DELETE FROM jobdeck_logs WHERE job_id = ? AND id BETWEEN ? AND ? AND attempt = ?"

Key = tuple[int, int]
"""The id of a job, and the number of an attempt."""


class Committing(Protocol):
    """The connections to one database."""

    @property
    def generation(self) -> int:
        """See `Store.generation`."""
        ...

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call `action` when this thread's open transaction is committed."""
        ...


@record
class _Extent:
    """The extent of a log."""

    first: int
    """No line has a lower id."""
    size: int
    """Bytes."""


class LogSizes:
    """The sizes of the logs that one process writes."""

    def __init__(self, connections: Committing, since: str) -> None:
        """Know no log yet.

        Args:
            connections: the connections to the database.
            since: the condition by which the database reads the lines of a job (`?`) from an id on (`?`), and no others before
                them, from the index of the lines of each job, in its order.
        """
        self._connections = connections
        self._oldest = _OLDEST.format(since=since)
        self._known: dict[Key, _Extent] = {}
        self._generation = 0

    def trim(self, connection: SqlConnection, added: Mapping[Key, int], keep_bytes: int) -> None:
        """Delete the oldest lines of these logs until the rest fits into `keep_bytes`.

        Args:
            connection: the connection that has just stored new lines, in its open transaction.
            added: the logs and the bytes of their new lines; see `line_bytes`.
            keep_bytes: bytes that each log may keep.
        """
        if self._connections.generation != self._generation:  # another database is open now, with jobs of its own
            self._known, self._generation = {}, self._connections.generation
        extents: dict[Key, _Extent] = {}
        for key, size in added.items():
            # Not cached until it is committed: it may be rolled back.
            known = self._known.pop(key, None)
            extent = (
                _Extent(*connection.execute(_COUNTED, key).get) if known is None else _Extent(known.first, known.size + size)
            )
            if (cut := self._cut(connection, key, extent, keep_bytes)) is not None:
                extents[key] = cut
        self._connections.after_commit(partial(self._cache, extents))

    def _cache(self, extents: Mapping[Key, _Extent]) -> None:
        self._known |= extents
        while len(self._known) > _KNOWN:
            self._known.pop(next(iter(self._known)), None)

    def _cut(self, connection: SqlConnection, key: Key, extent: _Extent, keep_bytes: int) -> _Extent | None:
        """Delete the oldest lines; return the new extent, or `None` if others have deleted lines too, so that it is unknown."""
        surplus = extent.size - keep_bytes
        if surplus <= 0:
            return extent
        job_id, attempt = key
        first, last, freed, step = extent.first, 0, 0, _FIRST_STEP
        while freed < surplus and (lines := rows_of(connection, self._oldest, (job_id, first, step))):
            for of_job, of_attempt, line, size in lines:
                if of_job != job_id:
                    surplus = freed
                    break
                first = line + 1
                if of_attempt == attempt:
                    last, freed = line, freed + size
                    if freed >= surplus:
                        break
            step = min(4 * step, _LONGEST_STEP)
        if last:
            connection.execute(_CUT, (job_id, extent.first, last, attempt))
        return _Extent(first, extent.size - freed) if extent.size - freed <= keep_bytes else None


def line_bytes(text: str | None) -> int:
    """Return the bytes that a line counts for."""
    return max(1, len((text or "").encode()))
