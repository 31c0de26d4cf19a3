"""The input for the filter of events."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input

from ...text.event_format import WORDS


class EventFilterLine(Input):
    """Event types and words. Enter keeps the filter, escape clears it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear_filter", "clear", tooltip="Show all events"),
        Binding("enter", "submit", "keep", tooltip="Keep the filter and return to the events"),
        Binding("tab,right", "complete", "complete", tooltip="Accept the completion"),
        Binding("down", "submit", "to the events", show=False),
    ]

    class Cleared(Message):
        """The filter was cleared."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, compact=True, placeholder="failed  operations  kind:mail  queue:img  id:42  any words")
        self.suggester = SuggestFromList([*WORDS, "kind:", "queue:", "id:", "worker:", "actor:"])

    def action_complete(self) -> None:
        """Accept the completion, or move right."""
        self.action_cursor_right()

    def action_clear_filter(self) -> None:
        """Empty the line and leave it."""
        self.value = ""
        self.post_message(self.Cleared())
