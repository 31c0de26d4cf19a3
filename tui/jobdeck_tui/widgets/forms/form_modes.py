"""The line above the arguments of a form that says how they are shown: as a form, or as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual.events import Click
from textual.message import Message

from ..base.panel import Drawn
from ..base.strips import Piece, width_of


class FormModes(Drawn):
    """Form or JSON; a click chooses."""

    class Chosen(Message):
        """The other way was clicked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._as_json = False
        self._places: list[tuple[int, int, bool]] = []

    def show(self, *, as_json: bool) -> None:
        """Say which way it is."""
        self._as_json = as_json
        self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet, strong = self.style("quiet"), self.style("strong")
        pieces: list[Piece] = [("arguments   ", quiet + Style(bold=True))]
        self._places = []
        for word, as_json in (("form", False), ("JSON", True)):
            begin = width_of(pieces)
            chosen = as_json == self._as_json
            pieces += [("▸" if chosen else " ", self.style("accent")), (word, strong if chosen else quiet), ("  ", quiet)]
            self._places.append((begin, width_of(pieces) - 2, as_json))
        return pieces

    def on_click(self, event: Click) -> None:
        """Choose with the mouse."""
        for begin, end, as_json in self._places:
            if begin <= event.x < end and as_json != self._as_json:
                self.post_message(self.Chosen())
