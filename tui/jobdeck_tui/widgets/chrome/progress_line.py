"""How far a long act has come: one line with a bar, as long as it lasts."""

from __future__ import annotations

from collections.abc import Sequence

from ...feed.messages import Progressed
from ...text.format import number
from ..base.panel import Drawn
from ..base.strips import Piece

_BAR = 24


class ProgressLine(Drawn):
    """Hidden while nothing is done."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.progress: Progressed | None = None

    def show(self, progress: Progressed) -> None:
        """Show how far it is."""
        self.progress = progress if progress.doing else None
        self.display = self.progress is not None
        self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        told = self.progress
        if told is None:
            return []
        quiet, accent = self.style("quiet"), self.style("accent")
        over = told.done + told.refused
        share = over / told.total if told.total else 0.0
        bar = _BAR if width >= 90 else 10
        full = round(share * bar)
        pieces: list[Piece] = [
            (f" {told.doing} ", self.style("strong")),
            ("━" * full, accent),
            ("╌" * (bar - full), quiet),
            (f" {share:4.0%}  {number(over)} of {number(told.total)}", quiet),
        ]
        if told.refused:
            pieces.append((f" · {number(told.refused)} refused", self.style("warning")))
        if told.stoppable:
            pieces += [(" · ", quiet), ("esc", accent), (" stops", quiet)]
        return pieces
