"""Lines composed of styled pieces of text, cut or padded to an exact width in cells."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Piece = tuple[str, Style]


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return the text in exactly `width` cells: cut with an ellipsis, or padded with blanks."""
    if width <= 0:
        return ""
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    blanks = " " * (width - length)
    return blanks + text if right else text + blanks


def fit_pieces(pieces: Iterable[Piece], width: int) -> list[Piece]:
    """Return the pieces in exactly `width` cells: cut with an ellipsis, or padded with blanks."""
    fitting: list[Piece] = []
    remaining = width
    for text, style in pieces:
        length = len(text) if text.isascii() else cell_len(text)
        if length <= remaining:
            fitting.append((text, style))
            remaining -= length
        elif remaining > 0:
            fitting.append((fit(text, remaining), style))
            return fitting
        elif text.strip():  # the previous piece filled the width exactly, but more text follows
            if fitting:
                last, style = fitting.pop()
                fitting.append((set_cell_size(last, cell_len(last) - 1) + "…", style))
            return fitting
    if remaining > 0:
        fitting.append((" " * remaining, Style()))
    return fitting


def make_strip(pieces: Iterable[Piece], width: int, ground: Style) -> Strip:
    """Return a strip of exactly `width` cells: cut pieces that do not fit, and fill the rest with the ground style."""
    segments: list[Segment] = []
    remaining = width
    for text, style in pieces:
        if remaining <= 0:
            break
        length = len(text) if text.isascii() else cell_len(text)
        if length > remaining:
            text, length = fit(text, remaining), remaining
        segments.append(Segment(text, ground + style))
        remaining -= length
    if remaining > 0:
        segments.append(Segment(" " * remaining, ground))
    return Strip(segments, width)


def width_of(pieces: Iterable[Piece]) -> int:
    """Return the width of the pieces in cells."""
    return sum(cell_len(text) for text, _ in pieces)
