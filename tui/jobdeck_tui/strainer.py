"""The last sieve before the terminal: whatever a widget draws, no character leaves that a terminal might obey.

The screens show such characters by their codes (see `text.safe`). A field that is typed into shows its value as it is,
and so may whatever is added one day; here they are taken out of the picture, and stay in the value.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from .text import safe


class Strainer(LineFilter):
    """Applied to every line of the screen."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line in the same cells."""
        if all(text.isprintable() for text, _, _ in segments):
            return segments
        return [segment if segment.control else Segment(_strained(segment.text), segment.style) for segment in segments]


def _strained(text: str) -> str:
    return text if text.isprintable() else "".join(sign if safe(sign) == sign else "·" * cell_len(sign) for sign in text)
