"""Keeps the write-ahead log small, except during long reads.

SQLite checkpoints the log automatically after every thousand pages, as far as readers allow, and restarts it when the
checkpoint is complete and the log has no reader at that moment. The remaining cases:

- The file does not shrink by itself. `journal_size_limit` truncates it at a restart.
- With many short reads and writes, that moment may rarely come. So a large log is first checkpointed without blocking other
  connections (PASSIVE), and then, if almost nothing remains, with writers blocked briefly (TRUNCATE).
- While a reader holds an old snapshot, the log cannot be reset; it grows until the reader ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from ..maintenance import WalState


LOG_KEPT = 16 << 20
"""Bytes that the file of a restarted log may keep."""
_PATIENCE = 50
"""Milliseconds that writers may be blocked while the last readers end."""
_FEW = 1000
"""Pages that may remain for the step that blocks writers."""


def wal_path(path: Path) -> Path:
    """Return the path of a database file's log."""
    return path.with_name(path.name + "-wal")


def index_path(path: Path) -> Path:
    """Return the path of the index of a database file's log."""
    return path.with_name(path.name + "-shm")


def file_size(path: Path | str) -> int:
    """Return the bytes of a file; 0 if it does not exist."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def checkpoint(path: Path, limit: int) -> WalState:
    """See `StoreMaintenance.checkpoint`."""
    from ..maintenance import WalState  # imported late: opening a database does not need it

    log = wal_path(path)
    if file_size(log) <= limit:
        return WalState(file_size(log), held=False)
    held = False
    # A connection of its own: the others wait much longer for locks.
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(_PATIENCE)
        connection.execute("PRAGMA schema_version").fetchall()  # a connection that has read nothing does not know the log
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
