"""The keys of a dialog on one line, made from its bindings. What is typed into its fields does not hide them."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding
from textual.events import Click

from ..base.panel import Drawn
from ..base.strips import Piece, width_of
from .key_hints import keys_of


class KeyLine(Drawn):
    """Each key can be clicked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._places: list[tuple[int, int, str]] = []

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet, accent = self.style("quiet"), self.style("accent")
        pieces: list[Piece] = []
        self._places = []
        gap = ""
        for binding in type(self.screen).BINDINGS:
            if not isinstance(binding, Binding) or not binding.show or not binding.description:
                continue
            more: list[Piece] = [(keys_of(binding), accent), (f" {binding.description}", quiet)]
            begin = width_of(pieces) + len(gap)
            if begin + width_of(more) > width:
                continue
            pieces += [(gap, quiet), *more]
            gap = "   "
            self._places.append((begin, width_of(pieces), binding.action))
        return pieces

    async def on_click(self, event: Click) -> None:
        """A click on a key does what it does."""
        for begin, end, action in self._places:
            if begin <= event.x < end:
                await self.app.run_action(action, self.screen)
