"""The second line of each screen beside the jobs: which screens there are, and which one this is."""

from __future__ import annotations

from collections.abc import Sequence

from textual.events import Click
from textual.message import Message

from ...app_base import only_ascii
from ...screen_registry import BAR
from ...text.format import RAISED
from ..base.panel import Drawn
from ..base.strips import Piece, width_of


class RoomsBar(Drawn):
    """One line; the open screen stands out, the others can be clicked."""

    class Chosen(Message):
        """Open this screen."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, open_room: str) -> None:
        super().__init__(id="rooms-bar")
        self._open = open_room
        self._places: list[tuple[int, int, str]] = []

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet, strong = self.style("quiet"), self.style("strong")
        pieces: list[Piece] = []
        self._places = []
        # With the names where they fit, tighter where they hardly do.
        behind = " " if only_ascii(self.app) else ""  # a digit that is not raised would run into the name
        gap = 3 if sum(len(name) + len(behind) + 4 for _, name in BAR) <= width else 1
        if sum(len(name) + len(behind) + 2 for _, name in BAR) > width:
            behind = ""
        nameless = self._nameless(width)
        for digit, name in BAR:
            begin = width_of(pieces)
            pieces += [(" " * (gap if pieces else 1), quiet), (digit.translate(RAISED) + behind, quiet)]
            if name not in nameless:
                pieces.append((name, strong) if name == self._open else (name, quiet))
            self._places.append((begin, width_of(pieces), name))
        return pieces

    def _nameless(self, width: int) -> set[str]:
        """The screens of which only the digit fits: those with the longest names, never the open one."""
        found: set[str] = set()
        for name in sorted((name for _, name in BAR if name != self._open), key=len, reverse=True):
            if sum(2 + len(each) * (each not in found) for _, each in BAR) <= width:
                break
            found.add(name)
        return found

    def on_click(self, event: Click) -> None:
        """Open with the mouse."""
        for begin, end, name in self._places:
            if begin <= event.x < end:
                self.post_message(self.Chosen(name))
