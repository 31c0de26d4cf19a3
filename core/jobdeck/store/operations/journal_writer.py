"""Writing to the journal: one page for each act, in the transaction of the act."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from ...model.journal import QUEUE_ACTS, By
from ...model.states import Operation
from ..backend import Sql, rows_of
from ..journal import ACT_BYTES, ACTS_KEPT, ACTS_KEPT_FOR, BYTES_KEPT
from .unit_of_work import Entry

PART_JOBS = 1000
"""Jobs of one part: an undo changes a part at a time, so that others get to write in between."""
PART_BYTES = 1 << 20
"""A part is closed when it has grown to this, before it is deflated."""
DEFLATE_FROM = 512
"""Bytes."""
TRIM_EVERY = 100
"""Acts after which the journal is trimmed, where no worker's upkeep does it."""


def packed(entries: Sequence[Entry]) -> bytes:
    """Entries as they are stored: JSON, deflated where that is worth the while."""
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text if len(text) < DEFLATE_FROM else zlib.compress(text, 1)


def unpacked(blob: bytes) -> list[Entry]:
    """Entries from their stored form."""
    entries: list[Entry] = json.loads(blob if blob[:1] == b"[" else zlib.decompress(blob))
    return entries


class Page:
    """What an act did, gathered while its transaction works. Call `write` once, before that ends."""

    def __init__(self, connection: Sql, operation: str, by: By, at: float, room: int) -> None:
        """Begin.

        Args:
            connection: in its open transaction.
            operation: what is done.
            by: who does it.
            at: when.
            room: bytes that may be kept of the whole act.
        """
        self._connection = connection
        self._operation = operation
        self._by = by
        self._at = at
        self._goes_on = self._found()
        self._room = room - (self._goes_on[2] if self._goes_on else 0)
        self._n = self._size = 0
        self.children = 0
        """How many of the jobs were cancelled for a parent's sake."""
        self._entries: list[Entry] = []
        self._parts: list[bytes] = []
        self.undoable = 0
        """How many of the jobs an undo could take back."""

    def _found(self) -> tuple[int, int, int, int] | None:
        """The act that this goes on with, its jobs, bytes and children; `None` if it is none of ours or was undone."""
        if self._by.act is None:
            return None
        rows = rows_of(
            self._connection,
            "SELECT id, n, bytes, children FROM jobdeck_journal WHERE id = ? AND act = ? AND who = ? AND undone_at IS NULL",
            (self._by.act, self._operation, self._by.who),
        )
        return (rows[0][0], rows[0][1], rows[0][2], rows[0][3]) if rows else None

    def add(self, entry: Entry, size: int, undoable: bool = True, *, child: bool = False) -> None:
        """One job was changed.

        Args:
            entry: what it takes to undo that.
            size: about how many bytes that is.
            undoable: whether it can be undone at all; otherwise the entry says why not.
            child: whether nobody named it, and it was cancelled for the sake of one that was named.
        """
        self._n += 1
        if self._room <= 0:
            return
        self._entries.append(entry)
        self.undoable += undoable
        self.children += child
        self._size += size
        if self._size >= PART_BYTES or len(self._entries) >= PART_JOBS:
            self._close_part()

    def _close_part(self) -> None:
        if self._entries:
            self._parts.append(packed(self._entries))
            self._room -= len(self._parts[-1])
            self._entries = []
            self._size = 0

    def write(self, how: str = "") -> int | None:
        """Write it down; returns the id of the act, `None` if nothing was done.

        Args:
            how: what there is to say of the act besides its name and its jobs.
        """
        if not self._n:
            return None
        first = self._entries[0] if self._entries else unpacked(self._parts[0])[0] if self._parts else [0]
        self._close_part()
        connection, size = self._connection, sum(map(len, self._parts))
        act, n, _, children = self._goes_on or (None, 0, 0, 0)
        words = told(self._operation, n + self._n, children + self.children, first[0], how)
        if act is not None:
            connection.execute(
                "UPDATE jobdeck_journal SET n = n + ?, kept = kept + ?, bytes = bytes + ?, children = children + ?, told = ?"
                " WHERE id = ?",
                (self._n, self.undoable, size, self.children, words, act),
            )
        else:
            # Who acts anew will not want the redone on top of it.
            connection.execute(
                "UPDATE jobdeck_journal SET undone_no = NULL WHERE undone_no IS NOT NULL AND undone_by = ?", (self._by.who,)
            )
            act = int(
                connection.execute(
                    "INSERT INTO jobdeck_journal (at, who, act, n, kept, bytes, children, told)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                    (self._at, self._by.who, self._operation, self._n, self.undoable, size, self.children, words),
                ).get
            )
            if act % TRIM_EVERY == 0:
                trim(connection, self._at)
        for part in self._parts:
            add_part(connection, act, self._at, part, undone=False)
        return act

    @classmethod
    def of_queues(cls, connection: Sql, operation: str, by: By, at: float, pauses: Mapping[str, float]) -> None:
        """Write down that queues were paused or resumed, each with since when the pause was; nothing, if none was."""
        page = cls(connection, operation, By(by.who), at, ACT_BYTES)
        for name, paused_at in pauses.items():
            page.add([name, paused_at], 40 + len(name))
        page.write()


def add_part(connection: Sql, act: int, at: float, before: bytes, *, undone: bool) -> None:
    """Put one more part to an act."""
    connection.execute(
        "INSERT INTO jobdeck_journal_parts (act, part, at, undone, before)"
        " SELECT ?1, coalesce(max(part), 0) + 1, ?2, ?3, ?4 FROM jobdeck_journal_parts WHERE act = ?1",
        (act, at, undone, before),
    )


_PAST = {
    Operation.CANCEL: "cancelled {}",
    Operation.RETRY: "retried {}",
    Operation.DELETE: "deleted {}",
    Operation.REPRIORITISE: "changed the priority of {} {how}",
    Operation.EDIT: "edited the {how} of {}",
    "pause": "paused {}",
    "resume": "resumed {}",
    "limit": "changed the limits of {}",
    "add schedule": "made schedule {}",
    "edit schedule": "edited schedule {}",
    "pause schedule": "paused schedule {}",
    "resume schedule": "resumed schedule {}",
    "delete schedule": "deleted schedule {}",
}


def told(operation: str, n: int, children: int, first: Any, how: str) -> str:
    """What was done, in words, to `n` jobs, of which `children` were not named; to `n` queues, or to one schedule."""
    named = n - children
    if operation in QUEUE_ACTS:
        what = f"queue {first}" if n == 1 else f"{n:,} queues"
    else:
        what = first if isinstance(first, str) else f"job {first}" if named == 1 else f"{named:,} jobs"
    more = f", and {children:,} that waited" if children else ""
    return _PAST[operation].format(what, how=how) + more


def trim(connection: Sql, now: float) -> int:
    """Forget acts that are too old, too many or, together, too large: the oldest first. Returns how many."""
    gone = rows_of(
        connection,
        "DELETE FROM jobdeck_journal WHERE id <= (SELECT max(id) FROM jobdeck_journal) - ? OR at < ? OR id IN"
        " (SELECT id FROM (SELECT id, sum(bytes) OVER (ORDER BY id DESC) AS kept FROM jobdeck_journal) AS acts WHERE kept > ?)"
        " RETURNING id",
        (ACTS_KEPT, now - ACTS_KEPT_FOR, BYTES_KEPT),
    )
    connection.executemany("DELETE FROM jobdeck_journal_parts WHERE act = ?", gone)
    return len(gone)
