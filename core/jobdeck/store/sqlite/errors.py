"""Converts SQLite's exceptions to jobdeck's errors."""

from __future__ import annotations

import re
from types import TracebackType

import apsw

from ...model.errors import RowDamaged, RowRefused, StoreBusy, StoreError, StoreFailed, StoreRefused
from ..moved import REFUSED

BUSY_TIMEOUT = 10.0
"""Seconds that a write waits for another process's transaction."""
_OF_DAMAGE = "unsupported file format|malformed database schema|no query solution|no such (table|column|index): "
"""SQLite's messages about statements that were valid when the file was written."""


CONVERTED = (apsw.Error, UnicodeDecodeError, UnicodeEncodeError, OverflowError)
"""What SQLite raises, and Python for values that it refuses. Hot paths catch these themselves, without an `ErrorTranslator`."""


class ErrorTranslator:
    """A `with` block that converts SQLite's exceptions, and those for values that it refuses, to jobdeck's errors."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, CONVERTED):
            raise to_store_error(error, self._where) from error


def to_store_error(error: Exception, where: str) -> StoreError:
    """Convert an exception to the error that describes it."""
    match error:
        case UnicodeDecodeError():
            return RowDamaged("a text is not UTF-8")
        case apsw.BusyError():
            return StoreBusy(where, BUSY_TIMEOUT)
        case apsw.NotADBError():
            return StoreRefused(where, "is not an SQLite database")
        case apsw.IOError() if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHORT_READ:
            return StoreRefused(where, "is a damaged SQLite database, and ends too soon; restore it from a backup")
        case apsw.CorruptError() | apsw.SQLError() if type(error) is apsw.CorruptError or re.search(_OF_DAMAGE, str(error)):
            return StoreRefused(where, "is a damaged SQLite database; restore it from a backup")
        case apsw.ReadOnlyError() | apsw.PermissionsError():
            return StoreRefused(where, "cannot be written to; check its permissions")
        case apsw.CantOpenError():
            return StoreRefused(where, "cannot be opened; check that it and its folder exist and can be written to")
        case apsw.FullError():
            return StoreFailed(where, "the disk is full")
        case apsw.ConnectionClosedError() | apsw.InterruptError() | apsw.ThreadingViolationError():
            return StoreFailed(where, "it was closed")
        case apsw.MismatchError():  # of an id with its type: the highest one that was ever used is damaged
            return RowDamaged("the highest id")
        case apsw.ConstraintError() if str(error).startswith(REFUSED):
            return StoreRefused(where, str(error).removeprefix(REFUSED))
        case apsw.ConstraintError() if "jobdeck_jobs.id" in str(error):
            return RowDamaged("the highest id")
        case apsw.ConstraintError() | apsw.TooBigError() | UnicodeEncodeError() | OverflowError():
            return RowRefused(where, str(error))
    return StoreFailed(where, str(error))
