"""A list of suggestions that opens over the screen beside the typed text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.events import Click
from textual.geometry import Offset
from textual.message import Message
from textual.strip import Strip

from ...feed.filter_completion import Suggestion
from ...text.sanitize import safe
from ..base.panel import LineWidget
from ..base.strips import Piece, fit, make_strip

_MOST = 8
"""The maximum number of visible lines."""
_WIDEST = 70


class SuggestionList(LineWidget):
    """A list of suggestions. Hidden while there are none."""

    class Taken(Message):
        """A suggestion was clicked."""

        def __init__(self, at: int) -> None:
            super().__init__()
            self.at = at

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.offers: Sequence[Suggestion] = ()
        self.chosen: int | None = None
        """The selected suggestion: the one that enter accepts."""
        self._top = 0
        self._first = 0

    def show(self, offers: Sequence[Suggestion], x: int, y: int) -> None:
        """Show these suggestions above line `y` of the screen, with their text aligned to column `x`."""
        self.offers, self.chosen, self._top = offers, None, 0
        self.display = bool(offers)
        if not offers:
            return
        height = min(_MOST, len(offers), max(1, y - 3))
        self._first = min(max(cell_len(safe(offer.text)) for offer in offers), _WIDEST // 2 + 10) + 2
        hints = max(cell_len(offer.hint) for offer in offers)
        room = self.app.size.width
        width = min(_WIDEST, self._first + hints + 4, room - 2)
        self.styles.width = width
        self.styles.height = height + 2
        self.absolute_offset = Offset(max(0, min(x - 3, room - width - 1)), y - height - 2)
        self.refresh(layout=True)

    def hide(self) -> None:
        """Hide the list."""
        self.show((), 0, 0)

    def move(self, by: int) -> None:
        """Select the next or previous suggestion; the first step selects the nearest."""
        if not self.offers:
            return
        if self.chosen is None:
            self.chosen = 0 if by > 0 else len(self.offers) - 1
        else:
            self.chosen = (self.chosen + by) % len(self.offers)
        height = self.size.height or _MOST
        if self.chosen < self._top:
            self._top = self.chosen
        elif self.chosen >= self._top + height:
            self._top = self.chosen - height + 1
        self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        at = self._top + y
        if at >= len(self.offers):
            return []
        offer = self.offers[at]
        sign = ("❯ " if at == self.chosen else "  ", self.style("accent"))
        return [sign, (fit(safe(offer.text), self._first), self.style("strong")), (offer.hint, self.style("quiet"))]

    def render_line(self, y: int) -> Strip:
        ground = self.rich_style
        if self._top + y == self.chosen:
            ground += self.get_component_rich_style("ground--cursor")
        return make_strip(self.draw(y, self.size.width), self.size.width, ground)

    def on_click(self, event: Click) -> None:
        """Accept a suggestion with the mouse."""
        at = self._top + event.y - self.gutter.top
        if 0 <= at < len(self.offers):
            self.post_message(self.Taken(at))
