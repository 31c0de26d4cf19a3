"""Loggers of the engine that the program can configure, and can neither silence by accident nor make raise."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
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


def get_logger(name: str, kind: type[EngineLogger] = EngineLogger) -> logging.Logger:
    """Return the logger of this name, created as an engine logger."""
    logger = logging.getLogger(name)
    if not isinstance(logger, kind):
        vars(logger).pop("disabled", None)  # from now on a property
        logger.__class__ = kind
    return logger


class FieldsMessage:
    """The message of a log record with fields, which a formatter may write in its own way."""

    __slots__ = ("fields", "text")

    def __init__(self, text: str, fields: Mapping[str, Any]) -> None:
        self.text = text
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.text} {format_fields(self.fields)}" if self.fields else self.text


def format_fields(fields: Mapping[str, Any]) -> str:
    """Format the fields for a line of text: `job=301 kind=mail.send attempt=1/3 outcome=failed took=1.2s error="exit 3"`."""
    shown = dict(fields)
    if "max_attempts" in shown:
        shown["attempt"] = f"{shown['attempt']}/{shown.pop('max_attempts')}"
    return " ".join(f"{name}={_format(name, value)}" for name, value in shown.items())


def _format(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}s" if value >= 1 or not value else f"{value:.3f}s"
    text = str(value) if value is not True else "yes"
    if name != "error" and text.isprintable() and not set(text) & set(' "='):
        return text
    return json.dumps(text, ensure_ascii=False)
