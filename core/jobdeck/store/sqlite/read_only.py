"""Reads a database file without changing anything: not the file, not its log, not the folder.

SQLite itself needs the index of the log (`-shm`) even to read, creates it if it is missing, and checkpoints the log when it
closes. So how a file is opened depends on whether other processes use it:

- **Shared**, if a process has it open: with SQLite's locks, in the index that is there.
- **Log**, if no process has it open, and a process that died has left a log: with an index in memory, without locks.
- **File**, if there is no log, or none that this user may read: the file alone, without locks. `notice` says what is missing.

Without locks, the state of the file, the log and the index is compared before and after each transaction: the first thing that
another process does is to create or clear the index. What was read meanwhile is thrown away, and read again.

A file with damaged rows, or of an older schema, is read from a temporary copy in which they are repaired.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from ...clock import Clock, time
from ...model.errors import StoreFailed, StoreMissing, StoreRefused
from ..moved import refuse_moved
from ..notifier import SocketNotifier
from ..row_guard import ChangedWhileReading, read_again_if_changed
from .connection import Connections
from .file_guard import is_in_use
from .file_identity import resolve, wait_for_foreign_wal
from .raw_connection import connect_for_reading
from .schema import check_readable, newest_schema, read_meta, schema_of
from .wal import file_size, index_path, wal_path

if TYPE_CHECKING:
    from ..damaged_rows import DamagedRow

Signature = tuple[int, int, int, int] | None
"""Device, inode, size and time of the last change of a file; `None` if it does not exist."""

_BEGIN = "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1"  # the snapshot starts with the first read
_NOT_READABLE = (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError)
_PATIENCE = 20
"""A copy that took t seconds to make is not renewed for 20 t, while others change the file."""
_PAGES = 4096
"""The number of pages that are copied at once: 16 MB."""


class Access(Enum):
    """A way to open a file; see the module."""

    SHARED = auto()
    LOG = auto()
    FILE = auto()


class ReadOnlyConnections(Connections):
    """The connections to a file that is only read. Every other operation raises `StoreRefused`."""

    def __init__(self, path: Path, clock: Clock, *, repair: Callable[[Path], Sequence[DamagedRow]]) -> None:
        """Open the file.

        Args:
            path: the file.
            clock: the store's clock.
            repair: migrates the schema of a file, repairs its rows, and returns these as they were.
        """
        self._repair = repair
        super().__init__(path, clock, "FULL")

    def _prepare(self) -> None:
        self._copy: _Copy | None = None
        self._open_source()
        if read_again_if_changed(self._read_schema) < newest_schema():
            read_again_if_changed(self._read_copy)

    def _read_schema(self) -> int:
        with self.read_transaction() as connection:
            version = schema_of(connection, self.where)
            if version:
                refuse_moved(self.where, partial(read_meta, connection))
            return version

    # -- how it is opened -------------------------------------------------------------------------

    def _open_source(self) -> None:
        """Choose how to open the file, as it is now. No connection of this store may be open."""
        check_readable(self.path, self.where)
        wait_for_foreign_wal(self.path, SocketNotifier(self.path).notify)
        self._file = _signature(self.path)
        self._seen = self._state()
        self._accesses = [*self._possible_accesses()]
        self._access = self._accesses.pop(0)

    def _possible_accesses(self) -> Iterator[Access]:
        if self._is_open_here() or is_in_use(index_path(self.path)):
            yield Access.SHARED
        elif file_size(wal_path(self.path)):
            yield Access.LOG
        yield Access.FILE

    def _is_open_here(self) -> bool:
        """Return whether another store of this process has the file open."""
        others = (each for each in self.all_stores() if each is not self and not isinstance(each, ReadOnlyConnections))
        return any(each.path == self.path for each in others)

    def _state(self) -> tuple[Signature, ...]:
        return tuple(map(_signature, (self.path, wal_path(self.path), index_path(self.path))))

    def _is_steady(self) -> bool:
        """Return whether everything that was read since the last check is one state of the database."""
        if self._access is Access.FILE:  # others write to the log first
            return _signature(self.path) == self._seen[0]
        return self._access is Access.SHARED or self._state() == self._seen

    def _is_current(self) -> bool:
        """Return whether the file can be read as it is open."""
        if self._access is not Access.SHARED:
            return self._state() == self._seen
        siblings = zip(self._seen, self._state(), strict=True)
        return all((before and before[:2]) == (now and now[:2]) for before, now in siblings)

    @property
    def notice(self) -> str | None:
        """Return what a reader must know: what is not shown, and what is shown otherwise than it is stored."""
        if self._copy is not None:
            return self._copy.notice
        if self._access is Access.FILE and (size := file_size(wal_path(self.path))):
            log = wal_path(self.path).name
            return (
                f"The newest changes are in the log {log} ({size:,} bytes), which this user may not read; they are not shown."
            )
        return None

    # -- transactions -----------------------------------------------------------------------------

    def get(self) -> apsw.Connection:
        found = self._local.connection
        if found is None:
            with self._guard:
                if self._closed:
                    raise StoreFailed(self.where, "it was closed")
                self._local.opening, self._local.generation = self._opening, self._generation
                found = self._local.connection = self._connect()
                self._all.add(found)
        return found

    def _connect(self) -> apsw.Connection:
        path = self.path if self._copy is None else self._copy.path
        access = self._access if self._copy is None else Access.FILE
        return connect_for_reading(
            path,
            immutable=access is Access.FILE,
            private=access is Access.LOG,
            ended=lambda: self._closed,
            wait_started=self._wait_started,
            waits=self.lock_waits,
        )

    def _current(self, *, writing: bool = False) -> apsw.Connection:
        if writing:
            raise StoreRefused(self.where, "is open for reading only")
        if not self._closed and not self._is_current():
            with self._guard:
                self._follow()
        return self._own()

    def _follow(self) -> None:
        if self._is_current() or (self._copy is not None and not self._copy.is_due()):
            return
        self._end_opening()
        self._drop_copy()
        self.path = resolve(self._given)
        now = _signature(self.path)
        if now is None:
            raise StoreMissing(self.where)
        if self._file is None or now[:2] != self._file[:2]:
            self._generation += 1
        self._open_source()

    def _end_opening(self) -> None:
        """Let each thread open another connection before its next transaction."""
        if self._access is Access.LOG:
            # They bypass what SQLite knows of the file: a later close would end the locks of new connections.
            self._close_all()
        self._opening += 1

    def _begin(self, statement: str, *, writing: bool = False) -> apsw.Connection:
        while True:
            try:
                return super()._begin(_BEGIN)
            except BaseException as error:
                # The transaction began, and the first read failed.
                with suppress(apsw.Error):
                    if (connection := self.open_transaction()) is not None:
                        connection.execute("ROLLBACK")
                if not isinstance(error, _NOT_READABLE) or not self._fall_back():
                    raise

    def _fall_back(self) -> bool:
        """Open the file in the next possible way; return `False` if there is none.

        The log or its index may not be read, or the last other process has just closed the file.
        """
        with self._guard:
            if self._local.opening != self._opening:
                return True  # another thread was faster
            if not self._accesses:
                return False
            self._end_opening()
            self._access = self._accesses.pop(0)
            return True

    @contextmanager
    def read_transaction(self) -> Iterator[apsw.Connection]:
        if self.in_transaction():
            with super().read_transaction() as connection:
                yield connection
            return
        with super().read_transaction() as connection:
            try:
                yield connection
            except Exception as error:
                if self._copy is None and not self._is_steady():
                    raise ChangedWhileReading(self.where) from error
                raise
        if self._copy is None and not self._is_steady():
            raise ChangedWhileReading(self.where)

    def begin_writing(self) -> apsw.Connection:
        raise StoreRefused(self.where, "is open for reading only")

    def version(self) -> object:
        with suppress(ChangedWhileReading), self.read_transaction() as connection:
            return self._opening, id(connection), connection.pragma("data_version")
        return object()  # which equals no other

    def check(self) -> None:
        raise StoreRefused(self.where, "is open for reading only")

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        with self.read_transaction() as connection:
            yield connection

    def recreate(self) -> None:
        raise StoreRefused(self.where, "is open for reading only")

    # -- the copy ---------------------------------------------------------------------------------

    def _read_copy(self) -> bool:
        """Read a temporary copy with repaired rows from now on; return whether anything had to be repaired."""
        if self._copy is not None:
            return False
        copy = _Copy(self.where)
        try:
            with self.read_transaction() as connection:
                copy.fill(connection)
            copy.note(self._repair(copy.path))
        except BaseException:
            copy.remove()
            raise
        with self._guard:
            self._end_opening()
            self._copy = copy
        return True

    @contextmanager
    def repaired(self, repair: Callable[[], Sequence[object]]) -> Iterator[bool]:
        """See `base.Connections.repaired`: they are repaired in a copy, which later reads use, too."""
        with self._translate_errors:
            found = read_again_if_changed(self._read_copy)
        yield found

    def _drop_copy(self) -> None:
        if self._copy is not None:
            self._copy.remove()
            self._copy = None

    # -- the end ----------------------------------------------------------------------------------

    def after_fork(self) -> None:
        super().after_fork()
        self._copy = None  # it is the parent's, which removes it
        self._seen = (None, None, None)  # so the file is opened anew

    def close(self) -> None:
        self._closed = True
        with self._guard:
            self._close_all()
            self._drop_copy()
            self.forget()


class _Copy:
    """A temporary copy of a database, of the current schema and without damaged rows."""

    def __init__(self, where: str) -> None:
        self._where = where
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="jobdeck-"))
        except OSError as error:
            raise StoreFailed(where, f"a temporary copy of it cannot be made ({error.strerror})") from error
        self._process = os.getpid()
        atexit.register(self.remove)
        self.path = self._folder / "jobs.db"
        self.notice: str | None = None
        self._started_at = time.monotonic()
        self._due_at = 0.0

    def fill(self, source: apsw.Connection) -> None:
        """Copy the database that the connection reads, inside its transaction."""
        target = apsw.Connection(str(self.path))
        try:
            with target.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(_PAGES)
            target.execute("PRAGMA journal_mode = DELETE").fetchall()
        finally:
            target.close()

    def note(self, rows: Sequence[DamagedRow]) -> None:
        """Note which rows were repaired in the copy, and when it is complete."""
        if rows:
            from ..damaged_rows import describe_rows  # imported late: most rows are sound

            what = f"{len(rows):,} damaged rows are" if len(rows) > 1 else "A damaged row is"
            self.notice = f"{what} shown as `jobdeck doctor --repair` would repair it: {describe_rows(rows)}."
        now = time.monotonic()
        self._due_at = now + _PATIENCE * (now - self._started_at)

    def is_due(self) -> bool:
        """Return whether the copy may be replaced by a newer one."""
        return time.monotonic() >= self._due_at

    def remove(self) -> None:
        """Delete the copy."""
        if os.getpid() == self._process:
            shutil.rmtree(self._folder, ignore_errors=True)
            atexit.unregister(self.remove)


def _signature(path: Path) -> Signature:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns
