"""Make text from jobs safe for a terminal. Pure; everything that prints a kind, argument, error or log line uses it.

A payload may contain anything, and a terminal executes escape sequences from any source. Characters that could move the
cursor, change the title, hide text or reverse its order are shown by their codes instead.
"""

from __future__ import annotations

import re
from functools import cache

#: C0 and DEL, C1, marks and overrides of writing direction, line and paragraph separators, lone surrogates; and
#: invisible characters of zero width, so that no text looks empty or like another.
_UNSAFE = "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u2060-\u2064\ufeff\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def safe(text: str, *, multiline: bool = False) -> str:
    r"""Return the text with every character that a terminal might execute shown as its code, such as `\x1b`.

    Args:
        text: any text from a job, including the name of a queue.
        multiline: keep line feeds and tabs; otherwise they are shown as codes too, and the result is one line.
    """
    if text.isprintable():
        return text  # the usual case: printable text has none of these
    return _pattern(multiline=multiline).sub(_code, text)


def safe_json(text: str) -> str:
    r"""Return a JSON document of the same value with these characters as JSON escapes, such as `\u001b`."""
    return text if text.isprintable() else _pattern(multiline=False).sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def mask(text: str) -> str:
    """Replace each such character with a sign, keeping the length: for an editor, whose cursor counts characters."""
    return text if text.isprintable() else _pattern(multiline=False).sub("�", text)


@cache
def _pattern(*, multiline: bool) -> re.Pattern[str]:
    # Compiled on first use: most commands never print such text, and compiling takes 2 ms.
    return re.compile(f"[{_UNSAFE}]" if multiline else f"[{_UNSAFE}\t\n]")


def _code(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    if 0xDC80 <= number < 0xDD00:  # a byte that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def width(text: str) -> int:
    """Return the width of safe, one-line text in columns of a terminal."""
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
    """Truncate safe, one-line text to `columns`, with … at the cut."""
    if width(text) <= columns:
        return text
    kept = text[: max(0, columns - 1)]
    while kept and width(kept) > columns - 1:
        kept = kept[:-1]
    return kept + "…" if columns > 0 else ""


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Fit safe, one-line text to exactly `columns`: truncated if longer, padded with blanks if shorter."""
    text = clip(text, columns)
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks
