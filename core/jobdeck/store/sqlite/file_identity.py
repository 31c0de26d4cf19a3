"""Identifies the file at a path: whether it is still the open one, and what happens to its log if it is not.

A file that was deleted or moved stays open for its connections, and what they write is lost, or ends up elsewhere. SQLite does
not notice. Worse, it finds the log and the log's index by name: it would mistake those of the old database for those of a new
one at the same path, and corrupt the new one. So:

- each transaction first checks that the path still names the open file (one `stat`, a few microseconds);
- the rest of the log is checkpointed into the old file, wherever it is now, and then its log and index are removed from the
  path. They are removed only if they are the same files that were opened;
- connections to the old file are closed without the cleanup that SQLite does by name (see `Connections`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import apsw

from ...clock import time
from ...model.errors import StoreRefused
from .wal import file_size

_PATIENCE = 100
"""Milliseconds of each wait for other connections to the old file."""

_NOTICED = 3.0
"""Seconds within which processes notice that the file they have open at this path was replaced."""

Identity = tuple[int, int]


class DatabaseIdentity:
    """The identity of the file at a path. Only `is_current` may be called by several threads at once."""

    def __init__(self, path: Path, where: str) -> None:
        self._path = path
        self._where = where
        self._file: Identity | None = None
        self._original: Identity | None = None
        self._emptied = False
        self._siblings: dict[Path, Identity] = {}

    def is_current(self, *, writing: bool = False) -> bool:
        """Return whether the path names the open file, and the file is not empty.

        Raises:
            StoreRefused: the file was marked read-only for all, so it is meant to stay unchanged.
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
        """Record the file that was just opened as the current one; return whether it is the same as before."""
        found = self._identity(self._path)
        known = found is not None and found == self._original and not self._emptied
        self._file = self._original = found
        self._emptied = False
        self._siblings.clear()
        return known

    def record_siblings(self) -> None:
        """Record the log and its index, once they are open."""
        if not self._siblings and self.is_current():
            self._siblings = {path: found for path in self._logs() if (found := self._identity(path)) is not None}

    @property
    def is_original(self) -> bool:
        """Whether the path names the originally opened file, after it was missing or emptied."""
        return self._file is None and self._identity(self._path) == self._original

    @property
    def problem(self) -> str | None:
        """What is wrong with the file; `None` if the path names one that is not empty."""
        if not self._path.exists():
            return "was deleted or moved away"
        return None if file_size(self._path) else "was emptied"

    def abandon(self, connection: apsw.Connection | None, *, at_last: bool = False) -> None:
        """Give up the open file, which is no longer at the path, and remove its log and index from there.

        Args:
            connection: a connection to the old file without an open transaction.
            at_last: whether another file is about to be opened at the path, so that a log that cannot be checkpointed is
                renamed.
        """
        if self._file is not None and self._identity(self._path) == self._file:
            self._emptied = True
        self._file = None
        stale = [path for path, identity in self._siblings.items() if self._identity(path) == identity]
        if not stale:
            return
        # The log of an emptied file cannot be checkpointed into it.
        folded = not self._emptied and connection is not None and _fold(connection)
        for path in stale if folded or at_last or self._emptied else ():
            with suppress(OSError):  # another process was faster
                if folded or path.name.endswith("-shm") or not file_size(path):
                    path.unlink()
                else:
                    path.rename(path.with_name(f"{path.name}.left"))

    def _logs(self) -> Sequence[Path]:
        return [_sibling_path(self._path, result) for result in ("-wal", "-shm")]

    @staticmethod
    def _identity(path: Path) -> Identity | None:
        try:
            about = path.stat()
        except OSError:
            return None
        return about.st_dev, about.st_ino


def _fold(connection: apsw.Connection) -> bool:
    """Checkpoint the log into the connection's file; return whether the checkpoint was complete."""
    try:
        connection.set_busy_timeout(_PATIENCE)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error:
        return False
    return True


def _sibling_path(path: Path, result: str) -> Path:
    return path.with_name(path.name + result)


def wait_for_foreign_wal(path: Path, ring: Callable[[], None]) -> bool:
    """Wait, before a file is opened, until the log next to it no longer belongs to another database.

    A process that replaces an open database with another one and opens it immediately may do so before the processes that have
    the old one open have removed its log (see above). Those processes are notified. If the system does not list locks, or they
    do not react, the file is opened anyway.

    Returns:
        Whether the log belongs to no other database, as far as can be determined.
    """
    until = time.monotonic() + _NOTICED
    while strange := _is_foreign(path):
        if time.monotonic() >= until:
            break
        ring()
        time.sleep(0.02)
    return not strange


def _is_foreign(path: Path) -> bool:
    """Return whether a process has the log's index locked, but none the database: a user of it has locks on both."""
    try:
        index = _sibling_path(path, "-shm").stat().st_ino
        with Path("/proc/locks").open(encoding="ascii") as held:
            locked = {line.split()[-3].rpartition(":")[2] for line in held}
        database = str(path.stat().st_ino) if path.exists() else ""
    except (OSError, IndexError, UnicodeError):
        return False
    return str(index) in locked and database not in locked
