"""The write-ahead log: small at all times, but while somebody reads for long.

SQLite folds the log into the database by itself after each thousand pages, as far as readers let it, and begins it
anew when it is folded whole and nobody reads it at that moment. What is left to do:

- The file keeps its largest size for ever. `journal_size_limit` cuts it when it begins anew.
- Many short readers and writers can miss that moment again and again. So a log that has become large is folded
  first without disturbing anyone (PASSIVE), and then, if next to nothing is left, with writers held off for
  a moment (TRUNCATE).
- While a reader stays in an old snapshot nothing can be done; the log grows until it leaves.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from ..maintenance import WalState

LOG_KEPT = 16 << 20
"""Bytes that the file of a log that begins anew may keep."""
_PATIENCE = 50
"""Milliseconds that writers may be held off while the last readers leave."""
_FEW = 1000
"""Pages that may be left for the part that holds writers off."""


def wal_path(path: Path) -> Path:
    """The log of a database file."""
    return path.with_name(path.name + "-wal")


def file_size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def checkpoint(path: Path, limit: int) -> WalState:
    """See `Care.bound_log`."""
    log = wal_path(path)
    if file_size(log) <= limit:
        return WalState(file_size(log), held=False)
    held = False
    # A connection of its own: the others wait for long where they have to.
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(_PATIENCE)
        connection.execute("PRAGMA schema_version").fetchall()  # a connection that has read nothing knows of no log
        pages, folded = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if pages - folded < _FEW:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        else:
            held = True
    except apsw.BusyError:
        held = True
    finally:
        connection.close()
    return WalState(file_size(log), held)
