"""Convert drawn text to ASCII: for terminals, fonts and screen readers that support nothing else. Pure.

Screens draw with frames, glyphs, bars and braille and need no ASCII mode of their own: one filter at the drawing layer
(`terminal/line_filters.py`) passes each line through `narrow`, which keeps every column in its place.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rich.cells import cell_len, set_cell_size

from .format import ASCII_GLYPHS, GLYPHS

_SIGNS = {GLYPHS[state]: ASCII_GLYPHS[state] for state in GLYPHS} | {
    "·": ".", "•": "*", "●": "*", "◆": "*", "◇": "o", "■": "#", "□": "o", "◉": "*", "◎": "o", "◍": "o", "◐": "o",
    "❯": ">", "❮": "<", "›": ">", "‹": "<", "»": ">", "«": "<", "▶": ">", "◀": "<", "◂": "<", "▴": "^", "▾": "v",
    "▲": "^", "▼": "v", "△": "^", "▽": "v", "⏎": "<", "⇧": "^", "⌫": "<", "‖": "=", "⏸": "=", "⏵": ">", "★": "*",
    "✓": "+", "✔": "+", "✗": "x", "✘": "x", "×": "x", "÷": "/", "±": "~", "≈": "~", "≤": "<", "≥": ">", "≠": "#", "∞": "8",
    "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "⋯": "~", "⋮": ":", "“": '"', "”": '"', "„": '"',
    "‘": "'", "’": "'", "′": "'", "″": '"', "µ": "u", "°": "o", "§": "S", "¶": "P", "∅": "0", "Σ": "S", "ø": "o", "ß": "s",
    "⚠": "!", "⚡": "!", "ℹ": "i", "¦": "|", "¬": "-", "⊙": "o", "⊕": "+", "⊗": "x", "⌛": "@", "⏱": "@", "\xa0": " ",
    # Bars that grow upward and to the right, by fill level; halves and shades.
    "▁": ".", "▂": ":", "▃": "-", "▄": "=", "▅": "+", "▆": "*", "▇": "%", "█": "#",
    "▏": "|", "▎": "|", "▍": "|", "▌": "|", "▋": "=", "▊": "=", "▉": "#", "▐": "|", "▕": "|", "▔": "-", "▀": "-",
    "░": ".", "▒": ":", "▓": "%", "━": "=", "╸": "=", "╺": "=",
}  # fmt: skip

#: Words for signs, used if the text may become longer.
_WORDS = {"…": "...", "⏎": "enter", "↑": "up", "↓": "down", "←": "left", "→": "->", "·": "-", "≤": "<=", "≥": ">="}

#: An ellipsis becomes three dots if blanks follow it; otherwise a sign that shows on which side text is missing.
_ROOMY = re.compile(r"…(?=   |  $)(  )")
_BEFORE = re.compile(r"(^|(?<=\s))…(?=\S)")
_BETWEEN = re.compile(r"(?<=\s)·(?=\s|$)")


def narrow(text: str) -> str:
    """Return the text in ASCII, in exactly as many cells."""
    if text.isascii():
        return text
    cells = cell_len(text)
    if "…" in text:
        text = _BEFORE.sub("<", _ROOMY.sub("...", text)).replace("…", "~")
    text = _BETWEEN.sub("-", text)
    converted = "".join(map(_cell, text))
    return converted if len(converted) == cells else set_cell_size(converted, cells)


def to_ascii(text: str) -> str:
    """Return running text in ASCII; it may become longer: `press enter` for `press ⏎`."""
    if text.isascii():
        return text
    return "".join(_WORDS.get(character) or _cell(character) for character in text)


@lru_cache(4096)
def _cell(character: str) -> str:
    """Return a character in ASCII, in as many cells."""
    if character.isascii():
        return character
    if character in _SIGNS:
        return _SIGNS[character]
    cells = cell_len(character)
    code = ord(character)
    if 0x2800 <= code <= 0x28FF:
        return _dots(code - 0x2800)
    if 0x2500 <= code <= 0x257F:
        return _frame(unicodedata.name(character))
    name = unicodedata.name(character, "")
    for word, sign in (("UPWARDS", "^"), ("DOWNWARDS", "v"), ("LEFTWARDS", "<"), ("RIGHTWARDS", ">")):
        if "ARROW" in name and word in name:
            return sign
    base = "".join(each for each in unicodedata.normalize("NFKD", character) if each.isascii())
    return base if len(base) == cells else "?" * cells


def _frame(name: str) -> str:
    """Return a piece of a frame or line by its Unicode name; corners and crossings are all `+`."""
    if "DIAGONAL" in name:
        return "X" if "CROSS" in name else "/" if "UPPER RIGHT" in name else "\\"
    across = any(word in name for word in ("HORIZONTAL", "LEFT", "RIGHT"))
    along = any(word in name for word in ("VERTICAL", "UP", "DOWN"))
    if across and along:
        return "+"
    return ("=" if "DOUBLE" in name else "-") if across else "|"


def _dots(bits: int) -> str:
    """Return a braille cell by the shape of its dots. Bits as in Unicode's block of braille patterns."""
    if not bits:
        return " "
    left = [row for row, bit in enumerate((0x01, 0x02, 0x04, 0x40)) if bits & bit]
    right = [row for row, bit in enumerate((0x08, 0x10, 0x20, 0x80)) if bits & bit]
    rows = {*left, *right}
    if len(rows) >= 3 and (not left or not right or len(left) + len(right) >= 5):
        return "|"
    if left and right:
        rise = sum(left) / len(left) - sum(right) / len(right)
        if abs(rise) >= 1:
            return "/" if rise > 0 else "\\"
    middle = sum(rows) / len(rows)
    return "'" if middle < 1 else "-" if middle <= 2 else "_"
