"""Identifies the file at a path: whether it is still the open one, and what happens to its log if it is not.

A file that was deleted or moved stays open for its connections, and what they write is lost, or ends up elsewhere. SQLite does
not notice. Worse, it finds the log and the log's index by name: it would mistake those of the old database for those of a new
one at the same path, and corrupt the new one. So:

- each transaction first checks that the path still names the open file, and that its log and index are those that were opened;
  a write transaction checks the log and index again after its commit. As long as the folder has not changed, by its
  `ctime`, its files are the same (one `fstat`); only otherwise each is looked at (three `stat`);
- the rest of the log is checkpointed into the old file, wherever it is now, and then its log and index are removed from the
  path. They are removed only if they are the same files that were opened;
- connections to the old file are closed without the cleanup that SQLite does by name (see `Connections`).

The same holds for a log or an index that was deleted or replaced under the open file (`LogState`): the rest of the deleted log
is checkpointed, as long as nobody has started another one, and then both are opened anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

import apsw

from ...clock import time
from ...model.errors import StoreRefused
from .file_guard import FileGuard, is_locked
from .wal import file_size, index_path, wal_path

_PATIENCE = 100
"""Milliseconds of each wait for other connections to the old file."""

_TRUST = 0.05
"""Seconds between two looks at each file."""

_NOTICED = 3.0
"""Seconds within which processes notice that the file they have open at this path was replaced."""

Identity = tuple[int, int]


class LogState(Enum):
    """The state of the log and of the index of the open file."""

    CURRENT = auto()
    INDEX_REPLACED = auto()
    """The index was deleted or replaced, the log is the open one: it holds every commit."""
    DELETED = auto()
    """The log or the index was deleted, and nobody has written another one: connections still have what is in it."""
    RENEWED = auto()
    """Another process has saved what the deleted log holds, and has started another one."""
    REPLACED = auto()
    """Another program has started another log, and has not saved what the deleted one holds: that is lost."""
    EMPTIED = auto()
    """The log was truncated: what only it held is lost."""


class DatabaseIdentity:
    """The identity of the file at a path. `is_current` and `log_state` may be called by several threads at once."""

    def __init__(self, path: Path, where: str) -> None:
        self._path = path
        self._name = str(path)
        self._where = where
        self._file: Identity | None = None
        self._original: Identity | None = None
        self._emptied = False
        self._log = self._index = ""
        self._siblings: dict[str, Identity] = {}
        self.unchanged_since: int | None = None
        """The folder's time at which the log and the index were the open ones; see `FileGuard.folder_time`."""
        self._trusted_until = self._log_trusted_until = 0.0
        """The times on the monotonic clock until which the folder's time, or for reads nothing at all, stands for its files."""
        self._direct = self._writable = False
        """`True` if the path has no symlinks, and the file's permissions allow writing."""

    def is_unchanged(self, guard: FileGuard | None, *, writing: bool) -> bool:
        """Return whether the file, its log and its index are those that are open. Every transaction asks this first.

        If the folder has not changed, the files in it have not; that costs less than a look at each. A folder that is moved
        away itself, and new permissions, are noticed a little later. So is what happens to the log, by reads, which cannot lose
        anything.

        Raises:
            StoreRefused: as `is_current`.
        """
        now = time.monotonic()
        if guard is not None and now < self._trusted_until and guard.is_untouched(self.unchanged_since):
            return True
        folder_time = None if guard is None else guard.folder_time()
        if not self.is_current(writing=writing):
            return False
        if not writing and folder_time is None and now < self._log_trusted_until:
            return True
        if self.log_state(guard) is not LogState.CURRENT:
            return False
        self._log_trusted_until = now + _TRUST
        if self._siblings:
            self.unchanged_since = folder_time
            self._trusted_until = now + _TRUST if self._direct and self._writable and folder_time is not None else 0.0
        return True

    def _distrust(self) -> None:
        self._siblings = {}
        self.unchanged_since = None
        self._trusted_until = self._log_trusted_until = 0.0

    def is_current(self, *, writing: bool = False) -> bool:
        """Return whether the path names the open file, and the file is not empty.

        Raises:
            StoreRefused: the file was marked read-only for all, so it is meant to stay unchanged.
        """
        try:
            about = os.stat(self._name)  # noqa: PTH116  # each transaction does this
        except OSError:
            return False
        if (about.st_dev, about.st_ino) != self._file or not about.st_size:
            return False
        self._writable = bool(about.st_mode & 0o222)
        if writing and not self._writable:
            raise StoreRefused(self._where, "cannot be written to; check its permissions")
        return True

    def log_state(self, guard: FileGuard | None = None) -> LogState:
        """Return what has become of the log and the index since they were opened.

        With the guard of the open file, a log that was truncated is noticed, and an index that was is extended.
        """
        known = self._siblings
        if not known:
            return LogState.CURRENT
        try:
            log, index = os.stat(self._log), os.stat(self._index)  # noqa: PTH116  # each transaction does this
        except OSError:
            pass
        else:
            if (log.st_dev, log.st_ino) == known[self._log] and (index.st_dev, index.st_ino) == known[self._index]:
                return LogState.CURRENT if guard is None or guard.is_sound(log.st_size, index.st_size) else LogState.EMPTIED
        index_now = _identity(self._index)
        if _identity(self._log) == known[self._log]:
            return LogState.DELETED if index_now is None else LogState.INDEX_REPLACED
        if not file_size(self._log):
            return LogState.DELETED
        saved = index_now == known[self._index] or (guard is not None and not guard.has_unsaved_frames())
        return LogState.RENEWED if saved else LogState.REPLACED

    def accept(self, file: Path) -> bool:
        """Record the file that was just opened as the current one; return whether it is the same as before.

        Args:
            file: the path without symlinks, beside which SQLite keeps the log.
        """
        found = _identity(self._path)
        self._log, self._index = str(wal_path(file)), str(index_path(file))
        known = found is not None and found == self._original and not self._emptied
        self._file = self._original = found
        self._emptied = False
        self._distrust()
        self._direct = self._name == str(file)
        return known

    def record_siblings(self) -> bool:
        """Record the log and its index, once they are open; return `False` if they are not beside the file."""
        if not self._siblings and self.is_current():
            found = {path: identity for path in (self._log, self._index) if (identity := _identity(path)) is not None}
            self._siblings = found if len(found) == 2 else {}
            return bool(self._siblings)
        return True

    def forget_siblings(self) -> None:
        """Forget the log and its index, once they are closed."""
        self._distrust()

    @property
    def is_original(self) -> bool:
        """Whether the path names the originally opened file, after it was missing or emptied."""
        return self._file is None and _identity(self._path) == self._original

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
        if self._file is not None and _identity(self._path) == self._file:
            self._emptied = True
        self._file = None
        self._trusted_until = 0.0
        stale = [path for path, identity in self._siblings.items() if _identity(path) == identity]
        if not stale:
            return
        # The log of an emptied file cannot be checkpointed into it.
        folded = not self._emptied and connection is not None and fold(connection)
        for path in stale if folded or at_last or self._emptied else ():
            with suppress(OSError):  # another process was faster
                if folded or path == self._index or not file_size(path):
                    Path(path).unlink()
                else:
                    Path(path).rename(f"{path}.left")


def _identity(path: str | Path) -> Identity | None:
    try:
        about = Path(path).stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def resolve(path: Path) -> Path:
    """Return the path without symlinks, where SQLite keeps the log of a file; it need not exist."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # not a valid name, which is reported later
        return path.absolute()


def fold(connection: apsw.Connection) -> bool:
    """Checkpoint the log into the connection's file; return whether the checkpoint was complete."""
    try:
        connection.set_busy_timeout(_PATIENCE)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error:
        return False
    return True


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
    """Return whether processes have another database open whose log is here, or this one with a log that is not here.

    A user of a database has locks on both, the file and the log's index, and the log exists. A process that is just opening
    the file has its lock before the log exists, for microseconds.
    """
    index = index_path(path)
    if not is_locked(path):
        return is_locked(index)
    try:
        return not (index.exists() and wal_path(path).exists())
    except OSError:
        return False
