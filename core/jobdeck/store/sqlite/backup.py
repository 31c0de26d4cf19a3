"""Backs up an SQLite file while it is used: SQLite's online backup, inside one read transaction.

The backup interface restarts from the first page each time another process commits, so it never finishes while workers are
busy; inside a read transaction it sees one snapshot. `VACUUM INTO` would omit the free pages, but it rebuilds every table and
cannot report progress. The copy is written under another name, checked, and only then renamed: a file of the given name is a
complete backup.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import uuid4

import apsw

from ...model.errors import BackupFailed
from ..maintenance import Backup, Progress
from .raw_connection import is_utf8_path
from .repair import integrity_problems

_STEP = 1024
"""Pages copied between two progress reports: 4 MB."""


def write_backup(
    source: Path, reading: AbstractContextManager[apsw.Connection], target: Path, *, force: bool, progress: Progress | None
) -> Backup:
    """See `StoreMaintenance.backup`. `reading` opens a read transaction on the file `source`."""
    target = target.absolute()
    _check_target(source, target, force=force)
    part = target.with_name(f".{target.name[:200]}.{uuid4().hex[:8]}.part")
    try:
        with _removed(part):
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with reading as reader:
                _copy(reader, part, progress)
            jobs = _check(part, target)
            part.chmod(source.stat().st_mode & 0o777)
            _name(part, target, force=force)
    except apsw.FullError:
        raise BackupFailed(target, "the disk is full") from None
    except apsw.Error as error:
        raise BackupFailed(target, str(error)) from error
    except OSError as error:
        raise BackupFailed(target, error.strerror or str(error)) from error
    return Backup(target, target.stat().st_size, jobs)


def _check_target(source: Path, target: Path, *, force: bool) -> None:
    if not is_utf8_path(target):
        raise BackupFailed(target, "SQLite needs a path that is UTF-8")
    if target.is_dir():
        raise BackupFailed(target, "it is a folder; name a file in it")
    if not target.parent.is_dir():
        raise BackupFailed(target, f"there is no folder {target.parent}")
    logs = [target.with_name(target.name + result) for result in ("-wal", "-shm")]
    own = [source, *(source.with_name(source.name + ending) for ending in ("-wal", "-shm"))]
    if any(target.exists() and each.exists() and target.samefile(each) for each in own):
        raise BackupFailed(target, "it is a file of the queue itself")
    if any(log.exists() for log in logs):
        # The log of another database next to the copy would be applied to it.
        raise BackupFailed(target, f"a database with this name is in use, or was left by a program that died: {logs[0].name}")
    if target.exists() and not force:
        raise BackupFailed(target, "a file with this name already exists")


@contextlib.contextmanager
def _removed(part: Path) -> Iterator[None]:
    """Remove the partial copy, whatever happens inside."""
    try:
        yield
    finally:
        for result in ("", "-journal", "-wal", "-shm"):
            part.with_name(part.name + result).unlink(missing_ok=True)


def _copy(reader: apsw.Connection, part: Path, progress: Progress | None) -> None:
    copy = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        with copy.backup("main", reader, "main") as backup:
            while not backup.done:
                backup.step(_STEP)
                if progress is not None:
                    progress(backup.page_count - backup.remaining, backup.page_count)
        # One file, complete without a log even if it is read-only. It gets its log back when it is opened.
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()


def _check(part: Path, target: Path) -> int:
    copy = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        if found := integrity_problems(copy, full=True):
            raise BackupFailed(target, f"the copy is damaged, and so is the queue ({found[0]}); see jobdeck doctor --full")
        return int(copy.execute("SELECT coalesce(sum(n), 0) FROM jobdeck_counts").get)
    finally:
        copy.close()


def _name(part: Path, target: Path, *, force: bool) -> None:
    """Rename the finished copy atomically."""
    if force:
        part.replace(target)
    else:
        try:
            os.link(part, target)  # unlike a rename, never replaces a file that was created in the meantime
        except FileExistsError:
            raise BackupFailed(target, "a file with this name already exists") from None
        except OSError:  # a file system without links
            part.rename(target)
    with contextlib.suppress(OSError):  # not every system can synchronize a folder
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
