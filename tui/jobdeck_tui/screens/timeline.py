"""The timeline screen: workers over time with a bar for each run, and the details of the selected run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, cast

from textual.widget import Widget

from ..feed.lane_packing import Lanes
from ..feed.messages import DashboardSnapshot
from ..feed.queries.timeline import TimelineData, TimelineQuery
from ..widgets.chrome.header import Header
from ..widgets.timeline.run_panel import RunPanel
from ..widgets.timeline.timeline import Timeline
from .view_screen import ViewScreen


class TimelineScreen(ViewScreen):
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

    def current_query(self) -> TimelineQuery | None:
        if not self.is_ready or not self.timeline.size:
            return None
        seconds, until = self.timeline.period_to_read
        return TimelineQuery(seconds, until, self.timeline.slices, self._lanes)

    def show(self, seen: object) -> None:
        here = self.snapshot.local_worker.worker if self.snapshot is not None else None
        self.timeline.show(cast("TimelineData", seen), here)
        self._show_run()

    def show_snapshot(self, snapshot: DashboardSnapshot) -> None:
        """Do nothing: the timeline is drawn from its own query only."""

    def on_timeline_period_changed(self) -> None:
        """Query the requested time range; if another screen is active, the query follows when this one resumes."""
        if self.is_current:
            self.restart_query()

    def on_timeline_moved(self) -> None:
        """Show the details of the newly selected run."""
        self._show_run()

    def _show_run(self) -> None:
        self.query_one(RunPanel).show(self.timeline.chosen, self.timeline.seen)
