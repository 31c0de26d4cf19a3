"""Type adapters for PostgreSQL, which stores no NUL in a text: it is escaped.

U+0001 starts an escape: U+0001 and `0` for NUL, U+0001 and `1` for itself. A text is read exactly as it was written, and a
search finds it, because the searched text is escaped in the same way.

Batches are bound as arrays, a column each. The driver converts their elements one by one; arrays of whole numbers, of other
numbers, or of texts are converted as a whole, five times as fast.
"""

from __future__ import annotations

import struct
from typing import Any

from psycopg import Connection, Cursor
from psycopg.abc import Buffer, DumperKey
from psycopg.adapt import Dumper, Loader, PyFormat
from psycopg.pq import Format
from psycopg.types.array import BaseListDumper, ListDumper
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


class _BinaryTextLoader(_TextLoader):
    format = Format.BINARY


_INT8, _INT8_ARRAY, _FLOAT8, _FLOAT8_ARRAY = 20, 1016, 701, 1022
_ARRAY_HEADER = struct.Struct("!iiIii")
"""Of a binary array: dimensions, whether it holds NULL, the type of the elements, their number, the first index."""


class _NumbersDumper(Dumper):
    """Sends a list of numbers as a binary array; each takes 8 bytes, and their length before it."""

    format = Format.BINARY
    _element = 0
    _code = ""

    def dump(self, obj: list[Any]) -> Buffer | None:
        n = len(obj)
        packed: list[Any] = [8] * (2 * n)
        packed[1::2] = obj
        return _ARRAY_HEADER.pack(1, 0, self._element, n, 1) + struct.pack("!" + self._code * n, *packed)


class _IntsDumper(_NumbersDumper):
    oid, _element, _code = _INT8_ARRAY, _INT8, "iq"


class _FloatsDumper(_NumbersDumper):
    oid, _element, _code = _FLOAT8_ARRAY, _FLOAT8, "id"


class _TextsDumper(Dumper):
    """Sends a list of texts, some of which may be `None`, without a type."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        text = ",".join(["NULL" if each is None else f'"{each}"' for each in obj])
        if "\\" in text or "\0" in text or _MARK in text or text.count('"') != 2 * (len(obj) - obj.count(None)):
            text = ",".join(["NULL" if each is None else _quoted(each) for each in obj])
        return f"{{{text}}}".encode()


def _quoted(text: str) -> str:
    escaped = spelled(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_UNIFORM: dict[frozenset[type], type[Dumper]] = {
    frozenset((int,)): _IntsDumper,
    frozenset((float,)): _FloatsDumper,
    frozenset((str,)): _TextsDumper,
    frozenset((str, type(None))): _TextsDumper,
}
"""Types of the elements of a list → what sends it."""
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def _dumper_of(values: list[Any]) -> type[Dumper] | None:
    """Return what sends these values as a whole; `None` if the driver must look at each of them."""
    found = _UNIFORM.get(frozenset(map(type, values)))
    return None if found is _IntsDumper and not _LEAST <= min(values) <= max(values) <= _MOST else found


class _ListDumper(ListDumper):
    def get_key(self, obj: list[Any], format: PyFormat) -> DumperKey:
        whole = _dumper_of(obj)
        return super().get_key(obj, format) if whole is None else (self.cls, whole)

    def upgrade(self, obj: list[Any], format: PyFormat) -> BaseListDumper:
        whole: Any = _dumper_of(obj)
        return super().upgrade(obj, format) if whole is None else whole(self.cls, self._tx)


class _WholeLoader(Loader):
    """Reads the sum of whole numbers, which has the type numeric, as a whole number."""

    def load(self, data: Buffer) -> Any:
        text = bytes(data).decode()
        return float(text) if "." in text or text == "NaN" else int(text)


def adapt(connection: Connection[Any] | Cursor[Any]) -> None:
    """Register the adapters with a connection or a cursor."""
    connection.adapters.register_dumper(str, _TextDumper)
    connection.adapters.register_dumper(list, _ListDumper)
    for name in ("text", "varchar", "name"):
        connection.adapters.register_loader(name, _TextLoader)
        connection.adapters.register_loader(name, _BinaryTextLoader)
    connection.adapters.register_loader("numeric", _WholeLoader)
