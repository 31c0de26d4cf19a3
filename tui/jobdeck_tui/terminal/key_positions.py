"""Letter keys by their position, for keyboard layouts that are not Latin.

A terminal with kitty's keyboard protocol reports, on request, which key of a Latin keyboard lies at the position of the pressed
one: `CSI 1103::122;…u` is `я`, at the position of `z`. Textual's parser does not know these reports.
"""

from __future__ import annotations

import re

REQUEST = "\x1b[=4;2u"
"""Asks the terminal to report the positions, too; to be written after kitty's protocol has been switched on."""
_REPORT = re.compile(r"\x1b\[(\d+):(\d*)(?::(\d+))?((?:;[\d:]*)*u)")

_latin: dict[str, str] = {}


def strip_position(sequence: str) -> str:
    """Remember the position that a sequence reports, and return the sequence without it."""
    match = _REPORT.fullmatch(sequence)
    if match is None:
        return sequence
    key, _, position, rest = match.groups()
    if position and int(position) < 128 <= int(key) < 0x110000:
        _latin[chr(int(key))] = chr(int(position))
    return f"\x1b[{key}{rest}"


def latin_key(character: str) -> str | None:
    """Return the Latin key at the position of the key that types this character; `None` if no terminal has reported it."""
    found = _latin.get(character.lower())
    return found.upper() if found is not None and character != character.lower() else found
