"""A line of choices: what is chosen stands out, everything else can be clicked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.events import Click
from textual.message import Message

from .panel import Drawn
from .strips import Piece, width_of


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them: what a click on it chooses, and how it is shown."""

    what: str
    value: str
    text: str
    chosen: bool = False
    meaning: str = "quiet"
    """How it looks while it is not chosen."""


class Choices(Drawn):
    """Groups of choices, one beside the other. What does not fit is left out from the end."""

    class Chosen(Message):
        """A choice was clicked."""

        def __init__(self, what: str, value: str) -> None:
            super().__init__()
            self.what, self.value = what, value

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._groups: Sequence[Sequence[Choice]] = ()
        self._places: list[tuple[int, int, Choice]] = []

    def show(self, groups: Sequence[Sequence[Choice]]) -> None:
        """Show these groups of choices. Their texts must be safe to draw."""
        if groups != self._groups:
            self._groups = groups
            self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet, strong = self.style("quiet"), self.style("strong")
        pieces: list[Piece] = [(" ", quiet)]
        self._places = []
        for group in self._groups:
            made: list[tuple[Piece, Choice]] = []
            for choice in group:
                style = strong if choice.chosen else self.style(choice.meaning)
                made.append(((choice.text, style), choice))
            if width_of(pieces) + sum(width_of([piece]) + 2 for piece, _ in made) > width:
                break
            for piece, choice in made:
                begin = width_of(pieces)
                pieces += [piece, ("  ", quiet)]
                self._places.append((begin, begin + width_of([piece]), choice))
            pieces.append(("  ", quiet))
        return pieces

    def on_click(self, event: Click) -> None:
        """Choose with the mouse."""
        for begin, end, choice in self._places:
            if begin <= event.x < end and choice.what:
                self.post_message(self.Chosen(choice.what, choice.value))
