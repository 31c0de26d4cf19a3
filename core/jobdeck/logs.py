"""The engine's loggers, and the fields of their records."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from .json_functions import json

if TYPE_CHECKING:
    from logging import Logger


class _Deferred:
    """Stands for a logger, which is created when it is first used."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: Logger | None = None

    def __getattr__(self, attribute: str) -> Any:
        if self._logger is None:
            from .engine_logger import create_logger  # imported late: `logging` is slow to load, and most commands log nothing

            self._logger = create_logger(self._name)
        return getattr(self._logger, attribute)


def get_logger(name: str) -> Logger:
    """Return the engine's logger of this name; see `engine_logger`. It is created when it is first used, or with `logging`."""
    if "logging" in sys.modules:
        from .engine_logger import create_logger

        return create_logger(name)
    return cast("Logger", _Deferred(name))


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
    return " ".join([f"{name}={_format(name, value)}" for name, value in shown.items()])


def _format(name: str, value: Any) -> str:
    if type(value) is int:
        return str(value)
    if isinstance(value, float):
        return f"{value:.1f}s" if value >= 1 or not value else f"{value:.3f}s"
    text = str(value) if value is not True else "yes"
    if name != "error" and text.isprintable() and " " not in text and '"' not in text and "=" not in text:
        return text
    return json.dumps(text, ensure_ascii=False)
