"""Lines as they are told: pieces of text with a meaning, before anything is coloured or wrapped."""

from __future__ import annotations

import re

from ...text.sanitize import safe

Told = list[tuple[str, str]]
"""One line: pieces of (text, meaning). A meaning is `quiet`, `strong`, `error`, …, a state's name, or empty."""

LONGEST = 20_000
"""Characters shown of one line."""


def cut(text: str, most: int = LONGEST, *, multiline: bool = True) -> str:
    """The text made safe to draw; of a longer one the beginning, and how much more there is. What is cut is not looked at."""
    more = len(text) - most
    if more <= 0:
        return safe(text, multiline=multiline)
    return f"{safe(text[:most], multiline=multiline)} … and {more:,} characters more"


_COMMAND = re.compile("`([^`]*)`")


def commands_told(text: str, meaning: str) -> Told:
    """The cockpit's or the engine's own words: what stands between backticks is accented instead.

    Not for text of a job, whose backticks are its own.
    """
    parts = _COMMAND.split(text)  # every second one was between backticks
    return [(part, "accent" if at % 2 else meaning) for at, part in enumerate(parts) if part]


def newest_lines(text: str, most: int) -> tuple[int, list[str]]:
    """The last lines of a text, at most so many, and how many characters come before them."""
    if text.count("\n") < most:
        return 0, text.split("\n")
    before, *lines = text.rsplit("\n", most)
    return len(before) + 1, lines
