r"""Bytes that are no UTF-8 in arguments: names of files, and words of a command line.

Python reads such a byte as a lone surrogate, U+DC80 to U+DCFF (`surrogateescape`), and writes it back as the byte. In the JSON
of a job it is the escape `\udc80` to `\udcff`: valid JSON, and ASCII, so that every database stores it. The validation library
refuses lone surrogates; stand-ins from a private area of Unicode take their places while it works.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

from ..model.lazy_pattern import lazy_pattern

_BYTE = lazy_pattern("[\udc80-\udcff]")
_ESCAPE = lazy_pattern(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][cC][89a-fA-F][0-9a-fA-F])|.)", re.DOTALL
)
_AREA = 0x10FE00
_STAND_IN = lazy_pattern(f"[{chr(_AREA + 0x80)}-{chr(_AREA + 0xFF)}]")


def escape_bytes(json_text: str) -> str:
    """Return JSON with each such byte as its escape."""
    return json_text if json_text.isascii() else _BYTE.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


def holds_escapes(json_text: str) -> bool:
    """Return whether JSON may contain the escape of such a byte."""
    return "\\u" in json_text and "\\udc" in json_text.lower()


def hide_bytes(value: Any) -> Any:
    """Return the value with stand-ins in the texts, paths, lists, tuples and dictionaries that it consists of.

    The value itself if it has no such byte, or if its text already contains a stand-in.
    """
    hidden = _replace(value, _BYTE, lambda found: chr(_AREA + (ord(found[0]) & 0xFF)))
    return value if hidden is value or _count(value) else hidden


def hide_escapes(json_text: str) -> str:
    """Return JSON with stand-ins for the escapes."""

    def stand_in(found: re.Match[str]) -> str:
        return found[0] if found[1] is None else chr(_AREA + (int(found[1], 16) & 0xFF))

    return json_text if _STAND_IN.search(json_text) else _ESCAPE.sub(stand_in, json_text)


def show_bytes(value: Any) -> Any:
    """Return a value with the bytes in the places of their stand-ins."""
    return _replace(value, _STAND_IN, lambda found: chr(0xDC00 + (ord(found[0]) & 0xFF)))


def shows_all(json_text: str, values: Any) -> bool:
    """Return whether `show_bytes` reaches every stand-in: not those inside of objects of other types."""
    return len(_STAND_IN.findall(json_text)) == _count(values)


def show_escapes(json_text: str) -> str:
    """Return JSON with escapes in the places of their stand-ins."""
    return _STAND_IN.sub(lambda found: f"\\udc{ord(found[0]) & 0xFF:02x}", json_text)


def _count(value: Any) -> int:
    """Count the stand-ins in a value."""
    found = 0

    def count(_: re.Match[str]) -> str:
        nonlocal found
        found += 1
        return "-"

    _replace(value, _STAND_IN, count)
    return found


def _replace(value: Any, pattern: re.Pattern[str], by: Any) -> Any:
    """Replace in all texts of a value; return the same object if there is nothing to replace."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() or not pattern.search(value) else pattern.sub(by, value)
    if isinstance(value, PurePath):
        text = str(value)
        return value if text.isascii() or not pattern.search(text) else kind(pattern.sub(by, text))
    if kind in (list, tuple, set, frozenset):
        items = [_replace(item, pattern, by) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else kind(items)
    if kind is dict:
        pairs = {_replace(key, pattern, by): _replace(item, pattern, by) for key, item in value.items()}
        same = all(new is old and pairs[new] is value[old] for new, old in zip(pairs, value, strict=False))
        return value if same and len(pairs) == len(value) else pairs
    return value
