"""The events screen: a live feed of job events and user actions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, cast

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from ..feed.queries.events import EventsData, EventsQuery
from ..text.event_format import EventFilter
from ..widgets.chrome.header import Header
from ..widgets.table.event_filter import EventFilterLine
from ..widgets.table.event_list import EventList
from .view_screen import ViewScreen


class EventsScreen(ViewScreen):
    """The live list of events, with a filter."""

    HELP_TITLE = "Events"
    SCREEN_NAME = "events"
    AUTO_FOCUS = "#events"
    PARTS: ClassVar[tuple[type[Widget], ...]] = (Header, EventList, EventFilterLine)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash",
            "filter",
            "filter",
            tooltip="Filter as you type, by event type or text; enter keeps the filter, esc clears it",
        ),
        Binding("escape", "clear_or_back", "back", show=False, tooltip="Clear the filter, then return to the jobs"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._look = EventsQuery()

    def body(self) -> Iterable[Widget]:
        yield EventList(id="events")
        yield EventFilterLine(id="events-filter")

    @property
    def list(self) -> EventList:
        """The list of events."""
        return self.query_one(EventList)

    def current_query(self) -> EventsQuery:
        return self._look

    def show(self, seen: object) -> None:
        self.list.show(cast("EventsData", seen))

    # -- the filter --------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Open the filter."""
        bar = self.query_one(EventFilterLine)
        bar.value = self.list.filter_text
        bar.display = True
        bar.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the user types."""
        if isinstance(event.input, EventFilterLine) and event.input.display:
            self._narrow(event.value.strip())

    def on_input_submitted(self) -> None:
        """Keep the filter and close its field."""
        self._close_filter()

    def on_event_filter_line_cleared(self) -> None:
        """Clear the filter and close its field."""
        self._close_filter()
        self._narrow("")

    def _close_filter(self) -> None:
        self.query_one(EventFilterLine).display = False
        self.list.focus()

    def _narrow(self, text: str) -> None:
        if text == self.list.filter_text:
            return
        self.list.filter_text = text
        self.list.action_follow()
        wanted = EventFilter.read(text)
        if wanted != self._look.filter:
            self._look = EventsQuery(wanted)
            self.restart_query()

    def action_clear_or_back(self) -> None:
        """Clear the filter; without one, return to the main screen."""
        if self.list.filter_text:
            self._narrow("")
        else:
            self.action_back()
