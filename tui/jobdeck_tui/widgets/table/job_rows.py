"""A row of the job table, and what stands in place of rows, as pieces of text and style."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.style import Style

from jobdeck import Job, State

from ...feed.messages import Page
from ...text.format import GLYPHS
from ..base.panel import STATE_CLASSES
from ..base.strips import Piece, fit, fit_pieces
from .cells import Now, detail
from .columns import Column

Styles = Callable[[str], Style]
"""The style of a component class, without its ground."""
Layout = Sequence[tuple[Column, int]]
_GAP: Piece = (" ", Style())
"""Between two columns; what stands after the last one falls off the edge."""


def heads(columns: Layout, page: Page, style: Styles) -> Iterable[Piece]:
    """The names of the columns; that of the order stands out, with its direction."""
    quiet, strong = style("text--quiet"), style("text--strong")
    yield "  ", quiet
    view = page.view
    for column, width in columns:
        title = column.title
        sorted_by = column.sort == view.sort
        if sorted_by:
            title += " ▼" if view.descending else " ▲"
        yield fit(title, width, right=column.right), strong if sorted_by else quiet
        yield _GAP


def row(job: Job, columns: Layout, now: Now, style: Styles, *, cursor: bool, marked: bool) -> Iterable[Piece]:
    """A job."""
    state = State.RUNNING if job.cancelling else job.state
    coloured = style(STATE_CLASSES[state])
    quiet, plain = style("text--quiet"), Style()
    yield "❯" if cursor else " ", style("text--accent")
    yield "▌" if marked else " ", style("text--warning")
    for column, width in columns:
        match column.key:
            case "state":
                word = "cancelling" if job.cancelling else job.state.value
                yield fit(f"{GLYPHS[state]} {word}", width), coloured
            case "detail":
                told = ((text, style(f"text--{meaning}") if meaning else plain) for text, meaning in detail(job, now))
                yield from fit_pieces(told, width)
            case _:
                text = fit(column.show(job, now), width, right=column.right)
                yield text, quiet if column.quiet or job.state is State.CANCELLED else plain
        yield _GAP
