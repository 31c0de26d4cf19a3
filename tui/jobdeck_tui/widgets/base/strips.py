"""Lines put together from pieces of text and style, cut and filled to an exact width in cells."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Piece = tuple[str, Style]


def fit(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly `width` cells: cut with an ellipsis, or filled with blanks."""
    if width <= 0:
        return ""
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    blanks = " " * (width - length)
    return blanks + text if right else text + blanks


def fit_pieces(pieces: Iterable[Piece], width: int) -> list[Piece]:
    """The pieces in exactly `width` cells: cut with an ellipsis, or filled with blanks."""
    fitting: list[Piece] = []
    left = width
    for text, style in pieces:
        length = len(text) if text.isascii() else cell_len(text)
        if length <= left:
            fitting.append((text, style))
            left -= length
        elif left > 0:
            fitting.append((fit(text, left), style))
            return fitting
        elif text.strip():  # the last piece ends where the room does, and yet it is not all
            if fitting:
                last, style = fitting.pop()
                fitting.append((set_cell_size(last, cell_len(last) - 1) + "…", style))
            return fitting
    if left > 0:
        fitting.append((" " * left, Style()))
    return fitting


def line(pieces: Iterable[Piece], width: int, ground: Style) -> Strip:
    """A strip of exactly `width` cells: pieces that do not fit are cut, what is left is filled with the ground."""
    segments: list[Segment] = []
    left = width
    for text, style in pieces:
        if left <= 0:
            break
        length = len(text) if text.isascii() else cell_len(text)
        if length > left:
            text, length = fit(text, left), left
        segments.append(Segment(text, ground + style))
        left -= length
    if left > 0:
        segments.append(Segment(" " * left, ground))
    return Strip(segments, width)


def width_of(pieces: Iterable[Piece]) -> int:
    """How many cells the pieces take."""
    return sum(cell_len(text) for text, _ in pieces)
