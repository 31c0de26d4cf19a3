"""Text of jobs made safe for a terminal. Pure; everything that prints a kind, argument, error or log line uses it.

A payload may hold anything, and a terminal obeys escape sequences whoever wrote them. Whatever could move the
cursor, change the title, hide text or reverse its order is shown by its code instead.
"""

from __future__ import annotations

import re
from functools import cache

#: C0 and DEL, C1, marks and overrides of writing direction, line and paragraph separators, lone surrogates; and
#: what takes no room and shows nothing, so that no text looks empty or like another.
_UNSAFE = "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u2060-\u2064\ufeff\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def safe(text: str, *, multiline: bool = False) -> str:
    r"""The text with every character that a terminal might obey shown as its code, such as `\x1b`.

    Args:
        text: anything that came from a job, a queue's name included.
        multiline: keep line feeds and tabs; otherwise they are shown as codes too, and the result is one line.
    """
    if text.isprintable():
        return text  # the usual case; printable text holds none of these
    return _pattern(multiline=multiline).sub(_code, text)


def safe_json(text: str) -> str:
    r"""A JSON document with the same characters as JSON escapes, such as `\u001b`: it means the same as before."""
    return text if text.isprintable() else _pattern(multiline=False).sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def masked(text: str) -> str:
    """One line with each such character replaced by a sign, as long as before: for an editor, whose cursor counts them."""
    return text if text.isprintable() else _pattern(multiline=False).sub("�", text)


@cache
def _pattern(*, multiline: bool) -> re.Pattern[str]:
    # Made when it is first needed: most commands never print such text, and making it takes 2 ms.
    return re.compile(f"[{_UNSAFE}]" if multiline else f"[{_UNSAFE}\t\n]")


def _code(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def width(text: str) -> int:
    """Columns that safe, one-line text takes in a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0
        if combining(character) or character in "\u200b\u200c\u200d\ufe0e\ufe0f"
        else 1 + (east_asian_width(character) in "WF")
        for character in text
    )


def clip(text: str, columns: int) -> str:
    """Safe, one-line text cut to so many columns, with … where something is missing."""
    if width(text) <= columns:
        return text
    kept = text[: max(0, columns - 1)]
    while kept and width(kept) > columns - 1:
        kept = kept[:-1]
    return kept + "…" if columns > 0 else ""


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Safe, one-line text in exactly so many columns: cut if it is longer, filled with blanks if it is shorter."""
    text = clip(text, columns)
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks
