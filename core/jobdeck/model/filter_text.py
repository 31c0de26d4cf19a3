"""Reads and writes the values of a filter: quotation marks, escapes and wildcards. Pure.

Quotation marks keep spaces, commas and operators literal, but not wildcards. A backslash makes a following `*`, `?`, `"`, `,`,
space or backslash literal, inside quotation marks, too; before any other character it is a plain backslash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from .record_class import record

_ESCAPABLE = '*?",\\'


class Wildcard(Enum):
    """A part of a pattern that matches more than one text."""

    ANY_TEXT = "*"
    ANY_CHARACTER = "?"


@record
class Pattern:
    """A text with wildcards."""

    pieces: tuple[str | Wildcard, ...]

    def __str__(self) -> str:
        """Return the pattern as it is written in a filter, without quotation marks."""
        return self.write("*", "?", escape)

    def write(self, any_text: str, any_character: str, literal: Callable[[str], str]) -> str:
        """Return the pattern in another language.

        Args:
            any_text: what stands for `*`.
            any_character: what stands for `?`.
            literal: converts the literal pieces.
        """
        signs = {Wildcard.ANY_TEXT: any_text, Wildcard.ANY_CHARACTER: any_character}
        return "".join(signs[each] if isinstance(each, Wildcard) else literal(each) for each in self.pieces)

    def convert(self, literal: Callable[[str], str]) -> Pattern:
        """Return the pattern with its literal pieces converted."""
        return Pattern(tuple(each if isinstance(each, Wildcard) else literal(each) for each in self.pieces))

    @property
    def literals(self) -> tuple[str, ...]:
        """The literal pieces."""
        return tuple(each for each in self.pieces if isinstance(each, str))


class FilterCharacter(NamedTuple):
    """A character of a filter."""

    start: int
    """The index of its first character in the filter: of the backslash, if it is escaped."""
    text: str
    """The character itself."""
    literal: bool
    """`True` if a backslash makes it literal."""
    quoted: bool
    """`True` if it lies between quotation marks. The marks themselves do not."""

    @property
    def is_mark(self) -> bool:
        """Return whether it opens or closes a quotation."""
        return self.text == '"' and not self.literal

    def separates(self, signs: str | None = None) -> bool:
        """Return whether it separates: whether it is one of these signs, or a space if `None`, and nothing makes it literal."""
        return not self.literal and not self.quoted and (self.text.isspace() if signs is None else self.text in signs)


def filter_characters(text: str) -> Iterator[FilterCharacter]:
    """Yield the characters of a filter."""
    at, quoted = 0, False
    while at < len(text):
        start, character = at, text[at]
        literal = character == "\\" and at + 1 < len(text) and (text[at + 1] in _ESCAPABLE or text[at + 1].isspace())
        if literal:
            at += 1
            character = text[at]
        mark = character == '"' and not literal
        yield FilterCharacter(start, character, literal, quoted and not mark)
        quoted ^= mark
        at += 1


def parse_value(text: str) -> str | Pattern:
    """Return the value that is written so: a text, or a pattern if it contains wildcards."""
    signs = [
        character.text if character.literal or character.text not in "*?" else Wildcard(character.text)
        for character in filter_characters(text)
        if not character.is_mark
    ]
    if not any(isinstance(each, Wildcard) for each in signs):
        return "".join(map(str, signs))
    pieces: list[str | Wildcard] = []
    for each in signs:
        if isinstance(each, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += each
        else:
            pieces.append(each)
    return Pattern(tuple(pieces))


def escape(text: str) -> str:
    """Return the text with every character escaped that would not stand for itself."""
    return "".join(f"\\{each}" if each in _ESCAPABLE or each.isspace() else each for each in text)


def quote_filter_value(text: str) -> str:
    """Return how to write a text as a value in a filter: quoted, or escaped, where it would not stand for itself."""
    if text and not any(each in ',"' or each.isspace() for each in text):
        return _escape_inside(text)
    return f'"{_escape_inside(text)}"'


def _escape_inside(text: str) -> str:
    """Return the text with every character escaped that would not stand for itself between quotation marks."""
    escaped = ""
    for at, each in enumerate(text):
        after = text[at + 1 : at + 2]
        # A backslash escapes only what could have another meaning, so that a Windows path is shown as it is.
        plain_backslash = each == "\\" and after and after not in _ESCAPABLE and not after.isspace()
        escaped += f"\\{each}" if each in '*?"\\' and not plain_backslash else each
    return escaped
