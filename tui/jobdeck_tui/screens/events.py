"""Events: what jobs do and what people do, as it happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, cast

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from ..feed.queries.events import EventsLook, EventsSeen
from ..text.event_format import EventFilter
from ..widgets.chrome.header import Header
from ..widgets.table.event_filter import EventFilterLine
from ..widgets.table.event_list import EventList
from .view_screen import RoomScreen


class EventsScreen(RoomScreen):
    """The feed of events."""

    HELP_TITLE = "Events"
    ROOM = "events"
    AUTO_FOCUS = "#events"
    PARTS: ClassVar[tuple[type[Widget], ...]] = (Header, EventList, EventFilterLine)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", tooltip="Filter as you type, by sort or words; enter keeps, esc clears"),
        Binding("escape", "let_go", "back", show=False, tooltip="Clear the filter, then back to the jobs"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._look = EventsLook()

    def body(self) -> Iterable[Widget]:
        yield EventList(id="events")
        yield EventFilterLine(id="events-filter")

    @property
    def list(self) -> EventList:
        """The feed."""
        return self.query_one(EventList)

    def look(self) -> EventsLook:
        return self._look

    def show(self, seen: object) -> None:
        self.list.show(cast("EventsSeen", seen))

    # -- the filter --------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type a filter."""
        bar = self.query_one(EventFilterLine)
        bar.value = self.list.filter_text
        bar.display = True
        bar.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as it is typed."""
        if isinstance(event.input, EventFilterLine) and event.input.display:
            self._narrow(event.value.strip())

    def on_input_submitted(self) -> None:
        """Keep the filter."""
        self._leave()

    def on_event_filter_line_cleared(self) -> None:
        """Show everything again."""
        self._leave()
        self._narrow("")

    def _leave(self) -> None:
        self.query_one(EventFilterLine).display = False
        self.list.focus()

    def _narrow(self, text: str) -> None:
        if text == self.list.filter_text:
            return
        self.list.filter_text = text
        self.list.action_follow()
        wanted = EventFilter.read(text)
        if wanted != self._look.filter:
            self._look = EventsLook(wanted)
            self.ask()

    def action_let_go(self) -> None:
        """Let go of the filter, or leave."""
        if self.list.filter_text:
            self._narrow("")
        else:
            self.action_back()
