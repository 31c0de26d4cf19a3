"""A box to tick: `[x] yes`, `[ ] no`. On one line, and plain without colours too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from ..base.panel import Drawn
from ..base.strips import Piece


class YesNo(Drawn, can_focus=True):
    """Space ticks it, y and n say which, a click turns it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "turn", "yes/no", tooltip="Tick the box, or clear it"),
        Binding("y", "say(True)", "yes", show=False),
        Binding("n", "say(False)", "no", show=False),
    ]

    class Changed(Message):
        """It was ticked or cleared by a person."""

        def __init__(self, box: YesNo) -> None:
            super().__init__()
            self.box = box

        @property
        def control(self) -> YesNo:
            return self.box

    def __init__(self, value: bool, *, words: tuple[str, str] = ("yes", "no"), id: str | None = None) -> None:
        """Make a box.

        Args:
            value: whether it is ticked.
            words: what stands beside it, ticked and clear.
            id: its id on the screen.
        """
        super().__init__(id=id)
        self._value = value
        self._words = words
        self.turned = False
        """Whether a person has touched it."""

    @property
    def value(self) -> bool:
        """Whether it is ticked."""
        return self._value

    @value.setter
    def value(self, value: bool) -> None:
        if value != self._value:
            self._value = value
            self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        if y:
            return []
        quiet, accent = self.style("quiet"), self.style("accent")
        mark = "x" if self._value else " "
        return [("[", quiet), (mark, accent), ("] ", quiet), (self._words[not self._value], self.style("strong"))]

    def action_turn(self) -> None:
        """Tick it, or clear it."""
        self.action_say(not self._value)

    def action_say(self, value: bool) -> None:
        """Tick or clear it."""
        self.turned = True
        self.value = value
        self.post_message(self.Changed(self))

    def on_click(self) -> None:
        """Turn it with the mouse."""
        self.action_turn()
