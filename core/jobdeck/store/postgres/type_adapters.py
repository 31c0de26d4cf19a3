"""Type adapters for PostgreSQL, which stores no NUL in a text: it is escaped.

U+0001 starts an escape: U+0001 and `0` for NUL, U+0001 and `1` for itself. A text is read exactly as it was written, and a
search finds it, because the searched text is escaped in the same way.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection, Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.string import StrDumperUnknown

_MARK = "\x01"


def spelled(text: str) -> str:
    """Escape NUL in the text."""
    if "\0" not in text and _MARK not in text:
        return text
    return text.replace(_MARK, _MARK + "1").replace("\0", _MARK + "0")


def read(text: str) -> str:
    """Restore the original text."""
    if _MARK not in text:
        return text
    return text.replace(_MARK + "0", "\0").replace(_MARK + "1", _MARK)


class _TextDumper(StrDumperUnknown):
    """Sends a text without a type, so that the statement decides."""

    def dump(self, obj: str) -> Buffer | None:
        return spelled(obj).encode()


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        return read(bytes(data).decode())


class _WholeLoader(Loader):
    """Reads the sum of whole numbers, which has the type numeric, as a whole number."""

    def load(self, data: Buffer) -> Any:
        text = bytes(data).decode()
        return float(text) if "." in text or text == "NaN" else int(text)


def adapt(connection: Connection[Any] | Cursor[Any]) -> None:
    """Register the adapters with a connection or a cursor."""
    connection.adapters.register_dumper(str, _TextDumper)
    for name in ("text", "varchar", "name"):
        connection.adapters.register_loader(name, _TextLoader)
    connection.adapters.register_loader("numeric", _WholeLoader)
