"""The keys of a dialog on one line, made from its bindings. Stays visible while the user types into a field."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding
from textual.events import Click

from ..base.panel import LineWidget
from ..base.strips import Piece, width_of
from .key_hints import format_keys


class DialogKeys(LineWidget):
    """Key hints; a click on one runs its action."""

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
            more: list[Piece] = [(format_keys(binding), accent), (f" {binding.description}", quiet)]
            start = width_of(pieces) + len(gap)
            if start + width_of(more) > width:
                continue
            pieces += [(gap, quiet), *more]
            gap = "   "
            self._places.append((start, width_of(pieces), binding.action))
        return pieces

    async def on_click(self, event: Click) -> None:
        """Run the action of the clicked key."""
        for start, end, action in self._places:
            if start <= event.x < end:
                await self.app.run_action(action, self.screen)
