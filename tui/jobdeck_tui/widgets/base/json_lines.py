"""JSON as styled lines: indented and colored; only the start of a large document. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from ...text.sanitize import safe
from .styled_text import StyledLine

WHOLE = 64 << 10
"""The maximum number of characters of a document shown in full."""
LINES = 2000
"""The number of lines shown of a larger document."""

_LINE = re.compile(r'^(\s*)("(?:[^"\\]|\\.)*")(: )?(.*)$')
_TOKEN = re.compile(r'\s+|("(?:[^"\\]|\\.)*")(\s*:)?|[{}\[\],]|[^\s"{}\[\],]+')
_LONGEST = 2000
"""The maximum number of characters shown of one string in a larger document."""


def as_json(text: str) -> Iterable[StyledLine]:
    """Yield the lines of a JSON document, indented and colored; other text unchanged. Cuts very long documents."""
    if len(text) > WHOLE:
        yield from _first_lines(text)
        return
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield from ([(part, "")] for part in safe(text, multiline=True).split("\n"))
        return
    for part in json.dumps(document, indent=2, ensure_ascii=False).split("\n"):
        yield json_line(safe(part))


def json_line(shown: str) -> StyledLine:
    """Color one line of indented JSON."""
    match = _LINE.match(shown)
    if match is None or match[3] is None:
        return [(shown, _value_meaning(shown.strip()))]
    return [(match[1], ""), (match[2], "accent"), (match[3], "quiet"), (match[4], _value_meaning(match[4]))]


def color_json(line: str) -> StyledLine:
    """Color one line of JSON while the user types it, token by token, without changing its text."""
    pieces: StyledLine = []
    at = 0
    for found in _TOKEN.finditer(line):
        if found.start() > at:  # an unterminated string
            pieces.append((line[at : found.start()], "good"))
        at = found.end()
        if found[1] is None:
            pieces.append((found[0], _value_meaning(found[0])))
        else:
            pieces.append((found[1], "accent" if found[2] else "good"))
            pieces.append((found[2] or "", "quiet"))
    return [*pieces, (line[at:], "good")]


def _value_meaning(text: str) -> str:
    if text.startswith('"'):
        return "good"
    return "warning" if text[:1].isdigit() or text.startswith(("-", "true", "false", "null")) else "quiet"


def _first_lines(text: str) -> Iterator[StyledLine]:
    """Yield the first lines, tokenized from the first characters; never scans the rest."""
    lines, read = _lay_out(text[:WHOLE])
    yield from lines[:LINES]
    more = len(text) - read
    yield [(f"… and {more:,} more characters omitted here", "warning")]


def _lay_out(text: str) -> tuple[list[StyledLine], int]:
    lines: list[StyledLine] = [[]]
    level = at = 0

    def start_line() -> None:
        lines.append([("  " * level, "")])

    while at < len(text) and len(lines) <= LINES:
        found = _TOKEN.match(text, at)
        if found is None:  # an unterminated string
            lines[-1].append((_cut(text[at:]), "good"))
            at = len(text)
            break
        at, symbol = found.end(), found[0]
        if found[1] is not None:
            lines[-1].append((_cut(found[1]), "accent" if found[2] else "good"))
            if found[2]:
                lines[-1].append((": ", "quiet"))
        elif symbol in "{[":
            lines[-1].append((symbol, "quiet"))
            level += 1
            start_line()
        elif symbol in "}]":
            level = max(0, level - 1)
            start_line()
            lines[-1].append((symbol, "quiet"))
        elif symbol == ",":
            lines[-1].append((symbol, "quiet"))
            start_line()
        elif not symbol.isspace():
            lines[-1].append((_cut(symbol), _value_meaning(symbol)))
    return lines, at


def _cut(text: str) -> str:
    more = len(text) - _LONGEST
    return safe(text) if more <= 0 else f"{safe(text[:_LONGEST])} … and {more:,} more characters"
