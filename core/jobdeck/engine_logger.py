"""Loggers of the engine that the program can configure, and can neither silence by accident nor make raise."""

from __future__ import annotations

import logging
from typing import Any


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


def create_logger(name: str, kind: type[EngineLogger] = EngineLogger) -> logging.Logger:
    """Return the logger of this name, created as an engine logger."""
    logger = logging.getLogger(name)
    if not isinstance(logger, kind):
        vars(logger).pop("disabled", None)  # from now on a property
        logger.__class__ = kind
    return logger
