"""Where one panel is open at a time: which panels there are, and which one this is; each can be clicked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.events import Click
from textual.message import Message

from ...app_base import only_ascii
from ...text.format import RAISED
from ..base.panel import Drawn
from ..base.strips import Piece, width_of


class JobTabs(Drawn):
    """One line."""

    class Chosen(Message):
        """Open this panel."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, panels: Sequence[str]) -> None:
        super().__init__(id="job-tabs")
        self._panels = panels
        self._open = panels[0]
        self._notes: Mapping[str, str] = {}
        self._places: list[tuple[int, int, str]] = []

    def show(self, open_panel: str, notes: Mapping[str, str] | None = None) -> None:
        """Show which one is open, and what there is to say of each."""
        self._open = open_panel
        self._notes = self._notes if notes is None else notes
        self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        behind = " " if only_ascii(self.app) else ""  # a digit that is not raised would run into the name
        for between, digit, noted in ((3, behind, True), (2, behind, True), (2, behind, False), (1, "", False)):
            pieces = self._drawn(" " * between, digit, noted=noted)
            if width_of(pieces) <= width:
                break
        return pieces

    def _drawn(self, between: str, behind: str, *, noted: bool) -> list[Piece]:
        quiet, strong = self.style("quiet"), self.style("strong")
        pieces: list[Piece] = []
        self._places = []
        for number, name in enumerate(self._panels, 1):
            begin = width_of(pieces)
            pieces += [(between if pieces else " ", quiet), (str(number).translate(RAISED) + behind, quiet)]
            pieces.append((name, strong if name == self._open else quiet))
            if noted and (note := self._notes.get(name)):
                pieces.append((f" {note}", quiet))
            self._places.append((begin, width_of(pieces), name))
        return pieces

    def on_click(self, event: Click) -> None:
        """Open with the mouse."""
        for begin, end, name in self._places:
            if begin <= event.x < end:
                self.post_message(self.Chosen(name))
