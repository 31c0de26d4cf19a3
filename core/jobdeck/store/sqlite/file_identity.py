"""Which file a path names: whether it is still the one that was opened, and what becomes of its log if it is not.

A file that was deleted or moved away lives on for those who have it open, and what they write is lost, or lands where
nobody looks. SQLite does not see that. Worse, its log and the log's index are found by name: those of the old database
would be taken for those of a new one at the same path, and spoil it. So:

- each transaction looks first whether the path still names the file (one `stat`, some microseconds);
- what was logged and not folded in yet is folded into the old file, wherever that is now, and then its log and index
  leave the path. They are ours to take away only while they are the very files that we have opened;
- connections to the old file are closed without the clean-up that SQLite does by name (see `Connections`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import apsw

from ...model.errors import StoreRefused
from .wal import file_size

_PATIENCE = 100
"""Milliseconds to wait for those who still use the old file, each time."""

_NOTICED = 3.0
"""Seconds within which those who have another file open at this path have seen that it is not there any more."""

Identity = tuple[int, int]


class DatabaseIdentity:
    """The file of one database, by its path. Not safe for several threads at once but for `same`."""

    def __init__(self, path: Path, where: str) -> None:
        self._path = path
        self._where = where
        self._file: Identity | None = None
        self._original: Identity | None = None
        self._emptied = False
        self._siblings: dict[Path, Identity] = {}

    def is_current(self, *, writing: bool = False) -> bool:
        """Whether the path names the file that was opened, with something in it.

        Raises:
            StoreRefused: it has been marked read-only for all, and so is meant to stay as it is.
        """
        try:
            about = self._path.stat()
        except OSError:
            return False
        if (about.st_dev, about.st_ino) != self._file or not about.st_size:
            return False
        if writing and not about.st_mode & 0o222:
            raise StoreRefused(self._where, "cannot be written to; check its permissions")
        return True

    def accept(self) -> bool:
        """The file has been opened: from now on it is the one. Returns whether it is the one that it was before."""
        found = self._identity(self._path)
        known = found is not None and found == self._original and not self._emptied
        self._file = self._original = found
        self._emptied = False
        self._siblings.clear()
        return known

    def record_siblings(self) -> None:
        """The log and its index have been opened too."""
        if not self._siblings and self.is_current():
            self._siblings = {path: found for path in self._logs() if (found := self._identity(path)) is not None}

    @property
    def is_original(self) -> bool:
        """Whether the path names the very file that was opened, after it had been away or emptied."""
        return self._file is None and self._identity(self._path) == self._original

    @property
    def problem(self) -> str | None:
        """What is wrong with the file, in words; `None` if there is one that can be tried."""
        if not self._path.exists():
            return "was deleted or moved away"
        return None if file_size(self._path) else "was emptied"

    def abandon(self, connection: apsw.Connection | None, *, at_last: bool = False) -> None:
        """The file is not the one any more: take away what lies beside the path and was its own.

        Args:
            connection: one that is open on the old file, and not in a transaction.
            at_last: another file is about to be opened at the path, so what cannot be folded in is put aside.
        """
        if self._file is not None and self._identity(self._path) == self._file:
            self._emptied = True
        self._file = None
        stale = [path for path, identity in self._siblings.items() if self._identity(path) == identity]
        if not stale:
            return
        # There is nothing left into which the log of an emptied file could be folded.
        folded = not self._emptied and connection is not None and _fold(connection)
        for path in stale if folded or at_last or self._emptied else ():
            with suppress(OSError):  # another process was faster
                if folded or path.name.endswith("-shm") or not file_size(path):
                    path.unlink()
                else:
                    path.rename(path.with_name(f"{path.name}.left"))

    def _logs(self) -> Sequence[Path]:
        return [_sibling_path(self._path, ending) for ending in ("-wal", "-shm")]

    @staticmethod
    def _identity(path: Path) -> Identity | None:
        try:
            about = path.stat()
        except OSError:
            return None
        return about.st_dev, about.st_ino


def _fold(connection: apsw.Connection) -> bool:
    """Fold the log into the file that the connection has open; whether all of it is in."""
    try:
        connection.set_busy_timeout(_PATIENCE)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error:
        return False
    return True


def _sibling_path(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def wait_for_foreign_wal(path: Path, ring: Callable[[], None]) -> bool:
    """Before a file is opened: wait until the log beside it is not another database's any more.

    Who moves a database to where another one is open, and opens it at once, may be faster than those who have the other
    one open and would take its log away (see above). They are rung. Where the system does not tell who holds which
    locks, or they do not hear, it is opened as it is.

    Returns:
        Whether it is not, as far as one can tell.
    """
    until = time.monotonic() + _NOTICED
    while strange := _is_foreign(path):
        if time.monotonic() >= until:
            break
        ring()
        time.sleep(0.02)
    return not strange


def _is_foreign(path: Path) -> bool:
    """Whether somebody has the log's index open, and nobody has the database open: who uses it has locks on both."""
    try:
        index = _sibling_path(path, "-shm").stat().st_ino
        with Path("/proc/locks").open(encoding="ascii") as held:
            locked = {line.split()[-3].rpartition(":")[2] for line in held}
        database = str(path.stat().st_ino) if path.exists() else ""
    except (OSError, IndexError, UnicodeError):
        return False
    return str(index) in locked and database not in locked
