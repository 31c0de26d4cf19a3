"""JSON told in lines: indented, coloured, and of a large document the beginning only. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from ...text.sanitize import safe
from .styled_text import Told

WHOLE = 64 << 10
"""Characters up to which a document is shown as a whole."""
LINES = 2000
"""Lines of a larger one."""

_LINE = re.compile(r'^(\s*)("(?:[^"\\]|\\.)*")(: )?(.*)$')
_SIGN = re.compile(r'\s+|("(?:[^"\\]|\\.)*")(\s*:)?|[{}\[\],]|[^\s"{}\[\],]+')
_LONGEST = 2000
"""Characters shown of one text in a document that is not shown as a whole."""


def as_json(text: str) -> Iterable[Told]:
    """A JSON document, indented and coloured; other text as it is. Of what is very long, the beginning."""
    if len(text) > WHOLE:
        yield from _beginning(text)
        return
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield from ([(part, "")] for part in safe(text, multiline=True).split("\n"))
        return
    for part in json.dumps(document, indent=2, ensure_ascii=False).split("\n"):
        yield json_line(safe(part))


def json_line(shown: str) -> Told:
    """One line of indented JSON, coloured."""
    match = _LINE.match(shown)
    if match is None or match[3] is None:
        return [(shown, _value_meaning(shown.strip()))]
    return [(match[1], ""), (match[2], "accent"), (match[3], "quiet"), (match[4], _value_meaning(match[4]))]


def coloured(line: str) -> Told:
    """One line of JSON as somebody types it, coloured sign by sign; nothing of it is changed."""
    pieces: Told = []
    at = 0
    for found in _SIGN.finditer(line):
        if found.start() > at:  # a text that does not end yet
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


def _beginning(text: str) -> Iterator[Told]:
    """The first lines, made from the signs of the first characters: the rest is not even looked at."""
    lines, read = _laid_out(text[:WHOLE])
    yield from lines[:LINES]
    more = len(text) - read
    yield [(f"… and {more:,} characters more, left out here", "warning")]


def _laid_out(text: str) -> tuple[list[Told], int]:
    lines: list[Told] = [[]]
    level = at = 0

    def begin() -> None:
        lines.append([("  " * level, "")])

    while at < len(text) and len(lines) <= LINES:
        found = _SIGN.match(text, at)
        if found is None:  # a text that does not end here
            lines[-1].append((_cut(text[at:]), "good"))
            at = len(text)
            break
        at, sign = found.end(), found[0]
        if found[1] is not None:
            lines[-1].append((_cut(found[1]), "accent" if found[2] else "good"))
            if found[2]:
                lines[-1].append((": ", "quiet"))
        elif sign in "{[":
            lines[-1].append((sign, "quiet"))
            level += 1
            begin()
        elif sign in "}]":
            level = max(0, level - 1)
            begin()
            lines[-1].append((sign, "quiet"))
        elif sign == ",":
            lines[-1].append((sign, "quiet"))
            begin()
        elif not sign.isspace():
            lines[-1].append((_cut(sign), _value_meaning(sign)))
    return lines, at


def _cut(text: str) -> str:
    more = len(text) - _LONGEST
    return safe(text) if more <= 0 else f"{safe(text[:_LONGEST])} … and {more:,} characters more"
