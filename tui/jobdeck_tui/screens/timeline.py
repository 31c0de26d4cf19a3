"""The timeline: workers over time, a bar a run, and the chosen run told below."""

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
    """Swim lanes, and the chosen run."""

    HELP_TITLE = "Timeline"
    ROOM = "timeline"
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
        """The lanes."""
        return self.query_one(Timeline)

    def look(self) -> TimelineLook | None:
        if not self.whole or not self.timeline.size:
            return None
        seconds, until = self.timeline.wanted
        return TimelineLook(seconds, until, self.timeline.slices, self._lanes)

    def show(self, seen: object) -> None:
        here = self.deck.pool.worker if self.deck is not None else None
        self.timeline.show(cast("TimelineSeen", seen), here)
        self._tell()

    def show_deck(self, deck: Deck) -> None:
        """Nothing: what is drawn comes with its own reading."""

    def on_timeline_asked(self) -> None:
        """Read the time that is wanted now; behind another screen it is read when this one comes back."""
        if self.is_current:
            self.ask()

    def on_timeline_moved(self) -> None:
        """Tell of the chosen run."""
        self._tell()

    def _tell(self) -> None:
        self.query_one(RunPanel).show(self.timeline.chosen, self.timeline.seen)
