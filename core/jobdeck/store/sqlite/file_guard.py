"""Keeps the locks of this process on an open database, whatever else in the process opens and closes its files.

SQLite locks files with POSIX locks, and those belong to the process: when *any* descriptor of a file is closed in it, by
another SQLite library, by `open(path).close()` or by a copy, all locks of the process on that file are gone, without notice
(https://sqlite.org/howtocorrupt.html, 2.2). The next process to close the database believes that it is the last one, and
deletes the log under the open queue; what is acknowledged from then on is lost. So, for each open file:

- Two descriptors of our own hold read locks on what must never be locked exclusively while the queue is open: the file, and
  the mark of the users of the log's index. They are *open file description* locks, which no close of another descriptor
  removes, and which also hold against other libraries in this process. Systems without them (other than Linux) have none of
  this.
- The locks of two libraries do not hold against each other inside a process: two threads that write through different ones
  damage the file within seconds. So if Python's `sqlite3` is loaded, one connection of it stays open, with what that library
  takes for the writer's lock: its other connections can read, but not write, and never close the index, whose locks protect a
  transaction. (A library does not close a file while one of its own connections has it locked.)
- A write transaction compares the index's counter of commits at its start and before its commit, and takes its lock again: if
  the lock was lost in between, nobody else has written, or the transaction is rolled back.

The descriptors are shared by all queues of the process on the file, and closed only if no connection has it open.
"""

from __future__ import annotations

import atexit
import errno
import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw

from ... import fork  # noqa: F401  # its part of a fork comes first
from ...clock import time
from .errors import BUSY_TIMEOUT
from .wal import file_size, index_path, wal_path

if sys.platform == "linux":
    import fcntl

Identity = tuple[int, int]
"""Device and inode of a file."""

# The places that SQLite locks, see `os_unix.c` and `wal.c`.
_SHARED = (0x40000002, 510)
"""In the database: readers lock it shared; the last user to close locks it exclusively, and deletes the log."""
_ANYWHERE = (0, 0)
"""The whole file."""
_USERS = (128, 1)
"""In the index: each user locks it shared; the first one locks it exclusively, and clears the index."""
_READERS = (123, 5)
"""In the index: each reader locks one of them shared, so that its snapshot is not overwritten."""
_WRITER = (120, 1)
"""In the index: the writer locks it exclusively."""
_COMMITS, _FRAMES, _COPIED, _HEADERS = 8, 16, 96, 96
"""In the index: the positions of the counter of commits, of the number of frames in the log and of those copied to the file,
and the size of the header's two copies."""

_FLOCK = struct.Struct("@hhqqi4x")
"""`struct flock` with 64-bit offsets."""
_FINE, _COARSE = 50_000_000, 3_000_000_000
"""Nanoseconds, more than the resolution of the time of a change: of most file systems, of some old ones."""
AVAILABLE = sys.platform == "linux" and sys.maxsize > 1 << 32
"""`True` on systems with locks that belong to an open file, if this module knows how to request them."""


def _flock(kind: int, place: tuple[int, int]) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, *place, 0)


def _lock_open_file(file: int, kind: int, place: tuple[int, int]) -> bool:
    """Set a lock of the open file; return `False` at once if another one is in its way."""
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _flock(kind, place))
    except OSError:
        return False
    return True


_LOCK_WRITER = _flock(fcntl.F_WRLCK, _WRITER) if AVAILABLE else b""


class FileGuard:
    """The descriptors and locks of this process on one database file. Use it through `acquire` and `release`."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self.identity = identity
        self.users = 0
        self.locked = False
        """`True` if it has its locks. A process that is closing the file, as the last one, may still hold them."""
        self._path = path
        self._file = os.open(path, os.O_RDWR)
        self._folder = os.open(path.parent, os.O_PATH)
        self._log: int | None = None
        self._index: int | None = None
        self._index_identity: Identity | None = None
        self._index_size = 0
        self._old: list[int] = []
        self._pin: Any = _inherited_pins.pop(identity, None)

    def lock(self, *, opened: bool) -> None:
        """Lock the file and the index that is beside it now.

        Args:
            opened: whether a connection of our own library has them open. Otherwise they are locked only if somebody uses them:
                another process, or another library in this one, whose locks our library does not see when it opens the index.
                An index that nobody uses is left to SQLite, which clears it.
        """
        try:
            about = index_path(self._path).stat()
        except FileNotFoundError:
            return
        if (about.st_dev, about.st_ino) != self._index_identity:
            if self._index is not None:
                self._old.append(self._index)
            self._index = os.open(index_path(self._path), os.O_RDWR)
            about = os.fstat(self._index)
            self._index_identity = (about.st_dev, about.st_ino)
            self._index_size = about.st_size
        assert self._index is not None
        if not opened and _lock_open_file(self._index, fcntl.F_WRLCK, _USERS):
            _lock_open_file(self._index, fcntl.F_UNLCK, _USERS)
            return
        self._close_log()  # which nobody locks
        self._log = os.open(wal_path(self._path), os.O_RDONLY)
        locked = _lock_open_file(self._file, fcntl.F_RDLCK, _SHARED)
        self.locked = _lock_open_file(self._index, fcntl.F_RDLCK, _USERS) and locked

    def _close_log(self) -> None:
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def folder_time(self) -> int | None:
        """Return the time of the folder's last change in nanoseconds, if every later change will give another one.

        As long as it stays the same, no file in the folder was created, deleted, renamed or replaced; unlike the modification
        time, no program can set it. `None` just after a change: another one may get the same time.
        """
        now = time.time_ns()
        try:
            changed = os.fstat(self._folder).st_ctime_ns
        except OSError:  # another thread has closed the store
            return None
        return changed if now - changed > (_FINE if changed % 1_000_000_000 else _COARSE) else None

    def is_untouched(self, since: int | None) -> bool:
        """Return whether no file in the folder was replaced since it had this time, and none of the open ones was truncated."""
        log, index = self._log, self._index
        if log is None or index is None:
            return False
        try:
            # A byte of each costs a third of its `fstat`.
            return bool(
                os.fstat(self._folder).st_ctime_ns == since
                and os.pread(self._file, 1, 0)
                and os.pread(index, 1, self._index_size - 1)
                and (os.pread(log, 1, 0) or not self._frames())
            )
        except OSError:  # another thread has closed the store
            return False

    def has_files(self, since: int | None) -> bool:
        """Return whether the open log and index still have names: they have if the folder still has the time of a check."""
        log, index = self._log, self._index
        if log is None or index is None:
            return False
        try:
            return os.fstat(self._folder).st_ctime_ns == since or bool(os.fstat(log).st_nlink and os.fstat(index).st_nlink)
        except OSError:  # another thread has closed the store
            return False

    def unlock(self) -> None:
        """Release the locks, but keep the descriptors: closing them would remove SQLite's locks as well."""
        if self._pin is not None:
            _end(self._pin)
        self._pin = None
        self.locked = False
        self._close_log()
        for file in (self._file, self._index, *self._old):
            if file is not None:
                _lock_open_file(file, fcntl.F_UNLCK, _ANYWHERE)

    def close(self) -> None:
        """Close the descriptors; no connection of this process may have the file open."""
        self._close_log()
        for file in (self._folder, self._file, self._index, *self._old):
            if file is not None:
                with suppress(OSError):
                    os.close(file)

    def exclude_sqlite3(self) -> bool:
        """Keep Python's `sqlite3` from writing to the file in this process; return `False` if it is writing now.

        Call it in each write transaction. The first one in a process that has loaded `sqlite3` opens a connection of that
        library and starts a write transaction on it, which gets the lock that this process already has. It stays open, so the
        library refuses every other write as locked, and never closes the index. The lock ends for other processes as usual: our
        own library releases it for the whole process.
        """
        if self._pin is not None or "_sqlite3" not in sys.modules:
            return True
        import sqlite3

        with _guards_lock:
            if self._pin is not None or not self.users:
                return True
            pin = sqlite3.connect(
                f"file:{quote(str(self._path))}?mode=rw", uri=True, timeout=0, isolation_level=None, check_same_thread=False
            )
            try:
                pin.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                pin.close()
                return False
            assert self._index is not None
            # Only the lock of its snapshot would stay, and keep the log from being restarted.
            fcntl.fcntl(self._index, fcntl.F_SETLK, _flock(fcntl.F_UNLCK, _READERS))
            self._pin = pin
            return True

    def covers(self, path: Path) -> bool:
        """Return whether this is the guard of the file at a path."""
        return self._path == path

    def index_with(self, inode: int) -> int | None:
        """Return the descriptor of the index with this inode, also of an earlier one."""
        files = [file for file in (self._index, *self._old) if file is not None]
        return next((file for file in files if os.fstat(file).st_ino == inode), None)

    def descriptors_of(self, about: os.stat_result) -> list[int]:
        """Return the descriptors of the file that `about` describes, if it is this guard's file or one of its indexes."""
        files = [file for file in (self._file, self._index, *self._old) if file is not None]
        return [file for file in files if os.path.samestat(os.fstat(file), about)]

    def hand_down(self, pins: dict[Identity, Any]) -> None:
        """Leave the connection of `sqlite3` to a forked process."""
        if self._pin is not None:
            pins[self.identity] = self._pin

    def sqlite3_writes(self) -> bool:
        """Return whether a writer of this process has the file locked, which may be one of Python's `sqlite3`.

        Our own library would not see that lock, and would release it. `False` once that library is excluded.
        """
        if self._pin is not None or self._index is None or "_sqlite3" not in sys.modules:
            return False
        try:
            found = _FLOCK.unpack(fcntl.fcntl(self._index, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, _WRITER)))
        except OSError:  # another thread has closed the store
            return False
        return bool(found[0] != fcntl.F_UNLCK and found[-1] == os.getpid())

    def relock(self) -> None:
        """Take the locks that were not available before, or not needed, now that our own library has the file open."""
        if not self.locked:
            with _guards_lock, suppress(OSError):
                if self.users:
                    self.lock(opened=True)

    def is_sound(self, log_size: int, index_size: int) -> bool:
        """Return whether the log still holds what the index says, by the present sizes of both in bytes.

        An index that was truncated is extended again: to touch its missing part would kill the process. SQLite then finds no
        header in it, and writes it anew.
        """
        assert self._index is not None
        if index_size < self._index_size:
            os.posix_fallocate(self._index, 0, self._index_size)
        else:
            self._index_size = index_size
        # A checkpoint first empties the index, then the log; a writer extends first the log, then the index.
        return bool(log_size or not self._frames() or file_size(wal_path(self._path)) or not self._frames())

    def _frames(self) -> int:
        """Return the number of frames of the log, according to the index."""
        return int.from_bytes(os.pread(self._index or 0, 4, _FRAMES), sys.byteorder)

    def has_unsaved_frames(self) -> bool:
        """Return whether the log holds frames that no checkpoint has copied to the file, according to the index."""
        return self._frames() > int.from_bytes(os.pread(self._index or 0, 4, _COPIED), sys.byteorder)

    def clear_index(self) -> None:
        """Let SQLite write the index anew from the log, by making both copies of its header invalid."""
        os.pwrite(self._index or 0, bytes(_HEADERS), 0)

    def commits(self) -> bytes:
        """Return the index's counter of commits, which stays the same while this process writes."""
        try:
            return os.pread(self._index or 0, 4, _COMMITS)
        except OSError:  # another thread has closed the store
            return b""

    def still_writes(self, commits: bytes) -> bool:
        """Return whether no other process or library can have written since `commits` was read, inside a transaction.

        If the lock was lost and another process writes now, this waits for it: a rollback changes the index and needs the lock.
        """
        assert self._index is not None
        until = None
        while True:
            try:
                # Changes nothing if SQLite still has the lock, and takes it again if it was lost.
                fcntl.fcntl(self._index, fcntl.F_SETLK, _LOCK_WRITER)
            except OSError as error:
                if error.errno == errno.EBADF:  # another thread has closed the store
                    return False
                until = until or time.monotonic() + BUSY_TIMEOUT
                if time.monotonic() > until:
                    return False
                time.sleep(0.001)
            else:
                return os.pread(self._index, 4, _COMMITS) == commits


def _end(pin: Any) -> None:
    """Close the connection that keeps `sqlite3` from writing; not by a rollback, which may change the index under a writer."""
    with suppress(Exception):
        pin.execute("COMMIT")
        pin.close()


_guards: dict[Identity, FileGuard] = {}
_guards_lock = threading.Lock()
_inherited_pins: dict[Identity, Any] = {}
"""The parent's connections of `sqlite3`, which keep that library from writing in a forked process as well."""


def acquire(path: Path) -> FileGuard | None:
    """Guard the file at this path, before a connection to it is opened; `None` if it does not exist, or this system cannot.

    The guard has its locks once the file is in use: see `FileGuard.relock`.

    Args:
        path: absolute, without symlinks.
    """
    if not AVAILABLE:
        return None
    with _guards_lock:
        try:
            about = path.stat()
            guard = _guards.get((about.st_dev, about.st_ino))
            if guard is None:
                guard = FileGuard(path, (about.st_dev, about.st_ino))
                _guards[guard.identity] = guard
            if not guard.locked:
                guard.lock(opened=False)
        except OSError:  # it does not exist, or not any more, which the next transaction notices
            return None
        guard.users += 1
        return guard


def is_in_use(index: Path) -> bool:
    """Return whether somebody has the database with this index open: all of them lock the index. `True` if nobody can tell."""
    held = _is_lock_held(index, _USERS)
    return index.exists() if held is None else held


def is_locked(path: Path) -> bool:
    """Return whether somebody has a lock on the file, in this process or another; `False` if nobody can tell.

    A guard's own locks do not count. To ask for one file is a system call; `/proc/locks` lists those of the whole machine.
    """
    return _is_lock_held(path, _ANYWHERE) is True


def _is_lock_held(path: Path, place: tuple[int, int]) -> bool | None:
    """Return whether somebody has a lock on this place of the file; `None` if the system does not tell."""
    if not AVAILABLE:
        return None
    with _guards_lock:
        try:
            about = path.stat()
        except FileNotFoundError:
            return False
        except OSError:
            return None
        opened = None
        try:
            # Closing another descriptor would remove the locks of this process.
            file = next((each for guard in _guards.values() for each in guard.descriptors_of(about)), None)
            if file is None:
                file = opened = os.open(path, os.O_RDONLY)
            found = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, place))
            return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)
        except OSError:
            return None
        finally:
            if opened is not None:
                os.close(opened)


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Guard the file at this path inside the block, in which our library opens and closes it, if others use it."""
    guard = acquire(path)
    try:
        yield
    finally:
        if guard is not None:
            release(guard)


def release(guard: FileGuard) -> None:
    """Stop guarding the file, so that its last connection can check in the log and delete it."""
    with _guards_lock:
        guard.users -= 1
        if not guard.users:
            guard.unlock()


@contextmanager
def detached_index(path: Path) -> Iterator[bool]:
    """Let this process see a copy of the index inside the block, after a fork, so that what it does there changes nothing.

    Gives whether that is so.
    """
    guard = next((each for each in _guards.values() if each.covers(path)), None)
    yield guard is not None and _map_index(guard, private=True)
    if guard is not None:
        _map_index(guard, private=False)  # connections that could not be closed share it with new ones


def _map_index(guard: FileGuard, *, private: bool) -> bool:
    import ctypes
    import mmap

    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
    flags = (mmap.MAP_PRIVATE if private else mmap.MAP_SHARED) | 0x10  # MAP_FIXED, which the module does not name
    for start, end, offset, inode in _mappings():
        file = guard.index_with(inode)
        if file is not None:
            found = library.mmap(start, end - start, mmap.PROT_READ | mmap.PROT_WRITE, flags, file, offset)
            if found != start:
                return False
    return True


def _mappings() -> Iterator[tuple[int, int, int, int]]:
    """Return the start, the end, the offset and the inode of each file that is mapped into this process."""
    for line in Path("/proc/self/maps").read_text("utf-8", "replace").splitlines():
        place, _, offset, _, inode, *_ = line.split(None, 5)
        start, _, end = place.partition("-")
        yield int(start, 16), int(end, 16), int(offset, 16), int(inode)


def _forget_parent() -> None:
    """Drop the parent's descriptors, in the child. Their locks stay with the parent."""
    global _guards_lock
    _guards_lock = threading.Lock()
    for guard in _guards.values():
        guard.close()
        guard.hand_down(_inherited_pins)
    _guards.clear()


def _end_all() -> None:
    for guard in _guards.values():
        guard.unlock()


if AVAILABLE:
    # After those of `fork`, which use the descriptors.
    os.register_at_fork(after_in_child=_forget_parent)
    atexit.register(_end_all)


def close_unused() -> None:
    """Close the descriptors of files that no connection of this process has open any more."""
    with _guards_lock:
        unused = {identity: guard for identity, guard in _guards.items() if not guard.users}
        if not unused:
            return
        for connection in apsw.connections():
            with suppress(apsw.Error, OSError, ValueError):
                about = Path(connection.filename).stat()
                unused.pop((about.st_dev, about.st_ino), None)
        for identity, guard in unused.items():
            del _guards[identity]
            guard.close()
