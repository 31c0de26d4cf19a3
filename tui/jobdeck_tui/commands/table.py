"""Print tables that fit the terminal: align columns, narrow them, and drop the least important ones if necessary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from jobdeck import record

from ..text.sanitize import pad, safe, width
from .output import dim as dimmed


@record
class OutputColumn:
    """Describe a column of a table."""

    title: str
    right: bool = False
    least: int | None = None
    """The minimum width; `None` means the width of the widest cell."""
    drop: int = 0
    """The order of dropping: largest number first; 0 means never."""


@record
class OutputCell:
    """Hold the text of a cell, safe to print, with an optional color name."""

    text: str
    color: str | None = None
    dim: bool = False


def cell(text: object, color: str | None = None, *, dim: bool = False) -> OutputCell:
    """Create a cell from any text."""
    return OutputCell(safe(str(text)), color, dim)


def print_table(heads: Sequence[OutputColumn], rows: Iterable[Sequence[OutputCell]], *, fit: int | None = None) -> None:
    """Print a table with its heading, with no line wider than `fit` columns."""
    made = [*rows]
    widths = layout(heads, [[width(each.text) for each in row] for row in made], fit)
    shown = [index for index, columns in enumerate(widths) if columns is not None]
    titles = [_aligned(heads[index].title, widths[index], heads[index].right) for index in shown]
    click.echo(dimmed("  ".join(titles).rstrip()))
    for row in made:
        texts = []
        last = max((index for index in shown if row[index].text), default=-1)
        for index in shown:
            if index > last:
                break
            each = row[index]
            text = _aligned(each.text, widths[index], heads[index].right)
            text = text.rstrip() if index == last else text
            texts.append(click.style(text, fg=each.color, dim=each.dim or None) if text and (each.color or each.dim) else text)
        click.echo("  ".join(texts).rstrip())


def _aligned(text: str, columns: int | None, right: bool) -> str:
    return pad(text, columns or 0, right=right)


def layout(heads: Sequence[OutputColumn], sizes: Sequence[Sequence[int]], fit: int | None) -> list[int | None]:
    """Return the width of each column; `None` for those dropped because the terminal is too narrow."""
    wanted = [max([len(head.title), *(row[index] for row in sizes)]) for index, head in enumerate(heads)]
    if fit is None:
        return [*wanted]
    least = [
        size if head.least is None else min(size, max(head.least, len(head.title)))
        for head, size in zip(heads, wanted, strict=True)
    ]
    kept = [*range(len(heads))]
    while sum(least[index] for index in kept) + 2 * (len(kept) - 1) > fit:
        droppable = [index for index in kept if heads[index].drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda index: heads[index].drop))
    spare = max(0, fit - sum(least[index] for index in kept) - 2 * (len(kept) - 1))
    widths: list[int | None] = [None] * len(heads)
    for index in reversed(kept):  # spare width goes to the last columns first: errors are long
        more = min(spare, wanted[index] - least[index])
        widths[index] = least[index] + more
        spare -= more
    return widths
