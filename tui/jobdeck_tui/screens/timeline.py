"""The timeline screen: workers over time with a bar for each run, and the details of the selected run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, cast

from textual.widget import Widget

from ..feed.lane_packing import Lanes
from ..feed.messages import Deck
from ..feed.queries.timeline import TimelineLook, TimelineSeen
from ..widgets.chrome.header import Header
from ..widgets.timeline.run_panel import RunPanel
from ..widgets.timeline.timeline import Timeline
from .view_screen import RoomScreen


class TimelineScreen(RoomScreen):
    """The swim lanes, and the details of the selected run."""

    HELP_TITLE = "Timeline"
    SCREEN_NAME = "timeline"
    AUTO_FOCUS = "#timeline"
    PARTS: ClassVar[tuple[type[Widget], ...]] = (Header, Timeline, RunPanel)

    def __init__(self) -> None:
        super().__init__()
        self._lanes = Lanes()

    def body(self) -> Iterable[Widget]:
        yield Timeline(id="timeline")
        yield RunPanel(id="run")

    @property
    def timeline(self) -> Timeline:
        """The swim lanes."""
        return self.query_one(Timeline)

    def look(self) -> TimelineLook | None:
        if not self.whole or not self.timeline.size:
            return None
        seconds, until = self.timeline.wanted
        return TimelineLook(seconds, until, self.timeline.slices, self._lanes)

    def show(self, seen: object) -> None:
        here = self.deck.pool.worker if self.deck is not None else None
        self.timeline.show(cast("TimelineSeen", seen), here)
        self._show_run()

    def show_deck(self, deck: Deck) -> None:
        """Do nothing: the timeline is drawn from its own query only."""

    def on_timeline_asked(self) -> None:
        """Query the requested time range; if another screen is active, the query follows when this one resumes."""
        if self.is_current:
            self.ask()

    def on_timeline_moved(self) -> None:
        """Show the details of the newly selected run."""
        self._show_run()

    def _show_run(self) -> None:
        self.query_one(RunPanel).show(self.timeline.chosen, self.timeline.seen)
