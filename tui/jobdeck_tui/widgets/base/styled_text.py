"""Styled text: lines of pieces that each have a meaning, before they are colored or wrapped."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...text.sanitize import safe

StyledLine = list[tuple[str, str]]
"""One line: pieces of (text, meaning). A meaning is `quiet`, `strong`, `error`, …, the name of a state, or empty."""

LONGEST = 20_000
"""The maximum number of characters shown of one line."""


def cut(text: str, most: int = LONGEST, *, multiline: bool = True) -> str:
    """Return the text, safe to draw; cut to `most` characters with the number of omitted ones. Never scans what it cuts."""
    more = len(text) - most
    if more <= 0:
        return safe(text, multiline=multiline)
    return f"{safe(text[:most], multiline=multiline)} … and {more:,} more characters"


def without_key(lines: Iterable[StyledLine], key: str) -> list[StyledLine]:
    """Return the lines without the one that explains a key, which has no effect here."""
    return [line for line in lines if not (line and line[0][0].strip() == key)]


_COMMAND = re.compile("`([^`]*)`")


def style_commands(text: str, meaning: str) -> StyledLine:
    """Accent what stands between backticks in a text of the cockpit or the engine.

    Not for text of a job: its backticks mean something else.
    """
    parts = _COMMAND.split(text)  # every second part was between backticks
    return [(part, "accent" if at % 2 else meaning) for at, part in enumerate(parts) if part]


def newest_lines(text: str, most: int) -> tuple[int, list[str]]:
    """Return the last lines of a text, at most `most`, and the number of characters before them."""
    if text.count("\n") < most:
        return 0, text.split("\n")
    before, *lines = text.rsplit("\n", most)
    return len(before) + 1, lines
