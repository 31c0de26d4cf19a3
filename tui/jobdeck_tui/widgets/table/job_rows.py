"""The header and the rows of the job table, as pieces of text and style."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.style import Style

from jobdeck import Job, State

from ...feed.messages import JobsPage
from ...text.format import GLYPHS
from ..base.panel import STATE_CLASSES
from ..base.strips import Piece, fit, fit_pieces
from .cells import Now, detail
from .columns import JobColumn

Styles = Callable[[str], Style]
"""Returns the style of a component class, without its background."""
Layout = Sequence[tuple[JobColumn, int]]
_GAP: Piece = (" ", Style())
"""The gap after each column; the one after the last column is cut off."""


def heads(columns: Layout, page: JobsPage, style: Styles) -> Iterable[Piece]:
    """Yield the column headers; the sorted one is highlighted and shows the direction."""
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
    """Yield the row of a job."""
    state = State.RUNNING if job.cancelling else job.state
    state_style = style(STATE_CLASSES[state])
    quiet, plain = style("text--quiet"), Style()
    yield "❯" if cursor else " ", style("text--accent")
    yield "▌" if marked else " ", style("text--warning")
    for column, width in columns:
        match column.key:
            case "state":
                word = "cancelling" if job.cancelling else job.state.value
                yield fit(f"{GLYPHS[state]} {word}", width), state_style
            case "detail":
                pieces = ((text, style(f"text--{meaning}") if meaning else plain) for text, meaning in detail(job, now))
                yield from fit_pieces(pieces, width)
            case _:
                text = fit(column.show(job, now), width, right=column.right)
                yield text, quiet if column.quiet or job.state is State.CANCELLED else plain
        yield _GAP
