"""What PostgreSQL, and the way to it, can say went wrong, by jobdeck's names."""

from __future__ import annotations

import re
from types import TracebackType

import psycopg
from psycopg import errors

from ...model.errors import RowRefused, StoreBusy, StoreError, StoreFailed, StoreLost, StoreRefused

LOCK_TIMEOUT = 10.0
"""Seconds a statement waits for another transaction's lock."""


class Conflict(StoreBusy):
    """Two transactions got in each other's way, and this one gave in. Done again, it finds what the other has done."""

    def __init__(self, where: str) -> None:
        super().__init__(where, LOCK_TIMEOUT)
        self.args = (f"Others kept changing the same jobs of the database {where}; try again.",)


class Translated:
    """A `with` block inside which the driver's exceptions, and those of values it cannot take, become jobdeck's."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.closed = False
        """Whether the store has been closed: then that is what went wrong."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, (psycopg.Error, UnicodeEncodeError, OverflowError)):
            raise (StoreFailed(self._where, "it was closed") if self.closed else named(error, self._where)) from error


def named(error: Exception, where: str) -> StoreError:
    """What went wrong, by jobdeck's name."""
    match error:
        case errors.DeadlockDetected() | errors.SerializationFailure():
            return Conflict(where)
        case errors.UniqueViolation() if error.diag.constraint_name == "jobdeck_unique":
            return Conflict(where)
        case errors.LockNotAvailable():
            return StoreBusy(where, LOCK_TIMEOUT)
        case errors.ProgramLimitExceeded():  # a name that is too long for an index
            return RowRefused(where, told(error))
        case psycopg.IntegrityError() | psycopg.DataError() | UnicodeEncodeError() | OverflowError():
            return RowRefused(where, told(error))
        case errors.InsufficientPrivilege():
            return StoreRefused(where, f"does not let this user do what is needed: {told(error)}")
        case errors.ReadOnlySqlTransaction():
            return StoreRefused(where, "cannot be written to")
        case errors.UndefinedTable() | errors.UndefinedFunction():
            return StoreLost(where, f"holds no queue any more ({told(error)})")
        case errors.DiskFull():
            return StoreFailed(where, "the disk is full")
        case errors.AdminShutdown() | errors.CrashShutdown() | errors.IdleInTransactionSessionTimeout():
            return StoreFailed(where, f"the server ended the connection ({told(error)})")
        case psycopg.OperationalError() if error.sqlstate is None:
            return StoreFailed(where, f"the connection broke ({told(error)})")
    return StoreFailed(where, told(error))


def told(error: Exception) -> str:
    """What the server or the driver said, on one line, to be put into a sentence."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    # Of what the driver says the first line tells what happened; those after it ask whether the server runs.
    lines = (said or str(error)).strip().splitlines() or [type(error).__name__]
    line = " ".join((lines[0] if said is None else " ".join(lines)).split())
    return line.removeprefix("connection failed: ").removeprefix("connection is bad: ").rstrip(".:?")


def reason(error: Exception) -> str:
    """Why a server that was reached before cannot be reached, without where it is: `Connection refused`."""
    return re.sub(r'^connection to server [^"]*"[^"]*".*? failed: ', "", told(error))
