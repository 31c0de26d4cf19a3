"""Prepares an SQLite file: refuses unusable files, migrates the schema, records the boot of the machine."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import apsw

from ...clock import Clock, time
from ...model.errors import StoreRefused
from ..moved import MOVED, refuse_moved
from ..notifier import SocketNotifier
from .errors import BUSY_TIMEOUT
from .file_guard import guarded
from .file_identity import wait_for_foreign_wal
from .raw_connection import connect, is_utf8_path
from .wal import file_size, index_path, wal_path

_MAGIC = b"SQLite format 3\0"
_MIGRATIONS = Path(__file__).parent.parent / "migrations"
_ANY = 1 << 62
"""Newer than every schema."""
_SILENT = 60.0
"""Seconds without a report after which a worker is not alive, so that the machine may have restarted."""


def make_ready(path: Path, where: str, clock: Clock, *, adopt: bool, create: bool = True) -> None:
    """Check the file, migrate its schema, record the boot. A refused file is left unchanged to the last byte."""
    check_file(path, where)
    wait_for_foreign_wal(path, SocketNotifier(path).notify)
    log, index = wal_path(path), index_path(path)
    # The last connection to close checkpoints a log that a killed process left behind.
    fresh, left_behind = not log.exists(), file_size(log) > 0
    refused = True
    try:
        with guarded(path), closing(connect(path, create=create)) as connection:
            try:
                _migrate(connection, where, adopt=adopt)
                refuse_moved(where, partial(read_meta, connection))
                _record_boot(connection, clock)
            except BaseException as error:
                if left_behind:
                    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                if isinstance(error, UnicodeDecodeError):  # the name of a table
                    raise StoreRefused(where, "is a damaged SQLite database; restore it from a backup") from error
                raise
        refused = False
    finally:
        if refused and fresh and log.exists() and not file_size(log):
            log.unlink()
            index.unlink(missing_ok=True)


def check_file(path: Path, where: str) -> None:
    """Refuse a file that cannot hold a queue, before SQLite touches it."""
    if "\0" in where:
        raise StoreRefused(repr(where), "is not a valid file name")
    if not is_utf8_path(path):
        raise StoreRefused(where, "cannot be opened: SQLite needs a path that is UTF-8; rename it, or choose another folder")
    if path.name == ":memory:":
        raise StoreRefused(where, "would be lost when the process exits; give the queue a file")
    if path.is_symlink():  # the path has none left that lead anywhere
        raise StoreRefused(where, "is a symbolic link that leads to itself")
    if path.is_dir():
        raise StoreRefused(where, "is a folder, not a database")
    if not path.exists():
        try:
            # One level, as for a new project; a deeper path is more likely mistyped.
            path.parent.mkdir(0o700, exist_ok=True)
        except FileNotFoundError:
            raise StoreRefused(where, f"cannot be created: the folder {path.parent.parent} does not exist") from None
        except OSError as error:
            raise StoreRefused(where, f"cannot be created ({error.strerror})") from None
        return
    _check_readable(path, where)
    # Root may write to every file; a file that is marked read-only for all is meant to stay unchanged.
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) and path.stat().st_mode & 0o222):
        raise StoreRefused(where, "cannot be written to; check its permissions and those of its folder")


def check_readable(path: Path, where: str) -> None:
    """Refuse a file that holds no database that this user may read."""
    if "\0" in where:
        raise StoreRefused(repr(where), "is not a valid file name")
    if path.is_symlink():
        raise StoreRefused(where, "is a symbolic link that leads to itself")
    if path.is_dir():
        raise StoreRefused(where, "is a folder, not a database")
    if not path.exists():
        raise StoreRefused(where, "is not there")
    _check_readable(path, where)


def _check_readable(path: Path, where: str) -> None:
    if not path.is_file():
        raise StoreRefused(where, "is not a file")
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise StoreRefused(where, "cannot be read; check its permissions")
    if path.stat().st_size and _read_magic(path) != _MAGIC:
        raise StoreRefused(where, "is not an SQLite database")


def _read_magic(path: Path) -> bytes:
    """Return the first bytes of a file, read through SQLite.

    A process that closes a file loses all of its locks on it, even those of its open connections; only SQLite knows when to
    postpone the close.
    """
    try:
        file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
    except apsw.CantOpenError:
        return b""
    try:
        return file.xRead(len(_MAGIC), 0)
    except apsw.IOError:  # shorter than that
        return b""
    finally:
        file.xClose()


def _migrate(connection: apsw.Connection, where: str, *, adopt: bool) -> None:
    steps = _steps()
    if schema_of(connection, where, len(steps), adopt=adopt) == len(steps):
        return  # most databases are ready, and need none of the scripts
    _use_wal(connection, where)
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have migrated it in the meantime.
    for number in range(schema_of(connection, where, len(steps), adopt=adopt), len(steps)):
        connection.execute(steps[number].read_text("utf-8"))
        connection.execute("INSERT OR REPLACE INTO jobdeck_meta VALUES ('schema', ?)", (str(number + 1),))
    connection.execute("COMMIT")


def _steps() -> list[Path]:
    """Return the scripts that change the schema, the oldest first."""
    return sorted(each for each in _MIGRATIONS.iterdir() if each.suffix == ".sql")


def _use_wal(connection: apsw.Connection, where: str) -> None:
    until = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").get
        except apsw.BusyError:  # several processes create the same file; SQLite does not wait here by itself
            if time.monotonic() > until:
                raise
            time.sleep(random.uniform(0.0002, 0.002))
            continue
        if mode != "wal":
            raise StoreRefused(where, "is on a file system that several processes cannot share; choose a local one")
        return


def schema_script(since: int) -> str:
    """Return the SQL that brings a queue of the schema version `since` (0: no queue) to the newest, in one transaction."""
    record = "INSERT OR REPLACE INTO jobdeck_meta VALUES ('schema', '{}');\n"
    steps = [f"{step.read_text('utf-8')}\n{record.format(n)}" for n, step in enumerate(_steps(), 1) if n > since]
    mode = "" if since else "PRAGMA journal_mode = WAL;\n"
    return f"-- For SQLite: schema {since} to {newest_schema()}.\n{mode}BEGIN IMMEDIATE;\n\n{''.join(steps)}\nCOMMIT;\n"


def read_schema(path: Path, where: str) -> int:
    """Return the schema version of a file, even a newer jobdeck's; 0 if it has none. Changes nothing.

    Raises:
        StoreRefused: it cannot hold a queue, or is another program's.
    """
    check_file(path, where)
    with opened_unchanged(path) as connection:
        return schema_of(connection, where, _ANY)


@contextmanager
def opened_unchanged(path: Path) -> Iterator[apsw.Connection]:
    """Open a file to look into it: a log that a killed process left behind stays, which the last close would checkpoint."""
    left_behind = file_size(wal_path(path)) > 0
    connection = connect(path)
    try:
        connection.execute("PRAGMA query_only = ON")
        if left_behind:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        yield connection
    finally:
        connection.close()


def newest_schema() -> int:
    """Return the schema version that this jobdeck writes."""
    return len(_steps())


def schema_of(connection: apsw.Connection, where: str, newest: int | None = None, *, adopt: bool = False) -> int:
    """Return the schema version of the file; 0 if it has none. Refuse another program's file, or a newer jobdeck's."""
    newest = newest_schema() if newest is None else newest
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if "jobdeck_meta" not in tables:
        if tables and not adopt:
            raise StoreRefused(where, "is a database of another program; give jobdeck its own file")
        return 0
    text = read_meta(connection, "schema")
    if text is None:
        raise StoreRefused(where, "is a damaged queue without its schema version; restore it from a backup")
    if not text.isdecimal():
        raise StoreRefused(where, f"has the schema version {text!r}, which is not a number")
    version = int(text)
    if version > newest:
        raise StoreRefused(
            where, f"was written by a newer jobdeck (schema {version}; this one knows {newest}); upgrade jobdeck"
        )
    return version


def _record_boot(connection: apsw.Connection, clock: Clock) -> None:
    """Record the boot whose clock is used now. Leases of other boots end by their own clock (see `foreign_clocks.py`)."""
    boot = clock.boot()
    if read_meta(connection, "boot") == boot or read_meta(connection, MOVED) is not None:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have done it, and may hold leases of this boot already.
    if read_meta(connection, "boot") != boot:
        connection.execute("INSERT OR REPLACE INTO jobdeck_meta VALUES ('boot', ?)", (boot,))
        # The worker is not registered any more, so its clock is unknown; registered workers may be alive in a container.
        connection.execute(
            "UPDATE jobdeck_jobs SET lease_until = -1"
            " WHERE state = 'running' AND worker NOT IN (SELECT id FROM jobdeck_workers)"
        )
        connection.execute(
            "DELETE FROM jobdeck_starts WHERE NOT EXISTS (SELECT 1 FROM jobdeck_workers WHERE heartbeat_at > ?)",
            (clock.now() - _SILENT,),
        )
    connection.execute("COMMIT")


def read_meta(connection: apsw.Connection, key: str) -> str | None:
    """Return what the file says of itself under this key, with what is not UTF-8 escaped; `None` if it says nothing."""
    row = connection.execute("SELECT CAST(value AS BLOB) FROM jobdeck_meta WHERE key = ?", (key,)).fetchone()
    return row[0].decode("utf-8", "backslashreplace") if row is not None and isinstance(row[0], bytes) else None
