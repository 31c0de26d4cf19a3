"""Converts the exceptions of the driver to jobdeck's errors."""

from __future__ import annotations

import re
from types import TracebackType

import psycopg
from psycopg import errors

from ...model.errors import RowRefused, StoreBusy, StoreError, StoreFailed, StoreMissing, StoreRefused
from ..moved import REFUSED
from .pooler import LOST_STATEMENT

LOCK_TIMEOUT = 10.0
"""Seconds that a statement waits for another transaction's lock."""


class Conflict(StoreBusy):
    """Two transactions conflicted, and this one was aborted. A retry sees the changes of the other one."""

    def __init__(self, where: str) -> None:
        super().__init__(where, LOCK_TIMEOUT)
        self.args = (f"Other processes kept changing the same jobs in the database {where}; try again.",)


class ErrorTranslator:
    """A `with` block that converts the driver's exceptions, and those for values that it refuses, to jobdeck's errors."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.closed = False
        """`True` if the store has been closed: then that is the error."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, (psycopg.Error, UnicodeEncodeError, OverflowError)):
            raise (StoreFailed(self._where, "it was closed") if self.closed else to_store_error(error, self._where)) from error


def to_store_error(error: Exception, where: str) -> StoreError:
    """Convert an exception to the error that describes it."""
    match error:
        case errors.DeadlockDetected() | errors.SerializationFailure():
            return Conflict(where)
        case errors.UniqueViolation() if error.diag.constraint_name == "jobdeck_unique":
            return Conflict(where)
        case errors.LockNotAvailable():
            return StoreBusy(where, LOCK_TIMEOUT)
        case errors.ProgramLimitExceeded():  # a name that is too long for an index
            return RowRefused(where, error_text(error))
        case psycopg.IntegrityError() | psycopg.DataError() | UnicodeEncodeError() | OverflowError():
            return RowRefused(where, error_text(error))
        case errors.InsufficientPrivilege():
            return StoreRefused(where, f"does not give this user the privileges that jobdeck needs: {error_text(error)}")
        case errors.ReadOnlySqlTransaction():
            return StoreRefused(where, "cannot be written to")
        case errors.UndefinedTable() | errors.UndefinedFunction():
            return StoreMissing(where, f"no longer holds a queue ({error_text(error)})")
        case errors.InvalidSqlStatementName() | errors.DuplicatePreparedStatement():
            return StoreRefused(where, LOST_STATEMENT)
        case psycopg.Error() if error_text(error).startswith(REFUSED):  # by the trigger of a moved queue
            return StoreRefused(where, error_text(error).removeprefix(REFUSED))
        case errors.DiskFull():
            return StoreFailed(where, "the disk is full")
        case errors.AdminShutdown() | errors.CrashShutdown() | errors.IdleInTransactionSessionTimeout():
            return StoreFailed(where, f"the server closed the connection ({error_text(error)})")
        case psycopg.OperationalError() if error.sqlstate is None:
            return StoreFailed(where, f"the connection broke ({error_text(error)})")
    return StoreFailed(where, error_text(error))


def error_text(error: Exception) -> str:
    """Return the message of the server or the driver, on one line, to be put into a sentence."""
    message = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    # The first line of the driver's message says what happened; the others ask whether the server runs.
    lines = (message or str(error)).strip().splitlines() or [type(error).__name__]
    line = " ".join((lines[0] if message is None else " ".join(lines)).split())
    return line.removeprefix("connection failed: ").removeprefix("connection is bad: ").rstrip(".:?")


def connect_error_text(error: Exception) -> str:
    """Return why a server is unreachable, without its address: `Connection refused`."""
    return re.sub(r'^connection to server [^"]*"[^"]*".*? failed: ', "", error_text(error))
