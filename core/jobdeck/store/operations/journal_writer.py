"""Writes one journal entry for each operation, in the transaction of the operation."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from ...json_functions import json
from ...model.errors import RowDamaged
from ...model.journal import QUEUE_OPERATIONS, Actor
from ...model.states import Operation
from ..backend import SqlConnection, rows_of
from .unit_of_work import UndoData

UNKNOWN_ACTOR = Actor()
"""The actor of operations whose caller does not name one."""
MAX_ENTRIES = 1000
"""The number of entries kept, the newest; older ones are deleted."""
MAX_AGE = 30 * 86400.0
"""Seconds: older entries are deleted."""
MAX_ENTRY_BYTES = 32 << 20
"""Bytes kept for one entry at most; the jobs beyond cannot be undone. Measured: 100,000 small jobs take 2 MB deleted, and
0.3 MB retried."""
MAX_JOURNAL_BYTES = 64 << 20
"""Bytes kept for all entries together; the oldest are deleted first."""
PART_JOBS = 1000
"""The number of jobs in one part: an undo processes one part at a time, so that others can write in between."""
PART_BYTES = 1 << 20
"""Bytes at which a part is closed, before compression."""
TRIM_EVERY = 100
"""The number of entries after which the journal is trimmed, if no worker's maintenance does it."""


def compress(entries: Sequence[UndoData]) -> bytes:
    """Encode undo data for storage: JSON, compressed, which adds a checksum: a flipped bit must not undo something else."""
    return zlib.compress(json.dumps(entries, separators=(",", ":")).encode(), 1)


def decompress(blob: bytes) -> list[UndoData]:
    """Decode undo data from storage. Raises `RowDamaged` if that is impossible."""
    try:
        entries: list[UndoData] = json.loads(zlib.decompress(blob))
    except (zlib.error, ValueError, RecursionError, TypeError):
        raise RowDamaged("the undo data of a journal entry") from None
    return entries


class JournalWriter:
    """The journal entry of one operation, collected during its transaction. Call `write` once, before that ends."""

    def __init__(self, connection: SqlConnection, operation: str, by: Actor, at: float, max_bytes: int) -> None:
        """Start an entry.

        Args:
            connection: the connection with the open transaction.
            operation: the operation.
            by: the actor.
            at: the time.
            max_bytes: bytes kept for the entry at most.
        """
        self._connection = connection
        self._operation = operation
        self._by = by
        self._at = at
        self._continued = self._find_continued()
        self._remaining = max_bytes - (self._continued[2] if self._continued else 0)
        self._n = self._size = 0
        self.children = 0
        """The number of jobs that were cancelled because of a parent."""
        self._entries: list[UndoData] = []
        self._parts: list[bytes] = []
        self.undoable = 0
        """The number of jobs that an undo could restore."""

    def _find_continued(self) -> tuple[int, int, int, int] | None:
        """Return the entry that this one continues, with its jobs, bytes and children; `None` if it must start a new one."""
        if self._by.entry_id is None:
            return None
        rows = rows_of(
            self._connection,
            "SELECT id, n, bytes, children FROM jobdeck_journal WHERE id = ? AND act = ? AND who = ? AND undone_at IS NULL",
            (self._by.entry_id, self._operation, self._by.name),
        )
        return (rows[0][0], rows[0][1], rows[0][2], rows[0][3]) if rows else None

    def add(self, entry: UndoData, size: int, undoable: bool = True, *, child: bool = False) -> None:
        """Add one changed job.

        Args:
            entry: the undo data of the change.
            size: the approximate size of that in bytes.
            undoable: whether it can be undone at all; otherwise the undo data says why not.
            child: whether the job was not named, but cancelled because of a named one.
        """
        self._n += 1
        if self._remaining <= 0:
            return
        self._entries.append(entry)
        self.undoable += undoable
        self.children += child
        self._size += size
        if self._size >= PART_BYTES or len(self._entries) >= PART_JOBS:
            self._close_part()

    def _close_part(self) -> None:
        if self._entries:
            self._parts.append(compress(self._entries))
            self._remaining -= len(self._parts[-1])
            self._entries = []
            self._size = 0

    def write(self, details: str = "") -> int | None:
        """Write the entry; return its id, or `None` if no job was changed.

        Args:
            details: what the summary says besides the operation and its jobs.
        """
        if not self._n:
            return None
        first = self._entries[0] if self._entries else decompress(self._parts[0])[0] if self._parts else [0]
        self._close_part()
        connection, size = self._connection, sum(map(len, self._parts))
        act, n, _, children = self._continued or (None, 0, 0, 0)
        summary = summarize(self._operation, n + self._n, children + self.children, first[0], details)
        if act is not None:
            connection.execute(
                "UPDATE jobdeck_journal SET n = n + ?, kept = kept + ?, bytes = bytes + ?, children = children + ?, told = ?"
                " WHERE id = ?",
                (self._n, self.undoable, size, self.children, summary, act),
            )
        else:
            # After a new operation, the undone ones before it are not redone.
            connection.execute(
                "UPDATE jobdeck_journal SET undone_no = NULL WHERE undone_no IS NOT NULL AND undone_by = ?", (self._by.name,)
            )
            act = int(
                connection.execute(
                    "INSERT INTO jobdeck_journal (at, who, act, n, kept, bytes, children, told)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                    (self._at, self._by.name, self._operation, self._n, self.undoable, size, self.children, summary),
                ).get
            )
            if act % TRIM_EVERY == 0:
                trim(connection, self._at)
        for part in self._parts:
            add_part(connection, act, self._at, part, undone=False)
        return act

    @classmethod
    def write_queues(cls, connection: SqlConnection, operation: str, by: Actor, at: float, pauses: Mapping[str, float]) -> None:
        """Write the entry of a pause or resume of queues, each with the start of the pause; nothing if there are none."""
        writer = cls(connection, operation, Actor(by.name), at, MAX_ENTRY_BYTES)
        for name, paused_at in pauses.items():
            writer.add([name, paused_at], 40 + len(name))
        writer.write()


def add_part(connection: SqlConnection, entry_id: int, at: float, before: bytes, *, undone: bool) -> None:
    """Add a part to an entry."""
    connection.execute(
        "INSERT INTO jobdeck_journal_parts (act, part, at, undone, before)"
        " SELECT ?1, coalesce(max(part), 0) + 1, ?2, ?3, ?4 FROM jobdeck_journal_parts WHERE act = ?1",
        (entry_id, at, undone, before),
    )


_PAST = {
    Operation.CANCEL: "cancelled {}",
    Operation.RETRY: "retried {}",
    Operation.DELETE: "deleted {}",
    Operation.REPRIORITIZE: "changed the priority of {} {details}",
    Operation.EDIT: "edited the {details} of {}",
    "pause": "paused {}",
    "resume": "resumed {}",
    "limit": "changed the limits of {}",
    "add schedule": "added schedule {}",
    "edit schedule": "edited schedule {}",
    "pause schedule": "paused schedule {}",
    "resume schedule": "resumed schedule {}",
    "delete schedule": "deleted schedule {}",
}


def summarize(operation: str, n: int, children: int, first: Any, details: str) -> str:
    """Summarize an operation on `n` jobs, `children` of which were not named; on `n` queues, or on one schedule."""
    named = n - children
    if operation in QUEUE_OPERATIONS:
        what = f"queue {first}" if n == 1 else f"{n:,} queues"
    else:
        what = first if isinstance(first, str) else f"job {first}" if named == 1 else f"{named:,} jobs"
    more = f", and {children:,} that waited" if children else ""
    return _PAST[operation].format(what, details=details) + more


def trim(connection: SqlConnection, now: float) -> int:
    """Delete entries that are too old, too many or together too large, the oldest first; return their number."""
    deleted = rows_of(
        connection,
        "DELETE FROM jobdeck_journal WHERE id <= (SELECT max(id) FROM jobdeck_journal) - ? OR at < ? OR id IN"
        " (SELECT id FROM (SELECT id, sum(bytes) OVER (ORDER BY id DESC) AS kept FROM jobdeck_journal) AS entry WHERE kept > ?)"
        " RETURNING id",
        (MAX_ENTRIES, now - MAX_AGE, MAX_JOURNAL_BYTES),
    )
    connection.executemany("DELETE FROM jobdeck_journal_parts WHERE act = ?", deleted)
    return len(deleted)
