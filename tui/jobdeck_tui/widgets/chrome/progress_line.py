"""A progress bar on one line, shown while a bulk action runs."""

from __future__ import annotations

from collections.abc import Sequence

from ...feed.messages import ActionProgress
from ...text.format import number
from ..base.panel import LineWidget
from ..base.strips import Piece

_BAR = 24


class ProgressLine(LineWidget):
    """The progress of the running bulk action. Hidden otherwise."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.progress: ActionProgress | None = None

    def show(self, progress: ActionProgress) -> None:
        """Show the progress; hide the line once the action has finished."""
        self.progress = progress if progress.action else None
        self.display = self.progress is not None
        self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        progress = self.progress
        if progress is None:
            return []
        quiet, accent = self.style("quiet"), self.style("accent")
        processed = progress.done + progress.refused
        share = processed / progress.total if progress.total else 0.0
        bar = _BAR if width >= 90 else 10
        full = round(share * bar)
        pieces: list[Piece] = [
            (f" {progress.action} ", self.style("strong")),
            ("━" * full, accent),
            ("╌" * (bar - full), quiet),
            (f" {share:4.0%}  {number(processed)} of {number(progress.total)}", quiet),
        ]
        if progress.refused:
            pieces.append((f" · {number(progress.refused)} refused", self.style("warning")))
        if progress.stoppable:
            pieces += [(" · ", quiet), ("esc", accent), (" stops", quiet)]
        return pieces
