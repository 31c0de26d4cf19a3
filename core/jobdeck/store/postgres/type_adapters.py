"""Texts on their way to PostgreSQL and back: it keeps no NUL, and so NUL is spelled out.

U+0001 begins what is spelled out: U+0001 and `0` for NUL, U+0001 and `1` for itself. What a person wrote comes back to the
last bit, and a search for it finds it, since what is searched for is spelled the same way.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection, Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.string import StrDumperUnknown

_MARK = "\x01"


def spelled(text: str) -> str:
    """The text without a NUL."""
    if "\0" not in text and _MARK not in text:
        return text
    return text.replace(_MARK, _MARK + "1").replace("\0", _MARK + "0")


def read(text: str) -> str:
    """The text as it was."""
    if _MARK not in text:
        return text
    return text.replace(_MARK + "0", "\0").replace(_MARK + "1", _MARK)


class _TextDumper(StrDumperUnknown):
    """Sent without a type, as the statement wants it."""

    def dump(self, obj: str) -> Buffer | None:
        return spelled(obj).encode()


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        return read(bytes(data).decode())


class _WholeLoader(Loader):
    """The sum of whole numbers comes as a number of any size, and is a whole one."""

    def load(self, data: Buffer) -> Any:
        told = bytes(data).decode()
        return float(told) if "." in told or told == "NaN" else int(told)


def adapt(connection: Connection[Any] | Cursor[Any]) -> None:
    """Let the connection, or the cursor, write and read texts so."""
    connection.adapters.register_dumper(str, _TextDumper)
    for name in ("text", "varchar", "name"):
        connection.adapters.register_loader(name, _TextLoader)
    connection.adapters.register_loader("numeric", _WholeLoader)
