"""Loggers of the engine that the program can configure, and can neither silence by accident nor make raise."""

from __future__ import annotations

import logging
from typing import Any

LOCK_PATIENCE = 2.0
"""Seconds that a record waits for the one before it. A handler itself may wait for a reader for a second."""


class EngineLogger(logging.Logger):
    """A logger whose records never raise in the threads of a worker, and that only its level can silence.

    `logging.config` disables every logger that it does not name, unless told otherwise: the program means its own.
    """

    @property
    def disabled(self) -> bool:
        """Return `False`."""
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        pass

    def makeRecord(self, name: str, level: int, fn: str, lno: int, msg: object, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: N802
        """Return a record, a plain one if the record factory of the program raises."""
        try:
            return super().makeRecord(name, level, fn, lno, msg, *args, **kwargs)
        except Exception:
            return logging.LogRecord(name, level, fn, lno, msg, args[0], args[1])

    def handle(self, record: logging.LogRecord) -> None:
        """Pass the record to the handlers, which may be of any program."""
        try:
            super().handle(record)
        except KeyboardInterrupt:
            raise
        except BaseException:  # a closed stream, or an object that cannot be formatted
            pass


class PatientHandler(logging.Handler):
    """A handler that never waits for its lock for ever.

    Code may raise an exception in another thread, as libraries for time limits do. A thread that is hit while it takes the lock
    of a handler keeps it, and every thread that logs would wait for it: those that claim jobs and renew leases, too.
    """

    def acquire(self) -> None:
        """Take the lock, or a new one if nobody has released it for `LOCK_PATIENCE` seconds."""
        if self.lock is not None and not self.lock.acquire(timeout=LOCK_PATIENCE):
            self.createLock()
            self.lock.acquire()

    def release(self) -> None:
        """Release the lock, unless another thread has replaced it."""
        if self.lock is not None:
            try:  # noqa: SIM105  # `suppress` takes longer than the rest
                self.lock.release()
            except RuntimeError:
                pass


def create_logger(name: str, kind: type[EngineLogger] = EngineLogger) -> logging.Logger:
    """Return the logger of this name, created as an engine logger."""
    logger = logging.getLogger(name)
    if not isinstance(logger, kind):
        vars(logger).pop("disabled", None)  # from now on a property
        logger.__class__ = kind
    return logger
